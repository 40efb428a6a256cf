"""Imports of files: previewed, applied in the background, watched, looked through, taken back."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager
from datetime import date, datetime
from pathlib import Path
from typing import Annotated, Any, Final, Literal
from uuid import UUID

import msgspec
from msgspec import Meta

from trophenix_recruitment import undoing
from trophenix_recruitment.cells import cell_text
from trophenix_recruitment.choosing import chosen_mapping, fingerprint
from trophenix_recruitment.events import IMPORTED, REVERTED
from trophenix_recruitment.imports import AthleteImport
from trophenix_recruitment.intake import Intake
from trophenix_recruitment.mapping import Mapping
from trophenix_recruitment.model import RawRow
from trophenix_recruitment.operations.bulk import announce
from trophenix_recruitment.problems import ImportRefused
from trophenix_recruitment.reading import Limits, TableFacts
from trophenix_recruitment.refusals import refusal
from trophenix_recruitment.store import imports
from trophenix_recruitment.store.imports import CHUNK_BYTES, Batch, Lines, RowStatus
from trophenix_sdk.clock import today
from trophenix_sdk.context import Context
from trophenix_sdk.database import Query
from trophenix_sdk.errors import Conflict, FieldProblem, Invalid
from trophenix_sdk.files import Upload, temporary_file
from trophenix_sdk.i18n import gettext_lazy
from trophenix_sdk.ids import new_id
from trophenix_sdk.operations import GET, MEBIBYTE, POST, Operation, operation
from trophenix_sdk.paging import Page, decode_cursor, encode_cursor

_ = gettext_lazy("recruitment")

LIMITS: Final = Limits()
Mode = Literal["preview", "apply"]
Status = Literal[
    "queued",
    "running",
    "previewed",
    "applied",
    "applied_with_errors",
    "reverting",
    "reverted",
    "failed",
]
DONE: Final = ("applied", "applied_with_errors")


class ImportState(msgspec.Struct, frozen=True, kw_only=True):
    """An import as it stands.

    Attributes:
        status: ``queued`` and ``running`` are asked again; the others are final, but for ``reverting``.
        progress: percent of the rows looked at.
        total: rows of the file, as far as known.
        imported, updated, unchanged, rejected: add up to ``total`` once it is applied; in a preview they say what would happen.
        repeated: rows among ``unchanged`` that stand in the file twice.
        errors, warnings: remarks; a row can have several.
        kept: athletes that taking the import back left alone, because they were changed since.
        detail: why it failed.
        already_applied: the same file under the same mapping was applied before; nothing was done again.
        mapping: how the columns are read; edit it and send it with ``apply``.
        revertible: whether it can be taken back.
    """

    batch_id: UUID
    status: Status
    progress: float
    source: str
    file_name: str
    format: str
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
    detail: str | None
    already_applied: bool
    revertible: bool
    job_id: UUID | None
    mapping: dict[str, Any] | None
    created_by: str
    created_at: datetime
    finished_at: datetime | None
    reverted_at: datetime | None
    reverted_by: str | None


class NewImport(msgspec.Struct, frozen=True, kw_only=True):
    """A file to be imported.

    Attributes:
        file: CSV, XLSX, JSON or JSON Lines; what it is, its encoding and its separators are found out.
        mode: ``preview`` writes no athlete and says what ``apply`` would do.
        mapping: JSON, where the columns are not recognised: ``{"heading": "field"}``, or the whole mapping of a preview.
        batch_size: rows between two reports of progress; a file is imported as a whole or not at all.
        source: what the caller calls it; the file's own format counts.
    """

    file: Upload
    mode: Mode = "apply"
    mapping: Annotated[str, Meta(max_length=100_000)] | None = None
    batch_size: Annotated[int, Meta(ge=1, le=100_000)] = 1000
    source: Annotated[str, Meta(max_length=20)] = ""


class ImportsQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which imports, newest first."""

    limit: Annotated[int, Meta(ge=1, le=200)] = 50
    cursor: str | None = None


class OneImport(msgspec.Struct, frozen=True):
    """An import by id."""

    id: UUID


