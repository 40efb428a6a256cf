"""What is kept in memory is never older than what this process has been told, and nothing is kept while nobody tells."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trophenix_kernel.storage.changes import Cache, Changes
from trophenix_sdk.errors import Unauthenticated
from trophenix_testing.network import Wire, wire_to
from trophenix_testing.platform import Platform


class _Heard(Changes):
    """Tells when it begins and ceases to listen, and lets a test do both by hand."""

    def __init__(self, dsn: str, *, heartbeat_seconds: float = 5.0) -> None:
        super().__init__(dsn, heartbeat_seconds=heartbeat_seconds)
        self.losses = 0
        self._turned = asyncio.Event()

    def lose(self) -> None:
        """As when the connection is lost."""
        self._distrust()

    def regain(self) -> None:
        """As when the connection is there again."""
        self._trust(None)

    async def until_listening(self) -> None:
        """Wait until it listens."""
        async with asyncio.timeout(10):
            while not self.listening:
                await self._turned.wait()

    async def until_lost(self, times: int) -> None:
        """Wait until the connection was lost that often."""
        async with asyncio.timeout(10):
            while self.losses < times:
                await self._turned.wait()

    def _trust(self, connection: Any) -> None:
        super()._trust(connection)
        self._tell()

    def _distrust(self) -> None:
        self.losses += self.listening
        super()._distrust()
        self._tell()

    def _tell(self) -> None:
        turned, self._turned = self._turned, asyncio.Event()
        turned.set()


# ── the cache alone, every order of events ──────────────────────────────────────────────────────────────────────────────


class _Source:
    """A value that changes, loaded in two halves: the read, and the arrival of what was read."""

    def __init__(self) -> None:
        self.version = 1
        self.announced = 1
        self.loading: list[tuple[int, asyncio.Future[int]]] = []

    async def load(self, _key: str) -> int:
        arrives: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self.loading.append((self.version, arrives))
        return await arrives


_EVENTS = st.lists(
    st.sampled_from(
        ["ask", "ask", "arrive first", "arrive last", "commit", "hear", "lose", "regain"]
    ),
    max_size=30,
)


@settings(max_examples=300, deadline=None)
@given(events=_EVENTS)
async def test_whoever_asks_after_a_change_was_heard_never_gets_what_was_before(
    events: list[str],
) -> None:
    source = _Source()
    changes = _Heard("")
    cache: Cache[str, int] = changes.cache(source.load)
    cache.trusted = True
    listening = True
    asked: list[tuple[int, asyncio.Task[int]]] = []

    for event in [*events, *["arrive first"] * 30]:
        match event:
            case "ask":
                # While nobody listens the database itself is asked: nothing older than now may come back.
                bound = source.announced if listening else source.version
                asked.append((bound, asyncio.create_task(cache.get("key"))))
            case "arrive first" | "arrive last" if source.loading:
                version, arrives = source.loading.pop(0 if event == "arrive first" else -1)
                arrives.set_result(version)
            case "commit":
                source.version += 1
            case "hear" if listening:
                source.announced = source.version
                cache.drop("key")
            case "lose":
                listening = False
                changes.lose()
            case "regain":
                listening = True
                source.announced = source.version
                changes.regain()
            case _:
                pass
        for _ in range(4):
            await asyncio.sleep(0)

    for bound, task in asked:
        assert await asyncio.wait_for(task, 1) >= bound


async def test_at_most_the_capacity_is_kept_and_the_longest_unused_goes_first() -> None:
    loads: list[int] = []

    async def load(key: int) -> int:
        loads.append(key)
        return key

    cache = Cache(load, capacity=2)
    for key in (1, 2, 1, 3, 1, 2):
        await cache.get(key)

    assert loads == [1, 2, 3, 2]
    assert len(cache) == 2


async def test_what_is_not_there_is_not_kept() -> None:
    loads: list[str] = []

    async def load(key: str) -> None:
        loads.append(key)

    cache = Cache(load, capacity=2)
    await cache.get("x")
    await cache.get("x")

    assert loads == ["x", "x"]


# ── the listener and the real database ──────────────────────────────────────────────────────────────────────────────────


class _Watched:
    """A listener with a cache of tenants' names, read from the real table."""

    def __init__(self, platform: Platform, dsn: str, heartbeat_seconds: float = 5.0) -> None:
        self.platform = platform
        self.changes = _Heard(dsn, heartbeat_seconds=heartbeat_seconds)
        self.names: Cache[UUID, str] = self.changes.cache(self._load)
        self.changes.on("tenants", lambda key: self.names.drop(UUID(key)))
        self.tenant = platform.tenant("alpha").id

    async def _load(self, tenant: UUID) -> str:
        async with self.platform.sql() as admin:
            return await admin.fetchval("select name from kernel.tenants where id = $1", tenant)

    async def rename(self, name: str) -> None:
        async with self.platform.sql() as admin:
            await admin.execute(
                "update kernel.tenants set name = $1 where id = $2", name, self.tenant
            )


