"""Adding, reading, changing and deleting athletes through the API."""

from __future__ import annotations

import asyncio
from typing import Any

from trophenix_testing.platform import Platform

PLUGIN = "trophenix.recruitment"
ATHLETES = "/api/v1/athletes"
ONS = {
    "first_name": "Ons",
    "last_name": "Jabeur",
    "birth_date": "1994-08-28",
    "nationality": "TUN",
    "sport": "Tennis",
    "ranking": 5,
    "external_ids": [{"scheme": "WTA", "value": "317"}],
}


def codes(problem: dict[str, Any]) -> set[tuple[str, str]]:
    return {(one["pointer"], one["code"]) for one in problem["errors"]}


class TestAdding:
    async def test_what_was_said_is_stored_and_shown(self, platform: Platform) -> None:
        client = platform.http("alpha", role="member")

        made = await client.post(ATHLETES, json=ONS)
        read = await client.get(f"{ATHLETES}/{made.json()['id']}")

        assert made.status_code == 201
        assert read.json() == made.json()
        assert read.headers["etag"] == '"1"'
        for field, value in {
            **ONS,
            "name": "Ons Jabeur",
            "country": "TN",
            "nationality_system": "ISO",
            "visibility": "recruiter_only",
            "external_ids": [{"scheme": "wta", "value": "317"}],
            "version": 1,
        }.items():
            assert read.json()[field] == value

    async def test_every_fault_is_told_at_its_field(self, platform: Platform) -> None:
        client = platform.http("alpha")

        for body, expected in (
            ({}, {("/last_name", "name.missing")}),
            ({"last_name": None}, {("/last_name", "name.missing")}),
            (
                {"last_name": "X", "birth_date": "31/02/1990", "nationality": "ZZZ"},
                {("/birth_date", "birth.impossible"), ("/nationality", "country.unknown")},
            ),
            ({"last_name": "X", "nationality": "BRN"}, {("/nationality", "country.ambiguous")}),
            ({"last_name": "X", "height_cm": 20}, {("/height_cm", "too_small")}),
            ({"last_name": "X", "colour": "red"}, {("/colour", "unknown_field")}),
            (
                {"last_name": "X", "birth_date": "2015", "visibility": "public_free"},
                {("/visibility", "visibility.minor")},
            ),
            ({"last_name": "X", "name": "Y X"}, {("/name", "name.twice")}),
        ):
            refused = await client.post(ATHLETES, json=body)
            assert refused.status_code == 422, body
            assert codes(refused.json()) == expected
        assert (await client.get(ATHLETES)).json()["data"] == []

    async def test_the_system_of_a_contested_code_decides(self, platform: Platform) -> None:
        client = platform.http("alpha")

        body = {"last_name": "X", "nationality": "BRN", "nationality_system": "IOC"}
        made = (await client.post(ATHLETES, json=body)).json()

        assert (made["nationality"], made["country"]) == ("BRN", "BH")

    async def test_a_partial_birth_is_a_range(self, platform: Platform) -> None:
        client = platform.http("alpha")

        made = (
            await client.post(ATHLETES, json={"name": "Ann Other", "birth_date": "1998-05"})
        ).json()

        assert made["birth_date"] == "1998-05"
        assert (made["birth_earliest"], made["birth_latest"]) == ("1998-05-01", "1998-05-31")
        assert (made["first_name"], made["last_name"]) == ("Ann", "Other")

    async def test_an_identifier_belongs_to_one_athlete(self, platform: Platform) -> None:
        client = platform.http("alpha")
        await client.post(ATHLETES, json=ONS)

        taken = await client.post(
            ATHLETES,
            json={"last_name": "Other", "external_ids": [{"scheme": "wta", "value": "317"}]},
        )

        assert (taken.status_code, taken.json()["code"]) == (409, "external_id_taken")
        assert (await platform.http("beta").post(ATHLETES, json=ONS)).status_code == 201

    async def test_who_may_be_in_twice_is_proposed_and_nothing_is_merged(
        self, platform: Platform
    ) -> None:
        client = platform.http("alpha")
        first = (await client.post(ATHLETES, json=ONS)).json()
        again = {**ONS, "external_ids": []}

        second = (await client.post(ATHLETES, json=again)).json()
        pairs = (await client.get(f"{ATHLETES}/duplicates")).json()["data"]

        assert [(pair["kind"], pair["decision"]) for pair in pairs] == [("probable", None)]
        assert {pairs[0]["left"]["id"], pairs[0]["right"]["id"]} == {first["id"], second["id"]}
        assert len((await client.get(ATHLETES)).json()["data"]) == 2


