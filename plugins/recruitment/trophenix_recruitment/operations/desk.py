"""What the admin's pages call: forms, and the steps of an import, in the shape those pages expect."""

from __future__ import annotations

import asyncio
import hashlib
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, Final
from uuid import UUID

import msgspec
from msgspec import Meta

from trophenix_recruitment import profiles
from trophenix_recruitment.cells import cell_text
from trophenix_recruitment.choosing import word_of
from trophenix_recruitment.events import CREATED, UPDATED
from trophenix_recruitment.imports import AthleteImport
from trophenix_recruitment.mapping import Mapping
from trophenix_recruitment.model import RawRow, Sex, Visibility, shown
from trophenix_recruitment.operations import athletes, imports
from trophenix_recruitment.operations.imports import DONE, ImportState
from trophenix_recruitment.problems import ImportRefused
from trophenix_recruitment.refusals import refusal
from trophenix_recruitment.store import athletes as rows
from trophenix_recruitment.store import imports as batches
from trophenix_recruitment.targets import label_of, targets
from trophenix_recruitment.views import Athlete, view
from trophenix_sdk.clock import today
from trophenix_sdk.context import Context
from trophenix_sdk.errors import Conflict
from trophenix_sdk.files import Upload
from trophenix_sdk.i18n import gettext_lazy
from trophenix_sdk.operations import Operation, operation
from trophenix_sdk.paging import Page, decode_cursor, encode_cursor
from trophenix_sdk.panels import ImportColumn, ImportPreview, ImportProblem, ImportStatus
from trophenix_sdk.panels import ImportState as Shown

_ = gettext_lazy("recruitment")


class Profile(msgspec.Struct, frozen=True, kw_only=True):
    """An athlete as a form asks for it; an empty answer means that nothing is known."""

    last_name: profiles.Name | None = None
    first_name: profiles.Name | None = None
    sex: Sex | None = None
    birth_date: profiles.BirthDate | None = None
    nationality: profiles.Nationality | None = None
    sport: profiles.Text | None = None
    position: profiles.Text | None = None
    ranking: profiles.Ranking | None = None
    club: profiles.Text | None = None
    height_cm: profiles.Height | None = None
    weight_kg: profiles.Weight | None = None
    visibility: Visibility = "recruiter_only"


class ProfileChange(Profile, frozen=True, kw_only=True):
    """An athlete's form, sent back."""

    id: UUID
    version: int | None = None


class ImportFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file to be looked at before anything is written."""

    file: Upload


class ImportBegin(msgspec.Struct, frozen=True, kw_only=True):
    """A previewed file and what each of its columns becomes."""

    id: UUID
    mapping: list[str] = []


class ProblemsQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which faults of an import."""

    id: UUID
    limit: Annotated[int, Meta(ge=1, le=200)] = 100
    cursor: str | None = None


@operation(
    name="profile.create",
    title=_("Add an athlete"),
    permission="athlete.write",
    limit=athletes.LIMIT,
    emits=[CREATED],
)
async def create_profile(ctx: Context, given: Profile) -> Athlete:
    """The new athlete, from a form."""
    return await athletes.create(ctx, profiles.Fields(**_answers(given)))


@operation(
    name="profile.update", title=_("Change an athlete"), permission="athlete.write", emits=[UPDATED]
)
async def update_profile(ctx: Context, given: ProfileChange) -> Athlete:
    """The athlete as the form says; what was not touched in the form is not touched here."""
    known = view(await rows.lock(ctx.db, given.id))
    changed = {
        name: value
        for name, value in _answers(given).items()
        if value != (getattr(known, name) or None)
    }
    change = athletes.AthleteChange(id=given.id, version=given.version, **changed)
    return await athletes.update(ctx, change)


def _answers(given: Profile) -> dict[str, Any]:
    return {name: getattr(given, name) for name in Profile.__struct_fields__}


@operation(name="import.preview", title=_("Look at a file"), permission="athlete.import")
async def preview_import(ctx: Context, given: ImportFile) -> ImportPreview:
    """How the file is understood; it waits for its columns to be confirmed."""
    day = today(ctx.clock, ctx.tenant.time_zone)
    try:
        source = await asyncio.to_thread(imports.opened, given.file.path, day)
    except ImportRefused as refused:
        raise refusal(refused) from refused
    digest = await asyncio.to_thread(_digest, given.file.path)
    known = await batches.same_file(ctx.db, digest, "")
    if known is None:
        batch_id = await imports.store_file(
            ctx, given.file, digest, asked="", status="previewed", step=1_000
        )
    else:
        standing = await imports.state_of(ctx, known)
        if standing.status not in ("previewed", "failed"):
            raise Conflict(
                f"This file was imported already, by {known.created_by_name}.",
                next_step="Look at that import; take it back first to import the file again.",
                code="import_batch_same_file",
            )
        batch_id = known.id
    mapping, counts = source.mapping, source.table.counts
    await batches.preview(
        ctx.db,
        batch_id,
        mapping=msgspec.to_builtins(mapping),
        form=imports.format_of(source.table.facts),
        total=counts.rows,
    )
    ctx.audit(f"File {given.file.file_name} looked at", target=str(batch_id))
    return await asyncio.to_thread(
        _preview, source, mapping, batch_id, given.file.file_name, counts.rows
    )


