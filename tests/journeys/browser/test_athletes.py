"""The recruitment module as its users have it: found, read, made, changed, removed, brought in and taken along."""

from __future__ import annotations

import csv
import io
import json
from typing import Final

import pytest

from .conftest import PHONE, Face, Open, Window

pytestmark = pytest.mark.browser

LIST: Final = "\n".join(
    [
        "Nom;Prénom;Date de naissance;Pays;Sport;Club;Remarque",
        *(
            f"Importé{number};Ève;{number % 28 + 1:02}/03/1999;FRA;Judo;Dojo «{number}»;x"
            for number in range(1, 31)
        ),
        "Trop;de;01/01/2000;FRA;Judo;Dojo;x;colonnes;encore",
        ";;01/01/2000;FRA;Judo;Dojo sans nom;x",
    ]
).encode("utf-8")


def names(window: Window) -> list[str]:
    """The names in the list that is open."""
    return window.page.locator("main tbody tr td:first-child a").all_inner_texts()


def changed(window: Window, **fields: str) -> int:
    """The status of the answer after the form was filled and sent."""
    for name, value in fields.items():
        window.page.locator(f"[name={name}]").fill(value)
    with window.page.expect_response(lambda answer: answer.request.method == "POST") as caught:
        window.page.get_by_role("button", name="Save").click()
    return caught.value.status


def test_searching_filtering_ordering_and_turning_pages(window: Open, recruitment: str) -> None:
    """The list alone is exchanged, and the address says what it shows, so that it can be sent to somebody."""
    owner = window()
    owner.go(recruitment)
    owner.page.evaluate("document.querySelector('.tx-side').dataset.kept = 'yes'")
    total = owner.page.locator(".tx-pager span").first.inner_text()
    owner.page.get_by_role("searchbox").fill("ben salah")
    owner.page.wait_for_url("**q=ben*")
    owner.page.get_by_text(total).wait_for(state="detached")
    assert names(owner)
    assert all("Ben Salah" in name for name in names(owner))
    found = len(names(owner))

    owner.page.get_by_label("Sport", exact=True).fill("Football")
    owner.page.get_by_label("Sport", exact=True).press("Enter")
    owner.page.wait_for_url("**sport=Football*")
    owner.page.locator(".tx-chip").wait_for()
    assert 0 < len(names(owner)) < found
    owner.look()
    assert owner.page.locator(".tx-side").get_attribute("data-kept") == "yes"
    owner.page.get_by_role("link", name="Clear all").click()
    owner.page.locator(".tx-chip").first.wait_for(state="detached")

    owner.go(recruitment)
    first = names(owner)
    owner.page.locator("thead").get_by_role("link", name="Name").click()
    owner.page.wait_for_url("**sort=-name*")
    owner.page.locator("th[aria-sort=descending]").wait_for()
    assert names(owner) != first
    owner.go(recruitment)
    owner.page.get_by_role("link", name="Next").click()
    owner.page.wait_for_url("**cursor=*")
    owner.page.locator(".tx-pager").get_by_text("26–50 of").wait_for()
    assert names(owner) != first
    owner.look()


def test_a_filter_that_means_nothing_is_named(window: Open, recruitment: str) -> None:
    owner = window()
    owner.go(f"{recruitment}?age_min=old")
    assert owner.page.locator("main .tx-alert").is_visible()
    owner.look()


def test_an_athlete_is_made_changed_by_two_and_removed(window: Open, recruitment: str) -> None:
    owner, other = window(), window(role="member")
    owner.go(recruitment)
    owner.page.get_by_role("link", name="New athlete").click()
    owner.page.get_by_label("Family name").fill("Ñandú")
    owner.page.get_by_label("Birth date").fill("31 of never")
    with owner.page.expect_response("**/new") as caught:
        owner.page.get_by_role("button", name="Create").click()
    owner.page.get_by_role("alert").wait_for()
    assert caught.value.status == 422
    owner.look()
    owner.page.get_by_label("Birth date").fill("2001-02")
    owner.page.get_by_label("Nationality").fill("FRA")
    owner.press("Create")
    assert owner.heading == "Ñandú"
    owner.look()
    address = owner.path

    owner.go(f"{address}/edit")
    other.go(f"{address}/edit")
    assert changed(other, club="The other's club") == 200
    other.page.wait_for_url(f"**{address}")
    assert changed(owner, club="My club", sport="Judo") == 412
    owner.page.get_by_role("alert").wait_for()
    assert owner.page.locator("[name=club]").input_value() == "My club"
    owner.look()
    owner.page.get_by_role("link", name="Try again").click()
    owner.page.wait_for_load_state()
    assert owner.page.locator("[name=club]").input_value() == "The other's club"
    assert changed(owner, sport="Judo") == 200
    owner.page.wait_for_url(f"**{address}")
    text = owner.page.locator("main").inner_text()
    assert "Judo" in text
    assert "The other's club" in text

    owner.page.locator("main").get_by_role("button", name="More").click()
    owner.page.get_by_role("button", name="Delete").click()
    owner.look()
    owner.page.locator("#tx-confirm").get_by_role("button", name="Cancel").click()
    assert owner.path == address
    owner.page.locator("main").get_by_role("button", name="More").click()
    owner.agree("Delete")
    assert owner.path == recruitment
    assert owner.page.locator(".tx-toast").inner_text() == "Removed."
    owner.go(address, status=404)


