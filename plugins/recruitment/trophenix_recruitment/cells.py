"""What one cell of an athlete list says, for each thing that a column can mean.

Every reader gives the plain value when there is nothing to remark, and an :class:`Odd` otherwise.
"""

import math
import re
from collections.abc import Callable
from collections.abc import Mapping as Members
from contextlib import suppress
from datetime import date, datetime, time
from typing import Any, Final, NamedTuple, cast

import msgspec

from trophenix_recruitment.countries import SYSTEMS, CodeSystem, Country, resolve
from trophenix_recruitment.dates import EARLIEST_BIRTH_YEAR, DateFault, DateOrder, read_birth
from trophenix_recruitment.formulas import looks_like_formula
from trophenix_recruitment.measures import (
    HEIGHT_CM,
    WEIGHT_KG,
    HeightUnit,
    WeightUnit,
    height_cm,
    weight_kg,
    within,
)
from trophenix_recruitment.model import ExternalId, Severity, Sex, Visibility, shown
from trophenix_recruitment.names import NAME_LENGTH, control_character, name_key, tidy

TEXT_LENGTH: Final = 200
ID_LENGTH: Final = 120


class Fault(NamedTuple):
    """A remark on one cell, before it knows its line and column."""

    code: str
    message: str
    severity: Severity = "error"


class Odd(NamedTuple):
    """A cell with remarks; ``raw`` asks for the cell's text to be kept as an attribute."""

    value: Any
    faults: tuple[Fault, ...] = ()
    raw: str | None = None


CellReader = Callable[[str], Any]

_NOTHING: Final = frozenset(
    "|-|--|?|??|.|n/a|#n/a|na|nc|nr|null|none|nil|nan|unknown|inconnu|inconnue|not available|"
    "not applicable|non renseigné|non renseignée|non disponible|non connu|non connue|"
    "sans objet|à compléter|tbd|tba".split("|")
)
# Na, Nil, Null, None and Nan are names of people.
_NO_NAME: Final = _NOTHING - {"na", "nil", "null", "none", "nan", "nc", "nr", "."}


def says_nothing(text: str) -> bool:
    """Tell whether a cell is empty or says in words that nothing is known."""
    return text.strip().lower() in _NOTHING


def cell_text(cell: Any) -> str:
    """Give the text of a cell that a workbook or a JSON document holds as a value."""
    match cell:
        case None:
            return ""
        case str():
            return cell
        case bool():
            return "true" if cell else "false"
        case float():
            return str(int(cell)) if cell.is_integer() and abs(cell) < 1e15 else repr(cell)
        case datetime():
            return cell.date().isoformat() if cell.time() == time() else cell.isoformat(" ")
        case date() | time():
            return cell.isoformat()
        case int():
            return str(cell) if abs(cell) < 10**100 else "a number of over 100 digits"
        case _:
            try:
                return msgspec.json.encode(cell).decode().strip('"')
            except (TypeError, ValueError, OverflowError, RecursionError):
                return repr(cell)[:TEXT_LENGTH]


def _text_faults(text: str, limit: int) -> tuple[Fault, ...]:
    faults: list[Fault] = []
    character = control_character(text)
    if character is not None:
        faults.append(control_fault(character))
    if len(text) > limit:
        faults.append(
            Fault(
                "text.too_long",
                f"{len(text)} characters, at most {limit} are kept: shorten the text.",
            )
        )
    if looks_like_formula(text):
        faults.append(FORMULA)
    return tuple(faults)


FORMULA: Final = Fault(
    "text.formula_like",
    "the text starts like a spreadsheet formula: it is kept as text and never run.",
    "warning",
)


def control_fault(character: str) -> Fault:
    """Give the fault for a character that is refused in any text."""
    if "\ud800" <= character <= "\udfff":
        return Fault(
            "text.undecodable",
            "the text holds bytes that do not belong to the file's encoding: save the file as "
            "UTF-8, or name its encoding.",
        )
    return Fault(
        "text.control_character",
        f"the text holds the control character U+{ord(character):04X}: remove it.",
    )


def name_faults(attribute: str) -> tuple[Fault, ...]:
    """Give what is wrong with the name of an attribute."""
    return tuple(
        fault for fault in _text_faults(attribute, TEXT_LENGTH) if fault.severity == "error"
    )