@operation(name="import.begin", title=_("Begin an import"), permission="athlete.import")
async def begin_import(ctx: Context, given: ImportBegin) -> ImportStatus:
    """The confirmed file waits for a worker."""
    batch = await batches.read(ctx.db, given.id)
    mapping: Any = given.mapping
    if batch.mapping is not None:
        known = msgspec.convert(batch.mapping, Mapping)
        if given.mapping == [word_of(column) for column in known.columns]:
            mapping = None
    applied = imports.ImportApply(id=given.id, mapping=mapping or None)
    return _status(await imports.apply(ctx, applied))


@operation(
    name="import.status",
    title=_("See how far an import is"),
    permission="athlete.import",
    effect="read",
)
async def import_status(ctx: Context, given: imports.OneImport) -> ImportStatus:
    """How far the import is."""
    return _status(await imports.state_of(ctx, await batches.read(ctx.db, given.id)))


@operation(
    name="import.problems",
    title=_("See what an import refused"),
    permission="athlete.import",
    effect="read",
)
async def import_problems(ctx: Context, query: ProblemsQuery) -> Page[ImportProblem]:
    """What was wrong with the rows that were not taken."""
    after = decode_cursor(query.cursor, int, int) if query.cursor else (0, -1)
    found = await batches.findings(
        ctx.db,
        query.id,
        status="rejected",
        faults=True,
        after=(after[0], after[1]),
        limit=query.limit + 1,
    )
    more, found = len(found) > query.limit, found[: query.limit]
    batch = await batches.read(ctx.db, query.id)
    problems = [
        ImportProblem(
            line=one.line,
            code=one.code or "",
            message=one.message or "",
            column=one.column or "",
            value=one.value or "",
        )
        for one in found
    ]
    following = encode_cursor(found[-1].seq, found[-1].number) if more else None
    return Page(problems, following, batch.errors)


def _digest(path: Path) -> bytes:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").digest()


def _preview(
    source: AthleteImport, mapping: Mapping, batch_id: UUID, name: str, count: int
) -> ImportPreview:
    samples: list[dict[str, None]] = [{} for _heading in source.table.headings]
    for row in islice(source.table.rows(), 50):
        if isinstance(row, RawRow):
            for cell, seen in zip(row.cells, samples, strict=False):
                text = cell_text(cell).strip()
                if text and len(seen) < 3:
                    seen[shown(text)[:40]] = None
    doubtful = {note.column for note in mapping.notes}
    columns = tuple(
        ImportColumn(
            heading=column.heading,
            samples=tuple(seen),
            target="" if column.target == "ignore" else word_of(column),
            certain=column.heading not in doubtful,
        )
        for column, seen in zip(mapping.columns, samples, strict=True)
    )
    choices = targets()
    for column in mapping.columns:
        word = word_of(column)
        if word not in choices and column.target != "ignore":
            choices[word] = label_of(column)
    return ImportPreview(
        id=str(batch_id),
        file_name=name,
        rows=count,
        columns=columns,
        targets=choices,
        format=imports.format_of(source.table.facts),
    )


_SHOWN: Final[dict[str, Shown]] = {
    "queued": "waiting",
    "running": "running",
    "previewed": "waiting",
    "applied": "finished",
    "applied_with_errors": "finished",
    "reverting": "reverting",
    "reverted": "reverted",
    "failed": "failed",
}


def _status(state: ImportState) -> ImportStatus:
    done = state.total if state.progress >= 100 else round(state.total * state.progress / 100)
    return ImportStatus(
        id=str(state.batch_id),
        state=_SHOWN[state.status],
        file_name=state.file_name,
        total=state.total,
        done=done,
        created=state.imported,
        updated=state.updated,
        unchanged=state.unchanged,
        review=state.duplicates_proposed,
        rejected=state.rejected,
        seconds=(state.duration_ms or 0) / 1000,
        message=_message(state),
        revertible=state.status in DONE,
    )


def _message(state: ImportState) -> Any:
    if state.detail:
        return state.detail
    if state.kept:
        return _("%(count)s athletes were changed since and are kept.") % {"count": state.kept}
    return ""


OPERATIONS: Final[tuple[Operation, ...]] = (
    create_profile,
    update_profile,
    preview_import,
    begin_import,
    import_status,
    import_problems,
)
