"""Athletes as they stand before they are stored, and the rules that hold for each of them."""

from datetime import date
from typing import Any, Final, Literal

import msgspec

from trophenix_recruitment.countries import CodeSystem
from trophenix_recruitment.dates import EARLIEST_BIRTH_YEAR
from trophenix_recruitment.measures import HEIGHT_CM, WEIGHT_KG
from trophenix_recruitment.names import NAME_LENGTH, control_character, name_key

Sex = Literal["F", "M", "X"]
Visibility = Literal["recruiter_only", "public_free", "public_premium"]
VISIBILITIES: Final[tuple[Visibility, ...]] = ("recruiter_only", "public_free", "public_premium")
Severity = Literal["error", "warning"]

VALUE_SHOWN: Final = 120
"""How many characters of a faulty value a problem repeats."""


class RuleBroken(ValueError):
    """A draft was built from values that no athlete can have.

    ``code`` is stable; the message says which rule was broken.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class ExternalId(msgspec.Struct, frozen=True, order=True, gc=False):
    """A number somebody else gave to the athlete: a licence, FIDE, ITF or Wikidata id."""

    scheme: str
    value: str


class AthleteDraft(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One athlete whose every value obeys the rules of this module.

    The birth is a range of days, because many are known to the year or month only; both ends
    are ``None`` when nothing is known. ``attributes`` holds whatever else was said about the
    athlete, and the raw text of a converted measure.

    Raises:
        RuleBroken: no name, a bad birth range, measure, name or nationality without system.
    """

    family_name: str = ""
    given_name: str = ""
    sex: Sex | None = None
    birth_earliest: date | None = None
    birth_latest: date | None = None
    nationality: str | None = None
    nationality_system: CodeSystem | None = None
    nationality_alpha_2: str | None = None
    sport: str | None = None
    ranking: int | None = None
    height_cm: float | None = None
    weight_kg: float | None = None
    position: str | None = None
    club: str | None = None
    external_ids: tuple[ExternalId, ...] = ()
    visibility: Visibility = "recruiter_only"
    attributes: dict[str, Any] = msgspec.field(default_factory=dict[str, Any])

    def __post_init__(self) -> None:
        if not self.family_name and not self.given_name:
            raise RuleBroken("name.missing", "an athlete needs a family name or a given name")
        if not (self.family_name.isprintable() and self.given_name.isprintable()):
            _refuse_control(self.family_name, self.given_name)
        if len(self.family_name) > NAME_LENGTH or len(self.given_name) > NAME_LENGTH:
            raise RuleBroken("name.too_long", f"a name has at most {NAME_LENGTH} characters")
        earliest, latest = self.birth_earliest, self.birth_latest
        if earliest is None or latest is None:
            if earliest is not latest:
                raise RuleBroken("birth.half_open", "a birth range needs both ends or neither")
        elif earliest > latest or earliest.year < EARLIEST_BIRTH_YEAR:
            raise RuleBroken(
                "birth.range",
                f"a birth range is ordered and starts in {EARLIEST_BIRTH_YEAR} or later",
            )
        if (self.nationality is None) is not (self.nationality_system is None):
            raise RuleBroken("country.no_system", "a nationality code needs its code system")
        height, weight = self.height_cm, self.weight_kg
        if height is not None and not HEIGHT_CM[0] <= height <= HEIGHT_CM[1]:
            raise RuleBroken("height.out_of_range", f"a height is within {HEIGHT_CM} cm")
        if weight is not None and not WEIGHT_KG[0] <= weight <= WEIGHT_KG[1]:
            raise RuleBroken("weight.out_of_range", f"a weight is within {WEIGHT_KG} kg")
        if self.ranking is not None and self.ranking < 1:
            raise RuleBroken("ranking.out_of_range", "a ranking starts at 1")

    @property
    def name_key(self) -> str:
        """The accent-less, case-less key for prefix search, family name first."""
        return name_key(f"{self.family_name} {self.given_name}")

    @property
    def birth_day(self) -> date | None:
        """The day of birth when it is known to the day."""
        return self.birth_earliest if self.birth_earliest == self.birth_latest else None


def _refuse_control(*names: str) -> None:
    for name in names:
        found = control_character(name)
        if found is not None:
            raise RuleBroken(
                "text.control_character", f"a name holds the control character {found!r}"
            )


class RowProblem(msgspec.Struct, frozen=True, gc=False):
    """What is wrong, or worth knowing, about one row.

    Attributes:
        line: Line of the physical file (first line = 1); for a JSON document, see its reader.
        column: Heading of the column, or ``None`` when the whole row is concerned.
        code: Stable code, for programs and translations.
        message: What was found, what was expected and the next step.
        value: The raw value, shortened to :data:`VALUE_SHOWN` characters.
        severity: ``error`` rejects the row, ``warning`` does not.
    """

    line: int
    column: str | None
    code: str
    message: str
    value: str | None = None
    severity: Severity = "error"


def shown(value: object) -> str:
    r"""Give *value* as text short enough to repeat in a problem, and that any store accepts.

    Control characters and undecodable bytes appear as escapes (``\x00``).
    """
    text = value if isinstance(value, str) else str(value)
    if len(text) > VALUE_SHOWN:
        text = text[: VALUE_SHOWN - 1] + "…"
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() else ascii(character)[1:-1] for character in text
    )


class RawRow(msgspec.Struct, frozen=True, gc=False):
    """One row as it was read: the line it starts on and its cells, unjudged.

    Cells are text; a workbook gives numbers and dates as such and JSON any value. ``extra``
    holds the members of a JSON object that are not in the heading.
    """

    line: int
    cells: list[Any]
    extra: dict[str, Any] | None = None
