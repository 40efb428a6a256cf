"""Athletes by the thousand in one call that answers when the work is done."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Annotated, Any, Final, Literal, cast
from uuid import UUID

import msgspec
from msgspec import Meta

from trophenix_recruitment.events import IMPORTED, ImportFact
from trophenix_recruitment.intake import Intake, Row
from trophenix_recruitment.mapping import ColumnValues, Mapping, suggest_from
from trophenix_recruitment.model import RawRow, RowProblem
from trophenix_recruitment.problems import ImportRefused
from trophenix_recruitment.reading.objects import object_of
from trophenix_recruitment.refusals import refusal
from trophenix_recruitment.store import imports
from trophenix_recruitment.store.imports import Tally
from trophenix_sdk.clock import today
from trophenix_sdk.context import Context
from trophenix_sdk.errors import FieldProblem, Invalid, TooLarge
from trophenix_sdk.i18n import gettext_lazy
from trophenix_sdk.ids import new_id
from trophenix_sdk.operations import MEBIBYTE, POST, Operation, operation

_ = gettext_lazy("recruitment")

MOST_ROWS: Final = 50_000
MOST_COLUMNS: Final = 200
Source = Literal["csv", "xlsx", "json", "api", "demo"]


class RowFault(msgspec.Struct, frozen=True):
    """What is wrong with one athlete of the list; the first one is line 1."""

    line: int
    column: str | None
    code: str
    message: str
    value: str | None = None


class BulkImport(msgspec.Struct, frozen=True, kw_only=True):
    """A list of athletes.

    Attributes:
        source: where the list comes from; kept with the batch.
        batch_size: rows between two reports of progress; a list is stored as a whole or not at all.
        athletes: objects; their members are recognised as the headings of a file are (``first_name``, ``nom``, ``licence`` …), and
            whatever is not recognised is kept as an attribute.
    """

    athletes: Annotated[list[Any], Meta(max_length=MOST_ROWS)]
    source: Source = "api"
    batch_size: Annotated[int, Meta(ge=1, le=100_000)] = 1000


class ImportReport(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a list.

    Attributes:
        status: ``success`` when every athlete was taken, ``partial`` when some were rejected, ``rejected`` when all were.
        imported: new athletes.
        updated: known ones, by an identifier, of whom something new was said.
        unchanged: known ones of whom nothing new was said, and repetitions within the list.
        repeated: the repetitions among them.
        errors: faults found; one athlete can have several.
        duplicates_proposed: pairs that may be one person and wait for a decision.
        problems: the first faults; all of them are among the rows of the batch.
    """

    status: Literal["success", "partial", "rejected"]
    batch_id: UUID
    total: int
    imported: int
    updated: int
    unchanged: int
    repeated: int
    rejected: int
    errors: int
    duplicates_proposed: int
    duration_ms: int
    problems: tuple[RowFault, ...] = ()


@operation(
    name="athlete.bulk_import",
    title=_("Import a list of athletes"),
    http=POST("/athletes/bulk-import"),
    permission="athlete.import",
    emits=[IMPORTED],
    max_body_bytes=64 * MEBIBYTE,
)
async def bulk_import(ctx: Context, given: BulkImport) -> ImportReport:
    """The athletes of a list are stored, those known already changed, all faults reported row by row.

    Sending the same list again adds nothing: athletes are known by their identifiers, or by the same name, birth, sport and country.
    """
    return await take_list(ctx, given.athletes, given.source, given.batch_size, "athletes.json")


