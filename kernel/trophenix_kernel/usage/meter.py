"""Calls per tenant, day and operation: added up in memory, written every few seconds in one statement per cluster."""

from __future__ import annotations

import asyncio
import contextlib
from datetime import date
from typing import Final
from uuid import UUID

import msgspec

from trophenix_kernel.storage.placement import Clusters
from trophenix_kernel.storage.platform import Platform
from trophenix_sdk.database import Query
from trophenix_sdk.errors import TrophenixError

FLUSH_SECONDS: Final = 2.0

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
    """Adds calls up; at most `FLUSH_SECONDS` of them are lost when a process is killed."""

    def __init__(self, clusters: Clusters) -> None:
        self._clusters = clusters
        self._rows: dict[tuple[UUID, str], tuple[str, UsageRow]] = {}
        self._task: asyncio.Task[None] | None = None
        self.totals: dict[tuple[str, int], int] = {}
        """Calls of this process by operation and HTTP status, since it started."""

    def record(  # noqa: PLR0913 - the facts of one call
        self, tenant: UUID, cluster: str, operation: str, status: int, duration_us: int, day: date
    ) -> None:
        """Count one call."""
        total = (operation, status)
        self.totals[total] = self.totals.get(total, 0) + 1
        key = (tenant, operation)
        kept = self._rows.get(key)
        if kept is None or kept[1].day != day:
            if kept is not None:
                key = (tenant, f"{operation} {kept[1].day}")
                self._rows[key] = kept
                key = (tenant, operation)
            kept = self._rows[key] = (cluster, UsageRow(tenant, day, operation))
        row = kept[1]
        row.requests += 1
        row.duration_us += duration_us
        if status >= 400:  # noqa: PLR2004 - HTTP's first error status
            row.errors += 1

    def start(self) -> None:
        """Write regularly from now on."""
        self._task = asyncio.create_task(self._flush_forever(), name="usage meter")

    async def stop(self) -> None:
        """Write what is left and stop."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        await self.flush()

    async def flush(self) -> None:
        """Write everything counted so far; what cannot be written is kept for the next time."""
        rows, self._rows = self._rows, {}
        by_cluster: dict[str, list[UsageRow]] = {}
        for cluster, row in rows.values():
            by_cluster.setdefault(cluster, []).append(row)
        for cluster, batch in by_cluster.items():
            try:
                await Platform(self._clusters.of(cluster)).first(_ADD, rows=batch)
            except TrophenixError:
                for row in batch:
                    self._put_back(cluster, row)

    def _put_back(self, cluster: str, row: UsageRow) -> None:
        kept = self._rows.get((row.tenant_id, row.operation))
        if kept is not None and kept[1].day == row.day:
            kept[1].requests += row.requests
            kept[1].errors += row.errors
            kept[1].duration_us += row.duration_us
        else:
            self._rows[row.tenant_id, f"{row.operation} {row.day}" if kept else row.operation] = (cluster, row)

    async def _flush_forever(self) -> None:
        while True:
            await asyncio.sleep(FLUSH_SECONDS)
            await self.flush()
