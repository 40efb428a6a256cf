"""The plugin on a running platform: a real kernel, a real PostgreSQL, two tenants."""

from __future__ import annotations

from trophenix_testing.platform import Platform

GREETINGS = "/api/v1/hello/greetings"


async def test_a_greeting_is_sent_and_listed(platform: Platform) -> None:
    member = platform.http("alpha", role="member")
    sent = await member.post(GREETINGS, json={"name": "Ada"})

    assert (sent.status_code, sent.json()["text"]) == (201, "Hello, Ada!")
    assert (await member.get(GREETINGS)).json()["data"] == [sent.json()]


async def test_the_tenants_own_word_is_used(platform: Platform) -> None:
    owner = platform.http("alpha", role="owner")
    await owner.put("/api/v1/plugins/acme.hello/settings", json={"values": {"word": "Salut"}})

    assert (await owner.post(GREETINGS, json={"name": "Léa"})).json()["text"] == "Salut, Léa!"


async def test_one_tenant_never_sees_anothers_greetings(platform: Platform) -> None:
    await platform.call("alpha", "acme.hello:greeting.send", {"name": "Ada"}, role="member")

    assert (await platform.http("beta").get(GREETINGS)).json()["data"] == []


async def test_a_viewer_reads_and_sends_nothing(platform: Platform) -> None:
    viewer = platform.http("alpha", role="viewer")

    assert (await viewer.get(GREETINGS)).status_code == 200
    assert (await viewer.post(GREETINGS, json={"name": "Ada"})).status_code == 403
