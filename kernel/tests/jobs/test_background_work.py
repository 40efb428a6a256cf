"""A job exists exactly when the change that asked for it does, is done once, and can be watched, cancelled and taken over."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

from trophenix_kernel.web.application import recognition_of
from trophenix_kernel.worker import MAX_ATTEMPTS, Worker
from trophenix_testing.platform import Platform

BATCHES: Final = "/api/v1/batches"


class Watched(Worker):
    """A worker that tells when it is done with a job."""

    def __init__(self, platform: Platform, **options: Any) -> None:
        super().__init__(platform.kernel, recognition_of(platform.kernel), **options)
        self.ended: asyncio.Queue[str] = asyncio.Queue()

    async def run_job(self, cluster: str, job: dict[str, Any]) -> None:
        try:
            await super().run_job(cluster, job)
        finally:
            self.ended.put_nowait(str(job["id"]))

    async def end(self) -> str:
        """The next job it is done with, whatever came of it."""
        return await asyncio.wait_for(self.ended.get(), 20)


@asynccontextmanager
async def working(platform: Platform, **options: Any) -> AsyncGenerator[Watched]:
    worker = Watched(platform, **options)
    task = asyncio.create_task(worker.run())
    try:
        yield worker
    finally:
        worker.stop()
        await asyncio.wait_for(task, 20)


async def order(platform: Platform, tenant: str = "alpha", **batch: Any) -> str:
    answer = await platform.http(tenant, "manager").post(
        BATCHES, json={"names": ["a", "b"], **batch}
    )
    assert answer.status_code == 202, answer.text
    return answer.json()["job_id"]


async def look(platform: Platform, job: str, tenant: str = "alpha") -> dict[str, Any]:
    answer = await platform.http(tenant, "viewer").get(f"/api/v1/jobs/{job}")
    assert answer.status_code == 200, answer.text
    return answer.json()


async def names(platform: Platform, tenant: str = "alpha", cluster: str = "main") -> list[str]:
    async with platform.sql("acme.workshop", tenant=tenant, cluster=cluster) as connection:
        return [
            row[0]
            for row in await connection.fetch(
                "select name from plugin_acme_workshop.things order by name"
            )
        ]


async def change(platform: Platform, job: str, what: str) -> None:
    """Change a job's row past everything, and wake the workers."""
    async with platform.sql("admin") as connection:
        await connection.execute(f"update kernel.jobs set {what} where id::text = $1", job)
        await connection.execute("select pg_notify('trophenix_jobs', '')")


async def test_a_job_runs_in_a_worker_and_is_seen_on_its_way(
    workshop: Platform, gate: Callable[[str], Any]
) -> None:
    job = await order(workshop, gate="g")
    queued = await look(workshop, job)

    async with working(workshop) as worker:
        await asyncio.wait_for(gate("g").entered.wait(), 10)
        running = await look(workshop, job)
        unseen = await names(workshop)
        gate("g").open.set()
        assert await worker.end() == job
    done = await look(workshop, job)

    assert (queued["status"], queued["attempts"], queued["done"]) == ("queued", 0, 0)
    assert (running["status"], running["done"], running["total"]) == ("running", 1, 2)
    assert unseen == []
    assert (done["status"], done["result"], done["done"], done["attempts"]) == (
        "succeeded",
        {"made": 2},
        2,
        1,
    )
    assert done["finished_at"]
    assert await names(workshop) == ["a", "b"]
    audit = (
        await workshop.http("alpha", "owner").get("/api/v1/audit?operation=acme.workshop:batch.run")
    ).json()["data"]
    assert sorted((entry["door"], entry["actor_name"]) for entry in audit) == [
        ("http", "manager's key"),
        ("job", "manager's key"),
    ]


async def test_a_refusal_fails_it_for_good_with_its_problem(workshop: Platform) -> None:
    job = await order(workshop, fault="refuse")

    async with working(workshop) as worker:
        await worker.end()
    failed = await look(workshop, job)

    assert (failed["status"], failed["attempts"]) == ("failed", 1)
    assert (failed["problem"]["code"], failed["problem"]["status"]) == ("glue_dried", 409)
    assert failed["problem"]["detail"] == "The glue has dried."
    assert await names(workshop) == []