@asynccontextmanager
async def watched(
    platform: Platform, *, heartbeat_seconds: float = 5.0
) -> AsyncGenerator[tuple[_Watched, Wire]]:
    """A started listener whose line to the database can be cut."""
    dsn = platform.databases.application["main"]
    async with wire_to(dsn) as wire:
        one = _Watched(platform, wire.through(dsn), heartbeat_seconds)
        await one.changes.start()
        try:
            yield one, wire
        finally:
            await one.changes.stop()


async def test_a_change_is_heard(carpool: Platform) -> None:
    async with watched(carpool) as (one, _):
        assert await one.names.get(one.tenant) == "Alpha"
        assert one.names.peek(one.tenant) == "Alpha"

        await one.rename("Changed")
        await one.changes.caught_up()

        assert one.names.peek(one.tenant) is None
        assert await one.names.get(one.tenant) == "Changed"


async def test_a_change_that_is_undone_is_not_heard(carpool: Platform) -> None:
    async with watched(carpool) as (one, _), carpool.sql() as admin:
        transaction = admin.transaction()
        await transaction.start()
        await admin.execute("update kernel.tenants set name = 'never'")
        await transaction.rollback()
        await one.changes.caught_up()

        assert one.changes.heard == 0


async def test_a_listener_the_server_ended_is_replaced_and_nothing_stale_is_kept(
    carpool: Platform,
) -> None:
    async with watched(carpool) as (one, _):
        for number in range(3):
            await one.names.get(one.tenant)
            async with carpool.sql() as admin:
                ended = await admin.fetchval(
                    "select count(pg_terminate_backend(pid)) from pg_stat_activity"
                    " where application_name = 'trophenix changes' and datname = current_database()"
                )
            assert ended >= 1
            await one.changes.until_lost(number + 1)
            assert one.names.peek(one.tenant) is None

            await one.rename(f"Unheard {number}")

            assert await one.names.get(one.tenant) == f"Unheard {number}"
            await one.changes.until_listening()
            assert await one.names.get(one.tenant) == f"Unheard {number}"
            await one.rename(f"Heard {number}")
            await one.changes.caught_up()
            assert await one.names.get(one.tenant) == f"Heard {number}"


async def test_nothing_is_kept_while_the_server_is_away(carpool: Platform) -> None:
    async with watched(carpool) as (one, wire):
        await one.names.get(one.tenant)
        wire.refuse()
        await one.changes.until_lost(1)

        for number in range(3):
            await one.rename(f"Away {number}")
            assert await one.names.get(one.tenant) == f"Away {number}"
            assert one.names.peek(one.tenant) is None

        wire.mend()
        await one.changes.until_listening()
        assert await one.names.get(one.tenant) == "Away 2"
        assert one.names.peek(one.tenant) == "Away 2"


async def test_a_line_that_died_silently_is_found_by_its_missing_heartbeat(
    carpool: Platform,
) -> None:
    async with watched(carpool, heartbeat_seconds=0.05) as (one, wire):
        await one.names.get(one.tenant)

        wire.freeze()
        await one.rename("Unheard")
        await one.changes.until_lost(1)

        assert one.names.peek(one.tenant) is None
        assert await one.names.get(one.tenant) == "Unheard"
        wire.mend()
        await one.changes.until_listening()


async def test_a_listener_starts_while_the_server_is_away(carpool: Platform) -> None:
    dsn = carpool.databases.application["main"]
    async with wire_to(dsn) as wire:
        wire.refuse()
        one = _Watched(carpool, wire.through(dsn))
        await asyncio.wait_for(one.changes.start(), 5)
        assert not one.changes.listening
        assert await one.names.get(one.tenant) == "Alpha"

        wire.mend()
        await one.changes.until_listening()
        await one.changes.stop()
        assert not one.changes.listening


# ── through the kernel ──────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_worker_sees_at_once_what_it_changed_itself(carpool: Platform) -> None:
    client = carpool.http("alpha", "owner")

    for number in range(100):
        name = f"Alpha {number}"
        assert (await client.patch("/api/v1/tenant", json={"name": name})).is_success

        assert (await client.get("/api/v1/tenant")).json()["name"] == name


async def test_a_revoked_key_stops_in_its_worker_with_the_answer_and_in_the_others_once_they_heard(
    carpool: Platform,
) -> None:
    other = await carpool.another_worker()
    owner = carpool.http("alpha", "owner", by="session")
    for _ in range(10):
        made = (await owner.post("/api/v1/api-keys", json={"name": "short-lived"})).json()
        identity = await carpool.kernel.credentials.of_key(made["key"])
        assert await other.kernel.credentials.of_key(made["key"]) == identity

        assert (await owner.delete(f"/api/v1/api-keys/{made['details']['id']}")).is_success

        with pytest.raises(Unauthenticated):
            await carpool.kernel.credentials.of_key(made["key"])
        await other.kernel.changes.caught_up()
        with pytest.raises(Unauthenticated):
            await other.kernel.credentials.of_key(made["key"])


async def test_a_session_that_was_ended_is_refused_at_once(carpool: Platform) -> None:
    for role in ("owner", "admin", "manager", "member", "viewer"):
        client = carpool.http("alpha", role, by="session")
        assert (await client.get("/api/v1/me")).status_code == 200

        assert (await client.post("/api/v1/auth/sign-out")).is_success

        assert (await client.get("/api/v1/me")).status_code == 401
