"""Nationality codes, each in its own code system: ISO 3166, IOC or FIFA.

The three systems disagree on about four codes in ten, and a few codes mean different countries
(``BRN`` is Brunei in ISO and Bahrain for the IOC). A code is therefore never kept without the name
of its system, and a text that two systems read differently is refused until the caller says
which one is meant.
"""

import csv
import gettext
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from importlib import resources
from typing import Any, Final, Literal, NamedTuple, cast

import msgspec
import pycountry

from trophenix_recruitment.names import name_key

CodeSystem = Literal["ISO", "IOC", "FIFA"]
SYSTEMS: Final[tuple[CodeSystem, ...]] = ("ISO", "IOC", "FIFA")


class Country(msgspec.Struct, frozen=True):
    """A nationality: a three-letter code, the system it belongs to and what it is in ISO today.

    ``alpha_2`` is ``None`` for a country that no longer exists or never had an ISO code of its
    own (SUN, KOS); for England, Scotland, Wales and Northern Ireland it is ``GB``.
    """

    system: CodeSystem
    code: str
    alpha_2: str | None


class CountryRefused(msgspec.Struct, frozen=True):
    """Why a text is not one country: nobody knows it, or it means several."""

    code: Literal["country.unknown", "country.ambiguous"]
    found: str
    candidates: tuple[Country, ...] = ()

    @property
    def message(self) -> str:
        """Say what was found, what was expected and the next step."""
        if not self.candidates:
            return (
                f"{self.found!r} is no ISO, IOC or FIFA country code and no French or English "
                "country name: correct it or leave the cell empty."
            )
        meanings = ", ".join(
            f"{country.system} {country.code} ({country.alpha_2 or 'no ISO code'})"
            for country in self.candidates
        )
        return (
            f"{self.found!r} means different countries ({meanings}): say in the mapping which code "
            "system this column uses, or write the country's name."
        )


class _Entry(NamedTuple):
    identity: str
    country: Country


class _Tables(NamedTuple):
    codes: Mapping[CodeSystem, Mapping[str, _Entry]]
    names: Mapping[str, tuple[_Entry, ...]]


_FORMER_COLUMNS: Final[tuple[tuple[CodeSystem, str], ...]] = (
    ("ISO", "iso3"),
    ("IOC", "ioc"),
    ("FIFA", "fifa"),
)

# Short names that people use for more than one country: answered with all of them.
_SHARED_NAMES: Final[Mapping[str, tuple[str, ...]]] = {
    "korea": ("KR", "KP"),
    "coree": ("KR", "KP"),
    "congo": ("CG", "CD"),
    "virgin islands": ("VG", "VI"),
    "iles vierges": ("VG", "VI"),
}


def _rows(name: str) -> list[dict[str, str]]:
    text = resources.files("trophenix_recruitment").joinpath(name).read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))


def _iso_names(record: Any, french: gettext.NullTranslations) -> Iterable[str]:
    for attribute in ("name", "common_name", "official_name"):
        name = cast("str | None", getattr(record, attribute, None))
        if name:
            yield name
            yield french.gettext(name)


class _Builder:
    """Collects the tables; a code already given to another country is a mistake in the data."""

    def __init__(self) -> None:
        self.codes: dict[CodeSystem, dict[str, _Entry]] = {system: {} for system in SYSTEMS}
        self.names: dict[str, dict[str, _Entry]] = {}

    def code(self, system: CodeSystem, code: str, identity: str, alpha_2: str | None) -> _Entry:
        entry = _Entry(identity, Country(system, code, alpha_2))
        known = self.codes[system].setdefault(code, entry)
        if known.identity != identity:
            raise ValueError(f"{system} {code} is given to {known.identity} and to {identity}")
        return entry

    def name(self, name: str, entry: _Entry) -> None:
        self.names.setdefault(name_key(name), {}).setdefault(entry.identity, entry)