class ImportApply(msgspec.Struct, frozen=True, kw_only=True):
    """An import that was previewed, or failed, to be applied; with another mapping if one is given."""

    id: UUID
    mapping: dict[str, Any] | list[str] | None = None


class RowsQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which rows of an import, in the file's order; ``None`` for all."""

    id: UUID
    status: RowStatus | None = None
    limit: Annotated[int, Meta(ge=1, le=200)] = 100
    cursor: str | None = None


class ImportRow(msgspec.Struct, frozen=True, kw_only=True):
    """One remark on one row; a row without remarks appears once.

    Attributes:
        line: where the row begins in the file; the first line is 1.
        severity: an ``error`` rejects the row, a ``warning`` does not.
        raw: the row as it was read, kept where there is a remark.
    """

    line: int
    status: RowStatus
    column: str | None
    code: str | None
    message: str | None
    value: str | None
    severity: str | None
    athlete_id: UUID | None
    raw: dict[str, Any] | None


class ImportWork(msgspec.Struct, frozen=True, kw_only=True):
    """What a worker is to do with a stored file."""

    batch_id: UUID
    preview: bool
    mapping: dict[str, Any] | list[str] | None = None


class ImportUndo(msgspec.Struct, frozen=True, kw_only=True):
    """Which import a worker is to take back."""

    batch_id: UUID


# ── what callers do ─────────────────────────────────────────────────────────────────────────────────────────────────


@operation(
    name="import.start",
    title=_("Import a file of athletes"),
    http=POST("/athletes/imports"),
    permission="athlete.import",
    max_body_bytes=LIMITS.file_bytes + MEBIBYTE,
    status=202,
)
async def start_import(ctx: Context, given: NewImport) -> ImportState:
    """The file is stored and waits for a worker; the same file under the same mapping is one import."""
    asked = _asked(given.mapping)
    digest = await asyncio.to_thread(_digest, given.file.path)
    known = await imports.same_file(ctx.db, digest, fingerprint(asked))
    if known is not None:
        return await _again(ctx, known, given.mode, asked)
    batch_id = await store_file(
        ctx, given.file, digest, asked=fingerprint(asked), status="queued", step=given.batch_size
    )
    work = ImportWork(batch_id=batch_id, preview=given.mode == "preview", mapping=asked)
    await imports.queue(ctx.db, batch_id, "queued", await ctx.submit("import.work", work))
    ctx.audit(f"File {given.file.file_name} handed in", target=str(batch_id))
    return await state_of(ctx, await imports.read(ctx.db, batch_id))


@operation(
    name="import.list",
    title=_("Imports"),
    http=GET("/athletes/imports"),
    permission="athlete.import",
)
async def list_imports(ctx: Context, query: ImportsQuery) -> Page[ImportState]:
    """The imports, newest first."""
    after = decode_cursor(query.cursor, UUID)[0] if query.cursor else None
    found = await imports.page(ctx.db, query.limit + 1, after, None)
    more, found = len(found) > query.limit, found[: query.limit]
    states = [await state_of(ctx, one) for one in found]
    return Page(states, encode_cursor(found[-1].id) if more else None)


@operation(
    name="import.read",
    title=_("See an import"),
    http=GET("/athletes/imports/{id}"),
    permission="athlete.import",
)
async def read_import(ctx: Context, given: OneImport) -> ImportState:
    """How far an import is, and what came of it."""
    return await state_of(ctx, await imports.read(ctx.db, given.id))


@operation(
    name="import.rows",
    title=_("See the rows of an import"),
    http=GET("/athletes/imports/{id}/rows"),
    permission="athlete.import",
)
async def list_rows(ctx: Context, query: RowsQuery) -> Page[ImportRow]:
    """What became of the rows, remark by remark."""
    after = decode_cursor(query.cursor, int, int) if query.cursor else (0, -1)
    found = await imports.findings(
        ctx.db,
        query.id,
        status=query.status,
        faults=False,
        after=(after[0], after[1]),
        limit=query.limit + 1,
    )
    if not found:
        await imports.read(ctx.db, query.id)
    more, found = len(found) > query.limit, found[: query.limit]
    rows = [
        ImportRow(
            line=one.line,
            status=one.status,
            column=one.column,
            code=one.code,
            message=one.message,
            value=one.value,
            severity=one.severity,
            athlete_id=one.athlete_id,
            raw=one.raw,
        )
        for one in found
    ]
    return Page(rows, encode_cursor(found[-1].seq, found[-1].number) if more else None)


