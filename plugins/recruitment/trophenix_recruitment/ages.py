"""Ages in completed years, and the rule about minors."""

from datetime import date
from typing import Final

from trophenix_recruitment.model import AthleteDraft

ADULT: Final = 18


def born_by(today: date, years: int) -> date:
    """The last birthday on which somebody has completed *years* years on the day *today*.

    Who was born on 29 February completes a year on 1 March of a common year.
    """
    year = today.year - years
    if year < 1:
        return date.min
    if (today.month, today.day) == (2, 29) and not _is_leap(year):
        return date(year, 2, 28)
    return date(year, today.month, today.day)


def completed_years(born: date, today: date) -> int:
    """The age on *today* of somebody born on *born*."""
    return today.year - born.year - ((today.month, today.day) < (born.month, born.day))


def may_be_minor(draft: AthleteDraft, today: date) -> bool:
    """Whether the athlete is under age, or may be for all that is known of the birth; an unknown birth proves nothing."""
    return draft.birth_latest is not None and draft.birth_latest > born_by(today, ADULT)


def _is_leap(year: int) -> bool:
    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
