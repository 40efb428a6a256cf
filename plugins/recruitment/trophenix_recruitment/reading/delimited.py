"""Rows of a file of separated values, one by one, with the physical line each starts on."""

import csv
import re
from collections import Counter, deque
from collections.abc import Iterator
from typing import Final, NamedTuple

from trophenix_recruitment.model import RawRow, RowProblem, shown
from trophenix_recruitment.problems import FileRefused
from trophenix_recruitment.reading.limits import Limits
from trophenix_recruitment.reading.source import Source
from trophenix_recruitment.reading.text import Line, Lines

DELIMITERS: Final = (";", ",", "\t", "|")
_SEPARATOR_LINE: Final = re.compile(r"sep=(.)\r?\n?", re.IGNORECASE)


def delimiter_of(sample: str) -> str:
    """Give the separator that cuts the lines of *sample* into the most regular columns."""
    if found := _SEPARATOR_LINE.match(sample):
        return found[1]
    best, best_score = ",", 0.0
    lines = sample.splitlines(keepends=True)
    for delimiter in DELIMITERS:
        widths: Counter[int] = Counter()
        try:
            for cells in csv.reader(lines[:500], delimiter=delimiter):
                if any(cells):
                    widths[len(cells)] += 1
        except csv.Error:
            continue
        several = [(count, width) for width, count in widths.items() if width > 1]
        if several:
            count, width = max(several)
            score = count / widths.total() * min(width, 50)
            if score > best_score:
                best, best_score = delimiter, score
    return best


class _LineTooLong(Exception):
    pass


class _RecordTooLong(Exception):
    pass


class _Feed:
    """Hands physical lines to the CSV reader and remembers those of the current record."""

    def __init__(self, lines: Lines, longest: int) -> None:
        self._lines = lines
        self._longest = longest
        self._again: deque[Line] = deque()
        self.taken: list[Line] = []
        self.characters = 0
        self.ended_inside = False

    def __iter__(self) -> "_Feed":
        return self

    def __next__(self) -> str:
        if self.taken and self.characters > self._longest:
            raise _RecordTooLong
        line = self._again.popleft() if self._again else self._lines.next()
        if line is None:
            self.ended_inside = bool(self.taken)
            raise StopIteration
        self.taken.append(line)
        if line.text is None:
            raise _LineTooLong
        self.characters += len(line.text)
        return line.text

    def begin(self) -> None:
        """Forget the lines of the record before."""
        self.taken.clear()
        self.characters = 0
        self.ended_inside = False

    def give_back(self) -> None:
        """Have all lines of the record but its first read again, each for itself."""
        self._again.extendleft(reversed(self.taken[1:]))


class Blank(NamedTuple):
    """A line without any content."""

    line: int


def records(
    source: Source, encoding: str, delimiter: str, limits: Limits
) -> Iterator[RawRow | RowProblem | Blank]:
    """Give every record of the file: its cells, or what is wrong with it, or that it is blank.

    A quote that is never closed costs its own line only: the lines after it are read again.

    Raises:
        FileRefused: more rows than ``limits.open_quotes`` lose their closing quote.
    """
    with source.open() as stream:
        lines = Lines(stream, encoding, limits.row_chars)
        try:
            yield from _records(_Feed(lines, limits.row_chars), delimiter, limits)
        finally:
            lines.close()


def _records(feed: _Feed, delimiter: str, limits: Limits) -> Iterator[RawRow | RowProblem | Blank]:
    reader = csv.reader(feed, delimiter=delimiter)
    open_quotes = 0
    while True:
        feed.begin()
        try:
            cells = next(reader, None)
        except (_LineTooLong, _RecordTooLong, csv.Error):
            cells = []
            failed = True
        else:
            failed = False
        if cells is None:
            return
        line = feed.taken[0].number
        if failed or feed.ended_inside:
            several = len(feed.taken) > 1
            yield _open_quote(feed) if several or feed.ended_inside else _too_long(feed, limits)
            feed.give_back()
            reader = csv.reader(feed, delimiter=delimiter)
            if several:
                open_quotes += 1
            if open_quotes > limits.open_quotes:
                raise _quotes_unbalanced(line, limits)
        elif not cells or (not cells[0].strip() and not "".join(cells).strip()):
            yield Blank(line)
        elif feed.characters > limits.field_chars and (long := _long_cell(cells, limits)):
            yield long_field(line, long, limits)
        else:
            yield RawRow(line, cells)


def _long_cell(cells: list[str], limits: Limits) -> int | None:
    for number, cell in enumerate(cells, start=1):
        if len(cell) > limits.field_chars:
            return number
    return None


def long_field(line: int, column: int, limits: Limits) -> RowProblem:
    """Give the problem of a cell that is longer than allowed."""
    return RowProblem(
        line,
        f"column {column}",
        "field.too_long",
        f"a cell of more than {limits.field_chars:,} characters: shorten it, or check the quotes.",
    )


def _too_long(feed: _Feed, limits: Limits) -> RowProblem:
    text = feed.taken[0].text
    if text is not None:
        return long_field(feed.taken[0].number, 1, limits)
    return RowProblem(
        feed.taken[0].number,
        None,
        "row.too_long",
        f"a line of more than {limits.row_chars:,} characters: shorten it, or check that the "
        "file is a list.",
    )


def _open_quote(feed: _Feed) -> RowProblem:
    first = feed.taken[0]
    return RowProblem(
        first.number,
        None,
        "row.quote_open",
        "a quotation mark in this line is opened and not closed: close it, or double it when it "
        "is part of the text.",
        shown((first.text or "").rstrip("\r\n")),
    )


def _quotes_unbalanced(line: int, limits: Limits) -> FileRefused:
    return FileRefused(
        "csv.quotes_unbalanced",
        f"more than {limits.open_quotes} rows with a quotation mark that is not closed",
        "quotation marks in pairs",
        "export the list again with standard CSV quoting.",
        line=line,
    )
