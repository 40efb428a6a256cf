"""Exports, figures, decisions about duplicates, and the pages of the admin."""

from __future__ import annotations

import csv
import io
from datetime import date
from typing import Any

import msgspec
import openpyxl
import pytest

from trophenix_recruitment.imports import AthleteImport
from trophenix_recruitment.panels import ATHLETES as ATHLETES_PANEL
from trophenix_recruitment.panels import PANELS, WIDGETS
from trophenix_testing.platform import Platform

PLUGIN = "trophenix.recruitment"
ATHLETES = "/api/v1/athletes"
FORMULA = '=HYPERLINK("http://x","y")'


async def load(platform: Platform, count: int) -> None:
    await platform.call("alpha", f"{PLUGIN}:demo.load", {"count": count})


class TestExport:
    async def test_a_file_is_read_back_as_the_same_athletes(self, platform: Platform) -> None:
        await load(platform, 150)
        client = platform.http("alpha")
        known = (await client.get(ATHLETES, params={"limit": 200})).json()["data"]

        for form in ("csv", "xlsx"):
            answer = await client.get(
                f"{ATHLETES}/export", params={"format": form, "language": "fr"}
            )
            assert answer.status_code == 200
            assert f'.{form}"' in answer.headers["content-disposition"]
            source = AthleteImport(answer.content, date(2026, 11, 20))
            drafts = [outcome.draft for outcome in source.outcomes() if outcome.draft]
            assert [(d.family_name, d.given_name, d.ranking, d.club) for d in drafts] == [
                (one["last_name"], one["first_name"], one["ranking"], one["club"]) for one in known
            ]
            assert [d.birth_earliest and d.birth_earliest.isoformat() for d in drafts] == [
                one["birth_earliest"] for one in known
            ]

    async def test_json_is_what_the_api_answers(self, platform: Platform) -> None:
        await load(platform, 30)
        client = platform.http("alpha")

        answer = await client.get(
            f"{ATHLETES}/export", params={"format": "json", "sport": "football"}
        )

        listed = await client.get(ATHLETES, params={"limit": 200, "sport": "football"})
        assert msgspec.json.decode(answer.content) == listed.json()["data"]

    async def test_no_spreadsheet_runs_what_an_athlete_is_called(self, platform: Platform) -> None:
        client = platform.http("alpha")
        body = {"last_name": FORMULA, "club": "+1-2", "attributes": {"@note": "=1+1"}}
        assert (await client.post(ATHLETES, json=body)).status_code == 201

        text = await client.get(f"{ATHLETES}/export", params={"language": "en"})
        rows = list(csv.DictReader(io.StringIO(text.content.decode("utf-8-sig")), delimiter=";"))
        book = await client.get(f"{ATHLETES}/export", params={"format": "xlsx"})
        sheet: Any = openpyxl.load_workbook(io.BytesIO(book.content)).active

        assert rows[0]["Family name"] == f"'{FORMULA}"
        assert not any(cell[:1] in "=+-@" for cell in rows[0].values() if cell)
        assert {cell.data_type for row in sheet.iter_rows() for cell in row if cell.value} == {"s"}
        assert (await client.get(ATHLETES)).json()["data"][0]["last_name"] == FORMULA

    async def test_an_empty_tenant_exports_a_heading(self, platform: Platform) -> None:
        answer = await platform.http("beta").get(f"{ATHLETES}/export")

        assert len(answer.content.splitlines()) == 1


class TestFigures:
    async def test_they_add_up(self, platform: Platform) -> None:
        await load(platform, 200)
        client = platform.http("alpha")

        found = (await client.get(f"{ATHLETES}/stats")).json()

        assert found["total"] == found["added_last_30_days"] == 200
        assert sum(found["by_age"].values()) == 200
        for name in ("by_sport", "by_country", "by_sex", "by_visibility"):
            assert sum(share["count"] for share in found[name]) == 200
        adults = await client.get(ATHLETES, params={"age_min": 30, "count": "true", "limit": 1})
        assert adults.json()["total"] == found["by_age"]["from_30"]
        athletes = await platform.call("alpha", f"{PLUGIN}:kpi.athletes", {}, role="viewer")
        assert athletes.value == 200
        for chart in ("chart.sports", "chart.countries", "chart.ages"):
            drawn = await platform.call("alpha", f"{PLUGIN}:{chart}", {}, role="viewer")
            assert len(drawn.labels) == len(drawn.series[0].values) > 0

    async def test_a_tenant_without_athletes_has_figures_too(self, platform: Platform) -> None:
        found = (await platform.http("beta").get(f"{ATHLETES}/stats")).json()

        assert (found["total"], found["by_sport"]) == (0, [])


