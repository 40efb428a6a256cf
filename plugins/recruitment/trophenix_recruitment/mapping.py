"""Which column of a file means what: suggested from headings and data, edited, sent back.

A mapping is plain data. It names columns by heading, so it may be stored and used again for the
next export of the same source, whatever the order of its columns.
"""

import hashlib
from collections.abc import Iterable, Sequence
from collections.abc import Mapping as Members
from typing import Any, Final

import msgspec

from trophenix_recruitment.cells import cell_text
from trophenix_recruitment.countries import CodeSystem, code_systems_of
from trophenix_recruitment.dates import DateOrder, looks_like_date, order_evidence
from trophenix_recruitment.headings import Meaning, Target, meaning_of
from trophenix_recruitment.measures import height_unit_of
from trophenix_recruitment.model import RawRow

_DISTINCT_VALUES: Final = 50_000
_FEW_VALUES: Final = 200
_LONGEST_VALUE: Final = 40
_DECIDED_BY_DATA: Final[frozenset[Target]] = frozenset({"birth", "country", "height"})


class ColumnMapping(msgspec.Struct, frozen=True):
    """What one column becomes.

    ``detail`` is the scheme of an external id, the unit of a measure, the position a flag
    stands for, or the name of the attribute (the heading itself when ``None``).
    """

    heading: str
    target: Target
    detail: str | None = None


class Note(msgspec.Struct, frozen=True):
    """Something the suggestion wants a person to look at."""

    code: str
    column: str | None
    message: str


