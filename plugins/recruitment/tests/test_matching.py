"""Which stored athlete a row is about: known by an identifier or a whole identity, and by nothing less."""

from __future__ import annotations

from datetime import date
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from trophenix_recruitment.keys import plain_ids, search_keys
from trophenix_recruitment.matching import Known, Matcher, contradicts, merge
from trophenix_recruitment.model import AthleteDraft, ExternalId
from trophenix_sdk.ids import new_id, new_ids

DAY = date(1998, 5, 12)
YEAR: dict[str, Any] = {"birth_earliest": date(1998, 1, 1), "birth_latest": date(1998, 12, 31)}
EXACT: dict[str, Any] = {"birth_earliest": DAY, "birth_latest": DAY}
ids = st.lists(
    st.builds(ExternalId, st.sampled_from(["fide", "FIDE", "itf"]), st.sampled_from("123")),
    max_size=2,
).map(tuple)
drafts = st.builds(
    AthleteDraft,
    family_name=st.sampled_from(["Durant", "DURANT", "Dürant", "Nguyen"]),
    given_name=st.sampled_from(["Pierre", "", "Linh"]),
    sex=st.sampled_from(["F", "M", None]),
    birth_earliest=st.just(DAY),
    birth_latest=st.sampled_from([DAY, date(1998, 5, 31)]),
    sport=st.sampled_from(["Judo", None]),
    ranking=st.sampled_from([1, 2, None]),
    club=st.sampled_from(["A", "B", None]),
    external_ids=ids,
    attributes=st.dictionaries(st.sampled_from("xy"), st.integers(0, 1), max_size=2),
)


def draft(**said: Any) -> AthleteDraft:
    fields: dict[str, Any] = {"family_name": "Durant", "given_name": "Pierre", **said}
    return AthleteDraft(**fields)


class TestMerge:
    @given(drafts, drafts)
    def test_saying_it_again_changes_nothing_more(
        self, known: AthleteDraft, said: AthleteDraft
    ) -> None:
        once = merge(known, said, says_visibility=False)

        assert merge(once, said, says_visibility=False) is once

    @given(drafts, drafts)
    def test_nothing_known_is_lost(self, known: AthleteDraft, said: AthleteDraft) -> None:
        after = merge(known, said, says_visibility=False)

        assert set(plain_ids(after)) == {*plain_ids(known), *plain_ids(said)}
        assert known.attributes.keys() <= after.attributes.keys()
        for field in ("sex", "sport", "ranking", "club", "given_name", "birth_earliest"):
            assert getattr(after, field) or not getattr(known, field)

    def test_a_year_says_less_than_a_day_and_a_day_more_than_a_year(self) -> None:
        exact, vague = draft(**EXACT), draft(**YEAR)

        assert merge(exact, vague, says_visibility=False) is exact
        assert merge(vague, exact, says_visibility=False).birth_day == DAY

    def test_the_same_country_in_another_code_is_no_news(self) -> None:
        known = draft(nationality="DEU", nationality_system="ISO", nationality_alpha_2="DE")
        said = draft(nationality="GER", nationality_system="IOC", nationality_alpha_2="DE")

        assert merge(known, said, says_visibility=False) is known

    def test_visibility_is_changed_only_by_a_list_that_speaks_of_it(self) -> None:
        known, said = draft(visibility="public_free"), draft()

        assert merge(known, said, says_visibility=False) is known
        assert merge(known, said, says_visibility=True).visibility == "recruiter_only"


class TestContradiction:
    def test_takes_another_name_and_another_birth(self) -> None:
        known = draft(**EXACT)
        other_day: dict[str, Any] = {
            "birth_earliest": date(2001, 1, 1),
            "birth_latest": date(2001, 1, 1),
        }

        assert contradicts(
            known, AthleteDraft(family_name="Nguyen", given_name="Linh", **other_day)
        )
        assert not contradicts(
            known, AthleteDraft(family_name="Nguyen", given_name="Linh", **EXACT)
        )
        assert not contradicts(known, draft(**other_day))
        assert not contradicts(known, AthleteDraft(family_name="Nguyen", given_name="Linh"))


class TestDecisions:
    @given(st.lists(drafts, max_size=8), st.lists(drafts, max_size=8))
    def test_every_row_gets_one_outcome_and_no_identifier_two_athletes(
        self, stored: list[AthleteDraft], rows: list[AthleteDraft]
    ) -> None:
        owner: dict[tuple[str, str], Any] = {}
        known: list[Known] = []
        for one in stored:
            own = tuple(given_id for given_id in plain_ids(one) if given_id not in owner)
            kept = msgspec.structs.replace(one, external_ids=tuple(ExternalId(*g) for g in own))
            athlete = Known(new_id(), kept, own, 1, None)
            known.append(athlete)
            owner.update(dict.fromkeys(own, athlete.id))
        matcher = Matcher(says_visibility=False)
        matcher.learn(known)
        fresh = iter(new_ids(len(rows)))

        for line, row in enumerate(rows, start=1):
            verdict = matcher.decide(line, row, search_keys(row), plain_ids(row), fresh)
            assert (verdict.athlete_id is None) == (verdict.outcome == "rejected")
            assert (verdict.problem is None) == (verdict.outcome != "rejected")
            if verdict.outcome == "imported":
                assert not any(one in owner for one in plain_ids(row))
            if verdict.outcome in {"imported", "updated"} and verdict.after is not None:
                for one in verdict.after.ids:
                    assert owner.setdefault(one, verdict.athlete_id) == verdict.athlete_id

    @given(st.lists(drafts, max_size=8))
    def test_the_same_rows_again_add_nothing(self, rows: list[AthleteDraft]) -> None:
        first = Matcher(says_visibility=False)
        first.learn([])
        athletes: dict[Any, Known] = {}
        taken: list[AthleteDraft] = []
        for line, row in enumerate(rows, start=1):
            verdict = first.decide(line, row, search_keys(row), plain_ids(row), iter([new_id()]))
            if verdict.after is not None:
                athletes[verdict.after.id] = msgspec.structs.replace(
                    verdict.after, version=1, line=None
                )
            if verdict.outcome != "rejected":
                taken.append(row)
        second = Matcher(says_visibility=False)
        second.learn(athletes.values())

        outcomes = [
            second.decide(line, row, search_keys(row), plain_ids(row), iter([new_id()])).outcome
            for line, row in enumerate(taken, start=1)
        ]

        assert set(outcomes) <= {"unchanged", "repeated"}
