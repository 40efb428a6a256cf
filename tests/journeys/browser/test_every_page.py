"""Every page of the admin, as everybody who may see it: it answers, is accessible, fits and fails at nothing."""

from __future__ import annotations

from typing import Final

import pytest

from .conftest import PHONE, Face, Open, Window

pytestmark = pytest.mark.browser

OWN: Final = ("/admin/account", "/admin/account/sessions")
BEYOND: Final = (
    "/admin/alpha/modules/acme.carpool/settings",
    "/admin/alpha/trophenix.recruitment/athletes/new",
    "/admin/alpha/trophenix.recruitment/athletes/import",
    "/admin/alpha/trophenix.recruitment/athletes?q=ben&sport=Football&sort=-birth_date",
    "/admin/alpha/trophenix.recruitment/athletes?q=nobodyofthisname",
)


def links(window: Window) -> list[str]:
    """Where the side bar leads."""
    found = window.page.locator(".tx-nav a").evaluate_all("all => all.map(a => a.pathname)")
    assert len(found) == len(set(found))
    return found


@pytest.mark.parametrize("face", [Face(), PHONE], ids=str)
def test_an_owners_pages(window: Open, recruitment: str, face: Face) -> None:
    owner = window(face=face)
    owner.go("/admin/alpha")
    found = links(owner)
    assert len(found) == 10
    first = owner.page.locator("main table tbody a").first.get_attribute("href")
    assert first is not None
    assert first.startswith(recruitment)

    for path in (*found, *BEYOND, *OWN, first, f"{first}?tab=duplicates", f"{first}/edit"):
        owner.go(path)
        owner.look()


@pytest.mark.parametrize(
    ("role", "face"),
    [("member", Face("en", "dark")), ("viewer", Face("fr", "light", 390, 844))],
    ids=str,
)
def test_what_others_see(window: Open, recruitment: str, role: str, face: Face) -> None:
    """Whatever their side bar offers answers; what it does not offer is theirs neither."""
    theirs = window(role=role, face=face)
    theirs.go("/admin/alpha")
    found = links(theirs)
    assert recruitment in found
    assert "/admin/alpha/keys" not in found
    assert "/admin/alpha/settings" not in found

    for path in (*found, *OWN):
        theirs.go(path)
        theirs.look()
    theirs.go("/admin/alpha/keys", status=403)
    theirs.look()


@pytest.mark.parametrize("face", [Face("fr", "light"), Face("en", "dark", 390, 844)], ids=str)
def test_what_strangers_and_nobody_see(window: Open, face: Face) -> None:
    nobody = window(None, None, face=face)
    nobody.go("/sign-in")
    nobody.look()
    nobody.go("/welcome/nothing-of-the-kind", status=404)
    nobody.look()
    stranger = window(None, "stranger", face=face)
    stranger.go("/admin")
    stranger.look()
    stranger.go("/admin/alpha", status=404)
    stranger.look()


def test_a_failing_page_says_so_and_keeps_its_reason(window: Open) -> None:
    """An address that means nothing, inside an organisation and outside."""
    owner = window()
    for path in ("/admin/alpha/nope", "/admin/alpha/nope/at/all/of/it", "/nope"):
        answer = owner.go(path, status=404)
        owner.look()
        assert "Not Found" not in answer.text()
