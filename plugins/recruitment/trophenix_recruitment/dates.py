"""Birth dates as people write them: whole or partial, read into a range of days."""

import re
from calendar import monthrange
from collections.abc import Iterable
from datetime import date
from functools import lru_cache
from typing import Final, Literal, NamedTuple

from trophenix_recruitment.names import name_key

DateOrder = Literal["day_first", "month_first"]
EARLIEST_BIRTH_YEAR: Final = 1850

DateFault = Literal[
    "birth.unreadable",
    "birth.impossible",
    "birth.order_unknown",
    "birth.too_early",
    "birth.in_future",
]


class BirthRange(NamedTuple):
    """The first and the last day on which somebody may have been born.

    ``guessed_century`` tells that the year was written with two digits.
    """

    earliest: date
    latest: date
    guessed_century: bool = False


class OrderEvidence(NamedTuple):
    """What a whole column says about the order of day and month.

    Attributes:
        day_first: How many dates can only be day-first (the first number is over 12).
        month_first: How many can only be month-first.
        either: How many read as different days in the two orders.
    """

    day_first: int
    month_first: int
    either: int

    @property
    def order(self) -> DateOrder | None:
        """The order of the column, or ``None`` when the dates do not tell or contradict.

        One contradicting date in fifty is taken for a mistake in that date.
        """
        if self.day_first > 50 * self.month_first:
            return "day_first"
        if self.month_first > 50 * self.day_first:
            return "month_first"
        return None

    @property
    def contradictory(self) -> bool:
        """Tell whether some dates can only be day-first and others only month-first."""
        return self.day_first > 0 and self.month_first > 0


_TIME: Final = r"(?:[T ]\d{1,2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?:Z|[+-]\d{2}:?\d{2})?)?"
_YEAR_FIRST: Final = re.compile(
    rf"(\d{{4}})(?:([-/.])(\d{{1,2}})(?:\2(\d{{1,2}}))?)?{_TIME}", re.ASCII
)
_NUMBERS: Final = re.compile(rf"(\d{{1,2}})([-/. ])(\d{{1,2}})\2(\d{{4}}|\d{{2}}){_TIME}", re.ASCII)
_MONTH_YEAR: Final = re.compile(r"(\d{1,2})[-/.](\d{4})", re.ASCII)
_COMPACT: Final = re.compile(r"(\d{4})(\d{2})(\d{2})", re.ASCII)
_RANGE: Final = re.compile(r"(\d{4}-\d{2}-\d{2})/(\d{4}-\d{2}-\d{2})", re.ASCII)
_DAY_NAME: Final = re.compile(r"(?:(\d{1,2})(?:er|st|nd|rd|th)? )?([a-z]+) (\d{4})", re.ASCII)
_NAME_DAY: Final = re.compile(r"([a-z]+) (\d{1,2})(?:st|nd|rd|th)? (\d{4})", re.ASCII)

_MONTHS: Final[dict[str, int]] = {
    name: number
    for number, names in enumerate(
        (
            "janvier janv january jan",
            "fevrier fevr fev february feb",
            "mars march mar",
            "avril avr april apr",
            "mai may",
            "juin june jun",
            "juillet juil july jul",
            "aout august aug",
            "septembre sept september sep",
            "octobre october oct",
            "novembre november nov",
            "decembre december dec",
        ),
        start=1,
    )
    for name in names.split()
}


def read_birth(text: str, order: DateOrder | None, today: date) -> BirthRange | DateFault:
    """Give the days that *text* may mean, or the code of what is wrong with it.

    Understood: ``1998``, ``1998-05``, ``1998-05-12`` (also with ``/`` or ``.``, zero parts
    meaning unknown, or a time behind), ``12/05/1998`` in either *order*, ``05/1998``,
    ``19980512``, ``12 mai 1998``, ``May 12, 1998`` and ``1998-05-01/1998-06-15``. Without an
    *order* a date is accepted only when both orders give the same day or one is impossible.
    A two-digit year means the latest such year that is not in the future.
    """
    read = _iso_day(text) or _read(text.strip(), order, today.year)
    if isinstance(read, str):
        return read
    if read.earliest.year < EARLIEST_BIRTH_YEAR:
        return "birth.too_early"
    if read.earliest > today:
        return "birth.in_future"
    return read


def _iso_day(text: str) -> BirthRange | None:
    """Read the commonest form without the cost of trying the others."""
    if len(text) == 10 and text[4] == text[7] == "-":
        try:
            exactly = date.fromisoformat(text)
        except ValueError:
            return None
        return BirthRange(exactly, exactly)
    return None


