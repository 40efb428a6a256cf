"""The scheduler process: one leader over all of them does the platform's regular chores."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from datetime import timedelta
from typing import Final

import asyncpg
import msgspec

from trophenix_kernel.administration.purge import purge_due
from trophenix_kernel.composition import Kernel
from trophenix_kernel.identity import store as identity
from trophenix_kernel.storage.platform import Platform
from trophenix_sdk.database import Query
from trophenix_sdk.errors import TrophenixError

LEADER_KEY: Final = 0x74726F71
CHORES_SECONDS: Final = 600.0
STANDBY_SECONDS: Final = 2.0
SESSIONS_KEPT: Final = timedelta(days=30)
_log: Final = logging.getLogger("trophenix.scheduler")


class Swept(msgspec.Struct, frozen=True):
    """How many rows had run out."""

    idempotency_keys: int
    quota_windows: int


_SWEEP: Final = Query("select * from kernel.sweep()", Swept)


class Scheduler:
    """Runs until it is stopped; while another process leads, it stands by and takes over when that one ends.

    Leading is an advisory lock of one connection: PostgreSQL gives it up the moment the process dies.
    """

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._finish = asyncio.Event()
        self._stir = asyncio.Event()
        self.leads = asyncio.Event()
        self.rounds = 0

    def stop(self) -> None:
        """End after the chore at hand."""
        self._finish.set()
        self._stir.set()

    async def run(self) -> None:
        """Lead or stand by until `stop` is called."""
        while not self._finish.is_set():
            connection: asyncpg.Connection | None = None
            try:
                connection = await asyncpg.connect(self._kernel.clusters.main.dsn)
                connection.add_termination_listener(lambda _connection: self._stir.set())
                while not self._finish.is_set():
                    if await connection.fetchval("select pg_try_advisory_lock($1)", LEADER_KEY):
                        await self._lead(connection)
                    else:
                        await self._pause(STANDBY_SECONDS)
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError) as error:
                _log.warning("the database does not answer: %s", error)
                await self._pause(STANDBY_SECONDS)
            finally:
                self.leads.clear()
                if connection is not None:
                    connection.terminate()

    async def _lead(self, connection: asyncpg.Connection) -> None:
        self.leads.set()
        _log.info("this process leads")
        while not self._finish.is_set():
            await connection.fetchval("select 1")
            await self.chores()
            await self._pause(CHORES_SECONDS)

    async def chores(self) -> None:
        """Remove what has run out: idempotency keys, rate windows, old sessions."""
        clusters = self._kernel.clusters
        for name in clusters.names():
            try:
                swept = await Platform(clusters.of(name)).first(_SWEEP)
            except TrophenixError as error:
                _log.warning("chores on %s were left for the next time: %s", name, error)
                continue
            _log.debug("swept %s: %s", name, swept)
        before = self._kernel.clock.now() - SESSIONS_KEPT
        await self._kernel.platform.all(identity.DROP_OLD_SESSIONS, before=before)
        await purge_due(clusters, self._kernel.clock.now())
        self.rounds += 1

    async def _pause(self, seconds: float) -> None:
        """Wait, at most until the process is to stop or the connection that leads is lost: its lock is then another's."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stir.wait()
        self._stir.clear()
