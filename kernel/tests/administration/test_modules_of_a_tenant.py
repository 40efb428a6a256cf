"""A tenant switches modules on with consent to all they ask, off without losing data, and sets them up within their rules."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, Final

import pytest

from trophenix_testing.platform import Platform, PlatformFactory
from trophenix_testing.plugins import write_broken_plugin, write_plugin

WORKSHOP: Final = "acme.workshop"
PLUGINS: Final = "/api/v1/plugins"
THINGS: Final = "/api/v1/things"
CONSENT: Final = ["notifications", "storage"]


async def ask(
    platform: Platform, what: str, plugin: str = WORKSHOP, role: str = "admin", **given: Any
) -> Any:
    """Ask as an administrator; what is remembered of the tenant is then loaded anew."""
    answer = await platform.http("alpha", role).post(f"{PLUGINS}/{plugin}/{what}", json=given)
    platform.kernel.changes.forget_all()
    return answer


async def state(platform: Platform, plugin: str = WORKSHOP) -> str:
    return (await platform.http("alpha", "viewer").get(f"{PLUGINS}/{plugin}")).json()["state"]


async def test_it_is_switched_on_only_with_consent_to_everything_it_asks(
    workshop: Platform,
) -> None:
    await ask(workshop, "disable")

    none = await ask(workshop, "enable")
    part = await ask(workshop, "enable", consent=["storage"])
    more = await ask(workshop, "enable", consent=[*CONSENT, "payments"])
    refused_state = await state(workshop)
    whole = await ask(workshop, "enable", consent=CONSENT)

    assert (none.status_code, none.json()["code"]) == (409, "consent_needed")
    assert [fault["message"] for fault in none.json()["errors"]] == [
        "storage: Keeps drawings.",
        "notifications: Tells people that a thing is ready.",
    ]
    assert [fault["message"] for fault in part.json()["errors"]] == [
        "notifications: Tells people that a thing is ready."
    ]
    assert (more.status_code, more.json()["errors"][0]["code"]) == (422, "unknown_capability")
    assert refused_state == "DISABLED"
    assert (whole.status_code, whole.json()["state"]) == (200, "ENABLED")
    assert all(asked["consented"] for asked in whole.json()["capabilities"])
    audit = (await workshop.http("alpha", "owner").get("/api/v1/audit")).json()["data"][0]
    assert (audit["operation"], audit["target"], audit["details"]["consent"]) == (
        "kernel:plugin.enable",
        WORKSHOP,
        CONSENT,
    )


async def test_switched_off_it_answers_nobody_in_any_worker_and_keeps_its_data(
    workshop: Platform,
) -> None:
    other = await workshop.another_worker()
    client = other.http("alpha", "member")
    made = (await client.post(THINGS, json={"name": "Saw"})).json()
    heard = asyncio.Event()
    other.kernel.changes.on("activations", lambda _tenant: heard.set())

    off = await ask(workshop, "disable")
    await asyncio.wait_for(heard.wait(), 5)
    gone = await client.get(f"{THINGS}/{made['id']}")
    beta = await other.http("beta", "member").get(THINGS)
    twice = await ask(workshop, "disable")
    heard.clear()
    await ask(workshop, "enable", consent=CONSENT)
    await asyncio.wait_for(heard.wait(), 5)
    back = await client.get(f"{THINGS}/{made['id']}")

    assert (off.status_code, off.json()["state"]) == (200, "DISABLED")
    assert (gone.status_code, gone.json()["code"]) == (404, "plugin_not_enabled")
    assert beta.status_code == 200, "another tenant's switch is its own"
    assert twice.status_code in {200, 409}
    assert back.json() == made


async def test_only_those_who_manage_modules_may(workshop: Platform) -> None:
    answers = [
        await ask(workshop, what, role=role)
        for what in ("enable", "disable")
        for role in ("manager", "viewer")
    ]

    assert {answer.status_code for answer in answers} == {403}


async def test_unknown_modules_are_not_found(workshop: Platform) -> None:
    answers = [await ask(workshop, what, "no.such") for what in ("enable", "disable")]
    answers.append(await workshop.http("alpha", "admin").get(f"{PLUGINS}/no.such/settings"))

    assert {(answer.status_code, answer.json()["code"]) for answer in answers} == {
        (404, "plugin_unknown")
    }


async def test_what_needs_another_is_switched_on_after_and_off_before_it(
    platform_factory: PlatformFactory, tmp_path: Path
) -> None:
    base = write_plugin(tmp_path, id="acme.base")
    upper = write_plugin(tmp_path, id="acme.upper", requires={"acme.base": ">=1"})
    platform = await platform_factory(plugins=[base, upper])

    needed = await ask(platform, "disable", "acme.base")
    upper_off = await ask(platform, "disable", "acme.upper")
    base_off = await ask(platform, "disable", "acme.base")
    too_early = await ask(platform, "enable", "acme.upper")
    base_on = await ask(platform, "enable", "acme.base")
    upper_on = await ask(platform, "enable", "acme.upper")

    assert (needed.status_code, needed.json()["code"]) == (409, "plugin_required_by_other")
    assert "acme.upper" in needed.json()["detail"]
    assert (too_early.status_code, too_early.json()["code"]) == (409, "plugin_requires_other")
    assert "acme.base" in too_early.json()["detail"]
    assert [answer.status_code for answer in (upper_off, base_off, base_on, upper_on)] == [200] * 4


async def test_a_module_of_larger_plans_asks_for_one(
    platform_factory: PlatformFactory, tmp_path: Path
) -> None:
    plugin = write_plugin(
        tmp_path,
        id="acme.large",
        extra={"pricing": {"included_in": ["professional", "enterprise"]}},
    )
    platform = await platform_factory(plugins=[plugin], plan="free")

    small = await ask(platform, "enable", "acme.large")
    await platform.http(None, "operator").post(
        "/api/v1/platform/tenants/alpha/plan", json={"plan": "enterprise"}
    )
    platform.kernel.changes.forget_all()
    large = await ask(platform, "enable", "acme.large")

    assert (small.status_code, small.json()["code"]) == (402, "plan_too_small")
    assert "professional, enterprise" in small.json()["detail"]
    assert large.status_code == 200


async def test_a_module_that_is_not_ready_says_why(
    platform_factory: PlatformFactory, tmp_path: Path
) -> None:
    broken = write_broken_plugin(tmp_path, "raises at import")
    healthy = write_plugin(tmp_path, id="acme.fine")
    platform = await platform_factory(plugins=[healthy])

    shown = (await platform.http("alpha", "viewer").get(PLUGINS)).json()["data"]
    refused = await ask(platform, "enable", broken.plugins[0])
    installed = (await platform.http(None, "operator").get("/api/v1/platform/plugins")).json()[
        "data"
    ]

    assert {one["id"]: one["ready"] for one in shown} == {"acme.fine": True, "bad.raises": False}
    assert (refused.status_code, refused.json()["code"]) == (409, "plugin_not_ready")
    assert "no licence file" in refused.json()["detail"]
    assert {one["id"]: one["state"] for one in installed}["bad.raises"] == "import_failed"


class TestSettings:
    async def test_what_is_not_set_has_its_default(self, workshop: Platform) -> None:
        client = workshop.http("alpha", "admin")

        seen = (await client.get(f"{PLUGINS}/{WORKSHOP}/settings")).json()
        before = (await client.get("/api/v1/greeting")).json()
        changed = await client.put(f"{PLUGINS}/{WORKSHOP}/settings", json={"values": {"seats": 9}})
        workshop.kernel.changes.forget_all()
        after = (await client.get("/api/v1/greeting")).json()

        assert seen["values"] == {"greeting": "Welcome", "seats": 4}
        assert before == {"text": "Welcome", "seats": 4}
        assert changed.status_code == 200, changed.text
        assert changed.json()["values"] == {"greeting": "Welcome", "seats": 9}
        assert after == {"text": "Welcome", "seats": 9}
        properties = next(iter(seen["json_schema"]["$defs"].values()))["properties"]
        assert properties["seats"] == {"type": "integer", "minimum": 1, "maximum": 60, "default": 4}

    async def test_every_fault_is_told_and_nothing_is_changed(self, workshop: Platform) -> None:
        client = workshop.http("alpha", "admin")

        answer = await client.put(
            f"{PLUGINS}/{WORKSHOP}/settings",
            json={"values": {"greeting": "x" * 30, "seats": 0, "colour": "red"}},
        )
        no_object = await client.put(f"{PLUGINS}/{WORKSHOP}/settings", json={"values": [1]})

        assert answer.status_code == no_object.status_code == 422
        assert {(fault["pointer"], fault["code"]) for fault in answer.json()["errors"]} == {
            ("/values/greeting", "too_long"),
            ("/values/seats", "too_small"),
            ("/values/colour", "unknown_field"),
        }
        assert no_object.json()["errors"][0]["pointer"] == "/values"
        assert (await client.get("/api/v1/greeting")).json() == {"text": "Welcome", "seats": 4}

    async def test_they_outlive_being_switched_off_and_are_each_tenants_own(
        self, workshop: Platform
    ) -> None:
        await workshop.http("alpha", "admin").put(
            f"{PLUGINS}/{WORKSHOP}/settings", json={"values": {"seats": 9}}
        )
        await ask(workshop, "disable")
        await ask(workshop, "enable", consent=CONSENT)

        assert (await workshop.http("alpha", "admin").get("/api/v1/greeting")).json()["seats"] == 9
        assert (await workshop.http("beta", "admin").get("/api/v1/greeting")).json()["seats"] == 4

    async def test_only_those_who_manage_modules_see_and_change_them(
        self, workshop: Platform
    ) -> None:
        client = workshop.http("alpha", "manager")

        answers = [
            await client.get(f"{PLUGINS}/{WORKSHOP}/settings"),
            await client.put(f"{PLUGINS}/{WORKSHOP}/settings", json={"values": {}}),
        ]

        assert {answer.status_code for answer in answers} == {403}

    async def test_a_module_without_settings_says_so(
        self, platform_factory: PlatformFactory, tmp_path: Path
    ) -> None:
        platform = await platform_factory(plugins=[write_plugin(tmp_path, id="acme.plain")])

        answer = await platform.http("alpha", "admin").get(f"{PLUGINS}/acme.plain/settings")

        assert (answer.status_code, answer.json()["code"]) == (404, "plugin_has_no_settings")


@pytest.mark.parametrize("broken", ["SUSPENDED", "CONSENT_NEEDED", "PAYMENT_NEEDED", "DETACHED"])
async def test_in_any_other_state_it_answers_nobody(workshop: Platform, broken: str) -> None:
    async with workshop.sql("admin") as connection:
        await connection.execute("update kernel.activations set state = $1", broken)
    workshop.kernel.changes.forget_all()

    answer = await workshop.http("alpha", "owner").get(THINGS)

    assert (answer.status_code, answer.json()["code"]) == (404, "plugin_not_enabled")
