"""A token file is read whole and refused with every fault it has; nothing a tenant typed reaches the style sheet unchecked."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trophenix_kernel.themes import Choices, ThemeFault, default_choices, read_tokens, stylesheet


def _file(**changes: object) -> str:
    document: dict[str, object] = {
        "color": {"$type": "color", "brand": {"$value": "#b21228"}},
    }
    return json.dumps(document | changes)


def _address(name: str) -> str:
    return f"/assets/{name}"


def test_a_short_file_takes_the_rest_from_the_default() -> None:
    """A brand is enough; the accent follows it."""
    choices = read_tokens(_file())

    assert choices.brand == "#b21228"
    assert choices.accent == "#b21228"
    assert choices.radius == 8


def test_an_alias_is_followed() -> None:
    """``{color.brand}`` stands for that colour."""
    color = {
        "$type": "color",
        "brand": {"$value": "#b21228"},
        "accent": {"$value": "{color.brand}"},
    }

    assert read_tokens(_file(color=color)).accent == "#b21228"


def test_an_alias_that_points_at_itself_is_refused() -> None:
    """A circle is named, not followed for ever."""
    color = {"brand": {"$value": "{color.accent}"}, "accent": {"$value": "{color.brand}"}}

    with pytest.raises(ThemeFault, match="points back at itself"):
        read_tokens(_file(color=color))


def test_every_fault_is_told_at_once() -> None:
    """Somebody who repairs a theme sees all that is wrong."""
    source = _file(
        color={"brand": {"$value": "red"}},
        dimension={"radius": {"$value": {"value": 99, "unit": "px"}}},
        font={"body": {"$value": "https://fonts.example/evil.woff2"}},
    )

    with pytest.raises(ThemeFault) as caught:
        read_tokens(source)

    assert len(caught.value.faults) == 3


@pytest.mark.parametrize("source", ["", "[]", "nonsense", '{"color": 3}'])
def test_what_is_no_token_file_is_refused(source: str) -> None:
    """A wrong file is a fault with a reason, never a crash."""
    with pytest.raises(ThemeFault):
        read_tokens(source)


@given(st.text(max_size=40))
def test_no_typed_text_reaches_the_style_sheet(text: str) -> None:
    """A value is a checked colour or the file is refused."""
    try:
        choices = read_tokens(_file(color={"brand": {"$value": text}}))
    except ThemeFault:
        return

    assert re.fullmatch(r"#[0-9a-f]{6}", choices.brand)


def test_the_address_changes_with_the_content_only() -> None:
    """The same choices give the same address; another colour gives another."""
    first = stylesheet(default_choices(), _address)
    again = stylesheet(default_choices(), _address)
    other = stylesheet(Choices(brand="#b21228", accent="#ffc531"), _address)

    assert first.version == again.version
    assert first.version != other.version
    assert "--tx-brand:#b21228" in other.text
