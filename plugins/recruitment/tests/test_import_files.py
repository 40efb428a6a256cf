"""Files of athletes: previewed, applied by a worker, accounted for row by row, and taken back."""

from __future__ import annotations

import asyncio
import csv
import io
from collections import Counter
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from trophenix_kernel.web.recognition import Recognition
from trophenix_kernel.worker import Worker
from trophenix_recruitment.store.athletes import SCHEMA
from trophenix_testing.platform import Platform

PLUGIN = "trophenix.recruitment"
ATHLETES = "/api/v1/athletes"
IMPORTS = f"{ATHLETES}/imports"
SMALL = "Nom;Prénom;Né le;N° licence\nJabeur;Ons;28/08/1994;L1\nDurant;Pierre;12/05/1998;L2\n;;;\nX;;31/02/1990;L3\n".encode()


class Desk:
    """A client that waits for the worker."""

    def __init__(self, platform: Platform) -> None:
        self.platform = platform
        self.client = platform.http("alpha", role="manager")

    async def send(self, content: bytes, name: str = "list.csv", **fields: str) -> dict[str, Any]:
        answer = await self.client.post(IMPORTS, files={"file": (name, content)}, data=fields)
        assert answer.status_code == 202, answer.text
        return await self.end(answer.json())

    async def act(self, batch: dict[str, Any], action: str, **body: Any) -> dict[str, Any]:
        answer = await self.client.post(f"{IMPORTS}/{batch['batch_id']}/{action}", json=body)
        assert answer.status_code == 202, answer.text
        return await self.end(answer.json())

    async def end(self, state: dict[str, Any]) -> dict[str, Any]:
        async with asyncio.timeout(100):
            while state["status"] in {"queued", "running", "reverting"}:
                await asyncio.sleep(0.02)  # the API is asked, as every caller has to
                answer = await self.client.get(f"{IMPORTS}/{state['batch_id']}")
                assert answer.status_code == 200, answer.text
                state = answer.json()
        return state

    async def rows(self, batch: dict[str, Any], **asked: Any) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        cursor: str | None = ""
        while cursor is not None:
            params = {"limit": 200, **asked} | ({"cursor": cursor} if cursor else {})
            answer = await self.client.get(f"{IMPORTS}/{batch['batch_id']}/rows", params=params)
            assert answer.status_code == 200, answer.text
            found += answer.json()["data"]
            cursor = answer.json()["next_cursor"]
        return found

    async def total(self) -> int:
        answer = await self.client.get(ATHLETES, params={"count": "true", "limit": 1})
        return answer.json()["total"]

    async def used(self) -> int:
        answer = await self.client.get("/api/v1/tenants/alpha/stats")
        limits = {limit["name"]: limit["used"] for limit in answer.json()["limits"]}
        return limits.get(f"{PLUGIN}:athletes", 0)


@pytest_asyncio.fixture
async def desk(platform: Platform) -> AsyncGenerator[Desk]:
    kernel = platform.kernel
    recognition = Recognition(
        kernel.credentials,
        kernel.directory,
        kernel.decisions,
        kernel.activations,
        kernel.quota,
        kernel.clock,
        base_host=kernel.base_host,
    )
    worker = Worker(kernel, recognition)
    working = asyncio.create_task(worker.run())
    yield Desk(platform)
    worker.stop()
    await working


def counted(state: dict[str, Any]) -> tuple[int, ...]:
    return tuple(state[name] for name in ("total", "imported", "updated", "unchanged", "rejected"))


