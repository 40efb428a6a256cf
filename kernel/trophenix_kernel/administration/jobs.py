"""Background work of the tenant: watched and cancelled."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Final, Literal
from uuid import UUID

import msgspec

from trophenix_kernel.administration.services import services
from trophenix_kernel.operations.call import Call
from trophenix_kernel.storage.session import APP_ROLE, Reader, Transaction
from trophenix_sdk.context import Database
from trophenix_sdk.database import Query
from trophenix_sdk.errors import Conflict
from trophenix_sdk.operations import GET, POST, Operation, operation
from trophenix_sdk.paging import Page, decode_cursor, encode_cursor


class Job(msgspec.Struct, frozen=True):
    """A piece of background work.

    ``done`` of ``total`` says how far it is; ``total`` is 0 while that is not known.
    """

    id: UUID
    operation: str
    status: str
    done: int
    total: int
    attempts: int
    created_at: datetime
    finished_at: datetime | None
    result: msgspec.Raw | None
    problem: msgspec.Raw | None


class JobsQuery(msgspec.Struct, frozen=True):
    """Which jobs."""

    status: Literal["queued", "running", "succeeded", "failed", "cancelled"] | None = None
    limit: Annotated[int, msgspec.Meta(ge=1, le=200)] = 50
    cursor: str | None = None


class OneJob(msgspec.Struct, frozen=True):
    """A job by its id."""

    id: UUID


_COLUMNS: Final = (
    "id, operation, status, done, total, attempts, created_at, finished_at, result, problem"
)
_PAGE: Final = Query(
    f"select {_COLUMNS} from kernel.jobs where (cast(:before as uuid) is null or id < :before)"
    " and (cast(:status as text) is null or status = :status) order by id desc limit :limit",
    Job,
)
_ONE: Final = Query(f"select {_COLUMNS} from kernel.jobs where id = :id", Job)
_CANCEL: Final = Query(
    "update kernel.jobs set status = 'cancelled', finished_at = clock_timestamp() where id = :id and status in ('queued', 'running')"
    f" returning {_COLUMNS}",
    Job,
)


@operation(name="job.list", title="Background work", http=GET("/jobs"), permission="job.read")
async def list_jobs(ctx: Call, query: JobsQuery) -> Page[Job]:
    """The tenant's jobs, newest first."""
    before = decode_cursor(query.cursor, UUID)[0] if query.cursor else None
    rows = await _source(ctx).all(_PAGE, before=before, status=query.status, limit=query.limit + 1)
    more = len(rows) > query.limit
    rows = rows[: query.limit]
    return Page(rows, encode_cursor(rows[-1].id) if more else None)


@operation(
    name="job.read",
    title="A piece of background work",
    http=GET("/jobs/{id}"),
    permission="job.read",
)
async def read_job(ctx: Call, given: OneJob) -> Job:
    """How far a job is, and what came of it."""
    return await _source(ctx).one(_ONE, id=given.id)


@operation(
    name="job.cancel",
    title="Cancel background work",
    http=POST("/jobs/{id}/cancel"),
    permission="job.manage",
)
async def cancel_job(ctx: Call, given: OneJob) -> Job:
    """Stop a job that waits or runs; what it did is undone with its transaction."""
    entry = ctx.caller.entry
    clusters = services(ctx).clusters
    pool = clusters.of(entry.record.cluster) if entry else clusters.main
    before = await Reader(pool, APP_ROLE, ctx.tenant.id).one(_ONE, id=given.id)
    if pool is clusters.main:
        cancelled = await ctx.db.first(_CANCEL, id=given.id)
    else:
        transaction = Transaction(pool, APP_ROLE, ctx.tenant.id)
        await transaction.begin()
        try:
            cancelled = await transaction.first(_CANCEL, id=given.id)
            await transaction.finish()
        finally:
            await transaction.rollback()
    if cancelled is None:
        raise Conflict(f"The job is {before.status} already.", code="job_ended")
    ctx.audit("Job cancelled", target=str(given.id))
    return cancelled


def _source(ctx: Call) -> Database:
    entry = ctx.caller.entry
    clusters = services(ctx).clusters
    if entry is None or clusters.of(entry.record.cluster) is clusters.main:
        return ctx.db
    return Reader(clusters.of(entry.record.cluster), APP_ROLE, entry.record.id)


OPERATIONS: Final[tuple[Operation, ...]] = (list_jobs, read_job, cancel_job)
