"""Connections that remember which role they work as.

Entering a plugin's role costs a round trip and makes PostgreSQL plan its prepared statements anew, so a connection keeps the role it had
and is preferably lent to the same role again. The role is the only thing that lives at session level; the tenant never does, which is why
connections need no reset between two borrowers.

Source: docs/adr/0005-connections-keep-their-role.md.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import OrderedDict, deque
from collections.abc import Awaitable, Iterable, Sequence
from typing import Any, Final

import asyncpg
import msgspec

from trophenix_kernel.storage.failures import translate
from trophenix_sdk.errors import Unavailable

RECOVERY_SECONDS: Final = 5.0
ROLE_PATTERN: Final = frozenset("abcdefghijklmnopqrstuvwxyz0123456789_")


class Lease:
    """A connection while somebody works with it.

    Attributes:
        connection: the asyncpg connection.
        role: the role its session is in.
        abandoned: whether somebody stopped waiting for an answer: what the server made of the statement is not known.
    """

    __slots__ = ("abandoned", "connection", "role", "trips")

    def __init__(self, connection: Any, role: str) -> None:
        self.connection = connection
        self.role = role
        self.trips = 0
        self.abandoned = False

    async def message(self, text: str) -> None:
        """Send SQL text in one message, results thrown away: one round trip for any number of statements."""
        await self._answer(self.connection.execute(text))

    async def fetch(self, text: str, arguments: list[Any]) -> list[Any]:
        """Run one prepared statement: one round trip when the connection has run it before."""
        return await self._answer(self.connection.fetch(text, *arguments))

    async def execute(self, text: str, arguments: list[Any]) -> str:
        """Run one prepared statement for its effect and return the server's word for it, such as ``UPDATE 3``."""
        return await self._answer(self.connection.execute(text, *arguments))

    async def copy(self, table: str, columns: list[str], rows: Iterable[Sequence[Any]]) -> str:
        """Copy rows into a temporary table."""
        return await self._answer(
            self.connection.copy_records_to_table(
                table, records=rows, columns=columns, schema_name="pg_temp"
            )
        )

    async def _answer(self, asked: Awaitable[Any]) -> Any:
        self.trips += 1
        try:
            return await asked
        except asyncio.CancelledError:
            self.abandoned = True
            raise


