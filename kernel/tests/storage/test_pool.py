"""Connections keep their role, are never more than allowed, and none is ever lost."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from trophenix_kernel.storage.pool import Lease, Pool
from trophenix_kernel.storage.session import APP_ROLE
from trophenix_sdk.errors import Unavailable
from trophenix_testing.network import wire_to
from trophenix_testing.platform import Platform

NewPool = Callable[..., Pool]

CARPOOL = "plugin_acme_carpool"
LUNCH = "plugin_other_lunch"
ROLES = (APP_ROLE, CARPOOL, LUNCH)


async def kill(platform: Platform, lease: Lease) -> None:
    """The lease's connection is ended by the server, and this process has noticed."""
    noticed = asyncio.Event()
    lease.connection.add_termination_listener(lambda _connection: noticed.set())  # pyright: ignore[reportUnknownLambdaType]
    async with platform.sql() as admin:
        await admin.execute("select pg_terminate_backend($1)", lease.connection.get_server_pid())
    await asyncio.wait_for(noticed.wait(), 5)


async def connected(platform: Platform, pids: set[int]) -> int:
    """How many of these server processes still serve a connection."""
    async with platform.sql() as admin:
        return await admin.fetchval(
            "select count(*) from pg_stat_activity where pid = any ($1)", list(pids)
        )


async def usable(pool: Pool) -> int:
    """How many connections can be borrowed at the same time."""
    leases = [await pool.acquire(APP_ROLE) for _ in range(pool.size)]
    extra = asyncio.ensure_future(pool.acquire(APP_ROLE))
    await asyncio.sleep(0)
    assert not extra.done(), "one more than the pool's size was lent"
    extra.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await extra
    for lease in leases:
        assert await lease.connection.fetchval("select current_user") == APP_ROLE
        pool.release(lease)
    return len(leases)


class TestRoles:
    async def test_a_connection_works_as_the_role_it_was_asked_for(self, new_pool: NewPool) -> None:
        pool = new_pool()

        for role in ROLES:
            lease = await pool.acquire(role)
            assert await lease.connection.fetchval("select current_user") == role
            pool.release(lease)

    async def test_a_connection_goes_to_its_own_role_again_without_asking_the_server(
        self, new_pool: NewPool
    ) -> None:
        pool = new_pool()
        leases = {role: await pool.acquire(role) for role in ROLES}
        for lease in leases.values():
            pool.release(lease)
        before = pool.trips

        for role in (*ROLES, *reversed(ROLES)):
            lease = await pool.acquire(role)
            assert lease is leases[role]
            pool.release(lease)

        assert pool.trips == before

    async def test_the_longest_idle_connection_changes_its_role_when_all_are_taken(
        self, new_pool: NewPool
    ) -> None:
        pool = new_pool(size=2)
        oldest, newest = await pool.acquire(APP_ROLE), await pool.acquire(CARPOOL)
        pool.release(oldest)
        pool.release(newest)

        lease = await pool.acquire(LUNCH)

        assert lease is oldest
        assert await lease.connection.fetchval("select current_user") == LUNCH
        pool.release(lease)

    async def test_a_role_that_is_no_word_of_ours_never_reaches_the_server(
        self, new_pool: NewPool
    ) -> None:
        pool = new_pool(size=1)

        for word in ("", "trophenix_app; drop table x", 'a"b', "Ünder"):
            with pytest.raises(ValueError, match="role name"):
                await pool.acquire(word)

        assert await usable(pool) == 1

    async def test_a_role_that_does_not_exist_costs_no_connection(self, new_pool: NewPool) -> None:
        pool = new_pool(size=1)
        for _ in range(2):
            with pytest.raises(Unavailable):
                await pool.acquire("plugin_of_nobody")
        pool.release(await pool.acquire(APP_ROLE))

        with pytest.raises(asyncpg.PostgresError, match="does not exist"):
            await pool.acquire("plugin_of_nobody")

        assert await usable(pool) == 1


