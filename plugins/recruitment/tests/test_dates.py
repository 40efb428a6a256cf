"""Birth dates, whole and partial, become ordered ranges; what is unclear is said."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trophenix_recruitment.dates import (
    BirthRange,
    DateOrder,
    birth_text,
    order_evidence,
    read_birth,
)

TODAY = date(2026, 11, 20)
BIRTHS = st.dates(min_value=date(1850, 1, 1), max_value=TODAY)


@pytest.mark.parametrize(
    ("text", "earliest", "latest"),
    [
        ("1998", date(1998, 1, 1), date(1998, 12, 31)),
        ("1998-05", date(1998, 5, 1), date(1998, 5, 31)),
        ("1996-02", date(1996, 2, 1), date(1996, 2, 29)),
        ("1998-05-12", date(1998, 5, 12), date(1998, 5, 12)),
        ("1998-05-00", date(1998, 5, 1), date(1998, 5, 31)),
        ("1998-00-00", date(1998, 1, 1), date(1998, 12, 31)),
        ("1998/05/12", date(1998, 5, 12), date(1998, 5, 12)),
        ("1998-05-12T00:00:00Z", date(1998, 5, 12), date(1998, 5, 12)),
        ("1998-05-12 00:00:00", date(1998, 5, 12), date(1998, 5, 12)),
        ("12/05/1998", date(1998, 5, 12), date(1998, 5, 12)),
        ("1.5.1998", date(1998, 5, 1), date(1998, 5, 1)),
        ("05/1998", date(1998, 5, 1), date(1998, 5, 31)),
        ("19980512", date(1998, 5, 12), date(1998, 5, 12)),
        ("12 mai 1998", date(1998, 5, 12), date(1998, 5, 12)),
        ("1er août 1998", date(1998, 8, 1), date(1998, 8, 1)),
        ("May 12, 1998", date(1998, 5, 12), date(1998, 5, 12)),
        ("février 1998", date(1998, 2, 1), date(1998, 2, 28)),
        ("1998-05-01/1998-06-15", date(1998, 5, 1), date(1998, 6, 15)),
    ],
)
def test_whole_and_partial_dates_are_read(text: str, earliest: date, latest: date) -> None:
    assert read_birth(text, "day_first", TODAY) == BirthRange(earliest, latest)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("31/02/1946", "birth.impossible"),
        ("1998-13-01", "birth.impossible"),
        ("1998-00-12", "birth.impossible"),
        ("1998-06-15/1998-05-01", "birth.impossible"),
        ("0000", "birth.impossible"),
        ("21/01/2091", "birth.in_future"),
        ("2026-11-21", "birth.in_future"),
        ("1849-12-31", "birth.too_early"),
        ("hier", "birth.unreadable"),
        ("12/05", "birth.unreadable"),
        ("١٩٩٨", "birth.unreadable"),
    ],
)
def test_each_wrong_date_has_its_code(text: str, code: str) -> None:
    assert read_birth(text, "day_first", TODAY) == code


def test_the_order_decides_and_without_one_a_contested_date_is_refused() -> None:
    assert read_birth("05/06/1990", "day_first", TODAY) == BirthRange(
        date(1990, 6, 5), date(1990, 6, 5)
    )
    assert read_birth("05/06/1990", "month_first", TODAY) == BirthRange(
        date(1990, 5, 6), date(1990, 5, 6)
    )
    assert read_birth("05/06/1990", None, TODAY) == "birth.order_unknown"
    assert read_birth("05/05/1990", None, TODAY) == BirthRange(date(1990, 5, 5), date(1990, 5, 5))
    assert read_birth("25/06/1990", None, TODAY) == BirthRange(date(1990, 6, 25), date(1990, 6, 25))


def test_two_digits_mean_the_latest_such_year_that_is_past() -> None:
    assert read_birth("12/05/98", "day_first", TODAY) == BirthRange(
        date(1998, 5, 12), date(1998, 5, 12), guessed_century=True
    )
    assert read_birth("12/05/05", "day_first", TODAY) == BirthRange(
        date(2005, 5, 12), date(2005, 5, 12), guessed_century=True
    )


def test_the_order_is_decided_over_the_whole_column() -> None:
    assert order_evidence(["01/02/1990", "13/02/1990"]).order == "day_first"
    assert order_evidence(["01/02/1990", "02/13/1990"]).order == "month_first"
    assert order_evidence(["01/02/1990", "03/04/1990"]).order is None
    contradictory = order_evidence(["13/02/1990", "02/13/1990"])
    assert contradictory.order is None
    assert contradictory.contradictory


def test_one_slip_in_a_long_column_does_not_hide_the_order() -> None:
    evidence = order_evidence([*["13/02/1990"] * 99, "02/13/1990"])

    assert evidence.order == "day_first"
    assert evidence.contradictory


@given(st.text(max_size=25), st.sampled_from(["day_first", "month_first", None]))
def test_any_text_is_an_ordered_range_in_bounds_or_a_code(
    text: str, order: DateOrder | None
) -> None:
    birth = read_birth(text, order, TODAY)

    if isinstance(birth, BirthRange):
        assert date(1850, 1, 1) <= birth.earliest <= birth.latest
        assert birth.earliest <= TODAY
    else:
        assert birth.startswith("birth.")


@given(
    st.from_regex(r"[0-9]{1,4}([-/. ][0-9]{1,2}){0,2}", fullmatch=True),
    st.sampled_from(["day_first", "month_first", None]),
)
def test_anything_that_looks_like_a_date_is_an_ordered_range_or_a_code(
    text: str, order: DateOrder | None
) -> None:
    birth = read_birth(text, order, TODAY)

    assert isinstance(birth, str) or birth.earliest <= birth.latest


@given(BIRTHS, BIRTHS)
def test_the_text_of_a_range_reads_back_as_that_range(one: date, other: date) -> None:
    earliest, latest = min(one, other), max(one, other)

    assert read_birth(birth_text(earliest, latest), None, TODAY) == BirthRange(earliest, latest)


@given(BIRTHS)
def test_both_orders_read_the_day_they_were_written_for(day: date) -> None:
    assert read_birth(f"{day:%d/%m/%Y}", "day_first", TODAY) == BirthRange(day, day)
    assert read_birth(f"{day:%m/%d/%Y}", "month_first", TODAY) == BirthRange(day, day)