def read_name(text: str) -> Any:
    """Read a family or given name: one line, at most 120 characters; ``""`` when not known."""
    if text.isalpha() and text.isascii() and len(text) <= NAME_LENGTH:
        return "" if text.lower() in _NO_NAME else text
    name = tidy(text)
    if name.lower() in _NO_NAME:
        return ""
    if name.isprintable() and len(name) <= NAME_LENGTH and name[0] not in _FORMULA_STARTS:
        return name
    faults = tuple(
        Fault(
            "name.too_long",
            f"a name of {len(name)} characters, at most {NAME_LENGTH} are possible: shorten it.",
        )
        if fault.code == "text.too_long"
        else fault
        for fault in _text_faults(text if control_character(text) else name, NAME_LENGTH)
    )
    return Odd(name, faults) if faults else name


_FORMULA_STARTS: Final = frozenset("=+-@＝＋－＠")


def read_full_name(text: str) -> Any:
    """Read a whole name as ``(family name, given name)``.

    ``Durand, Pierre`` and ``DURAND Pierre`` say which is which; otherwise the last word is taken
    for the family name, and a warning says so.
    """
    name = read_name(text)
    if isinstance(name, Odd):
        return name._replace(value=(name.value, ""))
    whole = cast("str", name)
    if "," in whole:
        family, _, given = whole.partition(",")
        return family.strip(), given.strip()
    words = whole.split()
    if len(words) < 2:
        return whole, ""
    upper = [word for word in words if len(word) > 1 and word.isupper()]
    if upper and len(upper) < len(words):
        return " ".join(upper), " ".join(word for word in words if word not in upper)
    return Odd(
        (words[-1], " ".join(words[:-1])),
        (
            Fault(
                "name.split_guessed",
                f"{shown(whole)!r} was split before its last word: check family and given name.",
                "warning",
            ),
        ),
    )


def read_text(text: str) -> Any:
    """Read a short text (sport, club, position) on one line; ``None`` when it says nothing."""
    if says_nothing(text):
        return None
    value = tidy(text)
    faults = _text_faults(text if control_character(text) else value, TEXT_LENGTH)
    return Odd(value, faults) if faults else value


def read_attribute(text: str) -> Any:
    """Read a text that is kept exactly as it is; ``None`` when empty."""
    if not text:
        return None
    character = None if text.isprintable() else control_character(text)
    faults = () if character is None else (control_fault(character),)
    if looks_like_formula(text):
        faults = (*faults, FORMULA)
    return Odd(text, faults) if faults else text


