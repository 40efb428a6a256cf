"""Charts never lie about their numbers and never break on strange ones."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from trophenix_kernel.panels import Catalogues, Language
from trophenix_kernel.panels.charts import draw, sparkline, ticks
from trophenix_sdk.panels import ChartData, Series

ENGLISH = Language("en", Catalogues())
amounts = st.lists(st.floats(0, 1e9, allow_nan=False), min_size=1, max_size=40)


@given(st.floats(0, 1e15, allow_nan=False))
def test_the_scale_begins_at_zero_and_holds_the_highest(highest: float) -> None:
    """Bars are compared by height: a scale that starts elsewhere would lie."""
    scale = ticks(highest)

    assert scale[0] == 0
    assert scale[-1] >= highest * (1 - 1e-9)
    assert 2 <= len(scale) <= 7
    assert scale == sorted(scale)


@given(st.sampled_from(["area", "bars", "split"]), amounts)
def test_every_figure_is_in_the_table(kind: str, values: list[float]) -> None:
    """Who cannot see the drawing reads the same figures."""
    labels = tuple(f"label {number}" for number in range(len(values)))
    text = str(
        draw(
            kind,
            ChartData(labels=labels, series=(Series("Visits", tuple(values)),)),
            "Visits",
            ENGLISH,
        )
    )

    if kind != "split":
        assert text.count('<tr><th scope="row">') == len(values)
        assert all(f">{ENGLISH.number(value)}</td>" in text for value in values)
    assert "nan" not in text
    assert "inf" not in text


@given(amounts)
def test_the_line_stays_between_its_points(values: list[float]) -> None:
    """A smooth line that overshot would show values nobody measured."""
    if len(values) < 2:
        assert str(sparkline(values)) == ""
        return
    text = str(sparkline(values))
    heights = [float(pair.split(",")[1]) for pair in re.findall(r"-?[\d.]+,-?[\d.]+", text)]

    assert min(heights) >= -0.11
    assert max(heights) <= 32.11


def test_nothing_to_draw_is_said() -> None:
    """An empty chart is a sentence, not an empty box."""
    assert "Nothing to draw yet." in str(
        draw("area", ChartData(labels=(), series=()), "x", ENGLISH)
    )


def test_labels_are_escaped() -> None:
    """A category's name is data."""
    data = ChartData(labels=("<script>",), series=(Series("<b>", (1.0,)),))

    for kind in ("area", "bars", "split"):
        assert "<script>" not in str(draw(kind, data, "<i>", ENGLISH))