class Mapping(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How every column of a file is read.

    Attributes:
        columns: One entry per column; a column of the file that is not named here is kept as
            an attribute.
        date_order: Order of day and month in numeric dates; ``None`` rejects the dates that
            read differently in the two orders.
        country_systems: Systems in which the codes of the country column were written, most
            trusted first; empty when unknown: then codes that two systems contest are refused.
        apostrophe_guards: Whether an apostrophe before a formula character was put there by an
            export, and is taken off again.
        sport: Sport of the rows that name none.
        notes: Remarks of the suggestion; they have no effect.
    """

    columns: tuple[ColumnMapping, ...]
    date_order: DateOrder | None = None
    country_systems: tuple[CodeSystem, ...] = ()
    apostrophe_guards: bool = True
    sport: str | None = None
    notes: tuple[Note, ...] = ()

    def fingerprint(self) -> str:
        """Give the SHA-256 of everything that has an effect, in hexadecimal."""
        effective = msgspec.structs.replace(self, notes=())
        return hashlib.sha256(msgspec.json.encode(effective)).hexdigest()


_SEVERAL: Final[frozenset[Target]] = frozenset(
    {"position_flag", "external_id", "external_ids", "attribute", "attributes", "ignore"}
)
_UNITS: Final[dict[str, tuple[str, ...]]] = {
    "height": ("cm", "m", "in", "ft"),
    "weight": ("kg", "lb"),
}


def faults(mapping: Mapping, headings: Sequence[str]) -> list[Note]:
    """Give every reason why *mapping* cannot be applied to a file with these *headings*."""
    found: list[Note] = []
    taken: dict[str, str] = {}
    seen: set[str] = set()
    present = set(headings)
    for column in mapping.columns:
        heading, target = column.heading, column.target
        if heading not in present:
            found.append(
                Note(
                    "mapping.no_such_column",
                    heading,
                    f"the mapping names the column {heading!r}, the file has "
                    f"{', '.join(map(repr, headings[:20]))}: correct the mapping or the file.",
                )
            )
        if heading in seen:
            found.append(
                Note(
                    "mapping.column_twice",
                    heading,
                    f"the mapping names the column {heading!r} twice: keep one entry.",
                )
            )
        seen.add(heading)
        unique = "sex" if target == "female_flag" else target
        if target not in _SEVERAL and unique in taken:
            found.append(
                Note(
                    "mapping.target_twice",
                    heading,
                    f"the columns {taken[unique]!r} and {heading!r} both become {unique}: keep one "
                    "and make the other an attribute.",
                )
            )
        taken.setdefault(unique, heading)
        if target == "external_id" and not (column.detail or "").strip():
            found.append(
                Note(
                    "mapping.scheme_missing",
                    heading,
                    f"the column {heading!r} is an external id without a scheme: say who gives "
                    "these numbers (licence, fide, itf, …) in its detail.",
                )
            )
        units = _UNITS.get(target)
        if units and column.detail is not None and column.detail not in units:
            found.append(
                Note(
                    "mapping.unit_unknown",
                    heading,
                    f"the column {heading!r} has the unit {column.detail!r}: use one of "
                    f"{', '.join(units)}.",
                )
            )
        if target == "position_flag" and not (column.detail or "").strip():
            found.append(
                Note(
                    "mapping.position_missing",
                    heading,
                    f"the column {heading!r} is a position flag without a position: write the "
                    "position it stands for in its detail.",
                )
            )
    if not taken.keys() & {"family_name", "given_name", "full_name"}:
        found.append(
            Note(
                "mapping.no_name",
                None,
                "no column is a family name, a given name or a full name: say which one is.",
            )
        )
    return found


class ColumnValues:
    """The different short texts of each column of a file, gathered in one pass and bounded.

    Columns that decide an order, a code system or a unit are gathered whole (up to 50,000
    texts); of the others a few texts are enough.
    """

    def __init__(self, headings: Sequence[str]) -> None:
        self._values: list[dict[str, None]] = [{} for _ in headings]
        self._open: list[tuple[int, dict[str, None], int]] = []
        for index, heading in enumerate(headings):
            meaning = meaning_of(heading)
            whole = meaning is not None and meaning.target in _DECIDED_BY_DATA
            if meaning is None or whole:
                limit = _DISTINCT_VALUES if whole else _FEW_VALUES
                self._open.append((index, self._values[index], limit))

    def add(self, row: RawRow) -> None:
        """Remember the cells of *row*."""
        cells = row.cells
        full = False
        for index, values, limit in self._open:
            if index >= len(cells):
                break
            cell = cells[index]
            if cell is None or cell == "":
                continue
            text = cell if cell.__class__ is str else cell_text(cell)
            if len(text) <= _LONGEST_VALUE:
                values[text] = None
                full = full or len(values) >= limit
        if full:
            self._open = [entry for entry in self._open if len(entry[1]) < entry[2]]

    def add_all(self, rows: Iterable[RawRow]) -> None:
        """Remember the cells of all *rows*; a list of rows must be as wide as the headings."""
        if not isinstance(rows, list):
            for row in rows:
                self.add(row)
            return
        for index, values, limit in self._open:
            for text in self._short_texts([row.cells[index] for row in rows]):
                if len(values) >= limit:
                    break
                values[text] = None

    @staticmethod
    def _short_texts(column: list[Any]) -> Iterable[str]:
        try:
            different: Iterable[Any] = dict.fromkeys(column)
        except TypeError:
            different = column  # nested values cannot be compared
        for cell in different:
            if cell is not None and cell != "":
                text = cell if cell.__class__ is str else cell_text(cell)
                if len(text) <= _LONGEST_VALUE:
                    yield text

    def of(self, index: int) -> Iterable[str]:
        """Give the texts of one column, first seen first."""
        return self._values[index].keys()


def suggest(headings: Sequence[str], rows: Iterable[RawRow] = ()) -> Mapping:
    """Give the mapping that headings and data speak for, with notes on what is uncertain.

    *rows* is read to its end: the order of dates and the system of country codes are decided
    over whole columns. Unknown columns become attributes.
    """
    values = ColumnValues(headings)
    values.add_all(rows)
    return suggest_from(headings, values)


def suggest_from(headings: Sequence[str], values: ColumnValues) -> Mapping:
    """Give the mapping for columns whose values have been gathered already."""
    notes: list[Note] = []
    meanings = _meanings(headings, values, notes)
    columns: list[ColumnMapping] = []
    date_order: DateOrder | None = None
    systems: tuple[CodeSystem, ...] = ()
    for index, (heading, meaning) in enumerate(zip(headings, meanings, strict=True)):
        detail = meaning.detail
        if meaning.target == "birth":
            date_order = _order(heading, headings, values.of(index), notes)
        elif meaning.target == "country":
            systems = code_systems_of(values.of(index))
        elif meaning.target == "height" and detail is None:
            detail = height_unit_of(values.of(index))
            notes.append(_guessed_unit(heading, detail))
        elif meaning.target == "weight" and detail is None:
            detail = "kg"
            notes.append(_guessed_unit(heading, detail))
        columns.append(ColumnMapping(heading, meaning.target, detail))
    mapping = Mapping(tuple(columns), date_order, systems)
    notes.extend(faults(mapping, headings))
    return msgspec.structs.replace(mapping, notes=tuple(notes))


def _guessed_unit(heading: str, unit: str) -> Note:
    return Note(
        "mapping.unit_guessed",
        heading,
        f"{heading!r} names no unit, its numbers are read as {unit}: correct the unit if needed.",
    )


def _meanings(headings: Sequence[str], values: ColumnValues, notes: list[Note]) -> list[Meaning]:
    meanings = [meaning_of(heading) for heading in headings]
    targets = {meaning.target for meaning in meanings if meaning}
    if "family_name" in targets and "given_name" in targets and "full_name" in targets:
        meanings = [None if m and m.target == "full_name" else m for m in meanings]
    if "family_name" in targets and not targets & {"given_name", "full_name"}:
        meanings = [
            _lone_name(meaning, heading)
            for meaning, heading in zip(meanings, headings, strict=True)
        ]
    if "full_name" in targets and "given_name" in targets and "family_name" not in targets:
        meanings = [
            Meaning("family_name") if m and m.target == "full_name" else m for m in meanings
        ]
    result: list[Meaning] = []
    taken: set[Target] = set()
    for heading, meaning in zip(headings, meanings, strict=True):
        if meaning is None:
            result.append(Meaning("attribute"))
        elif meaning.target in taken and meaning.target not in _SEVERAL:
            notes.append(
                Note(
                    "mapping.second_column",
                    heading,
                    f"{heading!r} means {meaning.target} like a column before it: kept as an "
                    "attribute.",
                )
            )
            result.append(Meaning("attribute"))
        else:
            taken.add(meaning.target)
            result.append(meaning)
    if "birth" not in taken:
        _birth_by_data(headings, values, result, notes)
    return result


def _lone_name(meaning: Meaning | None, heading: str) -> Meaning | None:
    """A column "Nom" with no column for given names holds whole names."""
    if meaning is not None and meaning.target == "family_name" and heading.strip().lower() == "nom":
        return Meaning("full_name")
    return meaning


def _birth_by_data(
    headings: Sequence[str], values: ColumnValues, meanings: list[Meaning], notes: list[Note]
) -> None:
    dated = [
        index
        for index, meaning in enumerate(meanings)
        if meaning.target == "attribute" and _mostly_dates(values.of(index))
    ]
    if len(dated) == 1:
        heading = headings[dated[0]]
        meanings[dated[0]] = Meaning("birth")
        notes.append(
            Note(
                "mapping.birth_guessed",
                heading,
                f"{heading!r} is the only column of dates and is read as the birth date: make it "
                "an attribute if it is something else.",
            )
        )


def _mostly_dates(values: Iterable[str]) -> bool:
    seen = dates = 0
    for value in values:
        seen += 1
        dates += looks_like_date(value)
    return dates > 0 and dates * 10 >= seen * 9


_FRENCH: Final = frozenset(
    "nom prenom prénom naissance sexe pays poste taille poids licence né née".split()
)


def _order(
    heading: str, headings: Sequence[str], values: Iterable[str], notes: list[Note]
) -> DateOrder | None:
    evidence = order_evidence(values)
    if evidence.contradictory:
        notes.append(
            Note(
                "date_order.contradictory",
                heading,
                f"{evidence.day_first} dates can only be day-first and {evidence.month_first} "
                "only month-first: check which order is meant.",
            )
        )
    if evidence.order is not None or evidence.either == 0 or evidence.contradictory:
        return evidence.order
    words = {word for name in headings for word in name.lower().split()}
    french = bool(words & _FRENCH)
    notes.append(
        Note(
            "date_order.ambiguous",
            heading,
            f"{evidence.either} dates read as day-first and as month-first, and no date in the "
            "column tells which: "
            + (
                "day-first is taken because the headings are French; correct it if needed."
                if french
                else "choose the order, otherwise these rows are rejected."
            ),
        )
    )
    return "day_first" if french else None


def convert(document: Members[str, Any] | bytes) -> Mapping:
    """Give the mapping that was sent back as JSON.

    Raises:
        msgspec.ValidationError: *document* is not a mapping; the message names the member.
    """
    if isinstance(document, bytes):
        return msgspec.json.decode(document, type=Mapping)
    return msgspec.convert(document, type=Mapping)
