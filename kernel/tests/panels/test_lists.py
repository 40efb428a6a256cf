"""A list asks only what its panel declares, finds its way forward and back, and offers only what the person may do."""

from __future__ import annotations

import datetime as dt
from urllib.parse import parse_qs, urlsplit

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from trophenix_kernel.panels import (
    Catalogues,
    Language,
    ListQuery,
    Place,
    list_page,
    list_query,
    pack,
)
from trophenix_kernel.panels.views import Pager
from trophenix_sdk.paging import Page
from trophenix_sdk.panels import Action, Col, Empty, Filter, Panel


class Thing(msgspec.Struct):
    id: str
    name: str
    state: str = "open"


things = Panel(
    slug="things",
    label="Thing",
    label_plural="Things",
    list="thing.search",
    read="thing.read",
    create="thing.create",
    export="thing.export",
    columns=(Col("name", "Name", sort="name"), Col("state", "State", kind="badge")),
    filters=(Filter("state", "State", choices=("open", "closed")),),
    search="Search",
    sort="name",
    limit=2,
    actions=(Action(slug="close", label="Close", operation="thing.close", bulk="ids"),),
    empty=Empty("No thing yet", "Make one."),
)


def _place(*allowed: str) -> Place:
    now = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    return Place(
        base="/things",
        language=Language("en", Catalogues()),
        now=now,
        can=(lambda operation: operation in allowed) if allowed else (lambda _operation: True),
    )


def _asked(href: str) -> ListQuery:
    return list_query(things, parse_qs(urlsplit(href).query))


def _rows(*names: str) -> list[Thing]:
    return [Thing(id=name, name=name) for name in names]


class TestWhatIsAsked:
    @given(
        st.dictionaries(
            st.text(max_size=10), st.lists(st.text(max_size=20), max_size=3), max_size=6
        )
    )
    def test_only_declared_words_reach_the_operation(self, asked: dict[str, list[str]]) -> None:
        """Whatever stands in the address, orders and filters are the panel's own."""
        given_input = list_query(things, asked).input(things)

        assert set(given_input) <= {"q", "sort", "cursor", "limit", "state"}
        assert given_input["sort"].removeprefix("-") == "name"
        assert given_input["limit"] == 2

    def test_an_undeclared_order_falls_back(self) -> None:
        """Nobody orders by a column that was not opened for it."""
        assert list_query(things, {"sort": ["password"]}).sort == "name"


class TestPages:
    def test_next_and_previous_lead_there_and_back(self) -> None:
        """Going forward twice and back twice ends where it began, with the same numbers."""

        def turn(href: str, cursor: str | None, *names: str) -> Pager:
            page = Page(data=_rows(*names), next_cursor=cursor, total=6)
            pager = list_page(things, _asked(href), page, _place()).pager
            assert pager is not None
            return pager

        first = turn("/things?q=a", "c1", "a", "b")
        second = turn(first.next_href, "c2", "c", "d")
        third = turn(second.next_href, None, "e", "f")

        assert (first.first, second.first, third.first) == (1, 3, 5)
        assert third.next_href == ""
        back = _asked(third.previous_href)
        assert (back.cursor, back.start, back.q) == ("c1", 3, "a")
        start = turn(third.previous_href, "c2", "c", "d")
        assert (_asked(start.previous_href).cursor, _asked(start.previous_href).start) == ("", 1)

    def test_the_last_page_has_no_next(self) -> None:
        """No cursor, no link."""
        page = list_page(things, _asked("/things"), Page(data=_rows("a")), _place())

        assert page.pager is not None
        assert page.pager.next_href == ""

    def test_an_unknown_total_is_not_invented(self) -> None:
        """A list that does not count says where one is, not of how many."""
        page = list_page(
            things, _asked("/things"), Page(data=_rows("a"), next_cursor="x"), _place()
        )

        assert page.pager is not None
        assert page.pager.total is None


class TestWhatOneMayDo:
    def test_what_is_not_allowed_has_no_button(self) -> None:
        """Denied operations leave nothing behind: no New, no Export, no bulk bar, no links."""
        page = list_page(things, _asked("/things"), Page(data=_rows("a")), _place("thing.search"))

        assert page.buttons == ()
        assert page.exports == ()
        assert page.bulk == ()
        assert {row.href for row in page.rows} == {""}

    def test_what_is_allowed_has_one(self) -> None:
        """Each allowed operation brings its own."""
        page = list_page(things, _asked("/things"), Page(data=_rows("a")), _place())

        assert [button.href for button in page.buttons] == ["/things/new"]
        assert [button.post for button in page.bulk] == ["/things/do/close"]
        assert page.rows[0].href == "/things/a"


class TestNothingToShow:
    def test_an_empty_list_teaches(self) -> None:
        """The first visit says what will stand here."""
        page = list_page(things, _asked("/things"), Page(data=[]), _place())

        assert page.empty is not None
        assert page.empty.title == "No thing yet"

    def test_a_search_without_result_offers_to_clear_it(self) -> None:
        """An empty search is not an empty list."""
        page = list_page(things, _asked("/things?q=zz"), Page(data=[]), _place())

        assert page.empty is not None
        assert page.empty.buttons[0].href == "/things"


@given(st.lists(st.integers(1, 3), max_size=14))
def test_dashboard_rows_have_no_hole(spans: list[int]) -> None:
    """Every card appears once, and every row is exactly three wide."""
    placed = pack(spans)

    assert sorted(index for index, _span in placed) == list(range(len(spans)))
    width = 0
    for index, span in placed:
        assert span >= min(3, spans[index])
        width += span
        assert width <= 3
        width %= 3
    assert width == 0
