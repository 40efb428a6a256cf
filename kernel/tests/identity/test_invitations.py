"""An invitation brings one person into one tenant, and nobody into somebody else's account."""

from __future__ import annotations

import asyncio

import pytest

from trophenix_sdk.errors import Conflict
from trophenix_testing.platform import Platform
from trophenix_testing.scene import PASSWORD

NEW = {"email": "nora@example.com", "name": "Nora", "role": "member"}


async def _add(platform: Platform, tenant: str, given: dict[str, str] | None = None) -> str:
    added = await platform.call(tenant, "kernel:member.add", given or NEW)
    return str(added.invitation).rpartition("/")[2]


async def _accept(platform: Platform, word: str, password: str) -> int:
    answer = await platform.http(None, role=None).post(
        "/api/v1/auth/accept", json={"invitation": word, "password": password}
    )
    return answer.status_code


async def test_somebody_new_sets_a_password_and_belongs(platform: Platform) -> None:
    word = await _add(platform, "alpha")

    before = await platform.call("alpha", "kernel:member.list", {"q": "nora"})
    answer = await platform.http(None, role=None).post(
        "/api/v1/auth/accept", json={"invitation": word, "password": "a long enough sentence"}
    )
    after = await platform.call("alpha", "kernel:member.list", {"q": "nora"})
    again = await _accept(platform, word, "a long enough sentence")

    assert [member.status for member in before.data] == ["invited"]
    assert answer.status_code == 200
    assert [member.status for member in after.data] == ["active"]
    assert again == 404


async def test_an_invited_person_may_do_nothing_before_they_accept(platform: Platform) -> None:
    """Somebody with an account is a stranger until they say yes themselves."""
    person = platform.person("beta", "member")
    assert person is not None
    await _add(platform, "alpha", {"email": person.email, "role": "admin"})

    answer = await platform.http("beta", role="member", by="session").get(
        "/api/v1/tenants/alpha/members"
    )

    assert answer.status_code == 404


async def test_an_invitation_never_changes_the_password_of_an_account(platform: Platform) -> None:
    person = platform.person("beta", "member")
    assert person is not None
    word = await _add(platform, "alpha", {"email": person.email, "role": "viewer"})

    wrong = await _accept(platform, word, "the password of a thief")
    right = await _accept(platform, word, PASSWORD)

    assert (wrong, right) == (401, 200)


async def test_a_tenant_that_invites_first_gains_nothing_in_another(platform: Platform) -> None:
    """Whoever sets the password through their own invitation does not get in where somebody else invited the same address."""
    thief = await _add(platform, "beta")
    honest = await _add(platform, "alpha")
    await _accept(platform, thief, "the password of a thief")

    victim = await _accept(platform, honest, "the password of the real Nora")
    members = await platform.call("alpha", "kernel:member.list", {"q": "nora"})

    assert victim == 401
    assert [member.status for member in members.data] == ["invited"]


async def test_of_many_who_accept_at_once_one_does(platform: Platform) -> None:
    word = await _add(platform, "alpha")

    answers = await asyncio.gather(
        *(_accept(platform, word, f"a long enough sentence {number}") for number in range(5))
    )

    assert sorted(answers).count(200) >= 1
    assert set(answers) <= {200, 401, 404}


async def test_a_new_invitation_ends_the_earlier_one(platform: Platform) -> None:
    first = await _add(platform, "alpha")
    found = await platform.call("alpha", "kernel:member.list", {"q": "nora"})
    renewed = await platform.call("alpha", "kernel:member.invite", {"id": found.data[0].id})
    second = str(renewed.invitation).rpartition("/")[2]

    assert await _accept(platform, first, "a long enough sentence") == 404
    assert await _accept(platform, second, "a long enough sentence") == 200
    with pytest.raises(Conflict):
        await platform.call("alpha", "kernel:member.invite", {"id": found.data[0].id})


async def test_an_invitation_runs_out_after_a_week(platform: Platform) -> None:
    word = await _add(platform, "alpha")

    platform.clock.advance(days=8)

    assert await _accept(platform, word, "a long enough sentence") == 404


async def test_a_weak_password_leaves_the_invitation_open(platform: Platform) -> None:
    word = await _add(platform, "alpha")

    assert await _accept(platform, word, "short") == 422
    assert await _accept(platform, word, "a long enough sentence") == 200
