"""A list of athletes in one call: every one accounted for, known ones known again, nothing half done."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from trophenix_testing.platform import Platform

PLUGIN = "trophenix.recruitment"
ATHLETES = "/api/v1/athletes"
BULK = f"{ATHLETES}/bulk-import"
PIERRE = {
    "first_name": "Pierre",
    "last_name": "Durant",
    "sport": "tennis",
    "ranking": 45,
    "birth_date": "1998-05-12",
    "license_number": "FRA-TEN-2024-001",
}
COUNTERS = ("imported", "updated", "unchanged", "rejected")


async def bulk(client: Any, *athletes: Any) -> dict[str, Any]:
    answer = await client.post(
        BULK, json={"source": "csv", "batch_size": 1000, "athletes": list(athletes)}
    )
    assert answer.status_code == 200, answer.text
    report = answer.json()
    assert sum(report[name] for name in COUNTERS) == report["total"] == len(athletes)
    return report


def counted(report: dict[str, Any]) -> tuple[int, ...]:
    return tuple(report[name] for name in COUNTERS)


async def total(client: Any) -> int:
    answer = await client.get(ATHLETES, params={"count": "true", "limit": 1})
    return answer.json()["total"]


class TestTheDocumentsCall:
    async def test_it_answers_as_the_document_says(self, platform: Platform) -> None:
        client = platform.http("alpha", headers={"X-Tenant-ID": "alpha"})

        answer = await client.post(
            "/api/v1/tenants/alpha/athletes/bulk-import",
            json={"source": "csv", "batch_size": 1000, "athletes": [PIERRE]},
        )

        report = answer.json()
        assert answer.status_code == 200
        assert (report["status"], report["imported"], report["errors"]) == ("success", 1, 0)
        assert report["duration_ms"] >= 0
        assert (await client.get(f"{ATHLETES}/imports/{report['batch_id']}")).json()[
            "status"
        ] == "applied"
        found = (await client.get(ATHLETES, params={"sport": "tennis"})).json()["data"][0]
        assert found["external_ids"] == [{"scheme": "licence", "value": "FRA-TEN-2024-001"}]

    async def test_faulty_ones_do_not_stop_the_others(self, platform: Platform) -> None:
        client = platform.http("alpha")

        report = await bulk(
            client, PIERRE, {"sport": "judo"}, 7, {"last_name": "X", "birth_date": "1998-13-40"}
        )

        assert (report["status"], *counted(report)) == ("partial", 1, 0, 0, 3)
        assert [(one["line"], one["code"]) for one in report["problems"]] == [
            (2, "name.missing"),
            (3, "row.not_object"),
            (4, "birth.impossible"),
        ]
        rows = await client.get(
            f"{ATHLETES}/imports/{report['batch_id']}/rows", params={"status": "rejected"}
        )
        errors = [row for row in rows.json()["data"] if row["severity"] == "error"]
        assert [row["line"] for row in errors] == [2, 3, 4]
        assert errors[2]["raw"]["birth_date"] == "1998-13-40"

    async def test_one_event_and_one_audit_entry_say_it_all(self, platform: Platform) -> None:
        client = platform.http("alpha")

        report = await bulk(client, PIERRE, {"last_name": "Other"})

        async with platform.sql("admin") as connection:
            events = await connection.fetch(
                "select name, aggregate, payload::text from kernel.outbox where plugin_id = $1",
                PLUGIN,
            )
            audit = await connection.fetchval(
                "select summary from kernel.audit_entries where operation = $1",
                f"{PLUGIN}:athlete.bulk_import",
            )
        assert [(event["name"], event["aggregate"]) for event in events] == [
            ("athlete.imported", report["batch_id"])
        ]
        assert "Durant" not in events[0]["payload"]
        assert audit == "2 athletes imported, 0 updated, 0 unchanged, 0 rejected"

    async def test_nothing_is_no_fault_and_no_name_at_all_is(self, platform: Platform) -> None:
        client = platform.http("alpha")

        empty = await bulk(client)
        nameless = await bulk(client, {"last_name": "", "sport": "judo"}, {"last_name": None})
        hopeless: list[list[Any]] = [[{"sport": "judo"}], [1, {}]]
        for unusable in hopeless:
            refused = await client.post(BULK, json={"athletes": unusable})
            assert refused.status_code == 422
            assert refused.json()["errors"][0]["pointer"] == "/athletes"

        assert (empty["status"], empty["total"]) == ("success", 0)
        assert (nameless["status"], nameless["rejected"]) == ("rejected", 2)
        assert await total(client) == 0


class TestKnownAgain:
    async def test_by_an_identifier(self, platform: Platform) -> None:
        client = platform.http("alpha")
        await bulk(client, PIERRE)

        same = await bulk(client, PIERRE)
        changed = await bulk(client, PIERRE | {"ranking": 40, "club": "TC Nord"})
        less = await bulk(
            client,
            {
                "license_number": PIERRE["license_number"],
                "last_name": "Durant",
                "birth_date": "1998",
            },
        )

        assert counted(same) == (0, 0, 1, 0)
        assert counted(changed) == (0, 1, 0, 0)
        assert counted(less) == (0, 0, 1, 0)
        found = (await client.get(ATHLETES)).json()["data"]
        assert [(one["ranking"], one["club"], one["version"]) for one in found] == [
            (40, "TC Nord", 2)
        ]
        assert found[0]["birth_date"] == "1998-05-12"

    async def test_by_the_whole_identity_and_by_nothing_less(self, platform: Platform) -> None:
        client = platform.http("alpha")
        ann = {
            "first_name": "Ann",
            "last_name": "Bell",
            "birth_date": "1999-01-02",
            "sport": "Judo",
            "nationality": "FRA",
            "club": "AJ",
        }
        await bulk(client, ann)

        same = await bulk(client, ann)
        shorter = await bulk(client, {name: value for name, value in ann.items() if name != "club"})
        louder = await bulk(client, ann | {"last_name": "BELL", "nationality": "France"})
        other_club = await bulk(client, ann | {"club": "ZZ"})
        other_sport = await bulk(client, ann | {"sport": "Golf"})

        assert [counted(one)[0] for one in (same, shorter, louder)] == [0, 0, 0]
        assert counted(other_club) == counted(other_sport) == (1, 0, 0, 0)
        assert other_club["duplicates_proposed"] == 1
        assert await total(client) == 3

    async def test_namesakes_without_a_day_of_birth_are_known_only_by_all_they_have(
        self, platform: Platform
    ) -> None:
        client = platform.http("alpha")
        one = {"last_name": "Martin", "first_name": "Paul", "club": "A"}
        await bulk(client, one)

        same = await bulk(client, one)
        less = await bulk(client, {"last_name": "Martin", "first_name": "Paul"})

        assert counted(same) == (0, 0, 1, 0)
        assert counted(less) == (1, 0, 0, 0)

    async def test_a_slip_in_an_identifier_overwrites_nobody(self, platform: Platform) -> None:
        client = platform.http("alpha")
        await bulk(client, PIERRE)
        other = {
            "license_number": PIERRE["license_number"],
            "last_name": "Nguyen",
            "first_name": "Linh",
            "birth_date": "2001-09-30",
        }

        report = await bulk(client, other)

        assert counted(report) == (0, 0, 0, 1)
        assert report["problems"][0]["code"] == "external_id.other_person"
        assert (await client.get(ATHLETES)).json()["data"][0]["name"] == "Pierre Durant"

    async def test_an_identifier_that_stands_in_a_list_twice(self, platform: Platform) -> None:
        client = platform.http("alpha")

        report = await bulk(
            client,
            PIERRE,
            PIERRE | {"last_name": "DURANT"},
            PIERRE | {"ranking": 7},
            {"last_name": "A", "wta_id": "1", "license_number": "B"},
            {"last_name": "A", "wta_id": "1", "license_number": PIERRE["license_number"]},
        )

        assert counted(report) == (2, 0, 1, 2)
        assert report["repeated"] == 1
        assert [one["code"] for one in report["problems"]] == [
            "external_id.twice",
            "external_id.two_athletes",
        ]

    async def test_the_same_list_again_adds_nothing(self, platform: Platform) -> None:
        await platform.call("alpha", f"{PLUGIN}:demo.load", {"count": 400})

        again = await platform.call("alpha", f"{PLUGIN}:demo.load", {"count": 400})
        more = await platform.call("alpha", f"{PLUGIN}:demo.load", {"count": 450})

        assert (again.imported, again.updated, again.unchanged) == (0, 0, 400)
        assert (more.imported, more.unchanged, more.duplicates_proposed) == (
            50,
            400,
            more.duplicates_proposed,
        )


class TestLimits:
    async def test_two_imports_at_once_never_pass_the_plan(self, platform_factory: Any) -> None:
        platform: Platform = await platform_factory(limits={f"{PLUGIN}:athletes": {"custom": 15}})
        client = platform.http("alpha")

        answers = await asyncio.gather(
            *(
                client.post(
                    BULK, json={"athletes": [{"last_name": f"N{batch}x{n}"} for n in range(10)]}
                )
                for batch in range(4)
            )
        )

        assert sorted(answer.status_code for answer in answers) == [200, 402, 402, 402]
        assert await total(client) == 10

    async def test_of_two_equal_lists_at_once_one_adds_and_the_other_finds(
        self, platform: Platform
    ) -> None:
        client = platform.http("alpha")
        people = [
            {
                "last_name": f"N{n}",
                "birth_date": f"1990-01-{n + 1:02}",
                "licence": f"L{n}" if n % 2 else "",
            }
            for n in range(20)
        ]

        reports = await asyncio.gather(*(bulk(client, *people) for _ in range(4)))

        assert sorted(counted(one) for one in reports) == [(0, 0, 20, 0)] * 3 + [(20, 0, 0, 0)]
        assert await total(client) == 20

    async def test_a_list_that_does_not_fit_leaves_nothing(self, platform_factory: Any) -> None:
        platform: Platform = await platform_factory(limits={f"{PLUGIN}:athletes": {"custom": 3}})
        client = platform.http("alpha")

        refused = await client.post(
            BULK, json={"athletes": [{"last_name": f"N{n}"} for n in range(4)]}
        )

        assert (refused.status_code, refused.json()["code"]) == (402, "limit_reached")
        assert await total(client) == 0
        assert (await client.get(f"{ATHLETES}/imports")).json()["data"] == []
        assert counted(await bulk(client, *({"last_name": f"N{n}"} for n in range(3)))) == (
            3,
            0,
            0,
            0,
        )


class TestAnyInput:
    async def test_bad_input_is_refused_row_by_row_and_leaves_nothing_half_done(
        self, platform: Platform
    ) -> None:
        client = platform.http("alpha")
        values = st.recursive(
            st.one_of(
                st.none(),
                st.booleans(),
                st.integers(-(10**30), 10**30),
                st.floats(allow_nan=False, allow_infinity=False),
                st.text(max_size=40),
                st.sampled_from(
                    [
                        "\x00",
                        "=1+1",
                        "1998-05-12",
                        "FRA",
                        "\u202eabc",
                        "x" * 5000,
                        "185",
                        "\U0010ffff",
                    ]
                ),
            ),
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.dictionaries(st.text(max_size=8), inner, max_size=3)
            ),
            max_leaves=6,
        )
        members = st.sampled_from(
            "last_name first_name name sex birth_date nationality sport ranking height_cm weight_kg club position visibility"
            " licence external_ids attributes extra été \x00".split(" ")
        )
        rows = st.lists(
            st.dictionaries(members, values, max_size=6) | values, min_size=1, max_size=6
        )

        @settings(
            max_examples=60,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
        )
        @given(people=rows)
        def holds(people: list[Any]) -> None:
            async def run() -> None:
                before = await total(client)
                answer = await client.post(BULK, json={"athletes": people})
                assert answer.status_code in {200, 422}, answer.text
                added = answer.json()["imported"] if answer.status_code == 200 else 0
                assert await total(client) == before + added
                page = await client.get(ATHLETES, params={"limit": 200, "sort": "-created_at"})
                assert page.status_code == 200
                if answer.status_code == 200:
                    path = f"{ATHLETES}/imports/{answer.json()['batch_id']}/rows"
                    listed = (await client.get(path, params={"limit": 200})).json()["data"]
                    assert len({row["line"] for row in listed}) == len(people)

            asyncio.run_coroutine_threadsafe(run(), loop).result(60)

        loop = asyncio.get_running_loop()
        await asyncio.to_thread(holds)

    @pytest.mark.parametrize(
        "body",
        [
            b"{",
            b"[]",
            b'{"athletes": 3}',
            b'{"athletes": [], "batch_size": 0}',
            b'{"athletes": [], "x": 1}',
            b"\xff",
        ],
    )
    async def test_a_body_that_is_no_list_is_refused(self, platform: Platform, body: bytes) -> None:
        client = platform.http("alpha")

        answer = await client.post(BULK, content=body, headers={"content-type": "application/json"})

        assert answer.status_code == 422
        assert answer.json()["errors"]

    async def test_more_than_fifty_thousand_are_too_many(self, platform: Platform) -> None:
        client = platform.http("alpha")

        answer = await client.post(BULK, json={"athletes": [1] * 50_001})

        assert (answer.status_code, answer.json()["errors"][0]["code"]) == (422, "too_long")