@pytest.mark.parametrize(("fault", "code"), [("crash", "error"), ("away", "unavailable")])
async def test_what_may_pass_is_tried_again_later_and_then_fails(
    workshop: Platform, fault: str, code: str
) -> None:
    job = await order(workshop, fault=fault)
    waits: list[float] = []

    async with working(workshop) as worker:
        for attempt in range(1, MAX_ATTEMPTS + 1):
            await worker.end()
            row = await look(workshop, job)
            assert row["attempts"] == attempt
            if attempt < MAX_ATTEMPTS:
                assert row["status"] == "queued"
                async with workshop.sql("admin") as connection:
                    waits.append(
                        float(
                            await connection.fetchval(
                                "select extract(epoch from run_at - now()) from kernel.jobs"
                            )
                        )
                    )
                await change(workshop, job, "run_at = now()")
    failed = await look(workshop, job)

    assert 0 < waits[0] <= 2 < waits[1] <= 8, "each pause is longer than the one before"
    assert (failed["status"], failed["problem"]["code"]) == ("failed", code)
    assert "hunter2" not in str(failed), "what crashed is in the log and not in the answer"
    assert await names(workshop) == []


async def test_cancelling_one_that_runs_undoes_everything(
    workshop: Platform, gate: Callable[[str], Any]
) -> None:
    job = await order(workshop, gate="g")
    manager = workshop.http("alpha", "manager")

    async with working(workshop, lease=timedelta(seconds=1)) as worker:
        await asyncio.wait_for(gate("g").entered.wait(), 10)
        refused = await workshop.http("alpha", "member").post(f"/api/v1/jobs/{job}/cancel")
        cancelled = await manager.post(f"/api/v1/jobs/{job}/cancel")
        await worker.end()
        again = await manager.post(f"/api/v1/jobs/{job}/cancel")
        next_job = await order(workshop)
        assert await worker.end() == next_job, "the worker goes on"

    assert (refused.status_code, cancelled.status_code, cancelled.json()["status"]) == (
        403,
        200,
        "cancelled",
    )
    assert (again.status_code, again.json()["code"]) == (409, "job_ended")
    assert gate("g").times == 1
    assert (await look(workshop, job))["status"] == "cancelled"
    assert await names(workshop) == ["a", "b"], "those of the second job"


async def test_one_that_is_done_the_moment_it_is_cancelled_is_cancelled(
    workshop: Platform, gate: Callable[[str], Any]
) -> None:
    job = await order(workshop, gate="g", names=["a"])

    async with working(workshop) as worker:
        await asyncio.wait_for(gate("g").entered.wait(), 10)
        await change(workshop, job, "status = 'cancelled', finished_at = now()")
        gate("g").open.set()
        await worker.end()

    assert (await look(workshop, job))["status"] == "cancelled"
    assert await names(workshop) == []


async def test_one_that_waits_and_is_cancelled_never_runs(workshop: Platform) -> None:
    job = await order(workshop)
    await workshop.http("alpha", "manager").post(f"/api/v1/jobs/{job}/cancel")

    later = await order(workshop, names=["later"])
    async with working(workshop) as worker:
        assert await worker.end() == later

    assert await names(workshop) == ["later"]