class Pool:
    """At most *size* connections to one cluster, whatever the number of roles.

    Args:
        dsn: where to, as the login that may become the roles.
        size: connections at most; two to four times the server's cores serve best.
        wait_seconds: how long a borrower waits for a free connection.
        statement_seconds: the server stops any statement after this.
    """

    def __init__(
        self,
        dsn: str,
        *,
        size: int = 8,
        wait_seconds: float = 10.0,
        statement_seconds: float = 60.0,
    ) -> None:
        self.dsn = dsn
        self.size = size
        self.wait_seconds = wait_seconds
        self.statement_seconds = statement_seconds
        self.trips = 0
        self._idle: OrderedDict[Lease, None] = OrderedDict()
        self._idle_by_role: dict[str, list[Lease]] = {}
        self._count = 0
        self._waiting: deque[asyncio.Future[Lease | None]] = deque()
        self._recovering: set[asyncio.Task[None]] = set()
        self._turns = asyncio.Semaphore(max(1, size - 1))
        self._closed = False

    @property
    def opened(self) -> int:
        """Connections that are open."""
        return self._count

    @property
    def idle(self) -> int:
        """Open connections that nobody works with."""
        return len(self._idle)

    @property
    def waiting(self) -> int:
        """Borrowers that wait for a connection."""
        return sum(not waiter.done() for waiter in self._waiting)

    async def take_turn(self) -> None:
        """A transaction may begin; `end_turn` when it has ended.

        One connection is never a transaction's: while every transaction waits for a single statement (a person, a job's progress), that
        statement would otherwise wait for a transaction to end.

        Raises:
            Unavailable: as many as may run went on for too long.
        """
        if not self._turns.locked():
            await self._turns.acquire()
            return
        try:
            async with asyncio.timeout(self.wait_seconds):
                await self._turns.acquire()
        except TimeoutError as error:
            raise self._none_free() from error

    def end_turn(self) -> None:
        """The next transaction may begin."""
        self._turns.release()

    async def acquire(self, role: str) -> Lease:
        """A connection whose session is in *role*.

        Raises:
            Unavailable: none became free in time, or the server cannot be reached.
        """
        mine = self._idle_by_role.get(role)
        while mine:
            lease = mine.pop()
            del self._idle[lease]
            if not lease.connection.is_closed():
                return lease
            self._count -= 1
        return await self._acquire_slowly(role)

    async def _acquire_slowly(self, role: str) -> Lease:
        while True:
            if self._closed:
                raise Unavailable("The server is shutting down.")
            if self._count < self.size:
                return await self._open(role)
            if self._idle:
                lease = self._pop_oldest()
            else:
                lease = await self._wait()
                if lease is None:
                    continue
            if lease.connection.is_closed():
                self._count -= 1
                continue
            if lease.role != role:
                await self._switch(lease, role)
            return lease

    def release(self, lease: Lease) -> None:
        """Give a connection back; one that is still inside a transaction is thrown away."""
        self.trips += lease.trips
        lease.trips = 0
        if lease.abandoned and not lease.connection.is_closed() and not self._closed:
            task = asyncio.create_task(self._recover(lease), name="recover connection")
            self._recovering.add(task)
            task.add_done_callback(self._recovering.discard)
            return
        if lease.connection.is_closed() or lease.connection.is_in_transaction() or self._closed:
            lease.connection.terminate()
            self._count -= 1
            self._wake(None)
            return
        if not self._wake(lease):
            self._idle[lease] = None
            self._idle_by_role.setdefault(lease.role, []).append(lease)

    async def close(self) -> None:
        """Close all connections; those lent out close when they come back."""
        self._closed = True
        while self._wake(None):
            pass
        for task in self._recovering:
            task.cancel()
        while self._idle:
            lease = self._pop_oldest()
            self._count -= 1
            with contextlib.suppress(
                OSError, asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError
            ):
                await lease.connection.close(timeout=2)

    def _none_free(self) -> Unavailable:
        return Unavailable(
            f"No database connection became free within {self.wait_seconds:g} s.",
            next_step="Try again in a moment.",
            headers=(("Retry-After", "1"),),
        )

    def _pop_oldest(self) -> Lease:
        lease, _ = self._idle.popitem(last=False)
        self._idle_by_role[lease.role].remove(lease)
        return lease

    def _wake(self, lease: Lease | None) -> bool:
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_result(lease)
                return True
        return False

    async def _recover(self, lease: Lease) -> None:
        """Lend the connection again once the server has stopped what was abandoned; until then it counts as lent."""
        try:
            async with asyncio.timeout(RECOVERY_SECONDS):
                # asyncpg asks the server to cancel and sends this only when it has. The abandoned statement may have been the one that
                # opens a transaction, so there is always something to undo.
                await lease.connection.execute("rollback")
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError):
            lease.connection.terminate()
        except asyncio.CancelledError:
            lease.connection.terminate()
            raise
        finally:
            lease.abandoned = False
            self.release(lease)

    async def _wait(self) -> Lease | None:
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[Lease | None] = loop.create_future()
        self._waiting.append(waiter)
        timer = loop.call_later(self.wait_seconds, self._refuse, waiter)
        try:
            return await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled() and waiter.exception() is None:
                # It came in the same instant; the next in the queue gets it.
                lease = waiter.result()
                if lease is not None:
                    self.release(lease)
                else:
                    self._wake(None)
            raise
        finally:
            timer.cancel()

    def _refuse(self, waiter: asyncio.Future[Lease | None]) -> None:
        if not waiter.done():
            waiter.set_exception(self._none_free())

    async def _open(self, role: str) -> Lease:
        _check_role(role)
        self._count += 1
        connection: Any = None
        try:
            connection = await asyncpg.connect(
                self.dsn,
                statement_cache_size=512,
                timeout=self.wait_seconds,
                server_settings={
                    "application_name": "trophenix",
                    "role": role,
                    "statement_timeout": str(int(self.statement_seconds * 1000)),
                    "idle_in_transaction_session_timeout": "60000",
                    "jit": "off",
                },
            )
            await connection.set_type_codec(
                "jsonb",
                schema="pg_catalog",
                format="binary",
                encoder=_document,
                decoder=_raw,
            )
        except BaseException as error:
            self._count -= 1
            self._wake(None)
            if connection is not None:
                connection.terminate()
            if isinstance(error, Exception):
                told = translate(error)
                if isinstance(error, asyncpg.PostgresError) and told is error:
                    # Whatever the reason: a server that lets nobody in does not answer.
                    told = translate(ConnectionError(str(error)))
                raise told from error
            raise
        return Lease(connection, role)

    async def _switch(self, lease: Lease, role: str) -> None:
        _check_role(role)
        try:
            await lease.message(f"set role {role}")
        except BaseException as error:
            lease.connection.terminate()
            self.release(lease)
            if isinstance(error, Exception):
                raise translate(error) from error
            raise
        lease.role = role


def _check_role(role: str) -> None:
    if not role or not ROLE_PATTERN.issuperset(role):
        message = f"{role!r} is not a role name of this platform"
        raise ValueError(message)


def _document(value: Any) -> bytes:
    return b"\x01" + _as_json(value)


def _raw(data: bytes) -> msgspec.Raw:
    return msgspec.Raw(data[1:])


def _as_json(value: Any) -> bytes:
    return value if isinstance(value, bytes) else msgspec.json.encode(value)
