"""A raw row and a mapping become a draft, or all the problems of the row at once."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import date
from typing import Any, Final, Literal, NamedTuple, cast

import msgspec

from trophenix_recruitment import cells
from trophenix_recruitment.cells import CellReader, Fault, Odd
from trophenix_recruitment.countries import CodeSystem, Country
from trophenix_recruitment.dates import BirthRange
from trophenix_recruitment.formulas import unguard
from trophenix_recruitment.headings import Target
from trophenix_recruitment.mapping import Mapping, faults
from trophenix_recruitment.measures import HeightUnit, WeightUnit
from trophenix_recruitment.model import (
    AthleteDraft,
    ExternalId,
    RawRow,
    RowProblem,
    RuleBroken,
    shown,
)
from trophenix_recruitment.problems import MappingRefused

_CACHED_TEXTS: Final = 20_000
_CACHED_LENGTH: Final = 200
_UNREAD: Final = Odd(None)
_ENCODE: Final = msgspec.json.Encoder().encode
_BITS: Final = (0, 1)
_KEYS: Final = frozenset({str, int, float, type(None)})

RowStatus = Literal["accepted", "rejected", "repeated"]


class Checked(msgspec.Struct, frozen=True, gc=False):
    """The outcome of one row.

    ``draft`` is there exactly when the row is accepted; an accepted row may have warnings, a
    rejected one has every error found in it, a repeated one says where it stood first.
    """

    line: int
    status: RowStatus
    draft: AthleteDraft | None = None
    problems: tuple[RowProblem, ...] = ()


class _Column(NamedTuple):
    at: int
    heading: str
    slot: str
    read: CellReader
    cache: dict[Any, Any]


def _single_readers(
    mapping: Mapping, today: date
) -> dict[Target, Callable[[str | None], CellReader]]:
    def always(reader: CellReader) -> Callable[[str | None], CellReader]:
        return lambda _detail: reader

    return {
        "family_name": always(cells.read_name),
        "given_name": always(cells.read_name),
        "full_name": always(cells.read_full_name),
        "sex": always(cells.read_sex),
        "female_flag": always(cells.read_female),
        "birth": always(cells.birth_reader(mapping.date_order, today)),
        "country_system": always(cells.read_system),
        "sport": always(cells.read_text),
        "ranking": always(cells.read_ranking),
        "height": lambda unit: cells.height_reader(cast("HeightUnit", unit or "cm")),
        "weight": lambda unit: cells.weight_reader(cast("WeightUnit", unit or "kg")),
        "position": always(cells.read_text),
        "club": always(cells.read_text),
        "visibility": always(cells.read_visibility),
    }


_SLOTS: Final[dict[Target, str]] = {
    "female_flag": "sex",
    "height": "height_cm",
    "weight": "weight_kg",
}


class RowChecker:
    """Checks the rows of one file, in order, against one mapping.

    It remembers a hash of every row, and so finds a row that stands in the file for the second
    time; everything else depends on the row alone.

    Raises:
        MappingRefused: the mapping does not fit the *headings*; all reasons at once.
    """

    def __init__(self, headings: Sequence[str], mapping: Mapping, today: date) -> None:
        reasons = faults(mapping, headings)
        if reasons:
            raise MappingRefused(tuple(reason.message for reason in reasons))
        self._width = len(headings)
        self._mapping = mapping
        self._guarded = mapping.apostrophe_guards
        self._first_lines: dict[int, int] = {}
        self._singles: list[tuple[int, str, Callable[[Any, Any], Any], _Column]] = []
        self._ids: list[tuple[_Column, str]] = []
        self._id_lists: list[_Column] = []
        self._flags: list[tuple[_Column, str]] = []
        self._attributes: list[_Column] = []
        self._nested: list[_Column] = []
        self._extra = _Column(-1, "", "", cells.read_attribute, {})
        self._country: _Column | None = None
        self._name_heading: str | None = None
        self._family_heading: str | None = None
        self._given_heading: str | None = None
        self._plan(headings, today)

    def _plan(self, headings: Sequence[str], today: date) -> None:
        readers = _single_readers(self._mapping, today)
        by_heading = {column.heading: column for column in self._mapping.columns}
        for index, heading in enumerate(headings):
            mapped = by_heading.get(heading)
            target: Target = mapped.target if mapped else "attribute"
            detail = mapped.detail if mapped else None

            def column(slot: str, read: CellReader, at: int = index, of: str = heading) -> _Column:
                return _Column(at, of, slot, read, {})

            match target:
                case "ignore":
                    continue
                case "attribute":
                    self._attributes.append(column(detail or heading, cells.read_attribute))
                case "attributes":
                    self._nested.append(column(heading, cells.read_attribute))
                case "external_id":
                    self._ids.append((column("", cells.read_external_id), detail or ""))
                case "external_ids":
                    self._id_lists.append(column("", cells.read_external_ids))
                case "position_flag":
                    self._flags.append((column("", cells.read_flag), detail or ""))
                case "country":
                    country = column("country", cells.country_reader(self._mapping.country_systems))
                    if any(other.target == "country_system" for other in by_heading.values()):
                        self._country = country
                    else:
                        self._singles.append((index, "country", country.cache.get, country))
                case _:
                    slot = _SLOTS.get(target, target)
                    single = column(slot, readers[target](detail))
                    self._singles.append((index, slot, single.cache.get, single))
                    if target in {"family_name", "given_name", "full_name"}:
                        self._name_heading = self._name_heading or heading
                    if target == "family_name":
                        self._family_heading = heading
                    if target == "given_name":
                        self._given_heading = heading

    def check(self, row: RawRow) -> Checked:
        """Give the outcome of *row*."""
        line = row.line
        raw = row.cells
        if len(raw) != self._width:
            if len(raw) < self._width or any(map(_says_something, raw[self._width :])):
                return Checked(line, "rejected", None, (self._wrong_width(row),))
            raw = raw[: self._width]
        first = self._first_lines.setdefault(self._hash(raw, row.extra), line)
        if first != line:
            return Checked(line, "repeated", None, (_repeated(line, first),))
        fields: dict[str, Any] = {}
        problems: list[RowProblem] = []
        attributes: dict[str, Any] = {}
        for index, slot, known, column in self._singles:
            cell = raw[index]
            try:
                value = known(cell, _UNREAD)
            except TypeError:
                value = _UNREAD  # a list or an object
            if value.__class__ is Odd:
                value = self._read(column, cell, line, problems, attributes)
            if value is not None:
                fields[slot] = value
        if self._country is not None:
            self._read_country_in_system(self._country, raw, line, fields, problems)
        if self._ids or self._id_lists:
            self._read_ids(raw, line, fields, problems)
        if self._flags:
            self._read_flags(raw, line, fields, problems)
        if self._attributes or self._nested or row.extra:
            self._read_attributes(row, raw, attributes, problems)
        return self._outcome(line, fields, attributes, problems)

    @staticmethod
    def _hash(raw: list[Any], extra: dict[str, Any] | None) -> int:
        try:
            # The document form tells 1, 1.0, "1" and true apart, which Python takes for equal.
            return hash(_ENCODE(raw if extra is None else (raw, extra)))
        except (TypeError, ValueError, OverflowError, RecursionError):
            return hash(repr((raw, extra)))

    def _scalar(self, cell: Any, column: _Column, line: int, problems: list[RowProblem]) -> str:
        if isinstance(cell, list | dict):
            problems.append(
                RowProblem(
                    line,
                    column.heading,
                    "value.nested",
                    "a list or an object where one value is expected: write the value alone, or "
                    "make the column an attribute.",
                    shown(cells.cell_text(cell)),
                )
            )
            return ""
        return cells.cell_text(cell)

    def _read(
        self,
        column: _Column,
        cell: Any,
        line: int,
        problems: list[RowProblem],
        attributes: dict[str, Any] | None = None,
    ) -> Any:
        _, heading, _, read, cache = column
        # An int and a float that are equal have the same text, so they may share a key. A boolean
        # equals 0 or 1 and reads differently: those two are never remembered.
        key = cell if cell.__class__ in _KEYS else self._scalar(cell, column, line, problems)
        value = cache.get(key, _UNREAD)
        if value is _UNREAD:
            text = key if key.__class__ is str else cells.cell_text(key)
            value = read(self._unguarded(text))
            if len(cache) < _CACHED_TEXTS and len(text) <= _CACHED_LENGTH and key not in _BITS:
                cache[key] = value
        if value.__class__ is Odd:
            text = cells.cell_text(key)
            _remark(line, heading, text, value.faults, problems)
            if value.raw is not None and attributes is not None:
                attributes[heading] = value.raw
            return value.value
        return value

    def _unguarded(self, text: str) -> str:
        return unguard(text) if text[:1] == "'" and self._guarded else text

    def _read_country_in_system(
        self,
        column: _Column,
        raw: list[Any],
        line: int,
        fields: dict[str, Any],
        problems: list[RowProblem],
    ) -> None:
        """Read the nationality of a row that itself names the system of its code."""
        system = cast("CodeSystem | None", fields.pop("country_system", None))
        cell = raw[column.at]
        if system is None or cell is None:
            country = self._read(column, cell, line, problems)
        else:
            text = cells.cell_text(cell)
            country = cells.read_country(self._unguarded(text), (system,))
            if isinstance(country, Odd):
                _remark(line, column.heading, text, country.faults, problems)
                country = country.value
        if country is not None:
            fields["country"] = country

    def _read_ids(
        self, raw: list[Any], line: int, fields: dict[str, Any], problems: list[RowProblem]
    ) -> None:
        ids: list[ExternalId] = []
        for column, scheme in self._ids:
            cell = raw[column.at]
            # Identifiers hardly repeat: remembering them would only cost memory.
            text = cell if cell.__class__ is str else self._scalar(cell, column, line, problems)
            value = column.read(text if text[:1] != "'" else self._unguarded(text))
            if value.__class__ is Odd:
                _remark(line, column.heading, text, value.faults, problems)
                value = value.value
            if value is not None:
                ids.append(ExternalId(scheme, value))
        for column in self._id_lists:
            cell = raw[column.at]
            value = column.read(self._unguarded(cell) if isinstance(cell, str) else cell)
            if value.__class__ is Odd:
                shown_cell = cells.cell_text(raw[column.at])
                _remark(line, column.heading, shown_cell, value.faults, problems)
                value = value.value
            ids.extend(value)
        if ids:
            fields["external_ids"] = tuple(dict.fromkeys(ids)) if len(ids) > 1 else (ids[0],)

    def _read_flags(
        self, raw: list[Any], line: int, fields: dict[str, Any], problems: list[RowProblem]
    ) -> None:
        positions = [
            position
            for column, position in self._flags
            if self._read(column, raw[column.at], line, problems)
        ]
        if positions:
            fields.setdefault("position", ", ".join(positions))

    def _read_attributes(
        self,
        row: RawRow,
        raw: list[Any],
        attributes: dict[str, Any],
        problems: list[RowProblem],
    ) -> None:
        line = row.line
        for column in self._attributes:
            self._keep(column, column.slot, raw[column.at], line, attributes, problems)
        for column in self._nested:
            cell = raw[column.at]
            if cell.__class__ is str and cell.startswith("{"):
                # Text that is not JSON after all is kept as the text it is.
                with suppress(msgspec.DecodeError, RecursionError):
                    cell = msgspec.json.decode(cell)
            if isinstance(cell, dict):
                for name, value in cast("dict[str, Any]", cell).items():
                    self._keep(column, name, value, line, attributes, problems)
            else:
                self._keep(column, column.slot, cell, line, attributes, problems)
        if row.extra:
            for name, value in row.extra.items():
                self._keep(self._extra, name, value, line, attributes, problems)

    def _keep(
        self,
        column: _Column,
        name: str,
        cell: Any,
        line: int,
        attributes: dict[str, Any],
        problems: list[RowProblem],
    ) -> None:
        if cell is None or cell == "":
            return
        if cell.__class__ is str:
            value = column.read(self._unguarded(cell))
        elif isinstance(cell, list | dict):
            value = cells.read_nested(cell)
        else:
            value = cells.read_value(cell)
        heading = column.heading or name
        if not name.isprintable() or len(name) > cells.TEXT_LENGTH:
            _remark(line, shown(heading), name, cells.name_faults(name), problems)
        if value.__class__ is Odd:
            _remark(line, heading, cell if isinstance(cell, str) else "", value.faults, problems)
            value = value.value
        while name in attributes:
            name += " (2)"
        attributes[name] = value

    def _outcome(
        self,
        line: int,
        fields: dict[str, Any],
        attributes: dict[str, Any],
        problems: list[RowProblem],
    ) -> Checked:
        if "birth" in fields:
            birth = cast("BirthRange", fields.pop("birth"))
            fields["birth_earliest"] = birth[0]
            fields["birth_latest"] = birth[1]
        if "country" in fields:
            country = cast("Country", fields.pop("country"))
            fields["nationality"] = country.code
            fields["nationality_system"] = country.system
            fields["nationality_alpha_2"] = country.alpha_2
        if "full_name" in fields:
            family, given = fields.pop("full_name")
            fields["family_name"] = fields.get("family_name") or family
            fields["given_name"] = fields.get("given_name") or given
        if not fields.get("family_name"):
            if not fields.get("given_name"):
                problems.append(nameless(line, self._name_heading))
            elif self._family_heading is not None:
                problems.append(_no_part(line, self._family_heading, "name.family_missing"))
        elif self._given_heading is not None and not fields.get("given_name"):
            problems.append(_no_part(line, self._given_heading, "name.given_missing"))
        if self._mapping.sport is not None:
            fields.setdefault("sport", self._mapping.sport)
        if problems and any(problem.severity == "error" for problem in problems):
            return Checked(line, "rejected", None, tuple(problems))
        try:
            draft = AthleteDraft(**fields, attributes=attributes)
        except RuleBroken as broken:
            problems.append(RowProblem(line, None, broken.code, f"{broken}: correct the row."))
            return Checked(line, "rejected", None, tuple(problems))
        return Checked(line, "accepted", draft, tuple(problems) if problems else ())

    def _wrong_width(self, row: RawRow) -> RowProblem:
        found = len(row.cells)
        code = "row.too_few_columns" if found < self._width else "row.too_many_columns"
        return RowProblem(
            row.line,
            None,
            code,
            f"{found} cells, the heading has {self._width}: check separators and quotes in this "
            "line.",
            shown(" | ".join(map(cells.cell_text, row.cells))),
        )


def nameless(line: int, heading: str | None) -> RowProblem:
    """Give the problem of a row without any name."""
    return RowProblem(
        line,
        heading,
        "name.missing",
        "neither a family name nor a given name: write at least one.",
    )


def _says_something(cell: Any) -> bool:
    return cell is not None and not (isinstance(cell, str) and not cell.strip())


def _remark(
    line: int, heading: str, text: str, found: Iterable[Fault], problems: list[RowProblem]
) -> None:
    for code, message, severity in found:
        problems.append(RowProblem(line, heading, code, message, shown(text), severity))


def _no_part(line: int, heading: str, code: str) -> RowProblem:
    part = "given" if code == "name.given_missing" else "family"
    return RowProblem(
        line, heading, code, f"no {part} name: the athlete is imported without.", None, "warning"
    )


def _repeated(line: int, first: int) -> RowProblem:
    return RowProblem(
        line,
        None,
        "row.repeated",
        f"the same row stands in line {first}: it is imported once.",
        None,
        "warning",
    )


class Counters(msgspec.Struct):
    """How many rows had which outcome; ``rows`` is always the sum of the three."""

    rows: int = 0
    accepted: int = 0
    with_warnings: int = 0
    rejected: int = 0
    repeated: int = 0

    def add(self, checked: Checked) -> None:
        """Count one outcome."""
        self.rows += 1
        if checked.status == "accepted":
            self.accepted += 1
            self.with_warnings += bool(checked.problems)
        elif checked.status == "rejected":
            self.rejected += 1
        else:
            self.repeated += 1


def check_rows(
    rows: Iterable[RawRow | RowProblem], checker: RowChecker, counters: Counters | None = None
) -> Iterator[Checked]:
    """Give the outcome of every row, those included that could not even be read."""
    for row in rows:
        checked = (
            Checked(row.line, "rejected", None, (row,))
            if isinstance(row, RowProblem)
            else checker.check(row)
        )
        if counters is not None:
            counters.add(checked)
        yield checked
