"""Whatever colours a tenant picks, every text and every edge can be told from its ground."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from trophenix_kernel.themes import Choices, audit, default_choices
from trophenix_kernel.themes.colour import contrast, from_oklch, to_oklch
from trophenix_kernel.themes.palette import PAIRS, STATUSES, derive, text_on

_byte = st.integers(0, 255)
any_colour = st.builds("#{:02x}{:02x}{:02x}".format, _byte, _byte, _byte)
_small = st.integers(-6, 6)


def _near(value: int) -> st.SearchStrategy[str]:
    parts = st.tuples(_small, _small, _small)
    return parts.map(
        lambda by: "#" + "".join(f"{min(255, max(0, value + step)):02x}" for step in by)
    )


near_grey = _byte.flatmap(_near)
near_edges = st.sampled_from((0, 255)).flatmap(_near)
brands = st.one_of(any_colour, near_grey, near_edges)
"""Plain random colours seldom come near grey, black or white, where a solver fails first."""

themes = st.builds(
    Choices,
    brand=brands,
    accent=brands,
    neutral=st.one_of(st.just(""), brands),
    neutral_chroma=st.floats(0, 0.04),
    success=st.one_of(st.just(""), brands),
    warning=st.one_of(st.just(""), brands),
    danger=st.one_of(st.just(""), brands),
    info=st.one_of(st.just(""), brands),
    sidebar=st.sampled_from(("plain", "ink", "brand")),
)


@settings(max_examples=150, deadline=None)
@given(themes)
def test_every_pair_of_every_theme_passes(choices: Choices) -> None:
    """No theme can be made whose text is hard to read, in light or in dark."""
    failing = [measured for measured in audit(choices) if not measured.passes]

    assert failing == []


def test_the_default_theme_passes() -> None:
    """The look every tenant starts with is sound."""
    failing = [measured for measured in audit(default_choices()) if not measured.passes]

    assert failing == []


@given(brands)
@settings(deadline=None)
def test_the_brand_is_kept_exactly_on_buttons(brand: str) -> None:
    """An owner's own colour is never repainted where it fills a button."""
    choices = Choices(brand=brand, accent=brand)

    assert derive(choices, "light")["brand"] == brand
    assert derive(choices, "dark")["brand"] == brand


@given(any_colour)
def test_some_text_can_be_read_on_any_fill(fill: str) -> None:
    """White or black always reaches 4.5:1."""
    assert contrast(text_on(fill), fill) >= 4.5


@given(any_colour)
def test_a_colour_survives_the_way_through_oklch_and_back(colour: str) -> None:
    """Converting there and back changes a channel by one step at most."""
    back = from_oklch(*to_oklch(colour))

    steps = [abs(int(colour[at : at + 2], 16) - int(back[at : at + 2], 16)) for at in (1, 3, 5)]
    assert max(steps) <= 1


def test_pairs_known_to_be_forgotten_are_in_the_audit() -> None:
    """Muted text on a selected row, a field's border, a bar on its track, and text on all four status fills."""
    listed = {(colour, ground) for colour, ground, _ in PAIRS}

    assert ("text-3", "brand-soft") in listed
    assert ("control-border", "surface") in listed
    assert ("brand-edge", "sunken") in listed
    assert {(f"on-{status}", status) for status in STATUSES} <= listed
