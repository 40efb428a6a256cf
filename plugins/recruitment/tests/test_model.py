"""A draft can only be built from values that an athlete can have."""

from datetime import date
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trophenix_recruitment.model import VALUE_SHOWN, AthleteDraft, ExternalId, RuleBroken, shown

DAY = date(1998, 5, 12)


@pytest.mark.parametrize(
    ("code", "values"),
    [
        ("name.missing", {}),
        ("name.too_long", {"family_name": "A" * 121}),
        ("text.control_character", {"family_name": "Du\x00rand"}),
        ("birth.half_open", {"family_name": "D", "birth_earliest": DAY}),
        (
            "birth.range",
            {"family_name": "D", "birth_earliest": DAY, "birth_latest": date(1998, 5, 11)},
        ),
        (
            "birth.range",
            {"family_name": "D", "birth_earliest": date(1849, 1, 1), "birth_latest": DAY},
        ),
        ("country.no_system", {"family_name": "D", "nationality": "BRN"}),
        ("height.out_of_range", {"family_name": "D", "height_cm": 59.9}),
        ("height.out_of_range", {"family_name": "D", "height_cm": float("nan")}),
        ("weight.out_of_range", {"family_name": "D", "weight_kg": 300.1}),
        ("ranking.out_of_range", {"family_name": "D", "ranking": 0}),
    ],
)
def test_a_broken_rule_is_refused_with_its_code(code: str, values: dict[str, Any]) -> None:
    with pytest.raises(RuleBroken) as refused:
        AthleteDraft(**values)

    assert refused.value.code == code


@pytest.mark.parametrize("values", [{"height_cm": 60.0}, {"height_cm": 260.0}, {"weight_kg": 20.0}])
def test_bounds_belong_to_the_allowed_values(values: dict[str, Any]) -> None:
    assert AthleteDraft(given_name="Ana", **values).given_name == "Ana"


def test_the_day_of_birth_is_known_only_when_the_range_is_one_day() -> None:
    assert AthleteDraft(family_name="D", birth_earliest=DAY, birth_latest=DAY).birth_day == DAY
    year = AthleteDraft(
        family_name="D", birth_earliest=date(1998, 1, 1), birth_latest=date(1998, 12, 31)
    )
    assert year.birth_day is None


def test_a_draft_survives_json() -> None:
    draft = AthleteDraft(
        family_name="Żewłakow",
        birth_earliest=DAY,
        birth_latest=DAY,
        external_ids=(ExternalId("fide", "1"),),
        attributes={"bio": "x"},
    )

    assert msgspec.json.decode(msgspec.json.encode(draft), type=AthleteDraft) == draft
    assert draft.name_key == "zewlakow"


@given(st.text(alphabet=st.characters(exclude_categories=[])))
def test_a_shown_value_is_short_and_storable(text: str) -> None:
    value = shown(text)

    assert value.isprintable()
    assert len(value) <= VALUE_SHOWN * 10
    value.encode("utf-8")
