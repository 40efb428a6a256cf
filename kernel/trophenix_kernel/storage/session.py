"""One call, one tenant: reads in one round trip each, or one transaction that only the edge commits.

A read sets the tenant and reads in the same statement. A transaction is opened by one message that also claims the idempotency key, and
ended by one message that also writes the audit entry, the outbox and the answer: a simple write is three round trips.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from typing import Any, Final, TypeVar
from uuid import UUID

import asyncpg
import msgspec

from trophenix_kernel.storage.failures import translate
from trophenix_kernel.storage.pool import Lease, Pool
from trophenix_sdk.database import Query
from trophenix_sdk.errors import NotFound

T = TypeVar("T")

APP_ROLE: Final = "trophenix_app"


def one_trip(query: Query[Any]) -> str:
    """The statement that first sets the transaction's tenant, its last parameter, and then reads.

    The reading part refers to the setting part, so PostgreSQL can only run it afterwards; ``offset 0`` keeps the two from being merged,
    and the line feed ends a comment at the statement's end.
    Outside such a statement the setting is gone, and without it every table is empty.
    """
    text = query.forms.get("one_trip")
    if text is None:
        text = query.forms["one_trip"] = (
            "select q.* from (select set_config('app.tenant_id', $"
            f"{len(query.names) + 1}::text, true) as tenant offset 0) as entered, lateral"
            f" (select p.* from ({query.sql}\n) as p where entered.tenant is not null offset 0) as q"
        )
    return text


class Reader:
    """The `Database` of a reading call: each statement stands alone."""

    __slots__ = ("_pool", "_role", "_tenant")

    def __init__(self, pool: Pool, role: str, tenant: UUID) -> None:
        self._pool = pool
        self._role: str = role
        self._tenant = str(tenant)

    async def all(self, query: Query[T], /, **params: Any) -> list[T]:
        """Every row."""
        make = query.make
        return [make(row) for row in await self._rows(query, params)]

    async def first(self, query: Query[T], /, **params: Any) -> T | None:
        """The first row, or ``None``."""
        rows = await self._rows(query, params)
        return query.make(rows[0]) if rows else None

    async def one(self, query: Query[T], /, **params: Any) -> T:
        """The first row.

        Raises:
            NotFound: there is none.
        """
        rows = await self._rows(query, params)
        if not rows:
            raise NotFound
        return query.make(rows[0])

    async def execute(self, query: Query[Any], /, **params: Any) -> int:
        """Refused: a reading operation changes nothing.

        Raises:
            TypeError: always.
        """
        message = f"a reading operation cannot change data; declare effect='write' to run {query!r}"
        raise TypeError(message)

    async def stage(
        self, name: str, columns: Mapping[str, str], rows: Iterable[Sequence[Any]]
    ) -> int:
        """Refused: a reading operation changes nothing.

        Raises:
            TypeError: always.
        """
        message = f"a reading operation cannot stage rows into {name}; declare effect='write'"
        raise TypeError(message)

    async def _rows(self, query: Query[Any], params: dict[str, Any]) -> list[Any]:
        arguments = query.arguments(params)
        arguments.append(self._tenant)
        lease = await self._pool.acquire(self._role)
        try:
            return await lease.fetch(one_trip(query), arguments)
        except Exception as error:
            raise translate(error) from error
        finally:
            self._pool.release(lease)


class Transaction:
    """The `Database` of a writing call: one transaction, for one tenant, as one role."""

    __slots__ = ("_lease", "_pool", "_role", "_tenant")

    def __init__(self, pool: Pool, role: str, tenant: UUID) -> None:
        self._pool = pool
        self._role: str = role
        self._tenant = tenant
        self._lease: Lease | None = None

    @property
    def tenant(self) -> UUID:
        """For whom."""
        return self._tenant

    async def begin(self, claims: str = "") -> None:
        """Open the transaction.

        Args:
            claims: SQL that the kernel runs as itself at the start, every value in it already rendered safe.

        Raises:
            AnsweredBefore, Invalid, LimitReached, Unavailable: a claim was refused; the transaction is gone.
        """
        await self._pool.take_turn()
        try:
            lease = await self._pool.acquire(self._role)
        except BaseException:
            self._pool.end_turn()
            raise
        self._lease = lease
        text = f"begin;set local app.tenant_id='{self._tenant}';"
        if claims:
            text += f"set local role {APP_ROLE};{claims};"
        text += f"set local role {self._role}"
        try:
            await lease.message(text)
        except BaseException as error:
            await self.rollback()
            raise translate(error) from error

    async def enter(self, tenant: UUID) -> None:
        """Go on for a tenant that this transaction has just made; only the kernel's own code may."""
        if self._role != APP_ROLE:
            message = f"{self._role} cannot change the tenant of its transaction"
            raise RuntimeError(message)
        await self._say(f"set local app.tenant_id='{tenant}'")
        self._tenant = tenant

    @contextlib.asynccontextmanager
    async def as_role(self, role: str) -> AsyncGenerator[None]:
        """Work as another role inside the block; the transaction and the tenant stay."""
        if role == self._role:
            yield
            return
        await self._say(f"set local role {role}")
        before, self._role = self._role, role
        try:
            yield
        finally:
            self._role = before
            lease = self._lease
            if lease is not None and not lease.abandoned and _in_transaction(lease):
                # A transaction that failed refuses this and goes no further; a lost connection is told by the next statement.
                with contextlib.suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
                    await lease.message(f"set local role {before}")

    async def finish(self, document: Mapping[str, Any] | None = None) -> None:
        """Write the call's records and commit, in one message.

        Args:
            document: what ``kernel.finish`` takes; ``None`` commits only.

        Raises:
            Exception: an earlier statement had failed, or this one did; nothing is written.
        """
        lease = self._held()
        # A bare COMMIT of a transaction that failed is a ROLLBACK nobody hears of; a statement before it is refused aloud.
        text = f"set local role {APP_ROLE};commit"
        if document:
            # Hexadecimal cannot end a literal, so nothing in the document can become SQL.
            payload = msgspec.json.encode(document).hex()
            text = (
                f"set local role {APP_ROLE};"
                f"select kernel.finish(convert_from(decode('{payload}','hex'),'utf8')::jsonb);commit"
            )
        try:
            await lease.message(text)
        except BaseException as error:
            await self.rollback()
            raise translate(error) from error
        self._give_back()

    async def rollback(self) -> None:
        """Undo everything; safe to call twice.

        What was abandoned while the server worked on it is undone by the pool, before anybody else gets the connection.
        """
        lease = self._lease
        if lease is None:
            return
        try:
            if not lease.abandoned and _in_transaction(lease):
                await lease.message("rollback")
        except (
            OSError,
            asyncpg.PostgresError,
            asyncpg.InterfaceError,
            asyncpg.InternalClientError,
        ):
            # The server undoes what a lost connection began; the caller's own error must not be hidden by this one.
            lease.connection.terminate()
        finally:
            self._give_back()

    async def all(self, query: Query[T], /, **params: Any) -> list[T]:
        """Every row."""
        make = query.make
        return [make(row) for row in await self._rows(query, params)]

    async def first(self, query: Query[T], /, **params: Any) -> T | None:
        """The first row, or ``None``."""
        rows = await self._rows(query, params)
        return query.make(rows[0]) if rows else None

    async def one(self, query: Query[T], /, **params: Any) -> T:
        """The first row.

        Raises:
            NotFound: there is none.
        """
        rows = await self._rows(query, params)
        if not rows:
            raise NotFound
        return query.make(rows[0])

    async def execute(self, query: Query[Any], /, **params: Any) -> int:
        """Run a change and return how many rows it touched.

        Raises:
            Conflict: a constraint refuses it.
        """
        lease = self._held()
        try:
            status = await lease.execute(query.sql, query.arguments(params))
        except Exception as error:
            raise translate(error) from error
        count = status.rpartition(" ")[2]
        return int(count) if count.isdigit() else 0

    async def stage(
        self, name: str, columns: Mapping[str, str], rows: Iterable[Sequence[Any]]
    ) -> int:
        """Copy *rows* into a temporary table that lives until the transaction ends."""
        lease = self._held()
        for word in (name, *columns):
            if not word.isidentifier() or not word.isascii():
                message = f"{word!r} is not a plain column or table name"
                raise ValueError(message)
        body = ", ".join(f'"{column}" {kind}' for column, kind in columns.items())
        await self._say(f'create temporary table "{name}" ({body}) on commit drop')
        try:
            status = await lease.copy(name, list(columns), rows)
        except Exception as error:
            raise translate(error) from error
        return int(status.rpartition(" ")[2])

    async def _rows(self, query: Query[Any], params: dict[str, Any]) -> list[Any]:
        lease = self._held()
        try:
            return await lease.fetch(query.sql, query.arguments(params))
        except Exception as error:
            raise translate(error) from error

    async def _say(self, text: str) -> None:
        try:
            await self._held().message(text)
        except Exception as error:
            raise translate(error) from error

    def _held(self) -> Lease:
        if self._lease is None:
            message = "the transaction has ended; a handler cannot keep ctx.db for later"
            raise RuntimeError(message)
        return self._lease

    def _give_back(self) -> None:
        lease, self._lease = self._lease, None
        if lease is not None:
            self._pool.release(lease)
            self._pool.end_turn()


def _in_transaction(lease: Lease) -> bool:
    return not lease.connection.is_closed() and lease.connection.is_in_transaction()
