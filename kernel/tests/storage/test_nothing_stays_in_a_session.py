"""After any use, however it ends, a connection is outside every transaction and knows no tenant."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Generator
from typing import Any
from uuid import UUID

import pytest

from trophenix_kernel.storage.failures import AnsweredBefore
from trophenix_kernel.storage.platform import Platform as PlatformTables
from trophenix_kernel.storage.pool import Pool
from trophenix_kernel.storage.session import APP_ROLE, Reader, Transaction
from trophenix_sdk.database import Query
from trophenix_sdk.errors import (
    Conflict,
    Invalid,
    LimitReached,
    NotFound,
    TrophenixError,
    Unavailable,
)
from trophenix_sdk.ids import new_id
from trophenix_testing.network import wire_to
from trophenix_testing.platform import Platform

NewPool = Callable[..., Pool]
Use = Callable[[Pool, UUID], Coroutine[Any, Any, object]]

CARPOOL = "plugin_acme_carpool"
LUNCH = "plugin_other_lunch"

NAMES: Query[str] = Query("select name from plugin_acme_carpool.rides order by name", str)
ONE: Query[str] = Query("select name from plugin_acme_carpool.rides where id = :id", str)
BROKEN: Query[int] = Query(
    "select 1 / (length(name) - length(name)) from plugin_acme_carpool.rides", int
)
UNKNOWN: Query[int] = Query("select nothing from plugin_acme_carpool.nowhere", int)
ADD: Query[UUID] = Query(
    "insert into plugin_acme_carpool.rides (id, name, seats) values (:id, :name, 4) returning id",
    UUID,
)
SENT: Query[int] = Query("select count(*) from kernel.audit_entries", int)

RECORDS: dict[str, dict[str, Any]] = {
    "audit": {
        "id": "00000000-0000-7000-8000-000000000001",
        "at": "2026-01-01T00:00:00Z",
        "actor_kind": "system",
        "actor_id": "00000000-0000-0000-0000-000000000000",
        "actor_name": "test",
        "operation": "test",
        "door": "test",
        "target": "",
        "summary": "",
        "details": {},
        "request_id": "test",
    }
}


async def probe(pool: Pool) -> None:
    """Every connection of the pool is as clean as it was made."""
    leases = [await pool.acquire(APP_ROLE) for _ in range(pool.size)]
    try:
        for lease in leases:
            row = await lease.connection.fetchrow(
                "select current_setting('app.tenant_id', true) as tenant, current_user as role, session_user as login,"
                " pg_current_xact_id_if_assigned() is null as unwritten, now() as began,"
                " (select count(*) from pg_class where relnamespace = pg_my_temp_schema()) as left_over"
            )
            assert row["tenant"] in {None, ""}
            assert (row["role"], row["login"]) == (APP_ROLE, APP_ROLE)
            assert row["unwritten"]
            began = await lease.connection.fetchval("select now()")
            assert began != row["began"], "two statements run inside somebody's transaction"
            assert row["left_over"] == 0
            assert not lease.connection.is_in_transaction()
    finally:
        for lease in leases:
            pool.release(lease)


# ── uses that succeed or are refused ────────────────────────────────────────────────────────────────────────────────────


async def read(pool: Pool, tenant: UUID) -> object:
    return await Reader(pool, CARPOOL, tenant).all(NAMES)


async def read_nothing(pool: Pool, tenant: UUID) -> object:
    with pytest.raises(NotFound):
        await Reader(pool, CARPOOL, tenant).one(ONE, id=new_id())
    return None


async def read_what_fails(pool: Pool, tenant: UUID) -> object:
    with pytest.raises(Exception, match="division by zero"):
        await Reader(pool, CARPOOL, tenant).all(BROKEN)
    return None


async def read_what_cannot_be_prepared(pool: Pool, tenant: UUID) -> object:
    with pytest.raises(Exception, match="nowhere"):
        await Reader(pool, CARPOOL, tenant).all(UNKNOWN)
    return None


async def read_as_another_plugin(pool: Pool, tenant: UUID) -> object:
    with pytest.raises(TrophenixError, match="refuses"):
        await Reader(pool, LUNCH, tenant).all(NAMES)
    return None


async def read_the_platforms_tables(pool: Pool, _tenant: UUID) -> object:
    return await PlatformTables(pool).all(SENT)


async def write(pool: Pool, tenant: UUID) -> object:
    transaction = Transaction(pool, CARPOOL, tenant)
    await transaction.begin()
    try:
        made = await transaction.one(ADD, id=new_id(), name=f"ride {new_id()}")
        await transaction.finish()
    finally:
        await transaction.rollback()
    return made


async def write_with_all_records(pool: Pool, tenant: UUID) -> object:
    transaction = Transaction(pool, CARPOOL, tenant)
    key = new_id().hex
    await transaction.begin(
        f"select kernel.claim_idempotency_key('{UUID(int=1)}','{key}','x','1 hour');select kernel.use_limit('a:b',1,null)"
    )
    try:
        await transaction.stage("staged", {"id": "uuid"}, [(new_id(),)])
        async with transaction.as_role(LUNCH):
            await transaction.all(Query("select id from plugin_other_lunch.bookings", UUID))
        records = {**RECORDS, "audit": {**RECORDS["audit"], "id": str(new_id())}}
        await transaction.finish(records)
    finally:
        await transaction.rollback()
    return None


async def give_up(pool: Pool, tenant: UUID) -> object:
    transaction = Transaction(pool, CARPOOL, tenant)
    await transaction.begin()
    try:
        await transaction.one(ADD, id=new_id(), name="never")
    finally:
        await transaction.rollback()
        await transaction.rollback()
    return None


async def write_what_is_refused(pool: Pool, tenant: UUID) -> object:
    transaction = Transaction(pool, CARPOOL, tenant)
    await transaction.begin()
    made = new_id()
    try:
        await transaction.one(ADD, id=made, name="twice")
        with pytest.raises(Conflict):
            await transaction.one(ADD, id=made, name="twice")
        with pytest.raises(Exception, match="aborted"):
            await transaction.finish(RECORDS)
    finally:
        await transaction.rollback()
    return None


async def fail_as_another_role(pool: Pool, tenant: UUID) -> object:
    transaction = Transaction(pool, CARPOOL, tenant)
    await transaction.begin()
    try:
        with pytest.raises(TrophenixError, match="refuses"):
            async with transaction.as_role(LUNCH):
                await transaction.all(NAMES)
    finally:
        await transaction.rollback()
    return None


async def claim_what_was_answered(pool: Pool, tenant: UUID) -> object:
    claim = f"select kernel.claim_idempotency_key('{UUID(int=2)}','same','x','1 hour')"
    for expected in (None, AnsweredBefore, Invalid):
        transaction = Transaction(pool, CARPOOL, tenant)
        try:
            if expected is None:
                await transaction.begin(claim)
                await transaction.finish()
            else:
                with pytest.raises(expected):
                    await transaction.begin(
                        claim if expected is AnsweredBefore else claim.replace("'x'", "'y'")
                    )
        finally:
            await transaction.rollback()
    return None


async def claim_too_much(pool: Pool, tenant: UUID) -> object:
    transaction = Transaction(pool, CARPOOL, tenant)
    with pytest.raises(LimitReached):
        await transaction.begin("select kernel.use_limit('x:y',5,4)")
    return None


async def finish_with_a_fault(pool: Pool, tenant: UUID) -> object:
    transaction = Transaction(pool, CARPOOL, tenant)
    await transaction.begin()
    with pytest.raises(Invalid):
        await transaction.finish({"audit": {"id": "not an id"}})
    return None


async def enter_a_new_tenant(pool: Pool, _tenant: UUID) -> object:
    transaction = Transaction(pool, APP_ROLE, UUID(int=0))
    await transaction.begin()
    await transaction.enter(new_id())
    await transaction.finish()
    return None


USES: list[Use] = [
    read,
    read_nothing,
    read_what_fails,
    read_what_cannot_be_prepared,
    read_as_another_plugin,
    read_the_platforms_tables,
    write,
    write_with_all_records,
    give_up,
    write_what_is_refused,
    fail_as_another_role,
    claim_what_was_answered,
    claim_too_much,
    finish_with_a_fault,
    enter_a_new_tenant,
]


@pytest.mark.parametrize("use", USES, ids=lambda use: use.__name__)
async def test_nothing_stays_after(use: Use, carpool: Platform, new_pool: NewPool) -> None:
    pool = new_pool(size=1)
    tenant = carpool.tenant("alpha").id
    await carpool.call("alpha", "acme.carpool:ride.create", {"name": "Bus"})

    await use(pool, tenant)

    await probe(pool)
    assert await Reader(pool, CARPOOL, carpool.tenant("beta").id).all(NAMES) == []


# ── uses that are broken off at every point at which they wait ──────────────────────────────────────────────────────────


class _Interrupted:
    """Runs a coroutine and does *act* when it waits for the *at*-th time; awaited in a task of its own."""

    def __init__(
        self, work: Coroutine[Any, Any, object], at: int, act: Callable[[asyncio.Task[Any]], None]
    ) -> None:
        self._work = work
        self._at = at
        self._act = act
        self.happened = False

    def __await__(self) -> Generator[Any, Any, object]:
        task = asyncio.current_task()
        assert task is not None
        waits = 0
        value: Any = None
        error: BaseException | None = None
        while True:
            try:
                waiting = self._work.send(value) if error is None else self._work.throw(error)
            except StopIteration as end:
                return end.value
            waits += 1
            if waits == self._at:
                self.happened = True
                asyncio.get_running_loop().call_soon(self._act, task)
            value, error = None, None
            try:
                value = yield waiting
            except BaseException as raised:  # noqa: BLE001 - handed to the coroutine, as a task would
                error = raised

    async def outcome(self) -> object:
        """What it returned, or the exception it ended with."""

        async def run() -> object:
            return await self

        return (await asyncio.gather(asyncio.create_task(run()), return_exceptions=True))[0]


def _cancel(task: asyncio.Task[Any]) -> None:
    task.cancel()


def _cancel_with_the_answer_unread(task: asyncio.Task[Any]) -> None:
    # The event loop stands still meanwhile: the answer has to lie in the socket when the cancellation comes.
    time.sleep(0.005)
    task.cancel()


BREAKABLE: list[Use] = [read, read_the_platforms_tables, write, write_with_all_records, give_up]


@pytest.mark.parametrize(
    "act", [_cancel, _cancel_with_the_answer_unread], ids=lambda act: act.__name__
)
@pytest.mark.parametrize("use", BREAKABLE, ids=lambda use: use.__name__)
async def test_nothing_stays_wherever_it_is_cancelled(
    use: Use, act: Callable[[asyncio.Task[Any]], None], carpool: Platform, new_pool: NewPool
) -> None:
    pool = new_pool(size=1)
    tenant = carpool.tenant("alpha").id
    await use(pool, tenant)

    for at in range(1, 100):
        work = _Interrupted(use(pool, tenant), at, act)
        outcome = await work.outcome()

        assert not isinstance(outcome, Exception), outcome
        await probe(pool)
        assert await Reader(pool, CARPOOL, carpool.tenant("beta").id).all(NAMES) == []
        if not work.happened:
            return
    pytest.fail("the use never came to its end")


@pytest.mark.parametrize("use", BREAKABLE, ids=lambda use: use.__name__)
async def test_a_connection_lost_anywhere_is_a_refusal_to_try_again(
    use: Use, carpool: Platform, new_pool: NewPool
) -> None:
    tenant = carpool.tenant("alpha").id
    async with wire_to(carpool.databases.application["main"]) as wire:
        pool = new_pool(wire.through(carpool.databases.application["main"]), size=1)
        for at in range(1, 100):
            await use(pool, tenant)
            work = _Interrupted(use(pool, tenant), at, lambda _task: wire.cut())

            outcome = await work.outcome()

            assert isinstance(outcome, Unavailable) or not isinstance(outcome, BaseException), repr(
                outcome
            )
            await probe(pool)
            if not work.happened:
                return
    pytest.fail("the use never came to its end")
