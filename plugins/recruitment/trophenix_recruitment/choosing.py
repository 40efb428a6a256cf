"""The mapping somebody asked for, in short or in full, completed by what the file itself says."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from collections.abc import Mapping as Members
from typing import Any, Final, cast, get_args

import msgspec

from trophenix_recruitment.countries import code_systems_of
from trophenix_recruitment.dates import order_evidence
from trophenix_recruitment.headings import Target
from trophenix_recruitment.mapping import ColumnMapping, Mapping, Note, convert
from trophenix_recruitment.measures import height_unit_of
from trophenix_recruitment.problems import MappingRefused

Asked = Members[str, Any] | Sequence[str]
"""``{heading: word}``, one word per column in the file's order, or a whole mapping as a preview gave it out.

A word is a target (``family_name``, ``birth``, …), with a detail where it needs one (``external_id:fide``, ``height:in``), one of the
names that the API gives to an athlete's fields (``last_name``, ``birth_date``, …), or empty for a column to be left out.
"""

TARGETS: Final[frozenset[str]] = frozenset(get_args(Target))
_FIELD_NAMES: Final[dict[str, str]] = {
    "last_name": "family_name",
    "first_name": "given_name",
    "name": "full_name",
    "birth_date": "birth",
    "nationality": "country",
    "nationality_system": "country_system",
    "height_cm": "height:cm",
    "weight_kg": "weight:kg",
    "licence": "external_id:licence",
    "license_number": "external_id:licence",
    "": "ignore",
}


def fingerprint(asked: Asked | None) -> str:
    """The same word for the same wish; ``""`` when none was made."""
    if not asked:
        return ""
    return hashlib.sha256(msgspec.json.encode(asked, order="deterministic")).hexdigest()


def word_of(column: ColumnMapping) -> str:
    """The column's part of a mapping as one word."""
    return f"{column.target}:{column.detail}" if column.detail else column.target


def chosen_mapping(
    asked: Asked | None,
    headings: Sequence[str],
    suggested: Mapping,
    values_of: Callable[[int], Iterable[str]],
) -> Mapping:
    """The mapping that *asked* means for a file with these *headings*; where it says nothing, the suggestion holds.

    Args:
        values_of: the texts of a column, asked for only where the order of dates, the system of codes or a unit has to be found out.

    Raises:
        MappingRefused: a word is no target, a heading is not in the file, or the document is no mapping.
    """
    if not asked:
        return suggested
    if isinstance(asked, Members):
        if isinstance(asked.get("columns"), list | tuple):
            return _whole(asked)
        words = {str(heading): word for heading, word in asked.items()}
    else:
        if len(asked) > len(headings):
            raise MappingRefused(
                (f"{len(asked)} words for {len(headings)} columns: give one word per column.",)
            )
        words = dict(zip(headings, asked, strict=False))
    by_heading = {column.heading: column for column in suggested.columns}
    reasons = [
        f"the file has no column {heading!r}: it has {', '.join(map(repr, headings[:20]))}."
        for heading in words
        if heading not in by_heading
    ]
    columns: list[ColumnMapping] = []
    for heading in headings:
        known = by_heading[heading]
        if heading not in words:
            columns.append(known)
            continue
        column = _column(heading, words[heading], known)
        if column is None:
            reasons.append(
                f"{words[heading]!r} is nothing a column can become: use one of {', '.join(sorted(TARGETS))}."
            )
        else:
            columns.append(column)
    if reasons:
        raise MappingRefused(tuple(reasons))
    return _completed(columns, suggested, set(words), values_of)


def _whole(document: Members[str, Any]) -> Mapping:
    try:
        return convert(document)
    except msgspec.ValidationError as error:
        raise MappingRefused((f"this is no mapping: {error}.",)) from error


def _column(heading: str, word: Any, known: ColumnMapping) -> ColumnMapping | None:
    if not isinstance(word, str):
        return None
    text = word.strip()
    target, _, detail = _FIELD_NAMES.get(text, text).partition(":")
    if target not in TARGETS:
        return None
    if not detail and target == known.target:
        return known
    if target == "external_id" and not detail:
        detail = heading
    return ColumnMapping(heading, cast("Target", target), detail or None)


def _completed(
    columns: list[ColumnMapping],
    suggested: Mapping,
    said: set[str],
    values_of: Callable[[int], Iterable[str]],
) -> Mapping:
    """Orders, systems and units that the suggestion found for other columns are found again for those that were chosen."""
    order, systems = suggested.date_order, suggested.country_systems
    before = {column.heading: column.target for column in suggested.columns}
    for index, column in enumerate(columns):
        if before[column.heading] == column.target and column.detail is not None:
            continue
        match column.target:
            case "birth" if before[column.heading] != "birth":
                order = order_evidence(values_of(index)).order
            case "country" if before[column.heading] != "country":
                systems = code_systems_of(values_of(index))
            case "height" if column.detail is None:
                unit = height_unit_of(values_of(index))
                columns[index] = msgspec.structs.replace(column, detail=unit)
            case _:
                pass
    notes: list[Note] = [note for note in suggested.notes if note.column not in said]
    return Mapping(
        tuple(columns), order, systems, suggested.apostrophe_guards, suggested.sport, tuple(notes)
    )