class TestSmallFile:
    async def test_a_preview_writes_nothing_and_says_what_applying_does(self, desk: Desk) -> None:
        seen = await desk.send(SMALL, mode="preview")
        before = await desk.total(), await desk.used()
        applied = await desk.act(seen, "apply")

        assert (seen["status"], *counted(seen)) == ("previewed", 3, 2, 0, 0, 1)
        assert before == (0, 0)
        assert (applied["status"], *counted(applied)) == ("applied_with_errors", 3, 2, 0, 0, 1)
        assert applied["batch_id"] == seen["batch_id"]
        assert (await desk.total(), await desk.used()) == (2, 2)
        rejected = await desk.rows(applied, status="rejected")
        errors = [row for row in rejected if row["severity"] == "error"]
        assert [(row["line"], row["column"], row["code"]) for row in errors] == [
            (5, "Né le", "birth.impossible")
        ]
        assert rejected[0]["raw"]["N° licence"] == "L3"

    async def test_the_same_file_is_one_import_and_adds_nothing(self, desk: Desk) -> None:
        first = await desk.send(SMALL)
        again = await desk.send(SMALL)
        other = await desk.send(SMALL.replace(b"\n", b"\r\n"))

        assert again["batch_id"] == first["batch_id"]
        assert again["already_applied"]
        assert counted(again) == (3, 0, 0, 2, 1)
        assert other["batch_id"] != first["batch_id"]
        assert counted(other) == (3, 0, 0, 2, 1)
        assert await desk.total() == 2

    async def test_of_two_equal_files_at_once_one_is_an_import(self, desk: Desk) -> None:
        answers = await asyncio.gather(
            *(desk.client.post(IMPORTS, files={"file": ("a.csv", SMALL)}) for _ in range(3))
        )
        for answer in answers:
            if answer.status_code == 202:
                await desk.end(answer.json())

        assert {answer.status_code for answer in answers} <= {202, 409}
        assert len({a.json()["batch_id"] for a in answers if a.status_code == 202}) == 1
        assert await desk.total() == 2

    async def test_taken_back_nothing_is_left_and_it_may_come_again(self, desk: Desk) -> None:
        first = await desk.send(SMALL)
        back = await desk.act(first, "revert")
        left = await desk.total(), await desk.used()
        async with desk.platform.sql("admin") as connection:
            kept = [
                await connection.fetchval(f"select count(*) from {SCHEMA}.{table}")
                for table in ("athlete", "external_id", "duplicate_link", "import_file")
            ]
            raw = await connection.fetchval(f"select count(raw) from {SCHEMA}.import_row")
        again = await desk.send(SMALL)

        assert (back["status"], back["kept"], left) == ("reverted", 0, (0, 0))
        assert (kept, raw) == ([0, 0, 0, 0], 0)
        assert again["batch_id"] != first["batch_id"]
        assert (await desk.total(), await desk.used()) == (2, 2)

    async def test_taking_back_restores_what_was_updated_and_keeps_what_was_changed_since(
        self, desk: Desk
    ) -> None:
        await desk.send(SMALL, "one.csv")
        more = (
            b"Nom;Prenom;Naissance;Club;licence;fide_id\nJabeur;Ons;1994-08-28;TC Tunis;L1;F1\n"
            b"Durant;Pierre;1998-05-12;TC Nord;L2;\nNew;Ann;2000-01-01;;L9;\nNew;Bob;2000-01-02;;L10;\n"
        )
        second = await desk.send(more, "two.csv")
        people = {one["name"]: one for one in (await desk.client.get(ATHLETES)).json()["data"]}
        for name in ("Pierre Durant", "Bob New"):
            answer = await desk.client.patch(
                f"{ATHLETES}/{people[name]['id']}", json={"ranking": 1}
            )
            assert answer.status_code == 200

        back = await desk.act(second, "revert")

        assert counted(second) == (4, 2, 2, 0, 0)
        assert people["Ons Jabeur"]["club"] == "TC Tunis"
        assert (back["status"], back["kept"]) == ("reverted", 2)
        after = {one["name"]: one for one in (await desk.client.get(ATHLETES)).json()["data"]}
        assert set(after) == {"Ons Jabeur", "Pierre Durant", "Bob New"}
        ons = after["Ons Jabeur"]
        assert (ons["club"], ons["external_ids"]) == (None, [{"scheme": "licence", "value": "L1"}])
        assert after["Pierre Durant"]["club"] == "TC Nord"
        kept = await desk.rows(back, status="kept")
        assert [(row["line"], row["code"]) for row in kept] == [
            (3, "athlete.changed_since"),
            (5, "athlete.changed_since"),
        ]
        assert await desk.used() == 3

    async def test_a_chosen_mapping_is_followed(self, desk: Desk) -> None:
        content = b"a,b,c,d\nJabeur,Ons,28/08/1994,74\nOther,Ann,01/02/1999,70\n"

        short = await desk.send(
            content,
            mapping='{"a": "last_name", "b": "first_name", "c": "birth_date", "d": "height:in"}',
        )
        refused = await desk.client.post(
            IMPORTS, files={"file": ("b.csv", content)}, data={"mapping": "{"}
        )
        wrong = await desk.send(content, mapping='{"a": "colour", "z": "sport"}')

        assert counted(short) == (2, 2, 0, 0, 0)
        found = (await desk.client.get(ATHLETES, params={"q": "ons"})).json()["data"][0]
        assert (found["name"], found["birth_date"]) == ("Ons Jabeur", "1994-08-28")
        assert found["height_cm"] == pytest.approx(188.0)
        assert refused.status_code == 422
        assert wrong["status"] == "failed"
        assert "colour" in wrong["detail"]
        assert await desk.total() == 2

    @pytest.mark.parametrize(
        ("name", "content"),
        [
            ("picture.csv", b"\x89PNG\r\n\x1a\n0000"),
            ("broken.xlsx", b"PK\x03\x04 nothing"),
            ("broken.json", b'[{"last_name": "A"}, {'),
        ],
    )
    async def test_a_file_that_is_no_list_fails_and_leaves_nothing(
        self, desk: Desk, name: str, content: bytes
    ) -> None:
        failed = await desk.send(content, name)

        assert failed["status"] == "failed"
        assert failed["detail"]
        assert await desk.total() == 0
        assert (await desk.client.post(f"{IMPORTS}/{failed['batch_id']}/revert")).status_code == 409

    async def test_an_empty_file_is_refused_at_once(self, desk: Desk) -> None:
        answer = await desk.client.post(IMPORTS, files={"file": ("a.csv", b"")})

        assert (answer.status_code, answer.json()["code"]) == (422, "file.empty"), answer.text

    async def test_every_step_has_its_moment(self, desk: Desk) -> None:
        applied = await desk.send(SMALL)
        path = f"{IMPORTS}/{applied['batch_id']}"

        twice = await desk.client.post(f"{path}/apply", json={})
        await desk.act(applied, "revert")
        again = await desk.client.post(f"{path}/revert", json={})
        gone = await desk.client.post(f"{path}/apply", json={})
        unknown = await desk.client.get(f"{IMPORTS}/01900000-0000-7000-8000-000000000000")

        assert [one.status_code for one in (twice, again, gone, unknown)] == [409, 409, 409, 404]
        assert twice.json()["code"] == "import_not_applicable"
        assert again.json()["code"] == "import_not_revertible"


