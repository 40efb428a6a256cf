"""Bringing athletes in by the thousand: checked, recognised, written and compared, a chunk of rows at a time.

Everything happens in the caller's transaction, so an import is there as a whole or not at all. Work without the database is done in
short stretches between which other calls are served.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from itertools import islice
from typing import Any, Final
from uuid import UUID

import msgspec

from trophenix_recruitment import proposals
from trophenix_recruitment.ages import may_be_minor
from trophenix_recruitment.checks import Checked, RowChecker
from trophenix_recruitment.duplicates import Candidate
from trophenix_recruitment.keys import SearchKeys, plain_ids, search_keys
from trophenix_recruitment.mapping import Mapping
from trophenix_recruitment.matching import Known, Matcher, Verdict
from trophenix_recruitment.model import AthleteDraft, RawRow, RowProblem
from trophenix_recruitment.profiles import MINOR_PUBLIC, MINOR_PUBLIC_SAID
from trophenix_recruitment.store import duplicates, imports
from trophenix_recruitment.store.athletes import values_of
from trophenix_recruitment.store.imports import Line, Tally
from trophenix_sdk.context import Context
from trophenix_sdk.errors import Conflict
from trophenix_sdk.ids import new_ids

LIMIT: Final = "athletes"
CHUNK_ROWS: Final = 10_000
"""Rows that are recognised, written and compared at once: memory grows with it, the number of statements falls."""

STRETCH_ROWS: Final = 250
"""Rows that are checked before other calls get their turn: a few milliseconds."""

_ENCODE: Final = msgspec.json.Encoder().encode
Row = RawRow | RowProblem


class _Judged(msgspec.Struct, gc=False):
    """A row that was accepted, with what is needed to recognise and write it."""

    seq: int
    checked: Checked
    raw: RawRow
    draft: AthleteDraft
    keys: SearchKeys
    ids: tuple[tuple[str, str], ...]


class Intake:
    """One import on its way in.

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
        self.lines: list[Line] | None = None
        self._ctx = ctx
        self._batch_id = batch_id
        self._headings = tuple(headings)
        self._today = today
        self._step = max(step, STRETCH_ROWS)
        self._total = total
        self._reported = 0
        self._checker = RowChecker(headings, mapping, today)
        visible = any(column.target == "visibility" for column in mapping.columns)
        self._matcher = Matcher(says_visibility=visible)

    async def take(self, rows: Iterable[Row]) -> None:
        """All *rows* have become athletes, or are kept with what is wrong with them.

        Raises:
            LimitReached: the plan has no room for so many.
            Conflict: somebody changed an athlete that this import changes, at the same moment.
        """
        # Imports of one tenant run one after the other: the second has to see what the first added. Zero takes the lock.
        used = await self._ctx.use_limit(LIMIT, 0)
        source = iter(rows)
        while chunk := await self._checked(source):
            used += await self._take(chunk, anybody=used > 0)
        await self._ctx.progress(self.tally.total, self.tally.total)

    async def _checked(self, source: Iterator[Row]) -> list[tuple[Row, Checked]]:
        chunk: list[tuple[Row, Checked]] = []
        check = self._checker.check
        while len(chunk) < CHUNK_ROWS:
            stretch = list(islice(source, STRETCH_ROWS))
            if not stretch:
                break
            for row in stretch:
                chunk.append(
                    (row, check(row))
                    if isinstance(row, RawRow)
                    else (row, Checked(row.line, "rejected", None, (row,)))
                )
            await self._pause(len(chunk))
        return chunk

    async def _pause(self, ahead: int) -> None:
        done = self.tally.total + ahead
        if done - self._reported >= self._step:
            self._reported = done
            await self._ctx.progress(done, max(self._total, done))
        else:
            await asyncio.sleep(0)

    async def _take(self, chunk: list[tuple[Row, Checked]], *, anybody: bool) -> int:
        judged, lines = self._sorted(chunk)
        await asyncio.sleep(0)
        stored = await self._comparable(judged) if anybody else []
        return await self._write(judged, lines, stored)

    def _sorted(self, chunk: list[tuple[Row, Checked]]) -> tuple[list[_Judged], list[Line]]:
        """The accepted rows, and the lines of all others."""
        judged: list[_Judged] = []
        lines: list[Line] = []
        seq = self.tally.total
        for row, checked in chunk:
            seq += 1
            draft = checked.draft
            if draft is not None and isinstance(row, RawRow):
                if draft.visibility != "recruiter_only" and may_be_minor(draft, self._today):
                    minor = RowProblem(checked.line, None, MINOR_PUBLIC, MINOR_PUBLIC_SAID)
                    checked = Checked(checked.line, "rejected", None, (*checked.problems, minor))
                else:
                    keys = search_keys(draft)
                    judged.append(_Judged(seq, checked, row, draft, keys, plain_ids(draft)))
                    continue
            lines.append(self._line(seq, checked.status, None, None, checked.problems, row))
        return judged, lines

    async def _comparable(self, judged: Sequence[_Judged]) -> list[Known]:
        names = {one.keys.name_sorted for one in judged}
        names.discard("")
        days = {day for one in judged if (day := one.draft.birth_day) is not None}
        ids = {given for one in judged for given in one.ids}
        found = await duplicates.comparable(self._ctx.db, names, days, ids)
        return [Known(one.id, one.draft(), one.version, None) for one in found]

    async def _write(
        self, judged: list[_Judged], lines: list[Line], stored: list[Known]
    ) -> int:
        ctx, matcher = self._ctx, self._matcher
        matcher.begin(stored)
        fresh = iter(new_ids(len(judged)))
        added: list[tuple[_Judged, Verdict]] = []
        changed: list[tuple[_Judged, Verdict]] = []
        for count, one in enumerate(judged, start=1):
            checked = one.checked
            verdict = matcher.decide(checked.line, one.draft, one.keys, one.ids, fresh)
            problems = checked.problems
            version: int | None = None
            before: bytes | None = None
            match verdict.outcome:
                case "imported":
                    added.append((one, verdict))
                    version = 1
                case "updated":
                    changed.append((one, verdict))
                    known = verdict.before
                    if known is not None and known.version is not None:
                        version = known.version + 1
                        before = _ENCODE(known.draft)
                case "rejected" if verdict.problem is not None:
                    problems = (*problems, verdict.problem)
                case _:
                    pass
            lines.append(
                self._line(one.seq, verdict.outcome, verdict.athlete_id, version, problems, one.raw, before)
            )
            if count % (4 * STRETCH_ROWS) == 0:
                await asyncio.sleep(0)
        if added:
            await ctx.use_limit(LIMIT, len(added))
        await imports.add_athletes(
            ctx.db,
            [
                (verdict.athlete_id, one.draft, values_of(one.draft, one.keys))
                for one, verdict in added
                if verdict.athlete_id is not None
            ],
            ctx.now,
        )
        await self._change(changed)
        lines.sort()
        if self.lines is None:
            await imports.add_lines(ctx.db, self._batch_id, lines)
        else:
            self.lines.extend(line for line in lines if line.status != "imported" or line.problems)
        self.tally.total += len(lines)
        await self._propose(added, stored)
        return len(added)

    async def _change(self, changed: Sequence[tuple[_Judged, Verdict]]) -> None:
        rows: list[tuple[UUID, int, AthleteDraft, tuple[tuple[str, str], ...]]] = []
        for _, verdict in changed:
            before, after = verdict.before, verdict.draft
            if before is None or before.version is None or after is None:
                continue
            had = set(plain_ids(before.draft))
            more = tuple(one for one in plain_ids(after) if one not in had)
            rows.append((before.id, before.version, after, more))
        rows.sort(key=lambda row: row[0])
        if await imports.change_athletes(self._ctx.db, rows, self._ctx.now) != len(rows):
            raise Conflict(
                "Somebody changed one of these athletes while they were imported.",
                next_step="Import again.",
                code="busy",
            )

    async def _propose(
        self, added: Sequence[tuple[_Judged, Verdict]], stored: Sequence[Known]
    ) -> None:
        """Propose pairs among the new athletes and with stored ones; who shares no key with anybody is not compared at all."""
        shared: Counter[object] = Counter()
        for one in stored:
            shared.update(_blocks(one.draft, search_keys(one.draft).name_sorted))
        keys = [_blocks(one.draft, one.keys.name_sorted) for one, _ in added]
        for blocks in keys:
            shared.update(blocks)
        new = [
            Candidate(str(verdict.athlete_id), one.draft)
            for (one, verdict), blocks in zip(added, keys, strict=True)
            if any(shared[block] > 1 for block in blocks)
        ]
        if new:
            found = await proposals.among(new, [(one.id, one.draft) for one in stored])
            proposed = await proposals.store(self._ctx, found, self._batch_id)
            self.tally.duplicates_proposed += proposed

    def _line(
        self,
        seq: int,
        status: str,
        athlete_id: UUID | None,
        version: int | None,
        problems: Sequence[RowProblem],
        row: Row,
        before: bytes | None = None,
    ) -> Line:
        tally = self.tally
        match status:
            case "imported":
                tally.imported += 1
            case "updated":
                tally.updated += 1
            case "rejected":
                tally.rejected += 1
            case _:
                tally.unchanged += 1
                tally.repeated += status == "repeated"
        noted: bytes | None = None
        raw: bytes | None = None
        if problems:
            errors = sum(problem.severity == "error" for problem in problems)
            tally.errors += errors
            tally.warnings += len(problems) - errors
            noted = _ENCODE([_noted(problem) for problem in problems])
            if errors and len(self.sample) < SAMPLE_PROBLEMS:
                self.sample.extend(p for p in problems if p.severity == "error")
            if isinstance(row, RawRow):
                raw = _ENCODE(_evidence(self._headings, row))
        line = row.line
        return Line(seq, line, status, athlete_id, version, noted, raw, before)


SAMPLE_PROBLEMS: Final = 20
_TEXT_KEPT: Final = 2_000


def _blocks(draft: AthleteDraft, name: str) -> list[object]:
    day = draft.birth_day
    blocks: list[object] = list(plain_ids(draft))
    if name:
        blocks.append(name)
    if day is not None:
        blocks.append(day)
    return blocks


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
    found = {storable(heading): storable(cell) for heading, cell in zip(headings, row.cells, strict=False)}
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
            return [storable(item) for item in value]
        case dict():
            return {storable(str(name)): storable(item) for name, item in value.items()}
        case _:
            return storable(str(value))
