"""Athletes through both clients, against a real server."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

import pytest

from trophenix import (
    ExternalId,
    InvalidArgument,
    NotFound,
    PreconditionFailed,
    UnexpectedResponse,
    ValidationFailed,
)

if TYPE_CHECKING:
    from .conftest import FaultKinds, Platform, Surface


class TestSearch:
    def test_the_documents_example(self, platform: Platform, surface: Surface) -> None:
        """With limit=50, iterating sees 50 athletes and sends nothing more."""
        for _ in range(120):
            platform.add()
        platform.add(sport="judo", name="Somebody Else")

        results = surface.call(
            lambda client: client.athletes.search(
                sport="tennis",
                country="FR",
                ranking_min=1,
                ranking_max=100,
                age_min=18,
                age_max=25,
                limit=50,
            )
        )
        names = [f"{athlete.name} - Ranking: {athlete.ranking}" for athlete in results]

        assert names == [f"Athlete {n} - Ranking: {n}" for n in range(1, 51)]
        assert results.has_more
        assert results.total is None
        [call] = platform.received
        assert (call.method, call.path) == ("GET", "/api/v1/athletes")
        assert call.query == {
            "sport": "tennis",
            "country": "FR",
            "ranking_min": "1",
            "ranking_max": "100",
            "age_min": "18",
            "age_max": "25",
            "limit": "50",
        }

    def test_auto_paging_sees_every_page_once(self, platform: Platform, surface: Surface) -> None:
        """All matches come, in order, with the same filters on every call."""
        for _ in range(47):
            platform.add()
        platform.add(nationality="TN")

        results = surface.call(lambda client: client.athletes.search(country="FR", limit=10))
        everyone = surface.items(results.auto_paging())

        assert [athlete.ranking for athlete in everyone] == list(range(1, 48))
        assert [call.query.get("cursor") for call in platform.received] == [
            None,
            "after-10",
            "after-20",
            "after-30",
            "after-40",
        ]
        assert {call.query["country"] for call in platform.received} == {"FR"}

    def test_a_page_is_a_sequence(self, platform: Platform, surface: Surface) -> None:
        """Length, index, slice and data concern this page; total concerns all."""
        for _ in range(25):
            platform.add()

        first = surface.call(lambda client: client.athletes.search(count=True))
        second = surface.settle(first.next_page())

        assert (len(first), first.total) == (20, 25)
        assert first[0] is first.data[0]
        assert [athlete.id for athlete in first[:2]] == ["athlete-1", "athlete-2"]
        assert second is not None
        assert (len(second), second.has_more, second.next_cursor) == (5, False, None)
        assert surface.settle(second.next_page()) is None

    def test_words_are_sent_as_they_are(self, platform: Platform, surface: Surface) -> None:
        """Spaces, ampersands and other scripts survive the query."""
        platform.add(name="Nadia & Zoé محرز +1")

        results = surface.call(lambda client: client.athletes.search("zoé محرز +1"))

        assert [athlete.name for athlete in results] == ["Nadia & Zoé محرز +1"]

    def test_a_cursor_that_leads_nowhere_ends_the_walk(
        self, platform: Platform, surface: Surface, faults: type[FaultKinds]
    ) -> None:
        """A platform that repeats a cursor cannot keep a program busy for ever."""
        same = {"data": [{"id": "a", "name": "A"}], "next_cursor": "again"}
        platform.faults.extend([faults.Reply(200, document=same)] * 2)
        results = surface.call(lambda client: client.athletes.search())

        with pytest.raises(UnexpectedResponse, match="same page"):
            surface.items(results.auto_paging())


class TestRead:
    def test_every_field_has_its_type(self, platform: Platform, surface: Surface) -> None:
        platform.add(
            id="a/b ?",
            first_name="Ons",
            last_name="Jabeur",
            birth_date="1994-08",
            birth_earliest="1994-08-01",
            birth_latest="1994-08-31",
            height_cm=167,
            weight_kg=66.5,
            external_ids=[{"scheme": "wta", "value": "316959"}],
            attributes={"hand": "right"},
            created_at="2026-01-02T03:04:05Z",
        )

        athlete = surface.call(lambda client: client.athletes.get("a/b ?"))

        assert athlete.birth_date == "1994-08"
        assert athlete.birth_earliest == date(1994, 8, 1)
        assert athlete.birth_latest == date(1994, 8, 31)
        assert (athlete.height_cm, athlete.weight_kg) == (167, 66.5)
        assert athlete.external_ids == (ExternalId("wta", "316959"),)
        assert athlete.attributes == {"hand": "right"}
        assert athlete.created_at == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
        assert athlete.club is None

    def test_members_of_a_newer_platform_are_kept(
        self, platform: Platform, surface: Surface
    ) -> None:
        platform.add(shoe_size=38, extra={"theirs": True})

        athlete = surface.call(lambda client: client.athletes.get("athlete-1"))

        assert athlete.extra == {"shoe_size": 38, "extra": {"theirs": True}}

    @pytest.mark.parametrize(
        "document", [[], None, {"id": "a"}, {"id": 5, "name": "A"}, {"id": "a", "name": None}]
    )
    def test_what_is_no_athlete_is_refused(
        self, document: object, platform: Platform, surface: Surface, faults: type[FaultKinds]
    ) -> None:
        platform.faults.append(faults.Reply(200, document=document))

        with pytest.raises(UnexpectedResponse, match="no Athlete"):
            surface.call(lambda client: client.athletes.get("a"))

    @pytest.mark.parametrize("wrong", ["", ".", ".."])
    def test_an_id_cannot_climb_in_the_path(
        self, wrong: str, platform: Platform, surface: Surface
    ) -> None:
        with pytest.raises(InvalidArgument):
            surface.call(lambda client: client.athletes.delete(wrong))

        assert platform.received == []


class TestChange:
    def test_create_sends_what_was_given_and_returns_what_is_stored(
        self, platform: Platform, surface: Surface
    ) -> None:
        athlete = surface.call(
            lambda client: client.athletes.create(
                first_name="Ons",
                last_name="Jabeur",
                birth_date=date(1994, 8, 28),
                club=None,
                external_ids=[ExternalId("wta", "316959")],
            )
        )

        assert athlete.id == "athlete-1"
        assert platform.received[0].document == {
            "first_name": "Ons",
            "last_name": "Jabeur",
            "birth_date": "1994-08-28",
            "club": None,
            "external_ids": [{"scheme": "wta", "value": "316959"}],
        }

    def test_faults_of_the_input_are_all_there(self, surface: Surface) -> None:
        with pytest.raises(ValidationFailed) as refused:
            surface.call(lambda client: client.athletes.create(first_name="Ons"))

        [fault] = refused.value.errors
        assert (fault.pointer, fault.code) == ("/last_name", "missing")
        assert "/last_name" in str(refused.value)

    def test_update_changes_only_what_was_given(self, platform: Platform, surface: Surface) -> None:
        platform.add(club="A")

        athlete = surface.call(
            lambda client: client.athletes.update("athlete-1", version=1, ranking=3)
        )

        assert (athlete.ranking, athlete.club, athlete.version) == (3, "A", 2)
        assert platform.received[0].headers["if-match"] == '"1"'
        assert platform.received[0].document == {"ranking": 3}

    def test_update_of_an_older_version_is_refused(
        self, platform: Platform, surface: Surface
    ) -> None:
        platform.add(version=7)

        with pytest.raises(PreconditionFailed, match="version 7"):
            surface.call(lambda client: client.athletes.update("athlete-1", version=6, ranking=3))

        assert platform.athletes["athlete-1"]["ranking"] == 1

    def test_delete_leaves_nothing(self, platform: Platform, surface: Surface) -> None:
        platform.add()
        client = surface.client()

        assert surface.settle(client.athletes.delete("athlete-1")) is None
        with pytest.raises(NotFound):
            surface.settle(client.athletes.get("athlete-1"))

    def test_input_that_json_cannot_say_is_refused_here(
        self, platform: Platform, surface: Surface
    ) -> None:
        with pytest.raises(InvalidArgument, match="JSON"):
            surface.call(lambda client: client.athletes.create(attributes={"x": object()}))

        assert platform.received == []