class TestChanging:
    async def test_what_is_left_out_stays_and_null_empties(self, platform: Platform) -> None:
        client = platform.http("alpha")
        made = (await client.post(ATHLETES, json=ONS)).json()
        path = f"{ATHLETES}/{made['id']}"

        changed = (await client.patch(path, json={"ranking": 4, "club": "TC Tunis"})).json()
        emptied = (await client.patch(path, json={"ranking": None, "external_ids": []})).json()

        kept = ("first_name", "last_name", "birth_date", "nationality", "sport")
        assert {name: changed[name] for name in kept} == {name: made[name] for name in kept}
        assert (changed["ranking"], changed["club"], changed["version"]) == (4, "TC Tunis", 2)
        assert (emptied["ranking"], emptied["external_ids"]) == (None, [])
        free = await client.post(ATHLETES, json={**ONS, "first_name": "Other"})
        assert free.status_code == 201

    async def test_saying_what_is_known_changes_nothing(self, platform: Platform) -> None:
        client = platform.http("alpha")
        made = (await client.post(ATHLETES, json=ONS)).json()

        same = await client.patch(f"{ATHLETES}/{made['id']}", json=ONS)

        assert same.json() == made

    async def test_a_change_decided_on_an_old_version_is_refused(self, platform: Platform) -> None:
        client = platform.http("alpha")
        made = (await client.post(ATHLETES, json=ONS)).json()
        path = f"{ATHLETES}/{made['id']}"
        await client.patch(path, json={"ranking": 4}, headers={"If-Match": '"1"'})

        by_header = await client.patch(path, json={"ranking": 3}, headers={"If-Match": '"1"'})
        by_body = await client.patch(path, json={"ranking": 3, "version": 1})
        gone = await client.delete(path, headers={"If-Match": '"1"'})

        assert [one.status_code for one in (by_header, by_body, gone)] == [412, 412, 412]
        assert (await client.get(path)).json()["ranking"] == 4

    async def test_a_name_is_never_lost(self, platform: Platform) -> None:
        client = platform.http("alpha")
        made = (await client.post(ATHLETES, json=ONS)).json()
        path = f"{ATHLETES}/{made['id']}"

        without_given = await client.patch(path, json={"first_name": None})
        without_any = await client.patch(path, json={"last_name": None})

        assert without_given.json()["name"] == "Jabeur"
        assert without_any.status_code == 422

    async def test_of_many_changes_at_once_none_is_lost(self, platform: Platform) -> None:
        client = platform.http("alpha")
        made = (await client.post(ATHLETES, json=ONS)).json()
        path = f"{ATHLETES}/{made['id']}"

        answers = await asyncio.gather(
            *(
                client.patch(path, json={"attributes": {"n": n}}, headers={"If-Match": '"1"'})
                for n in range(6)
            )
        )

        assert sorted(answer.status_code for answer in answers) == [200] + [412] * 5
        assert (await client.get(path)).json()["version"] == 2


class TestDeleting:
    async def test_the_athlete_and_the_traces_are_gone(self, platform: Platform) -> None:
        client = platform.http("alpha")
        rows = [ONS | {"birth_date": "1994-08-28", "license_number": "L1"}, {"nom": ""}]
        report = (await client.post(f"{ATHLETES}/bulk-import", json={"athletes": rows})).json()
        second = (await client.post(ATHLETES, json={**ONS, "external_ids": []})).json()
        found = (await client.get(ATHLETES, params={"q": "jabeur"})).json()["data"]
        first = next(one for one in found if one["id"] != second["id"])

        gone = await client.delete(f"{ATHLETES}/{first['id']}")

        assert (report["imported"], gone.status_code) == (1, 204)
        assert (await client.get(f"{ATHLETES}/{first['id']}")).status_code == 404
        assert (await client.get(f"{ATHLETES}/duplicates")).json()["data"] == []
        async with platform.sql(PLUGIN, tenant="alpha") as connection:
            left = await connection.fetchval(
                "select count(*) from plugin_trophenix_recruitment.external_id"
            )
        assert left == 0

    async def test_the_place_counts_as_free_again(self, platform_factory: Any) -> None:
        platform: Platform = await platform_factory(limits={f"{PLUGIN}:athletes": {"custom": 2}})
        client = platform.http("alpha")
        first = (await client.post(ATHLETES, json={"last_name": "One"})).json()
        await client.post(ATHLETES, json={"last_name": "Two"})

        full = await client.post(ATHLETES, json={"last_name": "Three"})
        await client.delete(f"{ATHLETES}/{first['id']}")
        missing = await client.delete(f"{ATHLETES}/{first['id']}")
        fits = await client.post(ATHLETES, json={"last_name": "Three"})
        full_again = await client.post(ATHLETES, json={"last_name": "Four"})

        assert (full.status_code, full.json()["code"]) == (402, "limit_reached")
        assert missing.status_code == 404
        assert (fits.status_code, full_again.status_code) == (201, 402)