async def take_list(
    ctx: Context, athletes: Sequence[Any], source: Source, step: int, name: str
) -> ImportReport:
    """The list is a batch of its own, and its athletes are stored.

    Raises:
        Invalid: the list cannot be understood at all.
        TooLarge: its objects have too many different members.
        LimitReached: the plan has no room for so many.
    """
    started = time.perf_counter()
    batch_id = new_id()
    actor = ctx.actor
    await imports.insert(
        ctx.db,
        batch_id,
        source=source,
        file_name=name,
        batch_size=step,
        status="queued",
        asked="",
        who=actor.id,
        name=actor.name,
        now=ctx.now,
    )
    tally, mapping, sample = Tally(), Mapping(()), ()
    if athletes:
        headings, rows = await _rows_of(athletes)
        mapping = await _suggested(headings, rows)
        day = today(ctx.clock, ctx.tenant.time_zone)
        try:
            intake = Intake(ctx, batch_id, headings, mapping, day, step=step, total=len(rows))
        except ImportRefused as refused:
            raise refusal(refused, "/athletes") from refused
        await intake.take(rows)
        tally, sample = intake.tally, tuple(intake.sample)
    milliseconds = round((time.perf_counter() - started) * 1000)
    await imports.finish(
        ctx.db,
        batch_id,
        tally,
        status="applied_with_errors" if tally.rejected else "applied",
        mapping=msgspec.to_builtins(mapping),
        format="JSON",
        duration_ms=milliseconds,
        now=ctx.now,
    )
    announce(ctx, batch_id, source, tally)
    taken = tally.total - tally.rejected
    status = "success" if not tally.rejected else "partial" if taken else "rejected"
    return ImportReport(
        status=status,
        batch_id=batch_id,
        total=tally.total,
        imported=tally.imported,
        updated=tally.updated,
        unchanged=tally.unchanged,
        repeated=tally.repeated,
        rejected=tally.rejected,
        errors=tally.errors,
        duplicates_proposed=tally.duplicates_proposed,
        duration_ms=milliseconds,
        problems=tuple(
            RowFault(one.line, one.column, one.code, one.message, one.value) for one in sample
        ),
    )


def announce(ctx: Context, batch_id: UUID, source: str, tally: Tally) -> None:
    """One event and one audit entry say what the batch brought."""
    counted = ImportFact(
        batch_id,
        source,
        tally.total,
        tally.imported,
        tally.updated,
        tally.unchanged,
        tally.rejected,
        tally.duplicates_proposed,
    )
    ctx.events.emit(IMPORTED, counted, aggregate=batch_id)
    ctx.audit(
        f"{tally.imported} athletes imported, {tally.updated} updated, {tally.unchanged} unchanged, {tally.rejected} rejected",
        target=str(batch_id),
        details=msgspec.to_builtins(counted),
    )


async def _rows_of(athletes: Sequence[Any]) -> tuple[tuple[str, ...], list[Row]]:
    """The list as a table: all members that occur, and a row per element."""
    names: dict[str, None] = {}
    for element in athletes:
        if element.__class__ is dict:
            names.update(dict.fromkeys(element))
    headings = tuple(names)
    if len(headings) > MOST_COLUMNS:
        raise TooLarge(
            f"The athletes have {len(headings):,} different members; at most {MOST_COLUMNS} are read.",
            next_step="Leave out what is not about athletes.",
            code="list.too_many_members",
        )
    await asyncio.sleep(0)
    rows: list[Row] = []
    for line, element in enumerate(athletes, start=1):
        if element.__class__ is dict:
            rows.append(RawRow(line, [*map(element.get, headings)]))
        else:
            rows.append(cast("RowProblem", object_of(line, element)))
    await asyncio.sleep(0)
    if not headings:
        raise Invalid(
            "The list holds no athlete.",
            next_step="Send objects with at least a name.",
            problems=(
                FieldProblem("/athletes", "list.no_athlete", "expected objects with members"),
            ),
            code="list.no_athlete",
        )
    return headings, rows


async def _suggested(headings: Sequence[str], rows: Sequence[Row]) -> Mapping:
    """What the members mean, by their names and by the values of the whole list."""
    values = ColumnValues(headings)
    values.add_all([row for row in rows if isinstance(row, RawRow)])
    await asyncio.sleep(0)
    return suggest_from(headings, values)


OPERATIONS: Final[tuple[Operation, ...]] = (bulk_import,)
