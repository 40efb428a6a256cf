"""The fast path for athletes that arrive as one JSON body."""

from collections.abc import Sequence
from datetime import date
from typing import Any, cast

import msgspec

from trophenix_recruitment.checks import Checked, Counters, RowChecker, nameless
from trophenix_recruitment.mapping import ColumnValues, Mapping, suggest_from
from trophenix_recruitment.model import AthleteDraft, RawRow, RowProblem
from trophenix_recruitment.problems import FileRefused, FileTooLarge
from trophenix_recruitment.reading.limits import Limits
from trophenix_recruitment.reading.objects import object_of

_LIST_MEMBERS = ("athletes", "data", "items", "records")


class JsonDrafts(msgspec.Struct, frozen=True):
    """What a JSON body held.

    ``outcomes`` has one entry per element, in order; its line is the element's position, first =
    1, because a body usually has no line ends. ``drafts`` are those of the accepted elements.
    """

    outcomes: list[Checked]
    mapping: Mapping
    counters: Counters

    @property
    def drafts(self) -> list[AthleteDraft]:
        """The accepted athletes, in order."""
        return [outcome.draft for outcome in self.outcomes if outcome.draft is not None]


def drafts_from_json(
    body: bytes | Sequence[msgspec.Raw],
    today: date,
    *,
    mapping: Mapping | None = None,
    limits: Limits | None = None,
) -> JsonDrafts:
    """Check all athletes of a JSON body: a list of objects, or an object with such a list.

    Without a *mapping* the suggested one is used. The whole body is in memory: use
    ``open_table`` for files.

    Raises:
        FileRefused: the body is no JSON, or holds no list.
        FileTooLarge: there are more athletes than *limits* allow.
        MappingRefused: the mapping does not fit.
    """
    limits = limits or Limits()
    elements = _decoded(body)
    if len(elements) > limits.rows:
        raise FileTooLarge(
            "file.too_many_rows",
            f"{len(elements):,} athletes",
            f"at most {limits.rows:,}",
            "send them in several requests.",
        )
    headings = _headings(elements, mapping, limits)
    rows = _rows(elements, headings)
    if mapping is None:
        values = ColumnValues(headings)
        values.add_all([row for row in rows if isinstance(row, RawRow)])
        mapping = suggest_from(headings, values)
    counters = Counters()
    checker = RowChecker(headings, mapping, today) if headings else None
    outcomes: list[Checked] = []
    for row in rows:
        if isinstance(row, RowProblem):
            outcome = Checked(row.line, "rejected", None, (row,))
        elif checker is None:
            outcome = Checked(row.line, "rejected", None, (nameless(row.line, None),))
        else:
            outcome = checker.check(row)
        counters.add(outcome)
        outcomes.append(outcome)
    return JsonDrafts(outcomes, mapping, counters)


def _headings(elements: list[Any], mapping: Mapping | None, limits: Limits) -> tuple[str, ...]:
    """Give the names that are columns: those of the mapping, and others up to the limit."""
    names: dict[str, Any] = {}
    for element in elements:
        if element.__class__ is dict:
            names.update(element)
    found = tuple(names)[: limits.columns]
    if mapping is None or not found:
        return found
    return tuple(dict.fromkeys((*found, *(column.heading for column in mapping.columns))))


def _rows(elements: list[Any], headings: tuple[str, ...]) -> list[RawRow | RowProblem]:
    known = frozenset(headings)
    rows: list[RawRow | RowProblem] = []
    for position, element in enumerate(elements, start=1):
        found = object_of(position, element)
        if isinstance(found, RowProblem):
            rows.append(found)
            continue
        members = found.members
        extra = None
        if not known.issuperset(members):
            extra = {name: value for name, value in members.items() if name not in known}
        rows.append(RawRow(position, [*map(members.get, headings)], extra))
    return rows


def _decoded(body: bytes | Sequence[msgspec.Raw]) -> list[Any]:
    try:
        if not isinstance(body, bytes):
            return [msgspec.json.decode(element) for element in body]
        document: Any = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeError, RecursionError, ValueError) as error:
        raise FileRefused(
            "json.broken",
            f"a body that is no JSON ({error})",
            "a list of athletes in JSON",
            "check the body with a JSON tool.",
        ) from error
    if isinstance(document, dict):
        members = cast("dict[str, Any]", document)
        for name in _LIST_MEMBERS:
            if isinstance(members.get(name), list):
                return cast("list[Any]", members[name])
    if isinstance(document, list):
        return cast("list[Any]", document)
    raise FileRefused(
        "json.no_list",
        f"a JSON {type(cast('object', document)).__name__}",
        'a list of athletes, or an object {"athletes": [...]}',
        "put the athletes into a list.",
    )
