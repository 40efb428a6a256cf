"""Bringing athletes in by the thousand: checked, recognised, written and compared, a chunk of rows at a time.

Everything happens in the caller's transaction, so an import is there as a whole or not at all. Work without the database is done in
short stretches between which other calls are served.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from itertools import islice
from typing import Any, Final, cast
from uuid import UUID

import msgspec

from trophenix_recruitment import proposals
from trophenix_recruitment.ages import may_be_minor
from trophenix_recruitment.checks import RowChecker
from trophenix_recruitment.checks import RowStatus as RowOutcome
from trophenix_recruitment.keys import Id, SearchKeys, plain_ids, search_keys
from trophenix_recruitment.mapping import Mapping
from trophenix_recruitment.matching import Known, Matcher, Outcome
from trophenix_recruitment.model import AthleteDraft, RawRow, RowProblem
from trophenix_recruitment.profiles import MINOR_PUBLIC, MINOR_PUBLIC_SAID
from trophenix_recruitment.store import duplicates, imports
from trophenix_recruitment.store.imports import Lines, Tally
from trophenix_sdk.context import Context
from trophenix_sdk.errors import Conflict
from trophenix_sdk.ids import new_ids

LIMIT: Final = "athletes"
UNIT_ROWS: Final = 10_000
"""Rows that are compared with one another in memory; memory grows with it."""

PIECE_ROWS: Final = 2_500
"""Rows that are written at once, while the next are checked."""

STRETCH_ROWS: Final = 250
"""Rows that are checked before other calls get their turn: a few milliseconds."""

_ENCODE: Final = msgspec.json.Encoder().encode
Added = tuple[Known, int, SearchKeys]
"""A new athlete, the number of its row, and its keys."""
Row = RawRow | RowProblem


class _Judged(msgspec.Struct, frozen=True, gc=False):
    """A row that was accepted, with what is needed to recognise and write it."""

    seq: int
    row: RawRow
    draft: AthleteDraft
    keys: SearchKeys
    ids: tuple[Id, ...]
    problems: tuple[RowProblem, ...]


class Intake:
    """One import on its way in.

    Attributes:
        tally: what was counted so far.
        sample: the first faults.
        kept: given, it gets the lines worth showing, and none is written.

    Args:
        ctx: the call; its transaction holds everything.
        batch_id: the batch the rows belong to; stored before the first row, or with `done`.
        headings: the columns.
        mapping: what they mean.
        today: the tenant's day, by which births and ages are judged.
        step: rows between two reports of progress.
        total: rows to come, as far as known.

    Raises:
        MappingRefused: the mapping does not fit the headings.
    """

    def __init__(
        self,
        ctx: Context,
        batch_id: UUID,
        headings: Sequence[str],
        mapping: Mapping,
        today: date,
        *,
        step: int,
        total: int,
    ) -> None:
        self.tally = Tally()
        self.sample: list[RowProblem] = []
        self.kept: Lines | None = None
        self._ctx = ctx
        self.batch_id = batch_id
        self._headings = tuple(headings)
        self._today = today
        self._step = max(step, STRETCH_ROWS)
        self._total = total
        self._reported = 0
        self._writing: asyncio.Task[None] | None = None
        self._checker = RowChecker(headings, mapping, today)
        visible = any(column.target == "visibility" for column in mapping.columns)
        self._matcher = Matcher(says_visibility=visible)

    async def take(self, rows: Iterable[Row], *, counted: bool = True) -> None:
        """All *rows* have become athletes, or are kept with what is wrong with them.

        Args:
            rows: in the order of the file.
            counted: whether new athletes count against the plan's limit; they do unless the caller takes everything back.

        Raises:
            LimitReached: the plan has no room for so many.
            Conflict: somebody changed an athlete that this import changes, at the same moment.
        """
        # Imports of one tenant run one after the other: the second has to see what the first added. Zero takes the lock.
        used = await self._ctx.use_limit(LIMIT, 0)
        source = iter(rows)
        try:
            while await self._take_unit(source, anybody=used > 0, counted=counted):
                used = self.tally.imported or used
        finally:
            await self._settled()
        await self._ctx.progress(self.tally.total, self.tally.total)

    async def _take_unit(self, source: Iterator[Row], *, anybody: bool, counted: bool) -> bool:
        """Whether there were rows left; at most `UNIT_ROWS` of them are done with.

        The database writes one piece while the next is checked here: the two work at the same time, each on its own processor.
        """
        begun = self.tally.total
        added: list[Added] = []
        stored: dict[UUID, Known] = {}
        self._matcher.forget()
        while self.tally.total < begun + UNIT_ROWS:
            before = self.tally.total
            lines = Lines()
            judged = await self._checked(source, lines)
            if self.tally.total == before:
                break
            await self._written()
            if anybody:
                found = await self._comparable(judged)
                self._matcher.learn(found)
                stored.update((known.id, known) for known in found)
            new, changed = await self._recognised(judged, lines)
            if new and counted:
                await self._ctx.use_limit(LIMIT, len(new))
            self._writing = asyncio.create_task(self._write(new, changed, lines))
            added += new
        await self._written()
        if added:
            own = {known.id for known, _seq, _keys in added}
            await self._propose(added, [one for one in stored.values() if one.id not in own])
        return self.tally.total > begun

    async def _written(self) -> None:
        """The piece that is being written is written.

        Raises:
            Conflict: somebody changed an athlete that this import changes, at the same moment.
        """
        writing, self._writing = self._writing, None
        if writing is not None:
            await writing

    async def _settled(self) -> None:
        """Nothing uses the transaction any more, whatever happened."""
        writing, self._writing = self._writing, None
        if writing is not None:
            await asyncio.gather(writing, return_exceptions=True)

    async def _write(self, added: Sequence[Added], changed: Sequence[Known], lines: Lines) -> None:
        ctx = self._ctx
        await imports.add_athletes(ctx.db, self.batch_id, added, ctx.now)
        await self._change(changed)
        if self.kept is None:
            await imports.add_lines(ctx.db, self.batch_id, lines)
        else:
            self.kept.extend(lines)

    async def _checked(self, source: Iterator[Row], lines: Lines) -> list[_Judged]:
        """The accepted rows of the next piece; what becomes of the others goes to *lines*."""
        judged: list[_Judged] = []
        check = self._checker.check
        seq = self.tally.total
        last = seq + PIECE_ROWS
        while seq < last and (stretch := list(islice(source, STRETCH_ROWS))):
            for row in stretch:
                seq += 1
                if row.__class__ is RowProblem:
                    self._note(lines, seq, row, "rejected", (cast("RowProblem", row),))
                    continue
                checked = check(cast("RawRow", row))
                draft, problems = checked.draft, checked.problems
                if draft is None:
                    self._note(lines, seq, row, _REFUSED[checked.status], problems)
                elif draft.visibility != "recruiter_only" and may_be_minor(draft, self._today):
                    minor = RowProblem(checked.line, None, MINOR_PUBLIC, MINOR_PUBLIC_SAID)
                    self._note(lines, seq, row, "rejected", (*problems, minor))
                else:
                    judged.append(
                        _Judged(
                            seq,
                            cast("RawRow", row),
                            draft,
                            search_keys(draft),
                            plain_ids(draft),
                            problems,
                        )
                    )
            await self._pause(seq)
        self.tally.total = seq
        return judged

    async def _pause(self, done: int) -> None:
        """Let others work, and say how far it is every so many rows."""
        if done - self._reported >= self._step:
            self._reported = done
            await self._ctx.progress(done, max(self._total, done))
        await asyncio.sleep(0)

    async def _comparable(self, judged: Sequence[_Judged]) -> list[Known]:
        """The stored athletes who may be one of these."""
        names = {one.keys.name_sorted for one in judged}
        names.discard("")
        days = {day for one in judged if (day := one.draft.birth_day) is not None}
        ids = {given for one in judged for given in one.ids}
        known: list[Known] = []
        for one in await duplicates.comparable(self._ctx.db, names, days, ids):
            draft = one.draft()
            known.append(Known(one.id, draft, plain_ids(draft), one.version, None))
            if len(known) % STRETCH_ROWS == 0:
                await asyncio.sleep(0)
        return known

    async def _recognised(
        self, judged: Sequence[_Judged], lines: Lines
    ) -> tuple[list[Added], list[Known]]:
        """The new athletes among the rows, and the known ones of whom something new was said."""
        matcher = self._matcher
        fresh = iter(new_ids(len(judged)))
        added: list[Added] = []
        changed: list[Known] = []
        for count, one in enumerate(judged, start=1):
            verdict = matcher.decide(one.row.line, one.draft, one.keys, one.ids, fresh)
            outcome, after = verdict.outcome, verdict.after
            problems = one.problems
            version: int | None = None
            before: bytes | None = None
            if outcome == "imported" and after is not None:
                added.append((after, one.seq, one.keys))
                version = 1
            elif verdict.before is not None and after is not None:
                changed.append(after)
                version = (after.version or 0) + 1
                before = _ENCODE(verdict.before.draft)
            elif verdict.problem is not None:
                problems = (*problems, verdict.problem)
            self._note(
                lines, one.seq, one.row, outcome, problems, verdict.athlete_id, version, before
            )
            if count % (2 * STRETCH_ROWS) == 0:
                await asyncio.sleep(0)
        return added, changed

    async def _change(self, changed: Sequence[Known]) -> None:
        rows = [
            (after.id, after.version or 0, after.draft)
            for after in sorted(changed, key=lambda known: known.id)
        ]
        if await imports.change_athletes(self._ctx.db, rows, self._ctx.now) != len(rows):
            raise Conflict(
                "Somebody changed one of these athletes while they were imported.",
                next_step="Import again.",
                code="busy",
            )

    async def _propose(self, added: Sequence[Added], stored: Sequence[Known]) -> None:
        """Propose pairs among the new athletes and with stored ones."""
        found = await proposals.among([(known, keys) for known, _seq, keys in added], stored)
        if found:
            proposed = await proposals.store(self._ctx, found, self.batch_id)
            self.tally.duplicates_proposed += proposed

    def _note(
        self,
        lines: Lines,
        seq: int,
        row: Row,
        status: Outcome,
        problems: Sequence[RowProblem],
        athlete_id: UUID | None = None,
        version: int | None = None,
        before: bytes | None = None,
    ) -> None:
        """Count what became of a row, and note it."""
        tally = self.tally
        if status == "imported":
            tally.imported += 1
        elif status == "updated":
            tally.updated += 1
        elif status == "rejected":
            tally.rejected += 1
        else:
            tally.unchanged += 1
            tally.repeated += status == "repeated"
        noted: bytes | None = None
        raw: bytes | None = None
        if problems:
            errors = sum(problem.severity == "error" for problem in problems)
            tally.errors += errors
            tally.warnings += len(problems) - errors
            if errors and len(self.sample) < SAMPLE_PROBLEMS:
                self.sample.extend(p for p in problems if p.severity == "error")
            noted = _ENCODE([_noted(problem) for problem in problems])
            if isinstance(row, RawRow):
                raw = _ENCODE(_evidence(self._headings, row))
        if noted is not None or status != "imported":
            lines.add(seq, row.line, status, athlete_id, version, noted, raw, before)


_REFUSED: Final[dict[RowOutcome, Outcome]] = {
    "accepted": "rejected",
    "rejected": "rejected",
    "repeated": "repeated",
}
SAMPLE_PROBLEMS: Final = 20
_TEXT_KEPT: Final = 2_000


def _noted(problem: RowProblem) -> dict[str, Any]:
    return {
        "column": None if problem.column is None else storable(problem.column),
        "code": problem.code,
        "message": storable(problem.message),
        "value": None if problem.value is None else storable(problem.value),
        "severity": problem.severity,
    }


def _evidence(headings: Sequence[str], row: RawRow) -> dict[str, Any]:
    """The row as it was read, by heading; cells behind the last heading under ``…``."""
    found = {
        storable(heading): storable(cell)
        for heading, cell in zip(headings, row.cells, strict=False)
    }
    if len(row.cells) > len(headings):
        found["…"] = [storable(cell) for cell in row.cells[len(headings) :]]
    if row.extra:
        found.update((storable(name), storable(value)) for name, value in row.extra.items())
    return found


def storable(value: Any) -> Any:
    """*value* as JSON that the database accepts: no NUL, no half of a character, no endless text."""
    match value:
        case str():
            if len(value) > _TEXT_KEPT:
                value = value[: _TEXT_KEPT - 1] + "…"
            if value.isprintable():
                return value
            return value.encode("utf-8", "replace").decode().replace("\x00", "\ufffd")
        case bool() | float() | None:
            return value
        case int():
            return value if abs(value) < 1 << 63 else str(value)[:_TEXT_KEPT]
        case list():
            return [storable(item) for item in cast("list[Any]", value)]
        case dict():
            members = cast("dict[Any, Any]", value)
            return {storable(str(name)): storable(item) for name, item in members.items()}
        case _:
            return storable(str(value))