@lru_cache(maxsize=65_536)
def _read(text: str, order: DateOrder | None, this_year: int) -> BirthRange | DateFault:
    if found := _YEAR_FIRST.fullmatch(text):
        year, _, month, day = found.groups()
        return _range(int(year), int(month or 0), int(day or 0))
    if found := _NUMBERS.fullmatch(text):
        first, _, second, year = found.groups()
        return _numbers(int(first), int(second), year, order, this_year)
    if found := _MONTH_YEAR.fullmatch(text):
        return _range(int(found[2]), int(found[1]), 0)
    if found := _COMPACT.fullmatch(text):
        return _range(int(found[1]), int(found[2]), int(found[3]))
    if found := _RANGE.fullmatch(text):
        return _two_days(found[1], found[2])
    words = name_key(text)
    if (found := _DAY_NAME.fullmatch(words)) and found[2] in _MONTHS:
        return _range(int(found[3]), _MONTHS[found[2]], int(found[1] or 0))
    if (found := _NAME_DAY.fullmatch(words)) and found[1] in _MONTHS:
        return _range(int(found[3]), _MONTHS[found[1]], int(found[2]))
    return "birth.unreadable"


def _range(year: int, month: int, day: int) -> BirthRange | DateFault:
    if year == 0 or month > 12 or (month == 0 and day > 0):
        return "birth.impossible"
    if month == 0:
        return BirthRange(date(year, 1, 1), date(year, 12, 31))
    last = monthrange(year, month)[1]
    if day > last:
        return "birth.impossible"
    if day == 0:
        return BirthRange(date(year, month, 1), date(year, month, last))
    exactly = date(year, month, day)
    return BirthRange(exactly, exactly)


def _two_days(first: str, last: str) -> BirthRange | DateFault:
    try:
        earliest, latest = date.fromisoformat(first), date.fromisoformat(last)
    except ValueError:
        return "birth.impossible"
    return BirthRange(earliest, latest) if earliest <= latest else "birth.impossible"


def _numbers(
    first: int, second: int, year_text: str, order: DateOrder | None, this_year: int
) -> BirthRange | DateFault:
    year = int(year_text)
    guessed = len(year_text) == 2
    if guessed:
        year += this_year // 100 * 100
        year -= 100 if year > this_year else 0
    day_first, month_first = _range(year, second, first), _range(year, first, second)
    if order is None:
        read = _agreed(day_first, month_first)
    else:
        read = day_first if order == "day_first" else month_first
    if guessed and not isinstance(read, str):
        return read._replace(guessed_century=True)
    return read


def _agreed(
    day_first: BirthRange | DateFault, month_first: BirthRange | DateFault
) -> BirthRange | DateFault:
    if day_first == month_first or isinstance(month_first, str):
        return day_first
    return month_first if isinstance(day_first, str) else "birth.order_unknown"


def order_evidence(values: Iterable[str]) -> OrderEvidence:
    """Count what the dates of a whole column say about the order of day and month."""
    day_first = month_first = either = 0
    for value in values:
        found = _NUMBERS.fullmatch(value.strip())
        if found is None:
            continue
        first, second = int(found[1]), int(found[3])
        if first > 12 >= second:
            day_first += 1
        elif second > 12 >= first:
            month_first += 1
        elif first != second and first <= 12:
            either += 1
    return OrderEvidence(day_first, month_first, either)


def looks_like_date(text: str) -> bool:
    """Tell whether *text* has the shape of a date with a day in it, possible or not."""
    stripped = text.strip()
    return bool(
        _NUMBERS.fullmatch(stripped) or ((found := _YEAR_FIRST.fullmatch(stripped)) and found[4])
    )


def birth_text(earliest: date, latest: date) -> str:
    """Give the shortest text that :func:`read_birth` reads back as this range."""
    if earliest == latest:
        return earliest.isoformat()
    if earliest.year == latest.year:
        if (earliest.month, earliest.day, latest.month, latest.day) == (1, 1, 12, 31):
            return f"{earliest.year:04d}"
        if (
            earliest.month == latest.month
            and earliest.day == 1
            and latest.day == monthrange(latest.year, latest.month)[1]
        ):
            return f"{earliest.year:04d}-{earliest.month:02d}"
    return f"{earliest.isoformat()}/{latest.isoformat()}"