class TestWhoMay:
    async def test_roles_may_what_they_were_given(self, platform: Platform) -> None:
        made = (await platform.http("alpha").post(ATHLETES, json=ONS)).json()
        path = f"{ATHLETES}/{made['id']}"

        async def statuses(role: str) -> list[int]:
            client = platform.http("alpha", role=role)
            answers = [
                await client.get(path),
                await client.patch(path, json={"ranking": 9}),
                await client.post(f"{ATHLETES}/bulk-import", json={"athletes": []}),
                await client.get(f"{ATHLETES}/export"),
                await client.delete(f"{ATHLETES}/01900000-0000-7000-8000-000000000000"),
            ]
            return [answer.status_code for answer in answers]

        assert await statuses("viewer") == [200, 403, 403, 403, 403]
        assert await statuses("member") == [200, 200, 403, 403, 403]
        assert await statuses("manager") == [200, 200, 200, 200, 404]

    async def test_another_tenant_sees_and_changes_nothing(self, platform: Platform) -> None:
        made = (await platform.http("alpha").post(ATHLETES, json=ONS)).json()
        path = f"{ATHLETES}/{made['id']}"
        beta = platform.http("beta")

        seen = [
            await beta.get(path),
            await beta.patch(path, json={"ranking": 1}),
            await beta.delete(path),
        ]

        assert [one.status_code for one in seen] == [404, 404, 404]
        assert (await beta.get(ATHLETES)).json()["data"] == []
        assert (await beta.get(f"{ATHLETES}/stats")).json()["total"] == 0
        assert (await platform.http("alpha").get(path)).json() == made


class TestWhatOthersHear:
    async def test_changes_are_announced_and_audited(self, platform: Platform) -> None:
        client = platform.http("alpha")
        made = (await client.post(ATHLETES, json=ONS)).json()
        await client.patch(f"{ATHLETES}/{made['id']}", json={"ranking": 4})
        await client.delete(f"{ATHLETES}/{made['id']}")

        async with platform.sql("admin") as connection:
            events = await connection.fetch(
                "select name, aggregate, payload from kernel.outbox where plugin_id = $1 order by id",
                PLUGIN,
            )
            audit = await connection.fetch(
                "select summary from kernel.audit_entries where operation like $1 order by id",
                f"{PLUGIN}:%",
            )

        assert [event["name"] for event in events] == [
            "athlete.created",
            "athlete.updated",
            "athlete.deleted",
        ]
        assert {event["aggregate"] for event in events} == {made["id"]}
        assert "Jabeur" not in str(events[2]["payload"])
        assert [entry["summary"] for entry in audit] == [
            "Athlete Ons Jabeur added",
            "Athlete Ons Jabeur changed",
            "Athlete deleted",
        ]


class TestCost:
    async def test_one_athlete_and_a_list_are_one_round_trip_each(self, platform: Platform) -> None:
        await platform.call("alpha", f"{PLUGIN}:demo.load", {"count": 60})
        client = platform.http("alpha")
        listed = await client.get(
            ATHLETES, params={"limit": 50}
        )  # the caller's rights are known now
        pool = platform.kernel.clusters.main

        before = pool.trips
        page = await client.get(ATHLETES, params={"limit": 50, "q": "a", "sort": "ranking"})
        after_list = pool.trips
        await client.get(f"{ATHLETES}/{listed.json()['data'][0]['id']}")
        after_read = pool.trips

        assert page.json()["data"]
        assert (after_list - before, after_read - after_list) == (1, 1)
