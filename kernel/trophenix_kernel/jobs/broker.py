"""A taskiq broker on the jobs table.

A job is a row written in the transaction that asked for it, so it exists exactly when the change does. Workers claim rows with
``SKIP LOCKED`` and a lease; a killed worker's lease runs out and another takes the job, with a higher attempt number that keeps the first
from writing anything if it comes back. Waking is by notification, with a look at the clock for what is due later.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

import msgspec
from taskiq import AckableMessage, AsyncBroker, BrokerMessage

from trophenix_kernel.storage.placement import Clusters
from trophenix_kernel.storage.platform import Platform
from trophenix_kernel.storage.session import APP_ROLE, Transaction
from trophenix_kernel.storage.wake import WakeUp
from trophenix_sdk.database import Query
from trophenix_sdk.errors import TrophenixError

TASK: Final = "trophenix.run_operation"
CHANNEL: Final = "trophenix_jobs"
LEASE: Final = timedelta(seconds=60)
LOOK_SECONDS: Final = 5.0
CLAIM_AT_ONCE: Final = 4


class Claimed(msgspec.Struct, frozen=True):
    """A job this worker has taken."""

    tenant_id: UUID
    id: UUID
    operation: str
    input: msgspec.Raw
    actor: msgspec.Raw
    attempt: int
    request_id: str


_CLAIM: Final = Query("select * from kernel.claim_jobs(:amount, :lease)", Claimed)
_REPORT: Final = Query(
    "select kernel.report_job(:tenant, :job, :attempt, :done, :total, :lease)", str
)
_END: Final = Query("select 1 from kernel.end_job(:tenant, :job, :attempt, :fault, :again_in)", int)


class JobTable:
    """What workers do with the table, one cluster's at a time.

    Args:
        lease: how long a job stays a worker's that says nothing of it.
    """

    def __init__(self, clusters: Clusters, lease: timedelta = LEASE) -> None:
        self._clusters = clusters
        self.lease = lease

    async def claim(self, cluster: str, amount: int) -> list[Claimed]:
        """Take due jobs; each is nobody else's until its lease ends."""
        return await Platform(self._clusters.of(cluster)).all(
            _CLAIM, amount=amount, lease=self.lease
        )

    async def report(
        self, cluster: str, job: Claimed, done: int | None = None, total: int | None = None
    ) -> bool:
        """Renew the lease and say how far the job is; false when it was cancelled or taken over."""
        status = await Platform(self._clusters.of(cluster)).first(
            _REPORT,
            tenant=job.tenant_id,
            job=job.id,
            attempt=job.attempt,
            done=done,
            total=total,
            lease=self.lease,
        )
        return status == "running"

    async def end(self, cluster: str, job: Claimed, fault: Any, again_in: timedelta | None) -> None:
        """Write that the job failed, for good or until *again_in* has passed."""
        await Platform(self._clusters.of(cluster)).first(
            _END,
            tenant=job.tenant_id,
            job=job.id,
            attempt=job.attempt,
            fault=fault,
            again_in=again_in,
        )


class PostgresBroker(AsyncBroker):
    """taskiq's view of the jobs table."""

    def __init__(self, clusters: Clusters, wake: WakeUp, lease: timedelta = LEASE) -> None:
        super().__init__()
        self._clusters = clusters
        self._wake = wake
        self.table = JobTable(clusters, lease)

    async def kick(self, message: BrokerMessage) -> None:
        """Queue a job outside any operation's transaction; operations use ``ctx.submit`` instead."""
        given = msgspec.json.decode(message.message)["kwargs"]
        transaction = Transaction(
            self._clusters.of(given["cluster"]), APP_ROLE, UUID(given["tenant"])
        )
        await transaction.begin()
        try:
            await transaction.finish({"jobs": [given["job"]]})
        finally:
            await transaction.rollback()

    async def listen(self) -> AsyncGenerator[AckableMessage, None]:
        """Jobs as they become due; a job is acknowledged by its own transaction, not here."""
        while True:
            taken = 0
            for cluster in self._clusters.names():
                try:
                    claimed = await self.table.claim(cluster, CLAIM_AT_ONCE)
                except TrophenixError:
                    # The cluster does not answer: the others go on, and this one is asked again.
                    continue
                for job in claimed:
                    taken += 1
                    yield AckableMessage(data=_message(cluster, job), ack=_acknowledged)
            if not taken:
                await self._wake.wait(LOOK_SECONDS)


async def _acknowledged() -> None:
    """The job's row is updated in the transaction of what it did."""


def _message(cluster: str, job: Claimed) -> bytes:
    return msgspec.json.encode(
        {
            "task_id": str(job.id),
            "task_name": TASK,
            "labels": {},
            "args": [],
            "kwargs": {"cluster": cluster, "job": job},
        }
    )
