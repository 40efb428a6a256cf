"""A file as a table: its heading, and its rows as often as they are asked for."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, Literal

import msgspec

from trophenix_recruitment.cells import cell_text
from trophenix_recruitment.headings import distinct_headings, heading_row
from trophenix_recruitment.model import RawRow, RowProblem
from trophenix_recruitment.problems import FileRefused, FileTooLarge
from trophenix_recruitment.reading.delimited import Blank, delimiter_of, records
from trophenix_recruitment.reading.limits import Limits
from trophenix_recruitment.reading.objects import JsonForm, JsonObject, json_form, json_objects
from trophenix_recruitment.reading.source import Source, content_of, refuse_binary
from trophenix_recruitment.reading.spool import Spool
from trophenix_recruitment.reading.text import encoding_of, sample_of
from trophenix_recruitment.reading.workbook import check_workbook, sheet_rows

Format = Literal["csv", "xlsx", "json", "jsonl"]

_HEADING_CANDIDATES = 10


class TableFacts(msgspec.Struct, frozen=True):
    """What was detected about a file.

    ``heading_line`` is ``None`` when the file has no heading (columns are then numbered) or,
    like JSON, needs none; the lines before the heading are in ``preamble``.
    """

    format: Format
    headings: tuple[str, ...]
    heading_line: int | None = None
    encoding: str | None = None
    delimiter: str | None = None
    preamble: tuple[int, ...] = ()


class LineCounts(msgspec.Struct):
    """What one pass over the rows met, heading and preamble apart."""

    rows: int = 0
    unreadable: int = 0
    blank: int = 0


class Table:
    """A file opened for import; reading it is lazy and may be repeated.

    ``counts`` tells about the latest pass over :meth:`rows`.
    """

    def __init__(
        self, source: Source, facts: TableFacts, limits: Limits, form: JsonForm | None = None
    ) -> None:
        self.facts = facts
        self.counts = LineCounts()
        self._source = source
        self._limits = limits
        self._form: JsonForm | None = form
        self._spool = Spool() if facts.format == "xlsx" else None

    @property
    def headings(self) -> tuple[str, ...]:
        """The names of the columns, all different."""
        return self.facts.headings

    def rows(self) -> Iterator[RawRow | RowProblem]:
        """Give the rows below the heading in order, or what is wrong with one of them.

        Raises:
            FileTooLarge: there are more rows than the limit.
            FileRefused: from some line on the file cannot be read.
        """
        self.counts = counts = LineCounts()
        limit = self._limits.rows
        for row in self._json_rows() if self._form else self._table_rows():
            if row.__class__ is Blank:
                counts.blank += 1
                continue
            counts.rows += 1
            if counts.rows > limit:
                raise FileTooLarge(
                    "file.too_many_rows",
                    f"more than {limit:,} rows",
                    f"at most {limit:,} rows",
                    "split the list into several files.",
                    line=row.line,
                )
            counts.unreadable += row.__class__ is RowProblem
            yield row  # pyright: ignore[reportReturnType] - blanks are gone

    def with_columns(self, headings: Iterable[str]) -> "Table":
        """Give the table with these *headings* too, when its form lets a row leave them out.

        In JSON a name that no athlete has is no mistake; in a table of columns it is, and the
        table is given as it is.
        """
        if self._form is None:
            return self
        known = dict.fromkeys((*self.headings, *headings))
        facts = msgspec.structs.replace(self.facts, headings=tuple(known))
        return Table(self._source, facts, self._limits, self._form)

    def readable_rows(self) -> Iterator[RawRow]:
        """Give the rows that could be read, for a suggestion of the mapping."""
        return (row for row in self.rows() if isinstance(row, RawRow))

    def _table_rows(self) -> Iterator[RawRow | RowProblem | Blank]:
        facts = self.facts
        width = len(facts.headings)
        skipped = {*facts.preamble, facts.heading_line}
        padded = facts.format == "xlsx"
        for row in self._lines():
            if row.line in skipped:
                continue
            if padded and isinstance(row, RawRow) and len(row.cells) < width:
                # A sheet has no short rows: the cells behind the last value are empty.
                row.cells.extend([None] * (width - len(row.cells)))
            yield row

    def _lines(self) -> Iterator[RawRow | RowProblem | Blank]:
        facts = self.facts
        if self._spool is None:
            return records(
                self._source, facts.encoding or "utf-8", facts.delimiter or ",", self._limits
            )
        if self._spool.complete:
            return self._spool.replay()
        self._spool = Spool()
        return self._spool.record(sheet_rows(self._source, self._limits))

    def _json_rows(self) -> Iterator[RawRow | RowProblem]:
        headings = self.facts.headings
        known = frozenset(headings)
        if self._form is None or self.facts.encoding is None:
            return
        for found in json_objects(self._source, self.facts.encoding, self._form, self._limits):
            yield found if isinstance(found, RowProblem) else _row_of(found, headings, known)


def _row_of(found: JsonObject, headings: tuple[str, ...], known: frozenset[str]) -> RawRow:
    members = found.members
    extra = {name: value for name, value in members.items() if name not in known} or None
    return RawRow(found.line, list(map(members.get, headings)), extra)


def _lines_of(
    source: Source, kind: Format, encoding: str | None, delimiter: str | None, limits: Limits
) -> Iterator[RawRow | RowProblem | Blank]:
    if kind == "xlsx":
        return sheet_rows(source, limits)
    return records(source, encoding or "utf-8", delimiter or ",", limits)


def open_table(
    origin: Path | bytes | BinaryIO,
    *,
    limits: Limits | None = None,
    encoding: str | None = None,
    delimiter: str | None = None,
) -> Table:
    """Give the table in a CSV, XLSX, JSON or JSON Lines file; what is not told is detected.

    Only the beginning is read into memory (and for its encoding a text is scanned once).

    Raises:
        FileTooLarge: the file passes one of the *limits*.
        FileRefused: it is no list at all; ``code`` tells what it is.
    """
    limits = limits or Limits()
    source = Source(origin, limits)
    if content_of(source.start(4096)) == "zip":
        check_workbook(source, limits)
        facts = _heading(source, TableFacts("xlsx", ()), limits)
        return Table(source, facts, limits)
    encoding = encoding_of(source, encoding)
    sample = sample_of(source, encoding)
    refuse_binary(sample)
    if form := json_form(sample):
        headings = _members(source, encoding, form, limits)
        kind: Format = "json" if form == "array" else "jsonl"
        return Table(source, TableFacts(kind, headings, encoding=encoding), limits, form)
    found = TableFacts("csv", (), encoding=encoding, delimiter=delimiter or delimiter_of(sample))
    return Table(source, _heading(source, found, limits), limits)


def _heading(source: Source, facts: TableFacts, limits: Limits) -> TableFacts:
    first: list[RawRow] = []
    separator_line: tuple[int, ...] = ()
    for row in _lines_of(source, facts.format, facts.encoding, facts.delimiter, limits):
        if isinstance(row, RawRow):
            if row.line == 1 and _is_separator_line(row, facts):
                separator_line = (1,)
                continue
            first.append(row)
        if len(first) == _HEADING_CANDIDATES:
            break
    if not first:
        raise FileRefused(
            "file.no_rows",
            "a file without a readable row",
            "a heading and one row per athlete",
            "export the list again and send that.",
        )
    texts = [[cell_text(cell) for cell in row.cells] for row in first]
    index = heading_row(texts)
    if index is None:
        width = max(map(len, texts))
        headings = distinct_headings([""] * width)
        facts = msgspec.structs.replace(facts, headings=headings, preamble=separator_line)
    else:
        preamble = (*separator_line, *(row.line for row in first[:index]))
        facts = msgspec.structs.replace(
            facts,
            headings=distinct_headings(_without_empty_end(texts[index], texts[index + 1 :])),
            heading_line=first[index].line,
            preamble=preamble,
        )
    if len(facts.headings) > limits.columns:
        raise FileTooLarge(
            "file.too_many_columns",
            f"{len(facts.headings):,} columns",
            f"at most {limits.columns:,} columns",
            "leave out the columns that are not about athletes.",
            line=facts.heading_line,
        )
    return facts


def _without_empty_end(heading: list[str], below: list[list[str]]) -> list[str]:
    """Drop unnamed columns at the end that no row fills: a separator that closes every line."""
    width = len(heading)
    while width and not heading[width - 1].strip():
        if any(cells[width - 1 :] and cells[width - 1].strip() for cells in below):
            break
        width -= 1
    return heading[:width]


def _is_separator_line(row: RawRow, facts: TableFacts) -> bool:
    text = (facts.delimiter or "").join(map(cell_text, row.cells))
    return facts.format == "csv" and text.lower() == f"sep={facts.delimiter}"


def _members(source: Source, encoding: str, form: JsonForm, limits: Limits) -> tuple[str, ...]:
    """Give the names used in the whole document; those beyond the limit stay extra members."""
    names: dict[str, Any] = {}
    found = 0
    for item in json_objects(source, encoding, form, limits):
        if isinstance(item, JsonObject):
            found += 1
            if len(names) < limits.columns:
                names.update(dict.fromkeys(item.members))
        if found > limits.rows:
            break
    if not found:
        raise FileRefused(
            "file.no_rows",
            "a JSON document without an athlete",
            "a list of objects, one per athlete",
            "export the list again and send that.",
        )
    return tuple(names)[: limits.columns]
