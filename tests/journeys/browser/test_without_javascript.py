"""Everything that matters is done with HTML alone."""

from __future__ import annotations

import pytest

from trophenix_testing.scene import PASSWORD

from .conftest import Open, Product, Window

pytestmark = pytest.mark.browser


@pytest.fixture
def plain(window: Open) -> Window:
    """An owner's window in which no script runs."""
    return window(java_script_enabled=False)


def test_a_list_is_searched_ordered_and_turned(plain: Window, recruitment: str) -> None:
    plain.go(recruitment)
    plain.page.get_by_role("searchbox").fill("ben salah")
    plain.press("Search")
    rows = plain.page.locator("main tbody tr")
    assert 0 < rows.count() < 25
    assert all("Ben Salah" in text for text in rows.all_inner_texts())

    plain.go(recruitment)
    before = rows.first.inner_text()
    plain.page.locator("thead").get_by_role("link", name="Born").click()
    plain.page.wait_for_url("**sort=birth_date*")
    assert rows.first.inner_text() != before
    plain.page.get_by_role("link", name="Next").click()
    plain.page.wait_for_url("**cursor=*")
    assert rows.count() == 25


def test_a_record_is_made_changed_and_removed_after_asking(plain: Window, recruitment: str) -> None:
    plain.go(f"{recruitment}/new")
    plain.page.get_by_label("Family name").fill("Sans-Script")
    plain.page.get_by_label("Height").fill("9000")
    plain.press("Create")
    assert plain.page.get_by_role("alert").is_visible()
    assert plain.page.get_by_label("Family name").input_value() == "Sans-Script"
    plain.page.get_by_label("Height").fill("190")
    plain.press("Create")
    assert plain.heading == "Sans-Script"

    plain.page.get_by_role("link", name="Edit").click()
    plain.page.get_by_label("Club").fill("Club Plain")
    plain.press("Save")
    assert "Club Plain" in plain.page.locator("main").inner_text()
    address = plain.path

    plain.page.locator("main").get_by_role("button", name="More").click()
    plain.press("Delete")
    assert "?" in plain.page.locator("main p").inner_text()
    plain.press("Remove")
    assert plain.path == recruitment
    plain.go(address, status=404)


def test_removing_somebody_is_asked_first(product: Product, plain: Window) -> None:
    product.call("alpha", "kernel:member.add", {"email": "plain@alpha.test", "role": "viewer"})
    plain.go("/admin/alpha/members")
    row = plain.page.get_by_role("row").filter(has_text="plain@alpha.test")
    row.locator("button").first.click()
    with plain.page.expect_navigation():
        row.get_by_role("button", name="Remove").click()
    assert "Remove this person from the organisation?" in plain.page.locator("main").inner_text()
    plain.page.get_by_role("link", name="Cancel").click()
    assert row.count() == 1

    row.locator("button").first.click()
    with plain.page.expect_navigation():
        row.get_by_role("button", name="Remove").click()
    plain.press("Remove")
    assert plain.path == "/admin/alpha/members"
    assert row.count() == 0


def test_a_key_is_made_and_revoked_after_asking(plain: Window) -> None:
    plain.go("/admin/alpha/keys")
    plain.page.get_by_label("What is it for?").fill("plain key")
    plain.press("Make a key")
    assert plain.page.locator("#tx-secret").input_value().startswith("troph_sk_live_")
    row = plain.page.get_by_role("row").filter(has_text="plain key")
    row.locator("button").first.click()
    with plain.page.expect_navigation():
        row.get_by_role("button", name="Revoke").click()
    plain.press("Revoke")
    assert "Revoked" in row.inner_text()


def test_a_module_is_switched_off_and_on(plain: Window) -> None:
    plain.go("/admin/alpha/modules")
    card = plain.page.locator("article").filter(has_text="Carpool")
    card.get_by_role("button", name="Disable").click()
    with plain.page.expect_navigation():
        plain.page.locator("dialog[open]").get_by_role("button", name="Disable").click()
    assert "Available" in card.inner_text()
    card.get_by_role("button", name="Enable").click()
    with plain.page.expect_navigation():
        plain.page.locator("dialog[open]").get_by_role("button", name="Allow and enable").click()
    assert "Enabled" in card.inner_text()


def test_signing_out(window: Open) -> None:
    theirs = window(None, None, java_script_enabled=False)
    theirs.go("/sign-in")
    theirs.page.locator("[name=email]").fill("viewer@beta.test")
    theirs.page.locator("[name=password]").fill(PASSWORD)
    theirs.press("Sign in")
    theirs.page.locator(".tx-me").click()
    theirs.press("Sign out")
    assert theirs.path == "/sign-in"
