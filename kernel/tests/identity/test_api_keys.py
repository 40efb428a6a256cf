"""API keys: recognisable, checked before anything is asked, stored as digests, and ended everywhere at once."""

from __future__ import annotations

import asyncio
import hashlib
from datetime import datetime, timedelta
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trophenix_kernel.identity import api_keys
from trophenix_testing.platform import Platform, PlatformFactory

KEYS: Final = "/api/v1/api-keys"


@pytest.fixture
async def bare(platform_factory: PlatformFactory) -> Platform:
    """A platform without plugins."""
    return await platform_factory(plugins=[])


async def make(platform: Platform, role: str = "owner", **given_: Any) -> tuple[str, str]:
    answer = await platform.http("alpha", role).post(KEYS, json={"name": "CI", **given_})
    assert answer.status_code == 201, answer.text
    return answer.json()["key"], answer.json()["details"]["id"]


async def status(platform: Platform, key: str, path: str = "/api/v1/tenant") -> int:
    return (
        await platform.http(None, None, headers={"Authorization": f"Bearer {key}"}).get(path)
    ).status_code


@given(
    environment=st.sampled_from(["live", "test"]),
    place=st.integers(0, 51),
    letter=st.sampled_from(api_keys.ALPHABET),
)
def test_a_mistyped_key_is_noticed_without_looking_it_up(
    environment: Any, place: int, letter: str
) -> None:
    key = api_keys.generate(environment)
    mistyped = key[:place] + letter + key[place + 1 :]

    assert api_keys.well_formed(key)
    assert key.startswith(f"troph_sk_{environment}_")
    assert api_keys.well_formed(mistyped) == (mistyped == key)
    assert not api_keys.well_formed(key[:-1])


async def test_a_malformed_key_costs_no_statement(bare: Platform) -> None:
    before = bare.kernel.clusters.main.trips

    answers = [
        await status(bare, word) for word in ("troph_sk_live_x", "troph_sk_live_" + "0" * 38)
    ]

    assert answers == [401, 401]
    assert bare.kernel.clusters.main.trips == before


async def test_only_the_digest_is_stored_and_lists_show_a_beginning(bare: Platform) -> None:
    key, _ = await make(bare)

    async with bare.sql("admin") as connection:
        rows = await connection.fetch("select key_hash, k::text from kernel.api_keys k")
    listed = await bare.http("alpha", "owner").get(KEYS)

    assert hashlib.sha256(key.encode()).digest() in [row[0] for row in rows]
    assert not any(key in row[1] for row in rows)
    assert key not in listed.text
    assert listed.json()["data"][0]["prefix"] == key[:18]


async def test_a_revoked_key_is_dead_in_another_worker(bare: Platform) -> None:
    other = await bare.another_worker()
    key, key_id = await make(bare)
    assert await status(other, key) == 200
    heard = asyncio.Event()
    other.kernel.changes.on("api_keys", lambda changed: heard.set() if changed == key_id else None)

    revoked = await bare.http("alpha", "owner").delete(f"{KEYS}/{key_id}")
    await asyncio.wait_for(heard.wait(), 5)

    assert revoked.status_code == 204
    assert (await status(other, key), await status(bare, key)) == (401, 401)
    assert (await bare.http("alpha", "owner").delete(f"{KEYS}/{key_id}")).status_code == 404


async def test_a_key_ends_by_the_clock(bare: Platform) -> None:
    key, _ = await make(bare, expires_in_days=1)

    assert await status(bare, key) == 200
    bare.clock.advance(hours=23)
    assert await status(bare, key) == 200
    bare.clock.advance(hours=1, seconds=1)
    assert await status(bare, key) == 401


async def test_a_rotated_key_works_for_the_overlap_beside_its_successor(bare: Platform) -> None:
    old, old_id = await make(bare, scopes=["kernel:tenant.read"])
    assert await status(bare, old) == 200

    made = (
        await bare.http("alpha", "owner").post(f"{KEYS}/{old_id}/rotate", json={"overlap_hours": 2})
    ).json()
    bare.kernel.changes.forget_all()
    new = made["key"]

    assert made["details"]["scopes"] == ["kernel:tenant.read"]
    assert (await status(bare, old), await status(bare, new)) == (200, 200)
    bare.clock.advance(hours=2, seconds=1)
    assert (await status(bare, old), await status(bare, new)) == (401, 200)


async def test_the_keys_of_a_closed_account_and_of_a_removed_member_are_dead(
    bare: Platform,
) -> None:
    other = await bare.another_worker()
    people = bare.tenant("alpha").people
    for role in ("member", "manager"):
        assert await status(other, people[role].key) == 200
    heard = {table: asyncio.Event() for table in ("users", "memberships")}
    for table, event in heard.items():
        other.kernel.changes.on(table, lambda _key, event=event: event.set())

    async with bare.sql("admin") as connection:
        await connection.execute(
            "update kernel.users set status = 'disabled' where id = $1", people["member"].id
        )
    await bare.http("alpha", "owner").delete(f"/api/v1/members/{people['manager'].member_id}")
    for event in heard.values():
        await asyncio.wait_for(event.wait(), 5)

    assert await status(other, people["member"].key) == 401
    assert await status(other, people["manager"].key) == 404
    assert await status(other, people["member"].session, "/api/v1/me") == 401


async def test_a_key_acts_in_its_tenant_only(bare: Platform) -> None:
    key = bare.tenant("alpha").people["owner"].key
    client = bare.http(None, None, headers={"Authorization": f"Bearer {key}"})

    beta = [
        await client.get("/api/v1/tenant", headers={"X-Tenant-ID": "beta"}),
        await client.get("/api/v1/tenants/beta/tenant"),
        await client.get("/api/v1/tenant", headers={"X-Tenant-ID": str(bare.tenant("beta").id)}),
    ]

    assert {(answer.status_code, answer.json()["code"]) for answer in beta} == {
        (404, "tenant_not_found")
    }