class TestWaiting:
    async def test_those_who_wait_are_served_in_their_order(self, new_pool: NewPool) -> None:
        pool = new_pool(size=1)
        lease = await pool.acquire(APP_ROLE)
        served: list[int] = []

        async def borrow(number: int) -> None:
            mine = await pool.acquire(CARPOOL if number % 2 else APP_ROLE)
            served.append(number)
            pool.release(mine)

        waiting = [asyncio.create_task(borrow(number)) for number in range(5)]
        await asyncio.sleep(0)
        pool.release(lease)
        await asyncio.gather(*waiting)

        assert served == [0, 1, 2, 3, 4]

    async def test_waiting_ends_with_a_refusal_that_says_when_to_try_again(
        self, new_pool: NewPool
    ) -> None:
        pool = new_pool(size=1)
        lease = await pool.acquire(APP_ROLE)
        pool.wait_seconds = 0.05

        with pytest.raises(Unavailable, match=r"within 0\.05 s") as refusal:
            await pool.acquire(APP_ROLE)

        assert refusal.value.headers == (("Retry-After", "1"),)
        pool.release(lease)
        pool.wait_seconds = 10
        assert await usable(pool) == 1

    async def test_a_connection_that_came_in_the_instant_of_a_cancellation_is_not_lost(
        self, new_pool: NewPool
    ) -> None:
        pool = new_pool(size=1)
        lease = await pool.acquire(APP_ROLE)
        waiting = asyncio.create_task(pool.acquire(APP_ROLE))
        await asyncio.sleep(0)

        pool.release(lease)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting

        assert await usable(pool) == 1

    async def test_a_connection_that_came_in_the_instant_the_patience_ended_is_not_lost(
        self, new_pool: NewPool
    ) -> None:
        pool = new_pool(size=1)
        lease = await pool.acquire(APP_ROLE)
        pool.wait_seconds = 0.02
        loop = asyncio.get_running_loop()
        waiting = asyncio.create_task(pool.acquire(APP_ROLE))
        await asyncio.sleep(0)
        # Both timers are due when the loop looks again: the connection comes first, the end of patience right after it.
        loop.call_later(0.01, pool.release, lease)
        until = loop.time() + 0.03
        while loop.time() < until:
            pass

        with contextlib.suppress(Unavailable):
            pool.release(await waiting)

        pool.wait_seconds = 10
        assert await usable(pool) == 1

    async def test_a_freed_place_is_passed_on_when_the_first_in_the_queue_has_left(
        self, carpool: Platform, new_pool: NewPool
    ) -> None:
        pool = new_pool(size=1)
        lease = await pool.acquire(APP_ROLE)
        first = asyncio.create_task(pool.acquire(APP_ROLE))
        second = asyncio.create_task(pool.acquire(APP_ROLE))
        await asyncio.sleep(0)
        await kill(carpool, lease)

        pool.release(lease)
        first.cancel()

        pool.release(await asyncio.wait_for(second, 5))
        assert await usable(pool) == 1


class TestBrokenConnections:
    async def test_an_idle_connection_that_the_server_ended_is_replaced(
        self, carpool: Platform, new_pool: NewPool
    ) -> None:
        pool = new_pool(size=1)
        lease = await pool.acquire(APP_ROLE)
        pool.release(lease)
        await kill(carpool, lease)

        again = await pool.acquire(APP_ROLE)

        assert again is not lease
        pool.release(again)
        assert await usable(pool) == 1

    @pytest.mark.parametrize("role", ROLES)
    async def test_a_lent_connection_that_the_server_ended_makes_room(
        self, carpool: Platform, new_pool: NewPool, role: str
    ) -> None:
        pool = new_pool(size=1)
        lease = await pool.acquire(APP_ROLE)
        waiting = asyncio.create_task(pool.acquire(role))
        await asyncio.sleep(0)
        await kill(carpool, lease)

        pool.release(lease)

        pool.release(await asyncio.wait_for(waiting, 5))
        assert await usable(pool) == 1

    async def test_a_connection_that_breaks_while_it_changes_its_role_is_a_refusal_to_try_again(
        self, carpool: Platform, new_pool: NewPool
    ) -> None:
        async with wire_to(carpool.databases.application["main"]) as wire:
            pool = new_pool(wire.through(carpool.databases.application["main"]), size=1)
            pool.release(await pool.acquire(APP_ROLE))
            wire.freeze()
            switching = asyncio.create_task(pool.acquire(CARPOOL))
            await asyncio.sleep(0)
            wire.cut()
            wire.mend()

            with pytest.raises(Unavailable):
                await switching

            assert await usable(pool) == 1

    async def test_a_server_that_is_away_is_a_refusal_and_no_connection_is_counted(
        self, carpool: Platform, new_pool: NewPool
    ) -> None:
        async with wire_to(carpool.databases.application["main"]) as wire:
            pool = new_pool(wire.through(carpool.databases.application["main"]), size=2)
            wire.refuse()
            for _ in range(3):
                with pytest.raises(Unavailable):
                    await pool.acquire(APP_ROLE)

            wire.mend()

            assert await usable(pool) == 2

    async def test_a_connection_left_inside_a_transaction_is_thrown_away(
        self, carpool: Platform, new_pool: NewPool
    ) -> None:
        pool = new_pool(size=1)
        lease = await pool.acquire(APP_ROLE)
        await lease.message("begin")
        pool.release(lease)

        again = await pool.acquire(APP_ROLE)

        assert again is not lease
        assert not again.connection.is_in_transaction()
        pool.release(again)


