"""Ages in completed years, to the day."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trophenix_recruitment.ages import born_by, completed_years, may_be_minor
from trophenix_recruitment.model import AthleteDraft

days = st.dates(date(1900, 1, 1), date(2100, 12, 31))


@given(today=days, born=days, years=st.integers(0, 120))
def test_the_last_birthday_divides_those_who_have_the_age_from_those_who_have_not(
    today: date, born: date, years: int
) -> None:
    assert (born <= born_by(today, years)) == (completed_years(born, today) >= years)


@given(today=days, years=st.integers(0, 120))
def test_the_day_after_the_last_birthday_is_too_young(today: date, years: int) -> None:
    last = born_by(today, years)

    assert completed_years(last, today) >= years
    assert completed_years(last + timedelta(days=1), today) < years


@pytest.mark.parametrize(
    ("earliest", "latest", "minor"),
    [
        (date(2008, 11, 20), date(2008, 11, 20), False),
        (date(2008, 11, 21), date(2008, 11, 21), True),
        (date(2008, 1, 1), date(2008, 12, 31), True),
        (date(2007, 1, 1), date(2007, 12, 31), False),
        (None, None, False),
    ],
)
def test_who_may_be_a_minor_counts_as_one(
    earliest: date | None, latest: date | None, minor: bool
) -> None:
    draft = AthleteDraft(family_name="X", birth_earliest=earliest, birth_latest=latest)

    assert may_be_minor(draft, date(2026, 11, 20)) is minor