class TestDuplicates:
    async def test_people_decide_and_may_change_their_mind(self, platform: Platform) -> None:
        client = platform.http("alpha", role="manager")
        twins = {"last_name": "Kis", "birth_date": "1990-01-01", "nationality": "HUN"}
        people = [twins | {"first_name": "Anna"}, twins | {"first_name": "Bela"}]
        await client.post(f"{ATHLETES}/bulk-import", json={"athletes": people})
        pair = (await client.get(f"{ATHLETES}/duplicates")).json()["data"][0]
        path = f"{ATHLETES}/duplicates/{pair['id']}"

        decided = await client.post(f"{path}/decision", json={"decision": "relatives"})
        waiting = (await client.get(f"{ATHLETES}/duplicates")).json()["data"]
        again = await client.post(f"{ATHLETES}/bulk-import", json={"athletes": people})
        opened = await client.post(f"{path}/decision", json={"decision": None})
        by_many = await client.post(
            f"/api/v1/operations/{PLUGIN}:duplicate.different", json={"ids": [pair["id"]]}
        )

        assert pair["kind"] == "possible_relatives"
        assert (decided.json()["decision"], waiting) == ("relatives", [])
        assert decided.json()["decided_by"]
        assert again.json()["duplicates_proposed"] == 0
        assert (opened.json()["decision"], opened.json()["decided_at"]) == (None, None)
        assert by_many.status_code == 204
        assert (await client.get(path)).json()["decision"] == "different"
        assert len((await client.get(ATHLETES)).json()["data"]) == 2
        viewer = platform.http("alpha", role="viewer")
        refused = await viewer.post(f"{path}/decision", json={"decision": "same"})
        assert refused.status_code == 403
        assert (await platform.http("beta").get(path)).status_code == 404
        wrong = await client.post(f"{path}/decision", json={"decision": "merge"})
        assert wrong.status_code == 422


class TestPages:
    @pytest.mark.parametrize("language", ["en", "fr"])
    async def test_every_page_is_drawn(self, platform: Platform, language: str) -> None:
        await load(platform, 60)
        desk = platform.http("alpha", by="cookie", headers={"Accept-Language": language})
        base = f"/admin/alpha/{PLUGIN}"
        one = (await platform.http("alpha").get(ATHLETES)).json()["data"][0]

        for path in (
            "/admin/alpha",
            f"{base}/athletes",
            f"{base}/athletes?q=a&sport=Tennis&sort=-ranking",
            f"{base}/athletes?country=nowhere",
            f"{base}/athletes/new",
            f"{base}/athletes/{one['id']}",
            f"{base}/athletes/{one['id']}?tab=duplicates",
            f"{base}/athletes/{one['id']}/edit",
            f"{base}/athletes/import",
            f"{base}/athletes/export.csv",
            f"{base}/duplicates",
            f"{base}/imports",
        ):
            page = await desk.get(path)
            assert page.status_code == 200, path
        page = await desk.get(f"{base}/athletes")
        assert one["name"].split()[-1] in page.text
        assert ("Nouvel athlète" if language == "fr" else "New athlete") in page.text

    def test_declared_operations_exist(self, platform: Platform) -> None:
        known = {bound.name for bound in platform.kernel.registry}
        for panel in (*PANELS, *WIDGETS):
            for field in (
                "list",
                "read",
                "create",
                "update",
                "delete",
                "export",
                "preview",
                "apply",
                "status",
                "problems",
                "revert",
                "operation",
            ):
                name = getattr(panel, field, "")
                assert not name or f"{PLUGIN}:{name}" in known, name

    async def test_a_form_changes_what_was_touched(self, platform: Platform) -> None:
        client = platform.http("alpha")
        body = {
            "last_name": "Al-Khalifa",
            "nationality": "BRN",
            "nationality_system": "IOC",
            "birth_date": "1999-02",
            "external_ids": [{"scheme": "x", "value": "1"}],
        }
        made = (await client.post(ATHLETES, json=body)).json()
        shown = {
            name: made[name]
            for name in ("last_name", "birth_date", "nationality", "sport", "visibility")
        }

        after = await platform.call(
            "alpha",
            f"{PLUGIN}:profile.update",
            {**shown, "id": made["id"], "version": 1, "sport": "Rowing"},
        )

        assert (after.sport, after.version) == ("Rowing", 2)
        assert (after.nationality, after.nationality_system, after.country) == ("BRN", "IOC", "BH")
        assert (after.birth_date, len(after.external_ids)) == ("1999-02", 1)

    async def test_the_import_pages_go_from_a_file_to_its_end(self, platform: Platform) -> None:
        content = "Nom;Prénom;Né(e) le;Taille\nJabeur;Ons;28/08/1994;167\nX;;31/02/1990;1\n"
        desk = platform.http("alpha", by="cookie")
        base = f"/admin/alpha/{PLUGIN}/athletes/import"
        choose = await desk.get(base)
        token = choose.text.split('name="csrf_token" value="')[1].split('"')[0]

        checked = await desk.post(
            f"{base}/file",
            files={"file": ("liste.csv", content.encode())},
            data={"csrf_token": token},
        )

        assert checked.status_code == 200, checked.text
        assert "Prénom" in checked.text
        batches = (await platform.http("alpha").get(f"{ATHLETES}/imports")).json()["data"]
        assert [(one["status"], one["total"]) for one in batches] == [("previewed", 2)]
        begun = await platform.call(
            "alpha",
            f"{PLUGIN}:import.begin",
            {
                "id": batches[0]["batch_id"],
                "mapping": ["family_name", "given_name", "birth", "height:cm"],
            },
        )
        assert begun.state == "waiting"
        status = await platform.call(
            "alpha", f"{PLUGIN}:import.status", {"id": batches[0]["batch_id"]}
        )
        assert (status.state, status.file_name) == ("waiting", "liste.csv")

    def test_every_field_of_the_form_has_its_words(self) -> None:
        named = {name for section in ATHLETES_PANEL.sections for name in section.fields}

        assert named == set(ATHLETES_PANEL.fields)
