"""An event leaves exactly when its change is committed, once and in order, whatever is away in between."""
# What is broken on purpose here has no public handle.
# pyright: reportPrivateUsage=false

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, Final, cast

import msgspec
import nats
import pytest
from nats.js.errors import NotFoundError

from trophenix_kernel.events.relay import Relay
from trophenix_kernel.runtime.nats import EmbeddedNats
from trophenix_sdk.errors import TrophenixError, Unavailable
from trophenix_testing.platform import Platform

THINGS: Final = "/api/v1/things"


@pytest.fixture
async def bus(workshop: Platform) -> AsyncIterator[Any]:
    """A connection to the session's NATS, whose stream was emptied."""
    connection = await cast("Any", nats).connect(workshop.kernel.settings.nats_url)
    with contextlib.suppress(NotFoundError):
        await connection.jetstream().delete_stream("TROPHENIX")
    yield connection
    await connection.close()


class Listener:
    """What a subscriber of all events receives."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._subscription: Any = None

    async def next(self) -> dict[str, Any]:
        if self._subscription is None:
            self._subscription = await self._connection.jetstream().subscribe(
                "tx.>", ordered_consumer=True
            )
        message = await self._subscription.next_msg(timeout=20)
        return {
            **msgspec.json.decode(message.data),
            "on": message.subject,
            "number": message.metadata.sequence.stream,
        }


async def make(platform: Platform, name: str, tenant: str = "alpha") -> str:
    answer = await platform.http(tenant, "member").post(THINGS, json={"name": name})
    assert answer.status_code == 201, answer.text
    return answer.json()["id"]


async def waiting(platform: Platform, cluster: str = "main") -> int:
    async with platform.sql("admin", cluster=cluster) as connection:
        return await connection.fetchval("select count(*) from kernel.outbox")


async def stream_of(connection: Any) -> Any:
    return (await connection.jetstream().stream_info("TROPHENIX")).state


async def drain(platform: Platform, connection: Any) -> int:
    """Move everything by hand, batch by batch, as the relay does."""
    relay = Relay(platform.kernel.clusters, "")
    stream = await prepared(connection)
    moved = 0
    while batch := await relay._relay_batch("main", stream):
        moved += batch
    return moved


async def prepared(connection: Any) -> Any:
    stream = connection.jetstream(timeout=5)
    await stream.add_stream(name="TROPHENIX", subjects=["tx.>"], duplicate_window=120)
    return stream


async def test_each_event_appears_once_and_in_order_from_two_relays(
    workshop: Platform, bus: Any
) -> None:
    other = await workshop.another_worker()
    url = workshop.kernel.settings.nats_url
    relays = [Relay(workshop.kernel.clusters, url), Relay(other.kernel.clusters, url)]
    made = [await make(workshop, f"before {number}") for number in range(5)]
    for relay in relays:
        await relay.start()
    try:
        async with asyncio.timeout(30):
            while True:
                try:
                    listener = Listener(bus)
                    first = await listener.next()
                    break
                except NotFoundError:
                    await asyncio.sleep(0)
        made += [await make(workshop, f"after {number}", "alpha") for number in range(25)]
        received = [first, *[await listener.next() for _ in range(29)]]
    finally:
        for relay in relays:
            await relay.stop()

    assert [event["data"]["thing_id"] for event in received] == made
    assert [event["number"] for event in received] == list(range(1, 31))
    assert sum(relay.published for relay in relays) == 30
    assert await waiting(workshop) == 0
    tenant = str(workshop.tenant("alpha").id)
    assert first["on"] == f"tx.{tenant}.acme.workshop.thing.made"
    assert {
        name: first[name]
        for name in (
            "specversion",
            "type",
            "source",
            "subject",
            "tenant",
            "dataschema",
            "datacontenttype",
        )
    } == {
        "specversion": "1.0",
        "type": "acme.workshop.thing.made",
        "source": f"/tenants/{tenant}/acme.workshop",
        "subject": made[0],
        "tenant": tenant,
        "dataschema": "acme.workshop.thing.made/1",
        "datacontenttype": "application/json",
    }
    assert len({event["id"] for event in received}) == 30


async def test_a_call_that_fails_announces_nothing(workshop: Platform) -> None:
    await make(workshop, "Saw")
    await workshop.http("alpha", "member").post(THINGS, json={"name": "Saw"})
    await workshop.http("alpha", "member").post(f"{THINGS}/nest", json={"name": "Saw"})

    assert await waiting(workshop) == 1
    await workshop.http("alpha", "member").post(f"{THINGS}/nest", json={"name": "Axe"})
    assert await waiting(workshop) == 2, "an operation called from inside announces too"


async def test_an_event_that_was_not_declared_is_refused_and_nothing_is_kept(
    workshop: Platform,
) -> None:
    answer = await workshop.http("alpha", "member").post(f"{THINGS}/rumour")

    assert answer.status_code == 500
    assert await waiting(workshop) == 0
    async with workshop.sql("admin") as connection:
        assert await connection.fetchval("select count(*) from plugin_acme_workshop.things") == 0


async def test_a_relay_that_dies_between_publishing_and_committing_publishes_nothing_twice(
    workshop: Platform, bus: Any
) -> None:
    made = [await make(workshop, f"{number}") for number in range(3)]
    stream = await prepared(bus)

    class Deadly:
        """The real stream, and the end of the relay's connection once it acknowledged all."""

        acknowledged = 0

        async def publish_async(self, *arguments: Any, **options: Any) -> Any:
            pending = await stream.publish_async(*arguments, **options)
            await pending
            self.acknowledged += 1
            if self.acknowledged == len(made):
                async with workshop.sql("admin") as connection:
                    await connection.execute(
                        "select pg_terminate_backend(pid) from pg_stat_activity"
                        " where datname = current_database() and state = 'idle in transaction'"
                    )
            return pending

    with pytest.raises(Unavailable):
        await Relay(workshop.kernel.clusters, "")._relay_batch("main", Deadly())
    left, published = await waiting(workshop), (await stream_of(bus)).messages
    again = await drain(workshop, bus)

    assert (left, published, again) == (3, 3, 3)
    assert (await stream_of(bus)).messages == 3, "JetStream knows them by their ids"
    listener = Listener(bus)
    assert [(await listener.next())["data"]["thing_id"] for _ in made] == made
    assert await waiting(workshop) == 0