class TestClosing:
    async def test_nobody_waits_for_a_pool_that_closes(self, new_pool: NewPool) -> None:
        pool = new_pool(size=1)
        lease = await pool.acquire(APP_ROLE)
        waiting = asyncio.create_task(pool.acquire(APP_ROLE))
        await asyncio.sleep(0)

        closing = asyncio.create_task(pool.close())
        with pytest.raises(Unavailable):
            await asyncio.wait_for(waiting, 5)
        await closing
        pool.release(lease)

        assert lease.connection.is_closed()
        with pytest.raises(Unavailable, match="shutting down"):
            await pool.acquire(APP_ROLE)


class _Script:
    """Borrowers that come and go in a given order."""

    def __init__(self, platform: Platform, pool: Pool) -> None:
        self.platform = platform
        self.pool = pool
        self.lent: list[Lease] = []
        self.waiting: list[asyncio.Task[Lease]] = []
        self.pids: set[int] = set()

    async def play(self, steps: list[tuple[str, int]]) -> None:
        for step, number in steps:
            await getattr(self, step)(number)
            await asyncio.sleep(0)
            self.collect()
        for task in self.waiting:
            task.cancel()
        for outcome in await asyncio.gather(*self.waiting, return_exceptions=True):
            if isinstance(outcome, Lease):
                self.lent.append(outcome)
        for lease in self.lent:
            self.pool.release(lease)

    def collect(self) -> None:
        for task in [task for task in self.waiting if task.done()]:
            self.waiting.remove(task)
            if not task.cancelled() and task.exception() is None:
                self.lent.append(task.result())
                self.pids.add(task.result().connection.get_server_pid())

    async def borrow(self, number: int) -> None:
        self.waiting.append(asyncio.create_task(self.pool.acquire(ROLES[number % 3])))

    async def arrive(self, _number: int) -> None:
        """Let connections that are being made come up."""
        if self.waiting and len(self.lent) < self.pool.size:
            await asyncio.wait(self.waiting, timeout=5, return_when=asyncio.FIRST_COMPLETED)

    async def give_back(self, number: int) -> None:
        if self.lent:
            self.pool.release(self.lent.pop(number % len(self.lent)))

    async def leave(self, number: int) -> None:
        if self.waiting:
            self.waiting[number % len(self.waiting)].cancel()

    async def give_back_and_leave(self, number: int) -> None:
        await self.give_back(number)
        await self.leave(number)

    async def break_one(self, number: int) -> None:
        if self.lent:
            self.lent[number % len(self.lent)].connection.terminate()

    async def abandon(self, number: int) -> None:
        """Give back in the middle of a statement."""
        if self.lent:
            lease = self.lent.pop(number % len(self.lent))
            asking = asyncio.create_task(lease.message("select pg_sleep(10)"))
            await asyncio.sleep(0)
            asking.cancel()
            with contextlib.suppress(asyncio.CancelledError, asyncpg.InterfaceError):
                await asking
            self.pool.release(lease)


_STEPS = st.lists(
    st.tuples(
        st.sampled_from(
            [
                "borrow",
                "borrow",
                "arrive",
                "give_back",
                "leave",
                "give_back_and_leave",
                "break_one",
                "abandon",
            ]
        ),
        st.integers(0, 5),
    ),
    max_size=25,
)


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(steps=_STEPS, size=st.integers(1, 3))
async def test_whatever_borrowers_do_all_connections_can_be_borrowed_afterwards_and_no_more(
    carpool: Platform, new_pool: NewPool, steps: list[tuple[str, int]], size: int
) -> None:
    pool = new_pool(size=size)
    script = _Script(carpool, pool)

    await script.play(steps)

    assert await asyncio.wait_for(usable(pool), 10) == size
    assert await connected(carpool, script.pids) <= size
    await pool.close()
