"""Heights and weights in any usual unit become centimetres and kilograms."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trophenix_recruitment.measures import (
    HeightUnit,
    WeightUnit,
    height_cm,
    height_unit_of,
    weight_kg,
)


@pytest.mark.parametrize(
    ("text", "unit", "expected"),
    [
        ("185", "cm", 185.0),
        ("185,5", "cm", 185.5),
        ("1,85", "m", 185.0),
        ("1m85", "cm", 185.0),
        ("1 m 8", "cm", 180.0),
        ("1.85 m", "cm", 185.0),
        ("74", "in", 188.0),
        ('74"', "cm", 188.0),
        ("6'2\"", "cm", 188.0),
        ("6 ft 2 in", "cm", 188.0),
        ("6-2", "ft", 188.0),
        ("6.0", "ft", 182.9),
        ("6'13\"", "cm", None),
        ("grand", "cm", None),
        ("", "cm", None),
        ("-185", "cm", None),
    ],
)
def test_heights_are_converted(text: str, unit: HeightUnit, expected: float | None) -> None:
    assert height_cm(text, unit) == expected


@pytest.mark.parametrize(
    ("text", "unit", "expected"),
    [
        ("80", "kg", 80.0),
        ("80,5 kg", "lb", 80.5),
        ("176", "lb", 79.83),
        ("176 lbs", "kg", 79.83),
        ("lourd", "kg", None),
        ("1e3", "kg", None),
    ],
)
def test_weights_are_converted(text: str, unit: WeightUnit, expected: float | None) -> None:
    assert weight_kg(text, unit) == expected


def test_the_unit_of_a_column_is_the_one_that_makes_ordinary_people() -> None:
    assert height_unit_of(["185", "172", "190"]) == "cm"
    assert height_unit_of(["1,85", "1.72"]) == "m"
    assert height_unit_of(["74", "68"]) == "in"
    assert height_unit_of(["6.1", "5.9"]) == "ft"
    assert height_unit_of([]) == "cm"


@given(st.text(max_size=20))
def test_no_text_breaks_the_reading(text: str) -> None:
    for value in (height_cm(text, "cm"), weight_kg(text, "kg")):
        assert value is None or value >= 0