@operation(
    name="import.apply",
    title=_("Apply an import"),
    http=POST("/athletes/imports/{id}/apply"),
    permission="athlete.import",
    status=202,
)
async def apply_import(ctx: Context, given: ImportApply) -> ImportState:
    """The previewed file waits for a worker to write its athletes."""
    return await apply(ctx, given)


async def apply(ctx: Context, given: ImportApply) -> ImportState:
    """The previewed file waits for a worker.

    Raises:
        NotFound: there is no such import.
        Conflict: it is not in a state that can be applied, or the same file was imported under this mapping.
    """
    batch = await imports.lock(ctx.db, given.id)
    standing = await state_of(ctx, batch)
    if standing.status != "previewed" and not (
        standing.status == "failed" and batch.status != "reverting"
    ):
        raise Conflict(
            f"The import is {standing.status}; only one that was previewed, or failed, can be applied.",
            next_step="Look at the import, or send the file again.",
            code="import_not_applicable",
        )
    await _queue(ctx, batch, preview=False, asked=given.mapping)
    return await state_of(ctx, await imports.read(ctx.db, batch.id))


@operation(
    name="import.revert",
    title=_("Take an import back"),
    http=POST("/athletes/imports/{id}/revert"),
    permission="athlete.import",
    status=202,
)
async def revert_import(ctx: Context, given: OneImport) -> ImportState:
    """A worker removes the athletes that the import added and restores those it changed; who was changed since is kept."""
    batch = await imports.lock(ctx.db, given.id)
    standing = await state_of(ctx, batch)
    if standing.status not in DONE and not (
        standing.status == "failed" and batch.status == "reverting"
    ):
        raise Conflict(
            f"The import is {standing.status}; only one that was applied can be taken back.",
            next_step="Look at the import.",
            code="import_not_revertible",
        )
    job = await ctx.submit("import.undo", ImportUndo(batch_id=batch.id))
    await imports.queue(ctx.db, batch.id, "reverting", job)
    ctx.audit(f"Import of {batch.file_name} is to be taken back", target=str(batch.id))
    return await state_of(ctx, await imports.read(ctx.db, batch.id))


# ── what workers do ─────────────────────────────────────────────────────────────────────────────────────────────────


@operation(
    name="import.work",
    title=_("Work through an imported file"),
    permission="athlete.import",
    emits=[IMPORTED],
    background=True,
)
async def work_import(ctx: Context, given: ImportWork) -> ImportState:
    """The stored file is previewed or applied."""
    started = time.perf_counter()
    batch = await imports.lock(ctx.db, given.batch_id)
    if batch.status != "queued":
        raise Conflict(f"The import is {batch.status} already.", code="import_not_waiting")
    await imports.clear(ctx.db, batch.id)
    day = today(ctx.clock, ctx.tenant.time_zone)
    async with stored_file(ctx, batch) as path:
        try:
            source = await asyncio.to_thread(opened, path, day)
            mapping = await asyncio.to_thread(mapping_for, source, given.mapping, batch)
            intake = Intake(
                ctx,
                batch.id,
                source.table.headings,
                mapping,
                day,
                step=batch.batch_size,
                total=source.table.counts.rows,
            )
            if given.preview:
                await _looked_at(ctx, intake, source)
            else:
                await intake.take(source.table.rows())
        except ImportRefused as refused:
            raise refusal(refused) from refused
    tally = intake.tally
    status = (
        "previewed" if given.preview else "applied_with_errors" if tally.rejected else "applied"
    )
    await imports.finish(
        ctx.db,
        batch.id,
        tally,
        status=status,
        mapping=msgspec.to_builtins(mapping),
        format=format_of(source.table.facts),
        duration_ms=round((time.perf_counter() - started) * 1000),
        now=ctx.now,
    )
    if not given.preview:
        announce(ctx, batch.id, batch.source, tally)
    return _state(await imports.read(ctx.db, batch.id))


