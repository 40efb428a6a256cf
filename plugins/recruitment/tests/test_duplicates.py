"""Possible duplicates are proposed with reasons; twins and namesakes are told apart."""

from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trophenix_recruitment.duplicates import Candidate, Proposal, blocking_keys, judge, propose
from trophenix_recruitment.model import AthleteDraft, ExternalId

DAY = date(1998, 5, 12)


def person(ref: str, family: str, given_name: str = "", **values: Any) -> Candidate:
    day = values.pop("day", DAY)
    return Candidate(
        ref,
        AthleteDraft(
            family_name=family,
            given_name=given_name,
            birth_earliest=values.pop("earliest", day),
            birth_latest=values.pop("latest", day),
            **values,
        ),
    )


def french(system: Any = "ISO", code: str = "FRA", alpha_2: str | None = "FR") -> dict[str, Any]:
    return {
        "nationality": code,
        "nationality_system": system,
        "nationality_alpha_2": alpha_2,
    }


def verdict(left: Candidate, right: Candidate) -> Proposal | None:
    there, back = judge(left, [right]), judge(right, [left])
    assert [(p.kind, p.score) for p in there] == [(p.kind, p.score) for p in back]
    return there[0] if there else None


def kind(left: Candidate, right: Candidate) -> str | None:
    found = verdict(left, right)
    return None if found is None else found.kind


@pytest.mark.parametrize(
    ("family", "given_name"),
    [
        ("ZEWLAKOW", "MICHAL"),
        ("Michał", "Żewłakow"),
        ("Żewłakow ", "michał"),
        ("Zewlakow", "Michal"),
    ],
)
def test_accents_case_and_order_of_names_make_no_difference(family: str, given_name: str) -> None:
    assert (
        kind(person("a", "Żewłakow", "Michał"), person("b", family.strip(), given_name))
        == "probable"
    )


def test_the_same_external_id_is_certain_and_contradictions_are_told() -> None:
    licence = (ExternalId("licence", "1"),)
    found = verdict(
        person("a", "Durand", "Zoé", external_ids=licence, sex="F"),
        person("b", "Martin", "Paul", external_ids=licence, sex="M", day=date(1970, 1, 1)),
    )

    assert found is not None
    assert (found.kind, found.score) == ("certain", 1.0)
    assert found.reasons == ("same_external_id:licence",)
    assert found.conflicts == ("sex", "name", "birth")


def test_the_same_number_of_another_scheme_means_nothing() -> None:
    left = person("a", "Durand", "Zoé", external_ids=(ExternalId("fide", "1"),))
    right = person("b", "Martin", "Léa", external_ids=(ExternalId("itf", "1"),))

    assert verdict(left, right) is None


@pytest.mark.parametrize(
    ("one", "other"),
    [("Marcin", "Michał"), ("Anne", "Nina"), ("Eligio", "Eliseo"), ("Frank", "Ronald")],
)
def test_twins_are_possible_relatives(one: str, other: str) -> None:
    left, right = person("a", "Nymark Andersen", one), person("b", "Nymark Andersen", other)

    assert kind(left, right) == "possible_relatives"


def test_one_letter_in_a_given_name_is_not_drowned_by_a_long_family_name() -> None:
    left = person("a", "Nowakowska-Wisniewska", "Anna", sex="F")
    right = person("b", "Nowakowska-Wisniewska", "Hanna", sex="F")

    assert kind(left, right) == "possible"


def test_namesakes_with_other_birth_days_are_not_proposed() -> None:
    assert (
        verdict(
            person("a", "Kim", "Min-jung"), person("b", "Kim", "Min-jung", day=date(1990, 1, 9))
        )
        is None
    )


@pytest.mark.parametrize("day", [date(1998, 5, 13), date(1998, 12, 5), date(1988, 5, 12)])
def test_a_birth_day_with_one_slip_is_possible(day: date) -> None:
    assert kind(person("a", "Durand", "Zoé"), person("b", "Durand", "Zoé", day=day)) == "possible"


@pytest.mark.parametrize(
    "contradiction",
    [
        ({"sex": "F"}, {"sex": "M"}),
        (french(), french(code="BEL", alpha_2="BE")),
        ({"position": "Gardien"}, {"position": "Attaquant"}),
    ],
)
def test_a_contradiction_is_at_most_possible(
    contradiction: tuple[dict[str, Any], dict[str, Any]],
) -> None:
    one, other = contradiction

    assert (
        kind(person("a", "Scott", "Alex", **one), person("b", "Scott", "Alex", **other))
        == "possible"
    )


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (french(), french("IOC")),
        (french("IOC", "GER", "DE"), french("ISO", "DEU", "DE")),
        (french("ISO", "SUN", None), french("IOC", "URS", None)),
        ({"position": "Gardien"}, {"position": "goalkeeper"}),
        ({"position": "Milieu"}, {"position": "defender, midfielder"}),
        ({"sex": "F"}, {}),
    ],
)
def test_the_same_thing_in_other_words_is_no_contradiction(
    one: dict[str, Any], other: dict[str, Any]
) -> None:
    assert (
        kind(person("a", "Scott", "Alex", **one), person("b", "Scott", "Alex", **other))
        == "probable"
    )


