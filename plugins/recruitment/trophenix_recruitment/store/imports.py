"""Imports as rows: the batch, its file in pieces, and what became of every line."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, Literal
from uuid import UUID

import msgspec

from trophenix_recruitment.keys import SearchKeys
from trophenix_recruitment.matching import Known
from trophenix_recruitment.model import AthleteDraft
from trophenix_recruitment.store.athletes import SCHEMA, VALUES, values_of
from trophenix_sdk.context import Database
from trophenix_sdk.database import Query

CHUNK_BYTES: Final = 1 << 20


BatchStatus = Literal[
    "queued", "previewed", "applied", "applied_with_errors", "reverting", "reverted", "failed"
]
RowStatus = Literal["imported", "updated", "unchanged", "repeated", "rejected", "reverted", "kept"]


class Batch(msgspec.Struct, frozen=True):
    """An import as it is stored; the fields stand in the order of `_BATCH`."""

    id: UUID
    source: str
    file_name: str
    file_bytes: int | None
    mapping: dict[str, Any] | None
    format: str
    batch_size: int
    status: BatchStatus
    job_id: UUID | None
    total: int
    imported: int
    updated: int
    unchanged: int
    repeated: int
    rejected: int
    errors: int
    warnings: int
    duplicates_proposed: int
    kept: int
    duration_ms: int | None
    created_by_name: str
    created_at: datetime
    finished_at: datetime | None
    reverted_at: datetime | None
    reverted_by_name: str | None


class Tally(msgspec.Struct):
    """The counters of a batch; ``unchanged`` holds ``repeated`` rows too."""

    total: int = 0
    imported: int = 0
    updated: int = 0
    unchanged: int = 0
    repeated: int = 0
    rejected: int = 0
    errors: int = 0
    warnings: int = 0
    duplicates_proposed: int = 0


class Lines:
    """What became of many rows, by column, as the database takes them; problems, raw and before are JSON, encoded."""

    __slots__ = ("athletes", "befores", "lines", "problems", "raws", "seqs", "statuses", "versions")

    def __init__(self) -> None:
        self.seqs: list[int] = []
        self.lines: list[int] = []
        self.statuses: list[RowStatus] = []
        self.athletes: list[UUID | None] = []
        self.versions: list[int | None] = []
        self.problems: list[bytes | None] = []
        self.raws: list[bytes | None] = []
        self.befores: list[bytes | None] = []

    def add(
        self,
        seq: int,
        line: int,
        status: RowStatus,
        athlete_id: UUID | None,
        version: int | None,
        problems: bytes | None,
        raw: bytes | None,
        before: bytes | None,
    ) -> None:
        """One row more."""
        self.seqs.append(seq)
        self.lines.append(line)
        self.statuses.append(status)
        self.athletes.append(athlete_id)
        self.versions.append(version)
        self.problems.append(problems)
        self.raws.append(raw)
        self.befores.append(before)

    def extend(self, others: Lines) -> None:
        """The rows of *others*, too; they are only looked at, so what they would have changed is left out."""
        for index, status in enumerate(others.statuses):
            self.add(
                others.seqs[index],
                others.lines[index],
                status,
                None if status == "imported" else others.athletes[index],
                None,
                others.problems[index],
                others.raws[index],
                None,
            )


class Restorable(msgspec.Struct, frozen=True):
    """An athlete that an import changed and nobody since, with what it was before."""

    seq: int
    athlete_id: UUID
    version: int
    before: AthleteDraft


class Finding(msgspec.Struct, frozen=True):
    """One remark on one row, or a row without remarks."""

    seq: int
    number: int
    line: int
    status: RowStatus
    athlete_id: UUID | None
    column: str | None
    code: str | None
    message: str | None
    value: str | None
    severity: str | None
    raw: dict[str, Any] | None


_COUNTERS: Final = (
    "total",
    "imported",
    "updated",
    "unchanged",
    "repeated",
    "rejected",
    "errors",
    "warnings",
    "duplicates_proposed",
)
_BATCH: Final = (
    "b.id, b.source, b.file_name, b.file_bytes, b.mapping, b.format, b.batch_size, b.status, b.job_id, b.total, b.imported, b.updated,"
    " b.unchanged, b.repeated, b.rejected, b.errors, b.warnings, b.duplicates_proposed, b.kept, b.duration_ms, b.created_by_name,"
    " b.created_at, b.finished_at, b.reverted_at, b.reverted_by_name"
)
_ONE: Final = Query(f"select {_BATCH} from {SCHEMA}.import_batch b where b.id = :id", Batch)
_LOCKED: Final = Query(
    f"select {_BATCH} from {SCHEMA}.import_batch b where b.id = :id for update of b", Batch
)
_PAGE: Final = Query(
    f"select {_BATCH} from {SCHEMA}.import_batch b where (cast(:after as uuid) is null or b.id < :after)"
    " and (cast(:status as text) is null or b.status = :status) order by b.id desc limit :limit",
    Batch,
)
_SAME_FILE: Final = Query(
    f"select {_BATCH} from {SCHEMA}.import_batch b where b.sha256 = :sha256 and b.asked = :asked"
    " and b.status not in ('reverted', 'failed') for update of b",
    Batch,
)
_INSERT: Final[Query[Any]] = Query(
    f"insert into {SCHEMA}.import_batch (id, source, file_name, file_bytes, sha256, asked, mapping, batch_size, status, job_id,"
    " created_by, created_by_name, created_at)"
    " values (:id, :source, :file_name, :file_bytes, :sha256, :asked, :mapping, :batch_size, :status, :job_id, :who, :name, :now)"
)
_QUEUE: Final[Query[Any]] = Query(
    f"update {SCHEMA}.import_batch set status = :status, job_id = :job_id, asked = coalesce(:asked, asked),"
    " mapping = coalesce(:mapping, mapping) where id = :id"
)
_PREVIEW: Final[Query[Any]] = Query(
    f"update {SCHEMA}.import_batch set status = 'previewed', job_id = null, mapping = :mapping, format = :format, total = :total"
    " where id = :id"
)
_FINISH: Final = Query(
    f"update {SCHEMA}.import_batch set status = :status, mapping = :mapping, format = :format, duration_ms = :duration_ms,"
    f" finished_at = :now, {', '.join(f'{name} = :{name}' for name in _COUNTERS)} where id = :id returning id",
    UUID,
)
_ADD_CHUNK: Final[Query[Any]] = Query(
    f"insert into {SCHEMA}.import_file (id, batch_id, seq, chunk) values (:id, :batch, :seq, :chunk)"
)
_CHUNK: Final = Query(
    f"select chunk from {SCHEMA}.import_file where batch_id = :batch and seq = :seq", bytes
)
_ROWS: Final[Query[Any]] = Query(
    f"insert into {SCHEMA}.import_row (batch_id, seq, line, status, athlete_id, version, problems, raw, before)"
    " select :batch, r.seq, r.line, r.status, r.athlete_id, r.version, r.problems, r.raw, r.before from"
    " unnest(cast(:seqs as integer[]), cast(:lines as integer[]), cast(:statuses as text[]), cast(:athletes as uuid[]),"
    " cast(:versions as integer[]), cast(:problems as jsonb[]), cast(:raws as jsonb[]), cast(:befores as jsonb[]))"
    " as r(seq, line, status, athlete_id, version, problems, raw, before)"
)
_DROP_ROWS: Final[Query[Any]] = Query(f"delete from {SCHEMA}.import_row where batch_id = :batch")
_FINDINGS: Final = Query(
    f"""
    select f.seq, f.number, f.line, f.status, f.athlete_id, f.problem ->> 'column', f.problem ->> 'code', f.problem ->> 'message',
      f.problem ->> 'value', f.problem ->> 'severity', f.raw
    from (
      select r.seq, cast(coalesce(p.number, 0) as integer) as number, r.line, r.status, r.athlete_id, p.problem, r.raw
      from {SCHEMA}.import_row r left join lateral jsonb_array_elements(r.problems) with ordinality as p(problem, number) on true
      where r.batch_id = :batch and (cast(:status as text) is null or r.status = :status) and r.seq >= :seq
        and (not cast(:faults as boolean) or p.problem is not null)
      union all
      select a.batch_seq, 0, a.batch_line, 'imported', a.id, null, null
      from {SCHEMA}.athlete a
      where a.batch_id = :batch and coalesce(:status, 'imported') = 'imported' and a.batch_seq >= :seq and not cast(:faults as boolean)
        and not exists (select from {SCHEMA}.import_row r where r.batch_id = :batch and r.seq = a.batch_seq)
    ) f
    where (f.seq, f.number) > (:seq, cast(:number as integer))
    order by f.seq, f.number limit :limit
    """,
    Finding,
)
_WRITTEN: Final = ", ".join(VALUES)
_ADD_STAGED: Final[Query[Any]] = Query(
    f"insert into {SCHEMA}.athlete (id, batch_seq, batch_line, {_WRITTEN}, batch_id, created_at, updated_at)"
    f" select id, batch_seq, batch_line, {_WRITTEN}, :batch, :now, :now from pg_temp.staged_athletes"
)
_CHANGE_STAGED: Final[Query[Any]] = Query(
    f"update {SCHEMA}.athlete a set ({_WRITTEN}, version, updated_at) ="
    f" ({', '.join(f's.{name}' for name in VALUES)}, a.version + 1, :now)"
    " from pg_temp.staged_changes s where a.id = s.id and a.version = s.known_version"
)
_DROP_STAGED: Final[dict[str, Query[Any]]] = {
    name: Query(f"drop table pg_temp.{name}") for name in ("staged_athletes", "staged_changes")
}
_REMOVE: Final[Query[Any]] = Query(
    f"delete from {SCHEMA}.athlete a where a.batch_id = :batch and a.version = 1"
)
_RESTORABLE: Final = Query(
    f"select r.seq, r.athlete_id, r.version, r.before from {SCHEMA}.import_row r"
    f" join {SCHEMA}.athlete a on a.id = r.athlete_id and a.version = r.version"
    " where r.batch_id = :batch and r.status = 'updated' and r.seq > :seq order by r.seq limit :limit for update of a",
    Restorable,
)
_TAKEN_BACK: Final[Query[Any]] = Query(
    f"update {SCHEMA}.import_row set status = 'reverted' where batch_id = :batch and seq = any (cast(:seqs as integer[]))"
)
_KEEP_ADDED: Final[Query[Any]] = Query(
    f"insert into {SCHEMA}.import_row as r (batch_id, seq, line, status, athlete_id, version, problems)"
    f" select :batch, a.batch_seq, a.batch_line, 'kept', a.id, a.version, cast(:problems as jsonb) from {SCHEMA}.athlete a"
    " where a.batch_id = :batch"
    " on conflict (tenant_id, batch_id, seq) do update set status = 'kept', problems = coalesce(r.problems, '[]') || excluded.problems"
)
_KEEP_CHANGED: Final[Query[Any]] = Query(
    f"update {SCHEMA}.import_row r set status = 'kept', problems = coalesce(r.problems, '[]') || cast(:problems as jsonb)"
    f" where r.batch_id = :batch and r.status = 'updated' and exists (select from {SCHEMA}.athlete a where a.id = r.athlete_id)"
)
_FORGET_REST: Final[Query[Any]] = Query(
    f"update {SCHEMA}.import_row set status = 'reverted' where batch_id = :batch and status in ('imported', 'updated')"
)
_DROP_EVIDENCE: Final[Query[Any]] = Query(
    f"update {SCHEMA}.import_row set raw = null, before = null where batch_id = :batch and (raw is not null or before is not null)"
)
_DROP_FILE: Final[Query[Any]] = Query(f"delete from {SCHEMA}.import_file where batch_id = :batch")
_REVERTED: Final[Query[Any]] = Query(
    f"update {SCHEMA}.import_batch set status = 'reverted', kept = :kept, reverted_at = :now, reverted_by_name = :name where id = :id"
)


async def read(db: Database, batch_id: UUID) -> Batch:
    """The batch.

    Raises:
        NotFound: there is none of this id.
    """
    return await db.one(_ONE, id=batch_id)


async def lock(db: Database, batch_id: UUID) -> Batch:
    """The batch, which nobody else can change until this transaction ends.

    Raises:
        NotFound: there is none of this id.
    """
    return await db.one(_LOCKED, id=batch_id)


async def page(db: Database, limit: int, after: UUID | None, status: str | None) -> list[Batch]:
    """At most *limit* batches, newest first."""
    return await db.all(_PAGE, limit=limit, after=after, status=status)


async def same_file(db: Database, sha256: bytes, asked: str) -> Batch | None:
    """The batch of the same file under the same mapping, unless it was taken back."""
    return await db.first(_SAME_FILE, sha256=sha256, asked=asked)


async def insert(db: Database, batch_id: UUID, **values: Any) -> None:
    """The batch is stored, waiting.

    Raises:
        Conflict: ``import_batch_same_file``, the same file came in at the same moment.
    """
    await db.execute(_INSERT, id=batch_id, **values)


async def queue(
    db: Database,
    batch_id: UUID,
    status: str,
    job_id: UUID,
    asked: str | None = None,
    mapping: Any = None,
) -> None:
    """The batch waits for its job, under another mapping if one is given."""
    await db.execute(
        _QUEUE, id=batch_id, status=status, job_id=job_id, asked=asked, mapping=mapping
    )


async def preview(
    db: Database,
    batch_id: UUID,
    *,
    mapping: Any,
    form: str,
    total: int,
) -> None:
    """The batch waits for somebody to confirm how it was understood."""
    await db.execute(_PREVIEW, id=batch_id, mapping=mapping, format=form, total=total)


async def finish(db: Database, batch_id: UUID, tally: Tally, **values: Any) -> None:
    """The batch has its outcome; *values* are status, mapping, format, duration_ms and now."""
    await db.one(_FINISH, id=batch_id, **msgspec.structs.asdict(tally), **values)


async def add_chunk(db: Database, chunk_id: UUID, batch_id: UUID, seq: int, chunk: bytes) -> None:
    """A piece of the file is kept."""
    await db.execute(_ADD_CHUNK, id=chunk_id, batch=batch_id, seq=seq, chunk=chunk)


async def chunk(db: Database, batch_id: UUID, seq: int) -> bytes | None:
    """A piece of the file, ``None`` behind the last."""
    return await db.first(_CHUNK, batch=batch_id, seq=seq)


async def add_lines(db: Database, batch_id: UUID, lines: Lines) -> None:
    """What became of the rows is kept."""
    if lines.seqs:
        await db.execute(
            _ROWS, batch=batch_id, **{name: getattr(lines, name) for name in Lines.__slots__}
        )


async def clear(db: Database, batch_id: UUID) -> None:
    """Nothing is kept of an earlier look at the batch."""
    await db.execute(_DROP_ROWS, batch=batch_id)


async def findings(
    db: Database,
    batch_id: UUID,
    *,
    status: str | None,
    faults: bool,
    after: tuple[int, int],
    limit: int,
) -> list[Finding]:
    """Remarks on the rows, in the order of the file; rows without any appear once unless only *faults* are asked for."""
    return await db.all(
        _FINDINGS,
        batch=batch_id,
        status=status,
        faults=faults,
        seq=after[0],
        number=after[1],
        limit=limit,
    )


async def add_athletes(
    db: Database,
    batch_id: UUID,
    added: Sequence[tuple[Known, int, SearchKeys]],
    now: datetime,
) -> None:
    """All athletes of *added*, each with the number of its row, are stored.

    Raises:
        Conflict: ``external_id_taken``, an identifier belongs to another athlete.
    """
    if not added:
        return
    await db.stage(
        "staged_athletes",
        {"id": "uuid", "batch_seq": "integer", "batch_line": "integer", **VALUES},
        [(known.id, seq, known.line, *values_of(known.draft, keys)) for known, seq, keys in added],
    )
    await db.execute(_ADD_STAGED, batch=batch_id, now=now)
    await db.execute(_DROP_STAGED["staged_athletes"])


async def change_athletes(
    db: Database, changed: Sequence[tuple[UUID, int, AthleteDraft]], now: datetime
) -> int:
    """How many athletes of *changed* (id, version found, new values) were still at their version, and have changed.

    Raises:
        Conflict: ``external_id_taken``, an identifier belongs to another athlete.
    """
    if not changed:
        return 0
    await db.stage(
        "staged_changes",
        {"id": "uuid", "known_version": "integer", **VALUES},
        [(athlete_id, version, *values_of(draft)) for athlete_id, version, draft in changed],
    )
    count = await db.execute(_CHANGE_STAGED, now=now)
    await db.execute(_DROP_STAGED["staged_changes"])
    return count


async def remove_added(db: Database, batch_id: UUID) -> int:
    """How many athletes that the batch added, and nobody changed since, are gone now."""
    return await db.execute(_REMOVE, batch=batch_id)


async def restorable(db: Database, batch_id: UUID, seq: int, limit: int) -> list[Restorable]:
    """At most *limit* athletes that the batch changed and nobody since, behind the row *seq*; locked."""
    return await db.all(_RESTORABLE, batch=batch_id, seq=seq, limit=limit)


async def restore(db: Database, batch_id: UUID, rows: Sequence[Restorable], now: datetime) -> None:
    """The athletes are what they were before the batch, one version later."""
    await change_athletes(db, [(row.athlete_id, row.version, row.before) for row in rows], now)
    await db.execute(_TAKEN_BACK, batch=batch_id, seqs=[row.seq for row in rows])


async def keep_rest(db: Database, batch_id: UUID, problems: Any) -> int:
    """How many athletes are left alone, because they were changed since; their rows say so in *problems*."""
    kept = await db.execute(_KEEP_ADDED, batch=batch_id, problems=problems)
    kept += await db.execute(_KEEP_CHANGED, batch=batch_id, problems=problems)
    await db.execute(_FORGET_REST, batch=batch_id)
    return kept


async def mark_reverted(db: Database, batch_id: UUID, kept: int, name: str, now: datetime) -> None:
    """The batch is taken back, and neither its file nor the text of its lines is kept."""
    await db.execute(_DROP_EVIDENCE, batch=batch_id)
    await db.execute(_DROP_FILE, batch=batch_id)
    await db.execute(_REVERTED, id=batch_id, kept=kept, name=name, now=now)
