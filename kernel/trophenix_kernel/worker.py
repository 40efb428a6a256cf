"""The worker process: runs jobs through the pipeline and relays the outbox to the event bus."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from datetime import timedelta
from typing import Any, Final

import msgspec
from taskiq.receiver import Receiver

from trophenix_kernel.composition import Kernel
from trophenix_kernel.events.relay import Relay
from trophenix_kernel.identity.model import Identity
from trophenix_kernel.jobs.broker import CHANNEL, LEASE, TASK, Claimed, PostgresBroker
from trophenix_kernel.operations.binding import from_document
from trophenix_kernel.operations.pipeline import Request, RunningJob
from trophenix_kernel.storage.wake import WakeUp
from trophenix_kernel.web.recognition import Recognition
from trophenix_sdk.errors import Conflict, TrophenixError, Unavailable, as_problem

MAX_ATTEMPTS: Final = 3
CONCURRENT_JOBS: Final = 4
PROGRESS_SECONDS: Final = 0.25
_log: Final = logging.getLogger("trophenix.worker")


class Worker:
    """Runs until it is stopped.

    Args:
        kernel: started by the caller.
        recognition: so that a job is decided by what its actor may do now.
        lease: after how long another worker takes over what this one does not report on.
    """

    def __init__(
        self, kernel: Kernel, recognition: Recognition, *, lease: timedelta = LEASE
    ) -> None:
        self._kernel = kernel
        self._recognition = recognition
        dsns = [kernel.clusters.of(name).dsn for name in kernel.clusters.names()]
        self._wake = WakeUp(dsns, CHANNEL)
        self.broker = PostgresBroker(kernel.clusters, self._wake, lease)

        async def run_operation(cluster: str, job: dict[str, Any]) -> None:
            await self.run_job(cluster, job)

        self.broker.register_task(run_operation, task_name=TASK)
        self._relay = Relay(kernel.clusters, kernel.settings.nats_url)
        self._finish = asyncio.Event()

    async def run(self) -> None:
        """Work until `stop` is called; jobs that run then are finished first."""
        self.broker.is_worker_process = True
        receiver = Receiver(
            self.broker, max_async_tasks=CONCURRENT_JOBS, max_prefetch=0, validate_params=False
        )
        await self._wake.start()
        await self._relay.start()
        try:
            await receiver.listen(self._finish)
        finally:
            await self._relay.stop()
            await self._wake.stop()

    def stop(self) -> None:
        """Take no further job."""
        self._finish.set()

    async def run_job(self, cluster: str, job: dict[str, Any]) -> None:
        """Run one claimed job to its end, whatever that is."""
        # taskiq hands over plain values; `input` and `actor` are wanted as they were stored.
        claimed = msgspec.json.decode(msgspec.json.encode(job), type=Claimed)
        table = self.broker.table
        if not await table.report(cluster, claimed):
            return
        if claimed.attempt > MAX_ATTEMPTS:
            # Nothing was refused and nothing failed: each worker that took it went away over it.
            await table.end(cluster, claimed, _LOST, None)
            return
        running = asyncio.create_task(self._run_operation(cluster, claimed))
        heartbeat = asyncio.create_task(self._keep_lease(cluster, claimed, running))
        try:
            await running
        except asyncio.CancelledError:
            if asyncio.current_task() is not None and asyncio.current_task().cancelling():  # type: ignore[union-attr]
                running.cancel()
                raise
            _log.info("job %s was cancelled", claimed.id)
        except TrophenixError as error:
            # What does not answer now may answer later; every other refusal would only be repeated.
            again = _again_in(claimed.attempt) if isinstance(error, Unavailable) else None
            fault = as_problem(error, request_id=claimed.request_id)
            await table.end(cluster, claimed, fault, again)
        except Exception:  # noqa: BLE001 - logged; the caller gets a refusal that says nothing of the inside
            _log.exception(
                "job %s (%s) failed at attempt %d", claimed.id, claimed.operation, claimed.attempt
            )
            await table.end(cluster, claimed, _FAILED, _again_in(claimed.attempt))
        finally:
            heartbeat.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await heartbeat

    async def _run_operation(self, cluster: str, job: Claimed) -> None:
        kernel = self._kernel
        bound = kernel.registry.named(job.operation)
        identity = await self._actor(job)
        entry = await kernel.directory.by_id(job.tenant_id)
        caller = await self._recognition.caller_in(
            identity,
            entry,
            door="job",
            request_id=job.request_id,
            locale=identity.locale if identity else "en",
        )
        kind = bound.operation.input_type
        started = time.perf_counter_ns()
        status = 200
        try:
            await kernel.pipeline.run(
                bound,
                caller,
                Request(
                    read_input=lambda: from_document(
                        kind, msgspec.json.decode(job.input), strict=True
                    ),
                    job=RunningJob(job.id, job.attempt),
                    report_progress=self._progress(cluster, job),
                ),
            )
        except TrophenixError as error:
            status = error.status
            raise
        finally:
            if caller.has(bound.plugin_id):
                kernel.meter.record(
                    job.tenant_id,
                    cluster,
                    bound.name,
                    status,
                    (time.perf_counter_ns() - started) // 1000,
                    kernel.clock.now().date(),
                )

    async def _actor(self, job: Claimed) -> Identity | None:
        """Who asked for the job; nobody for a public operation, and nobody once the account is closed."""
        if bytes(job.actor) == b"{}":
            return None
        identity = msgspec.json.decode(job.actor, type=Identity)
        user = await self._kernel.credentials.user(identity.user_id)
        return identity if user is not None and user.status == "active" else None

    def _progress(self, cluster: str, job: Claimed) -> Any:
        last = 0.0

        async def report(done: int, total: int) -> None:
            nonlocal last
            now = time.monotonic()
            if done < total and now - last < PROGRESS_SECONDS:
                return
            last = now
            try:
                kept = await self.broker.table.report(cluster, job, done, total)
            except Unavailable:
                # Not seeing how far it is, is no reason to fail it.
                return
            if not kept:
                raise Conflict(
                    "The job was cancelled, or another worker took it over.", code="job_ended"
                )

        return report

    async def _keep_lease(self, cluster: str, job: Claimed, running: asyncio.Task[None]) -> None:
        while True:
            await asyncio.sleep(self.broker.table.lease.total_seconds() / 20)
            with contextlib.suppress(TrophenixError):
                if not await self.broker.table.report(cluster, job):
                    running.cancel()
                    return


def _again_in(attempt: int) -> timedelta | None:
    """When a job that failed for an unknown reason is tried again: after 2, then 8 seconds, then never."""
    return None if attempt >= MAX_ATTEMPTS else timedelta(seconds=2 * 4 ** (attempt - 1))


_LOST: Final = as_problem(
    TrophenixError(
        "Every worker that began this ended before it was done.",
        next_step="Ask for less at once; operators find the reason in the workers' logs.",
        code="worker_lost",
    )
)
_FAILED: Final = as_problem(
    TrophenixError(
        "Something failed on our side.",
        next_step="It is tried again a few times; tell support the job's id if it stays.",
    )
)