async def test_while_the_bus_is_away_events_wait(workshop: Platform, tmp_path: Path) -> None:
    server = EmbeddedNats(tmp_path / "nats")
    await asyncio.to_thread(server.start)
    url = server.url
    await asyncio.to_thread(server.stop)
    relay = Relay(workshop.kernel.clusters, url)
    await relay.start()
    try:
        made = [await make(workshop, f"{number}") for number in range(3)]
        assert await waiting(workshop) == 3

        await asyncio.to_thread(server.start)
        assert server.url == url, "the port is kept"
        connection = await cast("Any", nats).connect(url)
        async with asyncio.timeout(30):
            while relay.published < 3:
                await relay._wake.wait(0.05)
        listener = Listener(connection)
        received = [await listener.next() for _ in range(3)]
        await connection.close()
    finally:
        await relay.stop()
        await asyncio.to_thread(server.stop)

    assert [event["data"]["thing_id"] for event in received] == made
    assert await waiting(workshop) == 0


async def test_a_cluster_that_is_away_keeps_no_other_from_publishing(
    open_workshop: Callable[..., Awaitable[Platform]],
) -> None:
    platform = await open_workshop(clusters=2)
    await make(platform, "Saw", "beta")

    assert (await waiting(platform), await waiting(platform, "second")) == (0, 1)
    connection = await cast("Any", nats).connect(platform.kernel.settings.nats_url)
    stream = await prepared(connection)
    relay = Relay(platform.kernel.clusters, "")
    await platform.kernel.clusters.main.close()
    with pytest.raises(TrophenixError):
        await relay._relay_batch("main", stream)
    assert await relay._relay_batch("second", stream) == 1
    await connection.close()
