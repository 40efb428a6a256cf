"""Of several schedulers one does the chores; when it loses its connection another does them."""

from __future__ import annotations

import asyncio

from trophenix_kernel.scheduler import LEADER_KEY, Scheduler
from trophenix_testing.platform import Platform, PlatformFactory


async def kill_leader(platform: Platform) -> int:
    async with platform.sql("admin") as connection:
        return await connection.fetchval(
            "select count(pg_terminate_backend(pid)) from pg_locks l join pg_database d on d.oid = l.database"
            " where locktype = 'advisory' and objid = $1 and granted and datname = current_database()",
            LEADER_KEY,
        )


async def test_the_other_leads_when_the_leaders_connection_is_lost(
    platform_factory: PlatformFactory,
) -> None:
    platform = await platform_factory(plugins=[])
    other = await platform.another_worker()
    schedulers = [Scheduler(platform.kernel), Scheduler(other.kernel)]
    tasks = [asyncio.create_task(scheduler.run()) for scheduler in schedulers]
    try:
        first = await leader_of(schedulers)
        second = next(scheduler for scheduler in schedulers if scheduler is not first)
        assert not second.leads.is_set()
        async with platform.sql("app", tenant="alpha") as connection:
            await connection.execute(
                "insert into kernel.idempotency_keys (actor_id, key, fingerprint, expires_at)"
                " values (gen_random_uuid(), 'old', '', now() - interval '1 second')"
            )

        assert await kill_leader(platform) == 1
        await asyncio.wait_for(second.leads.wait(), 15)
        for task, scheduler in zip(tasks, schedulers, strict=True):
            if scheduler is second:
                scheduler.stop()
                await asyncio.wait_for(task, 15)

        assert second.rounds == 1
        async with platform.sql("admin") as connection:
            assert await connection.fetchval("select count(*) from kernel.idempotency_keys") == 0
    finally:
        for scheduler in schedulers:
            scheduler.stop()
        await asyncio.wait_for(asyncio.gather(*tasks), 15)


async def leader_of(schedulers: list[Scheduler]) -> Scheduler:
    waiting = {asyncio.create_task(scheduler.leads.wait()): scheduler for scheduler in schedulers}
    done, pending = await asyncio.wait(waiting, timeout=15, return_when=asyncio.FIRST_COMPLETED)
    for task in pending:
        task.cancel()
    return waiting[done.pop()]