def test_what_the_list_shows_is_taken_along(window: Open, recruitment: str) -> None:
    """In each format, with the search and the filters of the list."""
    owner = window()
    owner.go(f"{recruitment}?sport=Football")
    shown = owner.page.locator(".tx-pager").inner_text()
    total = int(shown.split("of ")[1].split("\n")[0])
    for kind in ("csv", "json", "xlsx"):
        owner.go(f"{recruitment}?sport=Football")
        owner.page.get_by_role("button", name="Export").click()
        with owner.page.expect_download() as caught:
            owner.page.locator(f"#tx-exports a[href*='export.{kind}']").click()
        assert caught.value.suggested_filename.endswith(kind)
        body = caught.value.path().read_bytes()
        if kind == "csv":
            assert len(list(csv.reader(io.StringIO(body.decode("utf-8-sig"))))) == total + 1
        elif kind == "json":
            assert len(json.loads(body)) == total
        else:
            assert body.startswith(b"PK")


@pytest.mark.parametrize("face", [Face(), PHONE], ids=str)
def test_a_list_is_brought_in_and_taken_back(window: Open, recruitment: str, face: Face) -> None:
    """The columns are shown before anything happens, each line that was not taken is named, and all of it can be undone."""
    owner = window(face=face)
    french = face.language == "fr"
    owner.go(f"{recruitment}/import")
    owner.page.locator("form[enctype]").evaluate("form => { form.noValidate = true }")
    owner.press("Lire le fichier" if french else "Read the file")
    assert owner.page.get_by_role("alert").is_visible()
    owner.look()

    owner.page.locator("#f-file").set_input_files(
        {"name": "liste.csv", "mimeType": "text/csv", "buffer": LIST}
    )
    owner.press("Lire le fichier" if french else "Read the file")
    owner.look()
    columns = owner.page.locator(".tx-mapping tbody tr")
    assert columns.count() >= 7
    assert columns.filter(has_text="Nom").first.locator("select").input_value() == "family_name"
    assert "Importé1" in owner.page.content()
    owner.page.locator(".tx-card-foot button[type=submit]").click()

    owner.page.locator("[data-say]").wait_for(state="attached")
    owner.look()
    counters = owner.page.locator(".tx-counter dd").all_inner_texts()
    assert counters[0] == "30"
    assert counters[4] == "2"
    lines = owner.page.locator("main table tbody tr td:first-child").all_inner_texts()
    assert {"32", "33"} <= set(lines)
    run = owner.path

    owner.go(f"{recruitment}?q=Importé7")
    assert owner.page.locator("tbody tr").count() == 1
    owner.go(run)
    owner.agree("Annuler l’import" if french else "Take it back")
    owner.page.locator("[data-say]").wait_for(state="attached")
    owner.look()
    owner.go(f"{recruitment}?q=Importé7")
    assert owner.page.locator("tbody tr").count() == 0


def test_what_is_no_list_is_refused_with_a_reason(window: Open, recruitment: str) -> None:
    owner = window()
    owner.go(f"{recruitment}/import")
    owner.page.locator("#f-file").set_input_files(
        {"name": "photo.xlsx", "mimeType": "image/png", "buffer": b"\x89PNG\r\n\x1a\n" + bytes(200)}
    )
    owner.press("Read the file")
    assert owner.page.get_by_role("alert").is_visible()
    owner.look()
