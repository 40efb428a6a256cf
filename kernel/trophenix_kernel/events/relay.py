"""From the outbox to NATS JetStream, in the order it was written, at least once.

Rows are deleted in the transaction in which JetStream acknowledged them; a relay killed in between publishes them again, and JetStream
drops the second copy by its ``Nats-Msg-Id``.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from datetime import datetime
from typing import Any, Final, cast
from uuid import UUID

import msgspec
import nats
from nats.errors import Error as NatsError
from nats.js.api import RetentionPolicy, StreamConfig
from nats.js.errors import BadRequestError

from trophenix_kernel.storage.placement import Clusters
from trophenix_kernel.storage.session import APP_ROLE, Transaction
from trophenix_kernel.storage.wake import WakeUp
from trophenix_sdk.database import Query
from trophenix_sdk.errors import TrophenixError

STREAM: Final = "TROPHENIX"
CHANNEL: Final = "trophenix_outbox"
BATCH: Final = 500
LOOK_SECONDS: Final = 5.0
RETRY_SECONDS: Final = 1.0
RELAY_KEY: Final = 0x74726F72
_log: Final = logging.getLogger("trophenix.relay")
_NIL: Final = UUID(int=0)


class OutboxRow(msgspec.Struct, frozen=True):
    """An event as the outbox keeps it."""

    tenant_id: UUID
    id: UUID
    plugin_id: str
    name: str
    version: int
    aggregate: str
    payload: msgspec.Raw
    occurred_at: datetime
    request_id: str


class CloudEvent(msgspec.Struct, frozen=True):
    """The envelope on the bus.

    Source: CloudEvents 1.0.2, JSON format.
    """

    id: str
    source: str
    type: str
    subject: str
    time: datetime
    tenant: str
    dataschema: str
    correlationid: str
    data: msgspec.Raw
    specversion: str = "1.0"
    datacontenttype: str = "application/json"


_ALONE: Final = Query("select pg_try_advisory_xact_lock(:key)", bool)
_TAKE: Final = Query("select * from kernel.take_outbox(:amount)", OutboxRow)


def subject_of(row: OutboxRow) -> str:
    """``tx.<tenant>.<plugin>.<event>``."""
    return f"tx.{row.tenant_id}.{row.plugin_id}.{row.name}"


def envelope_of(row: OutboxRow) -> CloudEvent:
    """The event as it travels."""
    return CloudEvent(
        id=str(row.id),
        source=f"/tenants/{row.tenant_id}/{row.plugin_id}",
        type=f"{row.plugin_id}.{row.name}",
        subject=row.aggregate,
        time=row.occurred_at,
        tenant=str(row.tenant_id),
        dataschema=f"{row.plugin_id}.{row.name}/{row.version}",
        correlationid=row.request_id,
        data=row.payload,
    )


class Relay:
    """Publishes until it is stopped; while the bus does not answer, events wait in the outbox."""

    def __init__(self, clusters: Clusters, nats_url: str) -> None:
        self._clusters = clusters
        self._url = nats_url
        self._wake = WakeUp([clusters.of(name).dsn for name in clusters.names()], CHANNEL)
        self._task: asyncio.Task[None] | None = None
        self.published = 0

    async def start(self) -> None:
        """Publish from now on."""
        await self._wake.start()
        self._task = asyncio.create_task(self._run(), name="relay")

    async def stop(self) -> None:
        """Stop after the batch at hand."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        await self._wake.stop()

    async def _run(self) -> None:
        while True:
            try:
                connection: Any = await cast("Any", nats).connect(
                    self._url, max_reconnect_attempts=-1, allow_reconnect=True
                )
            except (OSError, NatsError, TimeoutError):
                await asyncio.sleep(RETRY_SECONDS)
                continue
            try:
                await self._publish_forever(connection)
            except (NatsError, OSError, TimeoutError) as error:
                _log.warning("the event bus does not answer, events wait: %s", error)
                await asyncio.sleep(RETRY_SECONDS)
            except Exception:  # noqa: BLE001 - whatever it is, it is logged and told
                # A relay that ended here would leave every later event waiting, and nobody would notice.
                _log.exception("the relay begins anew")
                await asyncio.sleep(RETRY_SECONDS)
            finally:
                with contextlib.suppress(NatsError, OSError, TimeoutError):
                    await connection.close()

    async def _publish_forever(self, connection: Any) -> None:
        stream = connection.jetstream(timeout=5)
        config = StreamConfig(
            name=STREAM,
            subjects=["tx.>"],
            retention=RetentionPolicy.LIMITS,
            max_age=14 * 86_400,
            duplicate_window=120,
        )
        try:
            await stream.add_stream(config)
        except BadRequestError:
            await stream.update_stream(config)
        while True:
            moved = 0
            for name in self._clusters.names():
                try:
                    moved += await self._relay_batch(name, stream)
                except TrophenixError as error:
                    _log.warning("the outbox of %s does not answer: %s", name, error)
            if not moved:
                await self._wake.wait(LOOK_SECONDS)

    async def _relay_batch(self, cluster: str, stream: Any) -> int:
        transaction = Transaction(self._clusters.of(cluster), APP_ROLE, _NIL)
        await transaction.begin()
        try:
            # Two workers' relays would overtake each other: one publishes at a time, and the other is woken as well.
            if not await transaction.one(_ALONE, key=RELAY_KEY):
                return 0
            rows = sorted(await transaction.all(_TAKE, amount=BATCH), key=lambda row: row.id)
            # Published one after the other's sending, awaited together: one connection keeps the order.
            pending = [
                await stream.publish_async(
                    subject_of(row),
                    msgspec.json.encode(envelope_of(row)),
                    headers={"Nats-Msg-Id": str(row.id)},
                )
                for row in rows
            ]
            if pending:
                await asyncio.wait_for(asyncio.gather(*pending), 10)
            await transaction.finish()
        finally:
            await transaction.rollback()
        self.published += len(rows)
        return len(rows)