@cache
def _tables() -> _Tables:
    built = _Builder()
    french = gettext.translation(
        "iso3166-1", pycountry.LOCALES_DIR, languages=["fr"], fallback=True
    )
    iso_entry: dict[str, _Entry] = {}
    records = cast("Iterable[Any]", pycountry.countries)
    for record in records:
        alpha_2 = cast("str", record.alpha_2)
        entry = built.code("ISO", cast("str", record.alpha_3), alpha_2, alpha_2)
        built.codes["ISO"][alpha_2] = entry
        iso_entry[alpha_2] = entry
        for name in _iso_names(record, french):
            built.name(name, entry)
    for row in _rows("country_codes.csv"):
        alpha_2 = row["iso"]
        for code in filter(None, (row["ioc"], row["other_ioc"])):
            built.code("IOC", code, alpha_2, alpha_2)
        for code in filter(None, (row["fifa"], row["other_fifa"])):
            built.code("FIFA", code, alpha_2, alpha_2)
        for name in filter(None, row["names"].split("|")):
            built.name(name, iso_entry[alpha_2])
    for row in _rows("former_countries.csv"):
        identity = row["identity"]
        alpha_2 = "GB" if identity.startswith("GB-") else None
        entries = [
            built.code(system, row[column], identity, alpha_2)
            for system, column in _FORMER_COLUMNS
            if row[column]
        ]
        for name in filter(None, row["names"].split("|")):
            built.name(name, entries[0])
    names = {key: tuple(entries.values()) for key, entries in built.names.items()}
    for key, alpha_2s in _SHARED_NAMES.items():
        names[key] = tuple(iso_entry[alpha_2] for alpha_2 in alpha_2s)
    return _Tables(built.codes, names)


def resolve(text: str, preferred: Sequence[CodeSystem] = ()) -> Country | CountryRefused:
    """Give the country that *text* (a code or a French or English name) means.

    The first of the *preferred* systems that knows the code decides: name a system only when it
    is known that the code was written in it. Otherwise all systems are asked, and the answer is
    given in the first of ISO, IOC, FIFA that knows the code, provided that they agree. A code of
    a former country does not contest an ISO code of today.
    """
    tables = _tables()
    code = text.strip().upper()
    if 2 <= len(code) <= 3 and code.isascii() and code.isalpha():
        for system in preferred:
            entry = tables.codes[system].get(code)
            if entry is not None:
                return entry.country
        found = [
            entry for system in SYSTEMS if (entry := tables.codes[system].get(code)) is not None
        ]
        if found:
            return _only(found, text)
    named = tables.names.get(name_key(text))
    if named is None:
        return CountryRefused("country.unknown", text[:80])
    return _only(named, text)


def _is_current(entry: _Entry) -> bool:
    return entry.identity == entry.country.alpha_2


def _only(found: Sequence[_Entry], text: str) -> Country | CountryRefused:
    if found[0].country.system == "ISO" and _is_current(found[0]):
        # VNM, today's ISO code of Viet Nam, was the IOC's for South Vietnam until 1975: a code of
        # the past does not make one of today ambiguous.
        found = [entry for entry in found if _is_current(entry)]
    if len({entry.identity for entry in found}) > 1:
        candidates = tuple(entry.country for entry in found)
        return CountryRefused("country.ambiguous", text[:80], candidates)
    return found[0].country


def systems_knowing(text: str) -> frozenset[CodeSystem]:
    """Give the systems in which *text* is a code; empty for a name or an unknown code."""
    code = text.strip().upper()
    tables = _tables()
    return frozenset(system for system in SYSTEMS if code in tables.codes[system])


def code_systems_of(values: Iterable[str]) -> tuple[CodeSystem, ...]:
    """Give the systems in which a whole column of codes may be written, likeliest first.

    Decided by the codes that not all systems know (``GER`` is not ISO, ``DEU`` is nothing else):
    a system is out when it knows at least three distinct codes fewer than the best one. Empty
    when the column does not tell. A few home nations (ENG) beside many ISO codes leave it ISO's.
    """
    support: dict[CodeSystem, int] = dict.fromkeys(SYSTEMS, 0)
    for value in {value.strip().upper() for value in values}:
        knowing = systems_knowing(value)
        if 0 < len(knowing) < len(SYSTEMS):
            for system in knowing:
                support[system] += 1
    best = max(support.values())
    likely: list[CodeSystem] = [system for system in SYSTEMS if best - support[system] < 3]
    if len(likely) == len(SYSTEMS):
        return ()
    return tuple(sorted(likely, key=lambda system: -support[system]))
