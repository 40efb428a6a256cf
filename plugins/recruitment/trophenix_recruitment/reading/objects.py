"""Rows of a JSON document (an array, or an object with one) and of JSON Lines."""

import json
import re
from collections.abc import Iterator
from typing import Any, Final, Literal, NoReturn, cast

import msgspec

from trophenix_recruitment.model import RowProblem, shown
from trophenix_recruitment.problems import FileRefused
from trophenix_recruitment.reading.limits import Limits
from trophenix_recruitment.reading.source import Source
from trophenix_recruitment.reading.text import Lines

JsonForm = Literal["array", "lines"]

_BLANK: Final = re.compile(r"[ \t\r\n]*")
_MEMBERS: Final = frozenset({"athletes", "players", "data", "items", "rows", "records", "results"})
_LINE_END: Final = re.compile(r"\r\n|\n|\r")


def json_form(sample: str) -> JsonForm | None:
    """Tell which form of JSON a text with this beginning is, or ``None`` when it is none."""
    text = sample.lstrip("\ufeff \t\r\n")
    if re.match(r"\[\s*(?:[{\]]|$)", text):
        return "array"
    if not re.match(r'\{\s*(?:"|\}|$)', text):
        return None
    return "array" if _opens_array(text) else "lines"


def _opens_array(text: str) -> bool:
    """Tell whether the object that begins *text* has its athletes in an array member."""
    decoder = json.JSONDecoder()
    at = _skip(text, 1)
    try:
        while text[at : at + 1] == '"':
            name, at = cast("tuple[str, int]", decoder.raw_decode(text, at))
            at = _skip(text, at)
            if text[at : at + 1] != ":":
                return False
            at = _skip(text, at + 1)
            if text[at : at + 1] == "[" and name.lower() in _MEMBERS:
                return True
            _, at = decoder.raw_decode(text, at)
            at = _skip(text, at)
            if text[at : at + 1] != ",":
                return False
            at = _skip(text, at + 1)
    except (ValueError, RecursionError):
        return False
    return False


def _skip(text: str, at: int) -> int:
    found = _BLANK.match(text, at)
    return at if found is None else found.end()


class JsonObject(msgspec.Struct, frozen=True):
    """One athlete of a JSON document and the line it starts on."""

    line: int
    members: dict[str, Any]


def json_objects(
    source: Source, encoding: str, form: JsonForm, limits: Limits
) -> Iterator[JsonObject | RowProblem]:
    """Give every object, or what is wrong with it; blank lines are passed over.

    Raises:
        FileRefused: an array is broken: what follows the break cannot be told apart.
    """
    with source.open() as stream:
        lines = Lines(stream, encoding, limits.row_chars)
        try:
            if form == "lines":
                yield from _from_lines(lines, limits)
            else:
                yield from _Array(lines, limits).objects()
        finally:
            lines.close()


def _from_lines(lines: Lines, limits: Limits) -> Iterator[JsonObject | RowProblem]:
    while (line := lines.next()) is not None:
        if line.text is None:
            yield _long_row(line.number, limits)
            continue
        text = line.text.strip().lstrip("\ufeff")
        if not text:
            continue
        try:
            value = msgspec.json.decode(text)
        except (msgspec.DecodeError, UnicodeError, RecursionError, ValueError) as error:
            yield RowProblem(
                line.number,
                None,
                "row.not_json",
                f"this line is no JSON ({error}): write one object per line.",
                shown(text),
            )
            continue
        yield object_of(line.number, value)


def object_of(line: int, value: Any) -> JsonObject | RowProblem:
    """Give *value* as the object of *line*, or the problem that it is none."""
    if isinstance(value, dict):
        return JsonObject(line, cast("dict[str, Any]", value))
    return RowProblem(
        line,
        None,
        "row.not_object",
        "an athlete is a JSON object with named values: write {…}.",
        shown(str(value)),
    )


def _long_row(line: int, limits: Limits) -> RowProblem:
    return RowProblem(
        line,
        None,
        "row.too_long",
        f"an athlete of more than {limits.row_chars:,} characters: shorten it.",
    )


class _Array:
    """Reads the objects of an array through a window that always holds one whole object."""

    def __init__(self, lines: Lines, limits: Limits) -> None:
        self._lines = lines
        self._limits = limits
        self._text = ""
        self._at = 0
        self._line = 1
        self._counted = 0
        self._end = False
        self._decoder = json.JSONDecoder(parse_constant=_not_a_number)

    def _fill(self) -> None:
        limit = self._limits.row_chars
        if self._end or len(self._text) - self._at > limit:
            return
        self._count_lines()
        read = self._lines.read(4 * limit)
        self._end = len(read) < 4 * limit
        self._text = self._text[self._at :] + read
        self._counted = self._at = 0

    def _count_lines(self) -> None:
        passed = self._text[self._counted : self._at]
        ends = len(_LINE_END.findall(passed)) if "\r" in passed else passed.count("\n")
        if passed.endswith("\r") and self._text[self._at : self._at + 1] == "\n":
            ends -= 1
        self._line += ends
        self._counted = self._at

    def _next_character(self) -> str:
        while True:
            self._at = _skip(self._text, self._at)
            if self._at < len(self._text) or self._end:
                return self._text[self._at : self._at + 1]
            self._fill()

    def _broken(self, found: str) -> NoReturn:
        self._count_lines()
        raise FileRefused(
            "json.broken",
            found,
            "an array of objects",
            "check the document with a JSON tool from that line on.",
            line=self._line,
        )

    def _decode(self) -> Any:
        self._fill()
        start = self._at
        try:
            value, self._at = self._decoder.raw_decode(self._text, start)
        except RecursionError:
            self._broken("values nested too deeply")
        except ValueError as error:
            if not self._end or len(self._text) - start > self._limits.row_chars:
                self._broken(
                    f"an object that is broken or has over {self._limits.row_chars:,} characters"
                )
            reason = error.msg if isinstance(error, json.JSONDecodeError) else str(error)
            self._broken(f"broken JSON ({reason})")
        return value

    def _enter(self) -> None:
        self._fill()
        if self._next_character() == "\ufeff":
            self._at += 1
        if self._next_character() == "[":
            self._at += 1
            return
        self._at += 1
        while True:
            if self._next_character() != '"':
                self._broken("an object without a list of athletes")
            name = cast("str", self._decode())
            if self._next_character() != ":":
                self._broken(f"the name {shown(name)!r} without a value")
            self._at += 1
            if self._next_character() == "[" and name.lower() in _MEMBERS:
                self._at += 1
                return
            self._decode()
            if self._next_character() != ",":
                self._broken("an object without a list of athletes")
            self._at += 1

    def objects(self) -> Iterator[JsonObject | RowProblem]:
        self._enter()
        if self._next_character() == "]":
            return
        while True:
            self._next_character()
            self._count_lines()
            line, start = self._line, self._at
            if self._text[start : start + 1] in {"", "]"}:
                self._broken("a list that ends after a comma")
            self._fill()
            start = self._at
            value = self._decode()
            if self._at - start > self._limits.row_chars:
                yield _long_row(line, self._limits)
            else:
                yield object_of(line, value)
            following = self._next_character()
            if following == "]":
                return
            if following != ",":
                self._broken("two athletes without a comma between them" if following else "no end")
            self._at += 1


def _not_a_number(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON number")
