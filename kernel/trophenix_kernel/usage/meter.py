"""Calls per tenant, day and operation: added up in memory, written every few seconds in one statement per cluster."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Sequence
from datetime import date
from typing import Final
from uuid import UUID

import msgspec

from trophenix_kernel.storage.placement import Clusters
from trophenix_kernel.storage.platform import Platform
from trophenix_sdk.database import Query

FLUSH_SECONDS: Final = 2.0
_log: Final = logging.getLogger("trophenix.usage")

_ADD: Final = Query("select kernel.add_usage(:rows)", int)


class UsageRow(msgspec.Struct):
    """What one operation was used by one tenant on one day (UTC)."""

    tenant_id: UUID
    day: date
    operation: str
    requests: int = 0
    errors: int = 0
    duration_us: int = 0


class Meter:
    """Adds calls up; at most `FLUSH_SECONDS` of them are lost when a process is killed.

    Args:
        beside: what else is written at the same pace.
    """

    def __init__(
        self, clusters: Clusters, *, beside: Sequence[Callable[[], Awaitable[None]]] = ()
    ) -> None:
        self._clusters = clusters
        self._beside = tuple(beside)
        self._rows: dict[tuple[UUID, str, date], tuple[str, UsageRow]] = {}
        self._task: asyncio.Task[None] | None = None
        self._finish = asyncio.Event()
        self.totals: dict[tuple[str, int], int] = {}
        """Calls of this process by operation and HTTP status, since it started."""

    def record(
        self, tenant: UUID, cluster: str, operation: str, status: int, duration_us: int, day: date
    ) -> None:
        """Count one call."""
        total = (operation, status)
        self.totals[total] = self.totals.get(total, 0) + 1
        key = (tenant, operation, day)
        kept = self._rows.get(key)
        if kept is None:
            kept = self._rows[key] = (cluster, UsageRow(tenant, day, operation))
        row = kept[1]
        row.requests += 1
        row.duration_us += duration_us
        if status >= 400:
            row.errors += 1

    def start(self) -> None:
        """Write regularly from now on."""
        self._task = asyncio.create_task(self._flush_forever(), name="usage meter")

    async def stop(self) -> None:
        """Write what is left and stop."""
        # Not cancelled: a batch that is being written then would be neither here nor there.
        self._finish.set()
        if self._task is not None:
            await self._task
        await self._write()

    async def flush(self) -> None:
        """Write everything counted so far; what cannot be written is kept for the next time."""
        rows, self._rows = self._rows, {}
        by_cluster: dict[str, list[UsageRow]] = {}
        for cluster, row in rows.values():
            by_cluster.setdefault(cluster, []).append(row)
        for cluster, batch in by_cluster.items():
            try:
                await Platform(self._clusters.of(cluster)).first(_ADD, rows=batch)
            except Exception as error:  # noqa: BLE001 - whatever it is, what was counted is kept
                _log.warning("usage on %s is written later: %s", cluster, error)
                for row in batch:
                    self._put_back(cluster, row)

    def _put_back(self, cluster: str, row: UsageRow) -> None:
        kept = self._rows.setdefault((row.tenant_id, row.operation, row.day), (cluster, row))[1]
        if kept is not row:
            kept.requests += row.requests
            kept.errors += row.errors
            kept.duration_us += row.duration_us

    async def _flush_forever(self) -> None:
        while not self._finish.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(FLUSH_SECONDS):
                    await self._finish.wait()
            await self._write()

    async def _write(self) -> None:
        await self.flush()
        for write in self._beside:
            try:
                await write()
            except Exception:  # noqa: BLE001 - whatever it is, it is logged and told
                _log.exception("could not write what was gathered")