@operation(
    name="import.undo",
    title=_("Undo an import"),
    permission="athlete.import",
    emits=[REVERTED],
    background=True,
)
async def undo_import(ctx: Context, given: ImportUndo) -> ImportState:
    """What the import brought is gone again."""
    batch = await imports.lock(ctx.db, given.batch_id)
    if batch.status != "reverting":
        raise Conflict(f"The import is {batch.status}.", code="import_not_waiting")
    await undoing.undo(ctx, batch)
    return _state(await imports.read(ctx.db, batch.id))


_BEFORE_LOOKING: Final[Query[Any]] = Query("savepoint before_looking")
_AFTER_LOOKING: Final[Query[Any]] = Query("rollback to savepoint before_looking")


async def _looked_at(ctx: Context, intake: Intake, source: AthleteImport) -> None:
    """The import is done and undone inside the transaction, so a preview says exactly what applying would do now."""
    intake.kept = kept = Lines()
    await ctx.db.execute(_BEFORE_LOOKING)
    await intake.take(source.table.rows(), counted=False)
    await ctx.db.execute(_AFTER_LOOKING)
    await imports.add_lines(ctx.db, intake.batch_id, kept)


# ── parts ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def _asked(text: str | None) -> dict[str, Any] | list[str] | None:
    if not text:
        return None
    try:
        return msgspec.json.decode(text, type=dict[str, Any] | list[str])
    except (msgspec.MsgspecError, ValueError) as error:
        problem = FieldProblem("/mapping", "not_json", f"expected a JSON object: {error}")
        raise Invalid(
            "The mapping is not JSON.",
            next_step='Send {"heading": "field", …}.',
            problems=(problem,),
        ) from error


async def _again(
    ctx: Context, known: Batch, mode: Mode, asked: dict[str, Any] | list[str] | None
) -> ImportState:
    standing = await state_of(ctx, known)
    if standing.status in DONE:
        # Nothing is added a second time, and the counters say so.
        return msgspec.structs.replace(
            standing,
            imported=0,
            updated=0,
            unchanged=known.total - known.rejected,
            duplicates_proposed=0,
            already_applied=True,
        )
    if standing.status == "failed" or (standing.status == "previewed" and mode == "apply"):
        await _queue(ctx, known, preview=mode == "preview", asked=asked)
        return await state_of(ctx, await imports.read(ctx.db, known.id))
    return standing


async def _queue(
    ctx: Context, batch: Batch, *, preview: bool, asked: dict[str, Any] | list[str] | None
) -> None:
    job = await ctx.submit(
        "import.work", ImportWork(batch_id=batch.id, preview=preview, mapping=asked)
    )
    try:
        await imports.queue(ctx.db, batch.id, "queued", job, fingerprint(asked) if asked else None)
    except Conflict as error:
        raise Conflict(
            "The same file was imported under this mapping already.",
            next_step="Look at that import, or take it back first.",
            code=error.reason,
        ) from error
    ctx.audit(f"Import of {batch.file_name} is to be applied", target=str(batch.id))


async def store_file(
    ctx: Context, file: Upload, digest: bytes, *, asked: str, status: str, step: int
) -> UUID:
    """The file is kept as evidence, in pieces of at most a mebibyte, and is a batch.

    Raises:
        Invalid: the file is empty.
    """
    if file.size_bytes == 0:
        problem = FieldProblem("/file", "file.empty", "the file is empty: export the list again.")
        raise Invalid("The file is empty.", problems=(problem,), code="file.empty")
    batch_id = new_id()
    ending = Path(file.file_name).suffix.lower().removeprefix(".")
    await imports.insert(
        ctx.db,
        batch_id,
        source=ending if ending in ("csv", "xlsx", "json", "jsonl", "tsv", "txt") else "file",
        file_name=file.file_name[:255],
        file_bytes=file.size_bytes,
        sha256=digest,
        asked=asked,
        batch_size=step,
        status=status,
        who=ctx.actor.id,
        name=ctx.actor.name,
        now=ctx.now,
    )
    with file.path.open("rb") as stream:
        seq = 0
        while chunk := stream.read(CHUNK_BYTES):
            await imports.add_chunk(ctx.db, new_id(), batch_id, seq, chunk)
            seq += 1
    return batch_id