@pytest.mark.real_data
class TestRealLists:
    async def test_the_messy_french_export(self, desk: Desk, athletes_folder: Path) -> None:
        content = (athletes_folder / "import_fr_messy.csv").read_bytes()
        text = (athletes_folder / "import_fr_messy_labels.csv").read_text(encoding="utf-8")
        labels = {int(row["line"]): row["label"] for row in csv.DictReader(io.StringIO(text))}
        refused = {
            line
            for line, label in labels.items()
            if not label.startswith(("near_duplicate", "base:", "formula", "exact_duplicate"))
        }
        repeated = {line for line, label in labels.items() if label == "exact_duplicate_row"}

        applied = await desk.send(content, "import_fr_messy.csv")
        rejected = await desk.rows(applied, status="rejected")
        twice = await desk.rows(applied, status="repeated")
        pairs = await self.pairs(desk, decision="any")
        again = await desk.send(content, "import_fr_messy.csv")

        assert counted(applied) == (10_567, 10_466, 0, 50, 51)
        assert {row["line"] for row in rejected} == refused
        assert {row["line"] for row in twice} == repeated
        assert await desk.total() == 10_466
        kinds = Counter(pair["kind"] for pair in pairs)
        assert kinds["certain"] == 0
        assert 57 <= kinds["probable"] <= 60
        assert all(pair["decision"] is None for pair in pairs)
        assert len(pairs) == applied["duplicates_proposed"]
        assert (again["imported"], await desk.total()) == (0, 10_466)

        everywhere = await desk.rows(applied)
        assert len({row["line"] for row in everywhere}) == 10_567
        back = await desk.act(applied, "revert")
        assert (back["status"], await desk.total(), await desk.used()) == ("reverted", 0, 0)

    async def test_the_published_list_again_in_another_form(
        self, desk: Desk, athletes_folder: Path
    ) -> None:
        content = (athletes_folder / "worldcup_players.csv").read_bytes()
        lines = content.splitlines(keepends=True)

        first = await desk.send(content, "worldcup_players.csv")
        turned = await desk.send(b"".join([lines[0], *reversed(lines[1:])]), "turned.csv")
        found = await desk.client.get(ATHLETES, params={"q": "pele", "count": "true"})
        accents = await desk.client.get(ATHLETES, params={"q": "muller gerd"})

        assert counted(first) == (10_401, 10_401, 0, 0, 0)
        assert counted(turned) == (10_401, 0, 0, 10_401, 0)
        assert {pair["kind"] for pair in await self.pairs(desk)} <= {
            "possible",
            "possible_relatives",
        }
        assert "Pelé" in {one["last_name"] for one in found.json()["data"]}
        assert [one["name"] for one in accents.json()["data"]] == ["Gerd Müller"]

    @staticmethod
    async def pairs(desk: Desk, **asked: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        cursor: str | None = ""
        while cursor is not None:
            params = {"limit": "200", **asked} | ({"cursor": cursor} if cursor else {})
            answer = (await desk.client.get(f"{ATHLETES}/duplicates", params=params)).json()
            found += answer["data"]
            cursor = answer["next_cursor"]
        return found