@pytest.mark.slow
async def test_a_killed_workers_job_is_done_once_by_another(
    workshop: Platform, tmp_path: Path, gate: Callable[[str], Any]
) -> None:
    begun = tmp_path / "begun"
    os.mkfifo(begun)
    settings = workshop.kernel.settings
    environment = {
        **os.environ,
        "PYTHONPATH": str(tmp_path),
        "TROPHENIX_DATABASE_URL": settings.database_url,
        "TROPHENIX_NATS_URL": settings.nats_url,
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "trophenix_kernel",
        "worker",
        env=environment,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        job = await order(workshop, gate="g", path=str(begun))
        assert await asyncio.wait_for(asyncio.to_thread(begun.read_text), 60) == "begun"
    finally:
        process.send_signal(signal.SIGKILL)
        await process.wait()
    left = await look(workshop, job)

    async with working(workshop) as worker:
        await change(workshop, job, "leased_until = now() - interval '1 second'")
        assert await asyncio.wait_for(asyncio.to_thread(begun.read_text), 20) == "begun"
        gate("g").open.set()
        assert await worker.end() == job
    done = await look(workshop, job)

    assert (left["status"], left["attempts"]) == ("running", 1)
    assert (done["status"], done["attempts"], done["result"]) == ("succeeded", 2, {"made": 2})
    assert await names(workshop) == ["a", "b"]


async def test_a_worker_that_comes_back_too_late_writes_nothing(
    workshop: Platform, gate: Callable[[str], Any]
) -> None:
    job = await order(workshop, gate="g", names=["a"])

    async with working(workshop) as worker:
        await asyncio.wait_for(gate("g").entered.wait(), 10)
        await change(workshop, job, "attempts = 2, leased_until = now() + interval '1 minute'")
        gate("g").open.set()
        await worker.end()
    row = await look(workshop, job)

    assert (row["status"], row["attempts"]) == ("running", 2), "it is the other worker's"
    assert await names(workshop) == []


async def test_a_job_that_ends_every_worker_is_given_up(workshop: Platform) -> None:
    job = await order(workshop)
    await change(
        workshop,
        job,
        f"status = 'running', attempts = {MAX_ATTEMPTS}, leased_until = now() - interval '1 second'",
    )

    async with working(workshop) as worker:
        await worker.end()
    row = await look(workshop, job)

    assert (row["status"], row["problem"]["code"]) == ("failed", "worker_lost")
    assert await names(workshop) == []


async def test_many_jobs_and_three_workers_do_each_once(workshop: Platform) -> None:
    others = [await workshop.another_worker() for _ in range(2)]
    jobs = [await order(workshop, names=[f"{number:02}"]) for number in range(20)]

    async with working(workshop) as one, working(others[0]) as two, working(others[1]) as three:
        ended: list[str] = []
        queues = [
            asyncio.create_task(collect(worker, ended, len(jobs))) for worker in (one, two, three)
        ]
        await asyncio.wait_for(asyncio.wait(queues, return_when=asyncio.FIRST_COMPLETED), 30)
        for task in queues:
            task.cancel()

    assert sorted(ended) == sorted(jobs)
    assert await names(workshop) == [f"{number:02}" for number in range(20)]


async def collect(worker: Watched, ended: list[str], enough: int) -> None:
    while len(ended) < enough:
        ended.append(await worker.ended.get())
        if len(ended) < enough:
            continue
        return


async def test_a_job_is_asked_for_in_the_callers_transaction(workshop: Platform) -> None:
    manager = workshop.http("alpha", "manager")

    refused = await manager.post(f"{BATCHES}/order", json={"names": ["a"], "submit_fault": True})
    accepted = await manager.post(f"{BATCHES}/order", json={"names": ["a"]})

    async with workshop.sql("admin") as connection:
        jobs = [str(row[0]) for row in await connection.fetch("select id from kernel.jobs")]
    assert (refused.status_code, refused.json()["code"]) == (409, "changed_mind")
    assert jobs == [accepted.json()["job_id"]]
    async with working(workshop) as worker:
        assert await worker.end() == jobs[0]
    assert await names(workshop) == ["a"]


async def test_a_job_does_what_its_actor_may_do_when_it_runs(workshop: Platform) -> None:
    job = await order(workshop)
    member = workshop.tenant("alpha").people["manager"].member_id
    await workshop.http("alpha", "owner").patch(
        f"/api/v1/members/{member}", json={"role": "viewer"}
    )
    workshop.kernel.changes.forget_all()

    async with working(workshop) as worker:
        await worker.end()

    assert (await look(workshop, job))["problem"]["code"] == "permission_denied"
    assert await names(workshop) == []


async def test_a_closed_accounts_job_is_refused(workshop: Platform) -> None:
    job = await order(workshop)
    async with workshop.sql("admin") as connection:
        await connection.execute(
            "update kernel.users set status = 'disabled' where email = 'manager@alpha.test'"
        )

    async with working(workshop) as worker:
        await worker.end()

    assert (await look(workshop, job))["problem"]["code"] == "unauthenticated"


async def test_the_input_is_refused_before_it_is_queued(workshop: Platform) -> None:
    answer = await workshop.http("alpha", "manager").post(BATCHES, json={"names": "a"})

    assert answer.status_code == 422
    async with workshop.sql("admin") as connection:
        assert await connection.fetchval("select count(*) from kernel.jobs") == 0


async def test_a_tenant_of_another_cluster_has_its_jobs_there(
    open_workshop: Callable[..., Awaitable[Platform]],
) -> None:
    platform = await open_workshop(clusters=2)
    job = await order(platform, "beta")

    async with working(platform) as worker:
        assert await worker.end() == job

    assert (await look(platform, job, "beta"))["status"] == "succeeded"
    assert await names(platform, "beta", "second") == ["a", "b"]
    other: httpx.Response = await platform.http("alpha", "owner").get(f"/api/v1/jobs/{job}")
    assert other.status_code == 404
