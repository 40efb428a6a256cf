"""The search finds exactly those whom a plain filter finds, and pages visit each of them once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from trophenix_recruitment.ages import completed_years
from trophenix_recruitment.names import name_key
from trophenix_recruitment.store.search import SORTS
from trophenix_testing.platform import Platform

PLUGIN = "trophenix.recruitment"
ATHLETES = "/api/v1/athletes"
WORDS = (
    "Ann",
    "Ánna",
    "Bo",
    "de",
    "la",
    "Cruz",
    "O'Neil",
    "Zoë",
    "Nguyễn",
    "李",
    "anton",
    "Le-Goff",
    "ß",
)
SPORTS = ("Tennis", "tennis", "Judo", "Water polo")
COUNTRIES = ("FRA", "TUN", "GBR", "USA")
CLUBS = ("FC Bär", "AS Dax", "FC Dax", "Dax")

names = st.lists(st.sampled_from(WORDS), min_size=0, max_size=4).map(" ".join)
births = st.one_of(
    st.dates(date(1985, 1, 1), date(2016, 12, 31)).map(lambda day: day.isoformat()),
    st.integers(1985, 2015).map(str),
    st.sampled_from(["2008-02-29", "2004-02-29", "2006-11", None]),
)
athletes = st.fixed_dictionaries(
    {
        "last_name": names.filter(bool),
        "first_name": names,
        "birth_date": births,
        "sport": st.sampled_from([*SPORTS, None]),
        "nationality": st.sampled_from([*COUNTRIES, None]),
        "ranking": st.one_of(st.none(), st.integers(1, 12)),
        "club": st.sampled_from([*CLUBS, None]),
        "position": st.sampled_from(["Left wing", "Wing", "Goalkeeper", None]),
    }
)
filters = st.fixed_dictionaries(
    {},
    optional={
        "q": st.lists(st.sampled_from([*WORDS, "a", "an", "n", "nguyen", "lego", "x"]), max_size=3)
        .map(" ".join)
        .filter(bool),
        "sport": st.sampled_from([*SPORTS, "TENNIS", "golf"]),
        "country": st.sampled_from(["FR", "TUN", "gb", "États-Unis"]),
        "ranking_min": st.integers(1, 12),
        "ranking_max": st.integers(1, 12),
        "age_min": st.integers(0, 45),
        "age_max": st.integers(0, 45),
        "club": st.sampled_from(["dax", "FC", "fc dax", "ba"]),
        "position": st.sampled_from(["wing", "goalkeeper", "left"]),
    },
)


def words(text: str | None) -> list[str]:
    return name_key(text or "").split()


def stand_in(asked: str, text: str | None) -> bool:
    return text is not None and f" {name_key(asked)} " in f" {name_key(text)} "


ALPHA_2 = {"FR": "FR", "TUN": "TN", "gb": "GB", "États-Unis": "US"}


def plainly(one: dict[str, Any], asked: dict[str, Any], today: date) -> bool:
    """The filter without a database, an index or a key."""
    known = words(f"{one['last_name']} {one['first_name']}")
    if "q" in asked:
        wanted = words(asked["q"])
        if not wanted or not all(any(word.startswith(part) for word in known) for part in wanted):
            return False
    if "sport" in asked and name_key(one["sport"] or "") != name_key(asked["sport"]):
        return False
    if "country" in asked and one["country"] != ALPHA_2[asked["country"]]:
        return False
    if "ranking_min" in asked and not (one["ranking"] and one["ranking"] >= asked["ranking_min"]):
        return False
    if "ranking_max" in asked and not (one["ranking"] and one["ranking"] <= asked["ranking_max"]):
        return False
    for bound, holds in (("age_min", int.__ge__), ("age_max", int.__le__)):
        if bound in asked:
            if one["birth_earliest"] is None:
                return False
            first, last = (
                date.fromisoformat(one[end]) for end in ("birth_earliest", "birth_latest")
            )
            days = [first + timedelta(days=n) for n in range((last - first).days + 1)]
            if not all(holds(completed_years(day, today), asked[bound]) for day in days):
                return False
    return all(stand_in(asked[name], one[name]) for name in ("club", "position") if name in asked)


ORDER: dict[str, Callable[[dict[str, Any]], Any]] = {
    "name": lambda one: name_key(f"{one['last_name']} {one['first_name']}"),
    "ranking": lambda one: one["ranking"],
    "birth_date": lambda one: one["birth_earliest"],
    "sport": lambda one: None if one["sport"] is None else name_key(one["sport"]),
    "country": lambda one: one["nationality"],
    "club": lambda one: None if one["club"] is None else name_key(one["club"]),
    "created_at": lambda one: one["created_at"],
    "updated_at": lambda one: one["updated_at"],
}


async def every_page(client: Any, asked: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    cursor = ""
    while cursor is not None:
        answer = await client.get(ATHLETES, params=asked | ({"cursor": cursor} if cursor else {}))
        assert answer.status_code == 200, answer.text
        found += answer.json()["data"]
        cursor = answer.json()["next_cursor"]
    return found


async def wipe(platform: Platform) -> None:
    async with platform.sql(PLUGIN, tenant="alpha") as connection:
        await connection.execute("delete from plugin_trophenix_recruitment.athlete")


class TestFound:
    async def test_exactly_those_a_plain_filter_finds(self, platform: Platform) -> None:
        client = platform.http("alpha")
        today = platform.clock.now().date()
        platform.clock.stop(platform.clock.now())

        @settings(
            max_examples=25,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
        )
        @given(
            people=st.lists(athletes, min_size=1, max_size=25),
            asked=st.lists(filters, min_size=1, max_size=6),
            sort=st.sampled_from(SORTS),
        )
        def holds(people: list[dict[str, Any]], asked: list[dict[str, Any]], sort: str) -> None:
            async def run() -> None:
                await wipe(platform)
                report = await client.post(f"{ATHLETES}/bulk-import", json={"athletes": people})
                assert report.status_code == 200, report.text
                everybody = await every_page(client, {"limit": 200})
                for one in asked:
                    found = await every_page(client, {**one, "sort": sort, "limit": 3})
                    ids = [person["id"] for person in found]
                    wanted = {p["id"] for p in everybody if plainly(p, one, today)}
                    assert set(ids) == wanted, one
                    assert len(ids) == len(wanted)
                    keys = [ORDER[sort.removeprefix("-")](person) for person in found]
                    known = [key for key in keys if key is not None]
                    assert keys[: len(known)] == known, "who is not known comes last"
                    assert known == sorted(known, reverse=sort.startswith("-"))
                    counted = await client.get(ATHLETES, params={**one, "count": "true"})
                    assert counted.json()["total"] == len(wanted)

            runner(run)

        loop = asyncio.get_running_loop()

        def runner(run: Callable[[], Any]) -> None:
            asyncio.run_coroutine_threadsafe(run(), loop).result(120)

        await asyncio.to_thread(holds)

    async def test_former_and_home_nations_are_found_under_their_own_code(
        self, platform: Platform
    ) -> None:
        client = platform.http("alpha")
        people = [
            {"last_name": "Moore", "nationality": "ENG"},
            {"last_name": "Murray", "nationality": "GBR"},
            {"last_name": "Yashin", "nationality": "URS"},
            {"last_name": "Bahraini", "nationality": "BRN", "nationality_system": "IOC"},
        ]
        for one in people:
            assert (await client.post(ATHLETES, json=one)).status_code == 201

        async def found(country: str) -> list[str]:
            answer = await client.get(ATHLETES, params={"country": country})
            return [one["last_name"] for one in answer.json()["data"]]

        assert await found("ENG") == ["Moore"]
        assert await found("GB") == ["Moore", "Murray"]
        assert await found("FIFA:URS") == ["Yashin"]
        assert await found("IOC:BRN") == await found("BH") == ["Bahraini"]
        assert await found("BRN") == []  # Brunei, as ISO reads it

    async def test_a_word_of_punctuation_finds_nobody(self, platform: Platform) -> None:
        client = platform.http("alpha")
        await client.post(ATHLETES, json={"last_name": "Somebody"})

        answer = await client.get(ATHLETES, params={"q": "!?"})

        assert answer.json()["data"] == []


class TestPages:
    @pytest.mark.parametrize("sort", SORTS)
    async def test_each_is_visited_once_while_others_come(
        self, platform: Platform, sort: str
    ) -> None:
        await platform.call("alpha", f"{PLUGIN}:demo.load", {"count": 40})
        client = platform.http("alpha")
        before = {one["id"] for one in await every_page(client, {"limit": 200})}

        seen: list[str] = []
        cursor: str | None = ""
        while cursor is not None:
            params = {"sort": sort, "limit": 7} | ({"cursor": cursor} if cursor else {})
            page = (await client.get(ATHLETES, params=params)).json()
            seen += [one["id"] for one in page["data"]]
            cursor = page["next_cursor"]
            more = {"last_name": f"Aa{len(seen)}", "ranking": 1, "sport": "Archery", "club": "A"}
            await client.post(ATHLETES, json=more)
            await client.post(ATHLETES, json={"last_name": f"Zz{len(seen)}"})

        assert len(seen) == len(set(seen))
        assert before <= set(seen)

    async def test_a_cursor_belongs_to_its_order(self, platform: Platform) -> None:
        await platform.call("alpha", f"{PLUGIN}:demo.load", {"count": 5})
        client = platform.http("alpha")
        page = (await client.get(ATHLETES, params={"limit": 2, "sort": "name"})).json()

        for cursor, sort in ((page["next_cursor"], "club"), ("nonsense", "name"), ("e30", "name")):
            answer = await client.get(ATHLETES, params={"cursor": cursor, "sort": sort})
            assert answer.status_code == 422
            assert answer.json()["errors"][0]["code"] == "bad_cursor"


class TestPlans:
    async def test_a_search_reads_through_indexes_under_row_security(
        self, platform: Platform
    ) -> None:
        """Ten thousand athletes must not be read to find three; a planner that has seen them knows how."""
        await platform.call("alpha", f"{PLUGIN}:demo.load", {"count": 3000})
        async with platform.sql("admin") as connection:
            await connection.execute("analyze plugin_trophenix_recruitment.athlete")
        async with platform.sql(PLUGIN, tenant="alpha") as connection:
            for condition, index in (
                ("name_key >= 'mar' and name_key < 'mas'", "athlete_name"),
                ("name_key_2 >= 'mar' and name_key_2 < 'mas'", "athlete_name_2"),
                ("sport_key = 'judo' and ranking <= 5", "athlete_sport"),
                ("birth_earliest = date '1999-01-01'", "athlete_birth"),
            ):
                plan = "\n".join(
                    row[0]
                    for row in await connection.fetch(
                        f"explain select id from plugin_trophenix_recruitment.athlete where {condition}"
                    )
                )
                assert f"on {index} " in plan or f"using {index} on" in plan, plan
                line = next(line for line in plan.splitlines() if "Index Cond" in line)
                assert "tenant_id" in line
                assert condition.split()[0] in line
