"""Choosing whom to compare loses no proposal."""

from __future__ import annotations

from datetime import date
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

from trophenix_recruitment.duplicates import Candidate, propose
from trophenix_recruitment.keys import plain_ids, search_keys
from trophenix_recruitment.matching import Known
from trophenix_recruitment.model import AthleteDraft, ExternalId
from trophenix_recruitment.proposals import worth_comparing
from trophenix_sdk.ids import new_id

words = st.sampled_from(
    [
        "Ann",
        "Anna",
        "Hanna",
        "An",
        "na",
        "Bo",
        "Stephane",
        "Stephanie",
        "de",
        "Le Goff",
        "LeGoff",
        "Kis",
        "K",
    ]
)
names = st.lists(words, min_size=0, max_size=3).map(" ".join)
days = st.sampled_from([date(1990, 1, 1), date(1990, 1, 2), date(1990, 2, 1), None])
identifiers = st.lists(st.builds(ExternalId, st.just("x"), st.sampled_from("12")), max_size=1)


@st.composite
def drafts(draw: st.DrawFn) -> AthleteDraft:
    day = draw(days)
    return AthleteDraft(
        family_name=draw(names.filter(bool)),
        given_name=draw(names),
        birth_earliest=day,
        birth_latest=day,
        external_ids=tuple(draw(identifiers)),
        sex=draw(st.sampled_from(["F", "M", None])),
    )


@settings(max_examples=300)
@given(st.lists(drafts(), max_size=12), st.lists(drafts(), max_size=12))
def test_the_chosen_give_the_same_proposals_as_everybody(
    new: list[AthleteDraft], stored: list[AthleteDraft]
) -> None:
    fresh = [(_known(one), search_keys(one)) for one in new]
    known = [(_known(one), search_keys(one)) for one in stored]

    def proposed(chosen: set[UUID]) -> set[tuple[str, str, str]]:
        groups = [
            [Candidate(str(one.id), one.draft) for one, _keys in group if one.id in chosen]
            for group in (fresh, known)
        ]
        return {(pair.left, pair.right, pair.kind) for pair in propose(*groups)}

    everybody = {one.id for one, _keys in (*fresh, *known)}

    assert proposed(worth_comparing(fresh, known)) == proposed(everybody)


def _known(draft: AthleteDraft) -> Known:
    return Known(new_id(), draft, plain_ids(draft), 1, None)