async def test_the_platforms_administrator_has_no_such_rights_by_key(bare: Platform) -> None:
    async with bare.sql("admin") as connection:
        await connection.execute(
            "update kernel.users set platform_admin = true where email = 'owner@alpha.test'"
        )
    bare.kernel.changes.forget_all()

    by_key = await bare.http("alpha", "owner", by="key").get("/api/v1/platform/tenants")
    by_session = await bare.http("alpha", "owner", by="session").get("/api/v1/platform/tenants")

    assert (by_key.status_code, by_session.status_code) == (403, 200)


class TestScopes:
    async def test_a_key_has_its_persons_rights_within_its_scopes(self, bare: Platform) -> None:
        key, _ = await make(bare, "admin", scopes=["kernel:member.*", "kernel:tenant.read"])

        paths = {
            path: await status(bare, key, f"/api/v1/{path}")
            for path in ("members", "tenant", "audit", "api-keys")
        }

        assert paths == {"members": 200, "tenant": 200, "audit": 403, "api-keys": 403}

    async def test_a_key_loses_what_its_person_loses(self, bare: Platform) -> None:
        key, _ = await make(bare, "admin", scopes=["kernel:audit.read", "kernel:member.read"])
        assert await status(bare, key, "/api/v1/audit") == 200
        heard = asyncio.Event()
        bare.kernel.changes.on("memberships", lambda _user: heard.set())

        member = bare.tenant("alpha").people["admin"].member_id
        await bare.http("alpha", "owner").patch(
            f"/api/v1/members/{member}", json={"role": "viewer"}
        )
        await asyncio.wait_for(heard.wait(), 5)

        assert (
            await status(bare, key, "/api/v1/audit"),
            await status(bare, key, "/api/v1/members"),
        ) == (403, 200)

    async def test_a_restricted_key_makes_no_wider_one(self, bare: Platform) -> None:
        key, _ = await make(bare, scopes=["kernel:key.manage", "kernel:member.read"])
        client = bare.http(None, None, headers={"Authorization": f"Bearer {key}"})
        everything, everything_id = await make(bare)

        refused = [
            await client.post(KEYS, json={"name": "x", "scopes": scopes})
            for scopes in (
                [],
                ["*"],
                ["kernel:*"],
                ["kernel:member.*"],
                ["kernel:key.manage", "kernel:audit.read"],
            )
        ]
        rotated = await client.post(f"{KEYS}/{everything_id}/rotate", json={})
        narrower = await client.post(KEYS, json={"name": "x", "scopes": ["kernel:member.read"]})

        assert {answer.status_code for answer in refused} == {403}
        assert (rotated.status_code, narrower.status_code) == (403, 201)
        assert await status(bare, everything) == 200

    async def test_a_scope_that_means_nothing_is_refused(self, bare: Platform) -> None:
        answer = await bare.http("alpha", "owner").post(
            KEYS, json={"name": "x", "scopes": ["kernel:tenant.read", "no:such"]}
        )

        assert answer.status_code == 422
        assert answer.json()["errors"][0]["pointer"] == "/scopes/1"


class TestLastUse:
    async def test_it_is_written_in_the_background_and_to_the_minute(self, bare: Platform) -> None:
        key, key_id = await make(bare)
        assert await last_use(bare, key_id) is None
        instant = bare.clock.stop()

        assert await status(bare, key) == 200
        before = bare.kernel.clusters.main.trips
        for _ in range(20):
            assert await status(bare, key) == 200
        assert bare.kernel.clusters.main.trips - before == 0, "no statement per request"
        assert await last_use(bare, key_id) is None
        await bare.kernel.credentials.write_last_use()
        assert await last_use(bare, key_id) == instant

        for seconds, expected in ((30, instant), (40, instant + timedelta(seconds=70))):
            bare.clock.advance(seconds=seconds)
            await status(bare, key)
            await bare.kernel.credentials.write_last_use()
            assert await last_use(bare, key_id) == expected

    async def test_the_meters_round_and_the_end_of_a_process_write_it(self, bare: Platform) -> None:
        other = await bare.another_worker()
        key, key_id = await make(bare)
        await status(other, key)

        await other.kernel.stop()

        assert await last_use(bare, key_id) is not None

    async def test_a_refused_key_was_not_used(self, bare: Platform) -> None:
        key, key_id = await make(bare, expires_in_days=1)
        bare.clock.advance(days=2)

        assert await status(bare, key) == 401
        await bare.kernel.credentials.write_last_use()

        assert await last_use(bare, key_id) is None

    async def test_writing_it_makes_no_worker_load_the_key_anew(self, bare: Platform) -> None:
        key, _ = await make(bare)
        await status(bare, key)
        kept = bare.kernel.changes.kept()

        await bare.kernel.credentials.write_last_use()
        heard = asyncio.Event()
        bare.kernel.changes.on("tenants", lambda _tenant: heard.set())
        await bare.http("alpha", "owner").patch("/api/v1/tenant", json={"name": "Later"})
        await asyncio.wait_for(heard.wait(), 5)

        assert bare.kernel.changes.kept()["credentials.key"] >= kept["credentials.key"]


async def last_use(platform: Platform, key_id: str) -> datetime | None:
    async with platform.sql("admin") as connection:
        return await connection.fetchval(
            "select last_used_at from kernel.api_keys where id::text = $1", key_id
        )
