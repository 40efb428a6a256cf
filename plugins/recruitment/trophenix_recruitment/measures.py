"""Heights and weights as people write them, in centimetres and kilograms."""

import math
import re
from collections.abc import Iterable
from statistics import median
from typing import Final, Literal

HeightUnit = Literal["cm", "m", "in", "ft"]
WeightUnit = Literal["kg", "lb"]

HEIGHT_CM: Final = (60.0, 260.0)
WEIGHT_KG: Final = (20.0, 300.0)

CM_PER_INCH: Final = 2.54
KG_PER_POUND: Final = 0.453_592_37

_NUMBER: Final = r"(\d{1,4}(?:[.,]\d{1,6})?)"
_METRES: Final = re.compile(r"(\d)\s*m\s*(\d{1,2})?(?:\s*cm)?", re.ASCII | re.IGNORECASE)
_FEET: Final = re.compile(
    rf"(\d)\s*(?:'|’|′|ft\.?|feet|pieds?|-)\s*(?:{_NUMBER}\s*(?:\"|”|″|''|in\.?|inches|pouces?)?)?",
    re.ASCII | re.IGNORECASE,
)
_HEIGHT: Final = re.compile(
    rf"{_NUMBER}\s*(cm|m|inches|pouces?|in\.?|\"|”|″|ft\.?|feet|pieds?)?", re.ASCII | re.IGNORECASE
)
_WEIGHT: Final = re.compile(
    rf"{_NUMBER}\s*(kg|kgs|kilos?|lbs?\.?|pounds?|livres?)?", re.ASCII | re.IGNORECASE
)


def _number(text: str) -> float:
    return float(text.replace(",", "."))


def height_cm(text: str, unit: HeightUnit) -> float | None:
    """Give the height in centimetres, to the millimetre, or ``None`` when it cannot be read.

    *unit* applies to a bare number; a unit written in the cell (``1m85``, ``6'2"``, ``74 in``)
    wins over it. Bounds are not judged here.
    """
    stripped = text.strip()
    if found := _METRES.fullmatch(stripped):
        return round(int(found[1]) * 100.0 + int((found[2] or "0").ljust(2, "0")), 1)
    if found := _FEET.fullmatch(stripped):
        inches = _number(found[2] or "0")
        return round((int(found[1]) * 12 + inches) * CM_PER_INCH, 1) if inches < 12 else None
    found = _HEIGHT.fullmatch(stripped)
    if found is None:
        return None
    written = (found[2] or unit).lower().rstrip(".")
    value = _number(found[1])
    if written == "cm":
        return round(value, 1)
    if written == "m":
        return round(value * 100, 1)
    if written in {"ft", "feet", "pied", "pieds"}:
        return round(value * 12 * CM_PER_INCH, 1)
    return round(value * CM_PER_INCH, 1)


def weight_kg(text: str, unit: WeightUnit) -> float | None:
    """Give the weight in kilograms, to 10 g, or ``None`` when it cannot be read.

    *unit* applies to a bare number; a unit written in the cell (``176 lb``) wins over it.
    Bounds are not judged here.
    """
    found = _WEIGHT.fullmatch(text.strip())
    if found is None:
        return None
    written = (found[2] or unit).lower()
    factor = 1.0 if written.startswith("k") else KG_PER_POUND
    return round(_number(found[1]) * factor, 2)


def within(value: float, bounds: tuple[float, float]) -> bool:
    """Tell whether *value* is a number inside *bounds*, both included."""
    return math.isfinite(value) and bounds[0] <= value <= bounds[1]


def height_unit_of(values: Iterable[str]) -> HeightUnit:
    """Give the unit in which a column of bare numbers makes people of ordinary height."""
    numbers = _bare_numbers(values)
    if not numbers:
        return "cm"
    middle = median(numbers)
    if middle < 3:
        return "m"
    if middle < 9:
        return "ft"
    return "in" if middle < 100 else "cm"


def _bare_numbers(values: Iterable[str]) -> list[float]:
    return [
        _number(found[1])
        for value in values
        if (found := _HEIGHT.fullmatch(value.strip())) and found[2] is None
    ]