def read_value(value: Any) -> Any:
    """Read a number, a boolean or a date that is kept as it is.

    Numbers that JSON cannot hold become text.
    """
    if isinstance(value, bool):
        return value
    if isinstance(value, int):
        return value if -(2**63) <= value < 2**63 else cell_text(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else repr(value)
    return cell_text(value)


def read_nested(value: Any) -> Any:
    """Read a JSON value that is kept as it is; refused when no store would take it."""
    try:
        encoded = msgspec.json.encode(value)
    except (UnicodeEncodeError, RecursionError, OverflowError, ValueError, TypeError):
        return Odd(None, (control_fault("\ud800"),))
    if b"\\u0000" in encoded:
        return Odd(None, (control_fault("\x00"),))
    return value


_SEXES: Final[dict[str, Sex]] = {
    word: sex
    for sex, words in (
        ("F", "f|femme|feminin|feminine|female|fille|dame|dames|w|woman|women|girl|mme|mlle|♀"),
        ("M", "m|h|homme|masculin|masculine|male|garcon|hommes|messieurs|man|men|boy|mr|♂"),
        ("X", "x|autre|other|non binaire|non binary|nonbinary|nb|diverse|neutre"),
    )
    for word in words.split("|")
    for sex in (cast("Sex", sex),)
}


def read_sex(text: str) -> Any:
    """Read F, M or X in the words of French and English lists."""
    if says_nothing(text):
        return None
    sex = _SEXES.get(name_key(text) or text.strip())
    if sex is not None:
        return sex
    return Odd(
        None,
        (
            Fault(
                "sex.unknown",
                f"{shown(text)!r} is no sex: write F, M (or H) or X, or leave the cell empty.",
            ),
        ),
    )


_YES: Final = frozenset("1 true vrai yes oui y o x t v".split())
_NO: Final = frozenset("0 false faux no non n f".split())


def read_flag(text: str) -> Any:
    """Read yes or no; ``None`` when the cell says nothing."""
    word = text.strip().lower()
    if word in _YES:
        return True
    if word in _NO:
        return False
    if says_nothing(word):
        return None
    return Odd(
        None,
        (Fault("flag.unreadable", f"{shown(text)!r} is neither yes nor no: write 1 or 0."),),
    )


def read_female(text: str) -> Any:
    """Read a yes-or-no column "female" as a sex."""
    flag = read_flag(text)
    if isinstance(flag, bool):
        return "F" if flag else "M"
    return flag


def birth_reader(order: DateOrder | None, today: date) -> CellReader:
    """Give the reader of birth dates whose numbers stand in this *order*."""

    def read(text: str) -> Any:
        birth = read_birth(text, order, today)
        if isinstance(birth, str):
            if says_nothing(text):
                return Odd(None, (_NO_BIRTH,))
            return Odd(None, (_date_fault(birth, text, today),))
        if birth.guessed_century:
            return Odd(birth, (_TWO_DIGITS,))
        return birth if birth.earliest == birth.latest else Odd(birth, (_PARTIAL,))

    return read


_NO_BIRTH: Final = Fault(
    "birth.missing", "no birth date: the athlete is imported without one.", "warning"
)
_PARTIAL: Final = Fault(
    "birth.partial", "the day of birth is not known: the date is kept as a range.", "warning"
)
_TWO_DIGITS: Final = Fault(
    "birth.two_digit_year",
    "the year has two digits: the latest such year that is past was taken.",
    "warning",
)


def _date_fault(code: DateFault, text: str, today: date) -> Fault:
    match code:
        case "birth.unreadable":
            said = "is no date: write it as 1998-05-12, 1998-05 or 1998."
        case "birth.impossible":
            said = "is no day of the calendar: correct it."
        case "birth.order_unknown":
            said = "reads as two different days: choose day-first or month-first in the mapping."
        case "birth.too_early":
            said = f"is before {EARLIEST_BIRTH_YEAR}: correct it."
        case "birth.in_future":
            said = f"is after today, {today.isoformat()}: correct it."
    return Fault(code, f"{shown(text)!r} {said}")


def read_country(text: str, systems: tuple[CodeSystem, ...]) -> Any:
    """Read a nationality as a :class:`Country`; codes first in the trusted *systems*."""
    if says_nothing(text):
        return None
    country = resolve(text, systems)
    if isinstance(country, Country):
        return country
    return Odd(None, (Fault(country.code, country.message),))


def country_reader(systems: tuple[CodeSystem, ...]) -> CellReader:
    """Give the reader of nationalities whose codes were written in *systems*."""
    return lambda text: read_country(text, systems)


def read_system(text: str) -> Any:
    """Read the name of a code system."""
    if says_nothing(text):
        return None
    system = text.strip().upper().removeprefix("CIO").strip() or "IOC"
    if system in SYSTEMS:
        return system
    return Odd(
        None,
        (
            Fault(
                "country.system_unknown",
                f"{shown(text)!r} is no code system: write one of {', '.join(SYSTEMS)}.",
            ),
        ),
    )


_RANKING: Final = re.compile(
    r"(?:n°|nº|#|no\.?)?\s*(\d{1,9})(?:\.0+|er|e|ème|eme|st|nd|rd|th)?", re.ASCII | re.IGNORECASE
)


def read_ranking(text: str) -> Any:
    """Read a rank, 1 or more."""
    if says_nothing(text):
        return None
    found = _RANKING.fullmatch(text.strip())
    if found is None:
        return _refused("ranking.unreadable", text, "is no rank: write a whole number.")
    rank = int(found[1])
    if rank < 1:
        return _refused("ranking.out_of_range", text, "is no rank: the first rank is 1.")
    return rank


def _refused(code: str, text: str, said: str) -> Odd:
    return Odd(None, (Fault(code, f"{shown(text)!r} {said}"),))


def height_reader(unit: HeightUnit) -> CellReader:
    """Give the reader of heights whose bare numbers are in *unit*."""

    def read(text: str) -> Any:
        if says_nothing(text):
            return None
        value = height_cm(text, unit)
        if value is None:
            return _refused("height.unreadable", text, "is no height: write it in centimetres.")
        if not within(value, HEIGHT_CM):
            low, high = HEIGHT_CM
            said = f"is {value:g} cm, possible are {low:g} to {high:g}: correct it or its unit."
            return _refused("height.out_of_range", text, said)
        return value if _is_plain(text, value) else Odd(value, raw=text)

    return read


def weight_reader(unit: WeightUnit) -> CellReader:
    """Give the reader of weights whose bare numbers are in *unit*."""

    def read(text: str) -> Any:
        if says_nothing(text):
            return None
        value = weight_kg(text, unit)
        if value is None:
            return _refused("weight.unreadable", text, "is no weight: write it in kilograms.")
        if not within(value, WEIGHT_KG):
            low, high = WEIGHT_KG
            said = f"is {value:g} kg, possible are {low:g} to {high:g}: correct it or its unit."
            return _refused("weight.out_of_range", text, said)
        return value if _is_plain(text, value) else Odd(value, raw=text)

    return read


def _is_plain(text: str, value: float) -> bool:
    try:
        return float(text.strip().replace(",", ".")) == value
    except ValueError:
        return False


def read_external_id(text: str) -> Any:
    """Read an identifier given by somebody else, exactly as written but for outer blanks."""
    if (
        text.isascii()
        and text.isprintable()
        and " " not in text
        and text[:1].isalnum()
        and len(text) <= ID_LENGTH
        and text.lower() not in _NOTHING
    ):
        return text
    value = tidy(text)
    if says_nothing(value):
        return None
    faults = _text_faults(text if control_character(text) else value, ID_LENGTH)
    return Odd(value, faults) if faults else value


def read_external_ids(cell: Any) -> Any:
    """Read several identifiers: a JSON list or object, or the text ``fide=123; itf=456``."""
    pairs: list[tuple[str, str]] = []
    if isinstance(cell, str) and cell.startswith(("[", "{")):
        # Text that is not JSON after all is read as text below.
        with suppress(msgspec.DecodeError, RecursionError):
            cell = msgspec.json.decode(cell)
    if isinstance(cell, str):
        if says_nothing(cell):
            return ()
        for part in cell.split(";"):
            scheme, sign, value = part.partition("=")
            if part.strip():
                pairs.append((scheme, value if sign else ""))
    elif isinstance(cell, Members):
        members = cast("Members[str, Any]", cell)
        pairs = [(scheme, cell_text(value)) for scheme, value in members.items()]
    elif isinstance(cell, list):
        for item in cast("list[Any]", cell):
            if isinstance(item, Members):
                member = cast("Members[str, Any]", item)
                pairs.append((cell_text(member.get("scheme")), cell_text(member.get("value"))))
            else:
                pairs.append(("", ""))
    elif cell is not None:
        pairs.append(("", ""))
    ids: list[ExternalId] = []
    faults: list[Fault] = []
    for scheme, value in pairs:
        one = ExternalId(tidy(scheme), tidy(value))
        faults += _text_faults(one.scheme, ID_LENGTH) + _text_faults(one.value, ID_LENGTH)
        if one.scheme and one.value:
            ids.append(one)
        else:
            said = "holds an identifier without scheme or value: write fide=123; itf=456."
            faults.append(Fault("external_ids.unreadable", f"{shown(cell_text(cell))!r} {said}"))
    return Odd(tuple(ids), tuple(faults)) if faults else tuple(ids)


_VISIBILITIES: Final[dict[str, Visibility]] = {
    "recruiter only": "recruiter_only",
    "recruiters only": "recruiter_only",
    "recruteurs": "recruiter_only",
    "recruteurs seulement": "recruiter_only",
    "public free": "public_free",
    "public gratuit": "public_free",
    "public premium": "public_premium",
}


def read_visibility(text: str) -> Any:
    """Read who may see the profile; recruiters only when the cell says nothing."""
    if says_nothing(text):
        return "recruiter_only"
    visibility = _VISIBILITIES.get(name_key(text))
    if visibility is not None:
        return visibility
    said = "is no visibility: write recruiter_only, public_free or public_premium."
    return _refused("visibility.unknown", text, said)
