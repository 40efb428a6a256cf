"""Signing in tells nobody who has an account, closes for a while after failures, and sessions end where they are ended."""
# What is broken on purpose here has no public handle.
# pyright: reportPrivateUsage=false

from __future__ import annotations

import asyncio
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trophenix_kernel.identity import passwords
from trophenix_kernel.identity.model import lock_seconds
from trophenix_sdk.errors import Invalid
from trophenix_testing.platform import Platform, PlatformFactory
from trophenix_testing.scene import PASSWORD

SIGN_IN: Final = "/api/v1/auth/sign-in"
NEW: Final = "an entirely different phrase"


@pytest.fixture
async def bare(platform_factory: PlatformFactory) -> Platform:
    """A platform without plugins."""
    return await platform_factory(plugins=[])


async def sign_in(
    platform: Platform, email: str = "viewer@alpha.test", password: str = PASSWORD
) -> Any:
    return await platform.http(None, None).post(
        SIGN_IN, json={"email": email, "password": password}
    )


async def me(platform: Platform, token: str) -> int:
    client = platform.http(None, None, headers={"Authorization": f"Bearer {token}"})
    return (await client.get("/api/v1/me")).status_code


async def test_unknown_wrong_locked_and_closed_are_answered_alike(
    bare: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with bare.sql("admin") as connection:
        await connection.execute(
            "update kernel.users set locked_until = now() + interval '1 hour' where email = 'member@alpha.test'"
        )
        await connection.execute(
            "update kernel.users set status = 'disabled' where email = 'manager@alpha.test'"
        )
        await connection.execute(
            "update kernel.users set password_hash = null where email = 'admin@alpha.test'"
        )
    passwords._decoy()
    hashed: list[str] = []
    verify = passwords._verify

    def watched(password: str, kept: str | None) -> bool:
        hashed.append(kept or "decoy")
        return verify(password, kept)

    monkeypatch.setattr(passwords, "_verify", watched)
    cases = {
        "unknown": ("nobody@alpha.test", "x" * 20),
        "wrong": ("viewer@alpha.test", "x" * 20),
        "locked, wrong": ("member@alpha.test", "x" * 20),
        "locked, right": ("member@alpha.test", PASSWORD),
        "disabled": ("manager@alpha.test", PASSWORD),
        "without a password": ("admin@alpha.test", "x" * 20),
        "not an address": ("' or 1=1", "x" * 20),
    }

    answers: dict[str, Any] = {}
    costs: dict[str, tuple[int, int]] = {}
    for name, (email, password) in cases.items():
        trips, hashes = bare.kernel.clusters.main.trips, len(hashed)
        answers[name] = await sign_in(bare, email, password)
        costs[name] = (bare.kernel.clusters.main.trips - trips, len(hashed) - hashes)

    documents = [{**answer.json(), "request_id": ""} for answer in answers.values()]
    assert all(document == documents[0] for document in documents)
    assert documents[0]["code"] == "sign_in_refused"
    assert set(costs.values()) == {(2, 1)}, "as many statements and one slow hash, whoever it is"


async def test_five_failures_close_sign_in_until_the_clock_says_otherwise(bare: Platform) -> None:
    for _ in range(4):
        await sign_in(bare, password="wrong wrong wrong")
    assert (await sign_in(bare)).status_code == 200, (
        "four failures close nothing, and a success forgets them"
    )
    for _ in range(5):
        await sign_in(bare, password="wrong wrong wrong")

    closed = await sign_in(bare)
    bare.clock.advance(seconds=55)
    still_closed = await sign_in(bare)
    bare.clock.advance(seconds=10)
    await sign_in(bare, password="wrong wrong wrong")
    closed_longer = await sign_in(bare)
    bare.clock.advance(seconds=125)
    again = await sign_in(bare)

    assert [answer.status_code for answer in (closed, still_closed, closed_longer, again)] == [
        401,
        401,
        401,
        200,
    ]


@given(failures=st.integers(0, 60))
def test_every_further_failure_closes_at_least_as_long_and_never_over_an_hour(
    failures: int,
) -> None:
    assert lock_seconds(failures) <= lock_seconds(failures + 1) <= 3600
    assert (lock_seconds(failures) == 0) == (failures < 5)


async def test_sessions_are_listed_and_ended_in_every_worker(bare: Platform) -> None:
    other = await bare.another_worker()
    laptop, phone = [(await sign_in(bare)).json()["token"] for _ in range(2)]
    client = bare.http(None, None, headers={"Authorization": f"Bearer {laptop}"})
    assert await me(other, phone) == 200, "the other worker has it in memory"
    heard = asyncio.Event()
    other.kernel.changes.on("sessions", lambda _session: heard.set())

    listed = (await client.get("/api/v1/me/sessions")).json()["data"]
    await client.delete(
        f"/api/v1/me/sessions/{next(one['id'] for one in listed if one['id'] != current(listed))}"
    )
    await asyncio.wait_for(heard.wait(), 5)

    assert len(listed) == 3, "the scene's own session and two more"
    assert [one["current"] for one in listed].count(True) == 1
    remaining = (await client.get("/api/v1/me/sessions")).json()["data"]
    assert len(remaining) == 2
    assert await me(other, phone) == await me(bare, phone) == 401
    assert await me(other, laptop) == 200


def current(listed: list[dict[str, Any]]) -> str:
    return next(one["id"] for one in listed if one["current"])


async def test_nobody_ends_or_sees_anothers_session(bare: Platform) -> None:
    owner = bare.http("alpha", "owner", by="session")
    mine = (await owner.get("/api/v1/me/sessions")).json()["data"]
    viewer = bare.http("alpha", "viewer", by="session")

    answer = await viewer.delete(f"/api/v1/me/sessions/{mine[0]['id']}")
    seen = (await viewer.get("/api/v1/me/sessions")).json()["data"]

    assert answer.status_code == 404
    assert {one["id"] for one in seen}.isdisjoint({one["id"] for one in mine})
    assert (await owner.get("/api/v1/me")).status_code == 200


async def test_signing_out_ends_the_session_and_time_ends_the_others(bare: Platform) -> None:
    first, second = [(await sign_in(bare)).json()["token"] for _ in range(2)]

    out = await bare.http(None, None, headers={"Authorization": f"Bearer {first}"}).post(
        "/api/v1/auth/sign-out"
    )
    async with bare.sql("admin") as connection:
        assert (
            await connection.fetchval(
                "select count(*) from kernel.sessions where revoked_at is not null"
            )
            == 1
        )
    bare.kernel.changes.forget_all()

    assert out.status_code == 204
    assert (await me(bare, first), await me(bare, second)) == (401, 200)
    bare.clock.advance(days=14, seconds=1)
    assert await me(bare, second) == 401


async def test_only_a_digest_of_the_session_is_stored(bare: Platform) -> None:
    token = (await sign_in(bare)).json()["token"]

    async with bare.sql("admin") as connection:
        rows = await connection.fetch("select s::text from kernel.sessions s")

    assert not any(token in row[0] or token.encode().hex() in row[0] for row in rows)


async def test_a_new_password_ends_the_other_sessions(bare: Platform) -> None:
    other = await bare.another_worker()
    here, there = [(await sign_in(bare)).json()["token"] for _ in range(2)]
    assert await me(other, there) == 200
    heard = asyncio.Event()
    other.kernel.changes.on("sessions", lambda _session: heard.set())
    client = bare.http(None, None, headers={"Authorization": f"Bearer {here}"})

    wrong = await client.post("/api/v1/me/password", json={"current": "x", "new": NEW})
    weak = await client.post("/api/v1/me/password", json={"current": PASSWORD, "new": "short"})
    changed = await client.post("/api/v1/me/password", json={"current": PASSWORD, "new": NEW})
    await asyncio.wait_for(heard.wait(), 5)
    other.kernel.changes.forget_all()

    assert (wrong.status_code, weak.status_code, changed.status_code) == (401, 422, 204)
    assert (await me(bare, here), await me(other, here), await me(other, there)) == (200, 200, 401)
    assert ((await sign_in(bare)).status_code, (await sign_in(bare, password=NEW)).status_code) == (
        401,
        200,
    )


async def test_a_key_changes_no_password(bare: Platform) -> None:
    answer = await bare.http("alpha", "owner", by="key").post(
        "/api/v1/me/password", json={"current": PASSWORD, "new": NEW}
    )

    assert answer.status_code == 401


@pytest.mark.parametrize(
    ("password", "weak"),
    [
        ("short", True),
        ("x" * 1025, True),
        ("aaaaaaaaaaaaaaaa", True),
        ("owner is my name", True),
        ("an honest long phrase", False),
    ],
)
def test_length_counts_and_the_obvious_is_refused(password: str, *, weak: bool) -> None:
    if not weak:
        passwords.check_strength(password, email="owner@alpha.test")
        return
    with pytest.raises(Invalid) as refused:
        passwords.check_strength(password, email="owner@alpha.test")

    assert refused.value.problems[0].code == "weak_password"