def test_single_names_are_at_most_possible() -> None:
    assert kind(person("a", "Aline"), person("b", "Aline")) == "possible"


def test_an_abbreviated_or_missing_given_name_is_possible() -> None:
    whole = person("a", "Valdez", "Nelson Haedo")

    for given_name in ("Nelson", "N", ""):
        assert kind(whole, person("b", "Valdez", given_name)) == "possible"


def test_an_unknown_or_partial_birth_is_at_most_possible() -> None:
    whole = person("a", "Durand", "Zoé")

    assert kind(whole, person("b", "Durand", "Zoé", day=None)) == "possible"
    year = {"earliest": date(1998, 1, 1), "latest": date(1998, 12, 31)}
    assert kind(whole, person("b", "Durand", "Zoé", **year)) == "possible"
    other_year = {"earliest": date(1990, 1, 1), "latest": date(1990, 12, 31)}
    assert verdict(whole, person("b", "Durand", "Zoé", **other_year)) is None


def test_the_athlete_itself_is_left_out() -> None:
    same = person("a", "Durand", "Zoé")

    assert judge(same, [same]) == []


def test_blocking_keys_are_plain_and_complete() -> None:
    athlete = person("a", "Żewłakow", "Michał", external_ids=(ExternalId("FIDE", "1"),))

    assert blocking_keys(athlete.draft) == (
        "x:fide:1",
        "n:michal zewlakow",
        "b:1998-05-12",
    )


def test_strongest_proposals_come_first() -> None:
    licence = (ExternalId("licence", "1"),)
    drafts = [
        person("twin", "Durand", "Paul"),
        person("a", "Durand", "Zoé", external_ids=licence),
        person("b", "Durand", "Zoé"),
        person("c", "Durand", "Z", external_ids=licence),
    ]

    kinds = [proposal.kind for proposal in propose(drafts)]

    assert kinds[0] == "certain"
    assert kinds[1] == "probable"
    assert kinds == sorted(
        kinds, key=["certain", "probable", "possible", "possible_relatives"].index
    )


def test_stored_athletes_are_not_compared_with_each_other() -> None:
    stored = [person("x", "Durand", "Zoé"), person("y", "Durand", "Zoé")]

    found = propose([person("a", "Durand", "Zoé")], stored)

    assert {(p.left, p.right) for p in found} == {("a", "x"), ("a", "y")}


def test_a_placeholder_birth_date_does_not_compare_everybody_with_everybody() -> None:
    """Ten thousand people of one day make about 16 comparisons each, and a repeated one is found."""
    crowd = [person(str(n), f"Family{n:05}", f"Given{n:05}") for n in range(10_000)]
    crowd.append(person("again", "FAMILY05000", "given05000"))

    found = propose(crowd)

    pairs = {frozenset((p.left, p.right)) for p in found if p.kind == "probable"}
    assert frozenset(("5000", "again")) in pairs
    assert len(found) <= 16 * len(crowd)


NAMES = st.sampled_from(["Durand", "DURAND", "Zoé", "Zoe", "Kim", "Min-jung", "Min jung", "Aline"])


def anybody(
    family: str, given_name: str, days: int | None, sex: str | None, number: str | None
) -> Candidate:
    return person(
        "?",
        family,
        given_name,
        day=None if days is None else DAY + timedelta(days=days),
        sex=sex,
        external_ids=() if number is None else (ExternalId("licence", number),),
    )


PEOPLE = st.builds(
    anybody,
    NAMES,
    NAMES | st.just(""),
    st.none() | st.integers(0, 2),
    st.sampled_from(["F", "M", None]),
    st.none() | st.sampled_from(["1", "2", "3"]),
)


@settings(deadline=None)
@given(st.lists(PEOPLE, max_size=12))
def test_the_batch_and_the_single_judgement_agree(people: list[Candidate]) -> None:
    named = [Candidate(str(n), one.draft) for n, one in enumerate(people)]

    batch = {(p.left, p.right): p.kind for p in propose(named)}

    single = {
        (p.left, p.right): p.kind
        for index, one in enumerate(named)
        for p in judge(one, named[index + 1 :])
    }
    assert batch == single


@settings(deadline=None)
@given(PEOPLE, PEOPLE)
def test_who_is_proposed_shares_a_blocking_key(one: Candidate, other: Candidate) -> None:
    proposals = judge(Candidate("a", one.draft), [Candidate("b", other.draft)])

    if proposals:
        assert set(blocking_keys(one.draft)) & set(blocking_keys(other.draft))
    for proposal in proposals:
        if proposal.kind == "probable":
            assert one.draft.birth_day == other.draft.birth_day is not None
            assert not proposal.conflicts