@asynccontextmanager
async def stored_file(ctx: Context, batch: Batch) -> AsyncGenerator[Path]:
    """The batch's file, put together on disk for as long as the block runs."""
    path = temporary_file(".import")
    try:
        seq = 0
        with path.open("wb") as stream:
            while (chunk := await imports.chunk(ctx.db, batch.id, seq)) is not None:
                stream.write(chunk)
                seq += 1
        if seq == 0:
            raise Conflict(
                "The file of this import is not kept any more.",
                next_step="Send the file again.",
                code="import_file_gone",
            )
        yield path
    finally:
        path.unlink(missing_ok=True)


def opened(path: Path, day: date) -> AthleteImport:
    """The file, looked through once: its columns are suggested and its rows counted.

    Raises:
        FileRefused: it is no list of athletes.
    """
    return AthleteImport(path, day, limits=LIMITS)


def mapping_for(
    source: AthleteImport, asked: dict[str, Any] | list[str] | None, batch: Batch
) -> Mapping:
    """What was asked for, else what an earlier preview showed, else the suggestion.

    Raises:
        MappingRefused: it does not fit the file.
    """
    wish = asked or batch.mapping
    return chosen_mapping(
        wish, source.table.headings, source.mapping, lambda index: _column(source, index)
    )


def _column(source: AthleteImport, index: int) -> Iterator[str]:
    for row in source.table.rows():
        if isinstance(row, RawRow) and index < len(row.cells) and row.cells[index] is not None:
            yield cell_text(row.cells[index])


def format_of(facts: TableFacts) -> str:
    """How the file was read, for people."""
    parts = [facts.format.upper()]
    if facts.delimiter:
        parts.append({"\t": "tab"}.get(facts.delimiter, facts.delimiter))
    if facts.encoding:
        parts.append(facts.encoding.upper())
    return ", ".join(parts)


def _digest(path: Path) -> bytes:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").digest()


async def state_of(ctx: Context, batch: Batch) -> ImportState:
    """The batch as it stands: while a worker is at it, the worker's job knows more than the batch."""
    if batch.status not in ("queued", "reverting") or batch.job_id is None:
        return _state(batch)
    job = await ctx.job(batch.job_id)
    if job is None or job.status == "queued":
        return _state(batch)
    if job.status == "running":
        status = "running" if batch.status == "queued" else "reverting"
        progress = min(99.0, round(100 * job.done / job.total, 1)) if job.total else 0.0
        return msgspec.structs.replace(
            _state(batch), status=status, progress=progress, total=job.total
        )
    if job.status == "succeeded":
        again = await imports.read(ctx.db, batch.id)
        return _state(again)
    detail = job.problem.detail if job.problem else "It was cancelled."
    return msgspec.structs.replace(_state(batch), status="failed", detail=detail)


def _state(batch: Batch) -> ImportState:
    finished = batch.status not in ("queued", "reverting")
    return ImportState(
        batch_id=batch.id,
        status=batch.status,
        progress=100.0 if finished else 0.0,
        source=batch.source,
        file_name=batch.file_name,
        format=batch.format,
        total=batch.total,
        imported=batch.imported,
        updated=batch.updated,
        unchanged=batch.unchanged,
        repeated=batch.repeated,
        rejected=batch.rejected,
        errors=batch.errors,
        warnings=batch.warnings,
        duplicates_proposed=batch.duplicates_proposed,
        kept=batch.kept,
        duration_ms=batch.duration_ms,
        detail=None,
        already_applied=False,
        revertible=batch.status in DONE,
        job_id=batch.job_id,
        mapping=batch.mapping,
        created_by=batch.created_by_name,
        created_at=batch.created_at,
        finished_at=batch.finished_at,
        reverted_at=batch.reverted_at,
        reverted_by=batch.reverted_by_name,
    )


OPERATIONS: Final[tuple[Operation, ...]] = (
    start_import,
    list_imports,
    read_import,
    list_rows,
    apply_import,
    revert_import,
    work_import,
    undo_import,
)
