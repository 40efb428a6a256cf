"""What an owner does with the kernel's own pages: modules, members, keys, settings, and looking back at it."""

from __future__ import annotations

import httpx
import pytest
from playwright.sync_api import Locator

from trophenix_testing.scene import PASSWORD

from .conftest import PHONE, Open, Product, Window

pytestmark = pytest.mark.browser


def row_of(window: Window, text: str) -> Locator:
    """The table's row that has the text."""
    return window.page.get_by_role("row").filter(has_text=text)


def choose(window: Window, text: str, action: str, *, sure: bool = False) -> None:
    """The action of the menu in a row was chosen, and agreed to if it is asked."""
    row = row_of(window, text)
    row.locator("button").first.click()
    if sure:
        row.get_by_role("button", name=action).click()
        with window.page.expect_navigation():
            window.page.locator("#tx-confirm [data-confirm-yes]").click()
    else:
        with window.page.expect_navigation():
            row.locator("[popover]").get_by_text(action).click()


# ── modules ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_module_asks_before_it_may_anything(product: Product, window: Open) -> None:
    """Its dialogue names every capability and why; cancelling changes nothing; agreeing opens its interface."""
    owner = window("beta")
    key = product.platform.tenant("beta").people["owner"].key
    api = httpx.Client(base_url=product.base, headers={"Authorization": f"Bearer {key}"})
    owner.go("/admin/beta/modules")
    card = owner.page.locator("article").filter(has_text="Carpool")
    card.get_by_role("button", name="Disable").click()
    owner.look()
    with owner.page.expect_navigation():
        owner.page.locator("dialog[open]").get_by_role("button", name="Disable").click()
    assert "its data is kept" in owner.page.locator(".tx-toast").inner_text()
    assert api.get("/api/v1/rides").status_code == 404

    card.get_by_role("button", name="Enable").click()
    dialogue = owner.page.locator("dialog[open]")
    asked = dialogue.locator(".tx-asks li")
    assert asked.count() == 1
    assert asked.locator("small").inner_text() != ""
    owner.look()
    dialogue.get_by_role("button", name="Cancel").click()
    assert "Available" in card.inner_text()

    card.get_by_role("button", name="Enable").click()
    with owner.page.expect_navigation():
        dialogue.get_by_role("button", name="Allow and enable").click()
    assert "Enabled" in card.inner_text()
    assert api.get("/api/v1/rides").status_code == 200
    api.close()


def test_a_module_that_is_switched_off_is_gone_and_its_data_is_kept(
    product: Product, window: Open
) -> None:
    owner = window("beta")
    product.call("beta", "trophenix.recruitment:demo.load", {"count": 12})
    address = "/admin/beta/trophenix.recruitment/athletes"
    owner.go(address)
    athlete = owner.page.locator("tbody a").first.get_attribute("href")
    assert athlete is not None

    owner.go("/admin/beta/modules")
    card = owner.page.locator("article").filter(has_text="Recruitment")
    card.get_by_role("button", name="Disable").click()
    with owner.page.expect_navigation():
        owner.page.locator("dialog[open]").get_by_role("button", name="Disable").click()
    assert owner.page.locator(".tx-nav").get_by_role("link", name="Athletes").count() == 0
    for path in (address, athlete, f"{address}/new", f"{address}/export.csv"):
        owner.go(path, status=404)
    owner.look()
    owner.go("/admin/beta")
    assert "Athletes" not in owner.page.locator("main").inner_text()

    owner.go("/admin/beta/modules")
    card.get_by_role("button", name="Enable").click()
    with owner.page.expect_navigation():
        owner.page.locator("dialog[open]").get_by_role("button", name="Enable").click()
    owner.go(address)
    assert owner.page.locator("tbody tr").count() == 12


def test_a_modules_settings(window: Open) -> None:
    owner = window("beta")
    owner.go("/admin/beta/modules")
    owner.page.get_by_role("link", name="Settings of Carpool").click()
    assert owner.heading == "Settings of Carpool"
    seats = owner.page.get_by_label("Seats offered")
    seats.fill("900")
    with owner.page.expect_response("**/settings") as caught:
        owner.page.get_by_role("button", name="Save").click()
    owner.page.get_by_role("alert").wait_for()
    assert caught.value.status == 422
    assert seats.get_attribute("aria-invalid") == "true"
    owner.look()

    seats.fill("7")
    owner.press("Save")
    assert owner.path == "/admin/beta/modules"
    assert owner.page.locator(".tx-toast").inner_text() == "Saved."
    owner.go("/admin/beta/modules/acme.carpool/settings")
    assert seats.input_value() == "7"


# ── members ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_somebody_is_invited_comes_gets_another_role_and_is_removed(
    product: Product, window: Open
) -> None:
    product.platform.clock.advance(minutes=1)
    owner, guest = window(), window(None, None, face=PHONE)
    owner.go("/admin/alpha/members")
    owner.page.get_by_label("E-mail").fill("no address")
    owner.press("Add")
    owner.look()
    assert owner.page.get_by_label("E-mail").get_attribute("aria-invalid") == "true"
    owner.page.get_by_label("E-mail").fill("zoe@alpha.test")
    owner.page.get_by_label("Name").fill("Zoé <b>Ülger</b>")
    owner.page.get_by_label("Role").select_option("manager")
    owner.press("Add")
    owner.look()
    link = owner.page.locator("#tx-secret").input_value()
    assert link.startswith(f"{product.base}/welcome/")
    assert "Invited" in row_of(owner, "zoe@alpha.test").inner_text()
    assert "Zoé <b>Ülger</b>" in row_of(owner, "zoe@alpha.test").inner_text()

    guest.go(link.removeprefix(product.base))
    guest.look()
    password = guest.page.locator("[name=password]")
    guest.page.locator("form").first.evaluate("form => { form.noValidate = true }")
    password.fill("short")
    guest.press("Rejoindre")
    assert guest.page.get_by_role("alert").is_visible()
    guest.look()
    password.fill(PASSWORD)
    guest.press("Rejoindre")
    assert guest.path == "/admin/alpha"
    guest.go(link.removeprefix(product.base), status=404)

    owner.go("/admin/alpha/members")
    choose(owner, "zoe@alpha.test", "Change the role")
    owner.look()
    owner.page.get_by_role("radio", name="Viewer").check()
    owner.press("Save")
    assert "Viewer" in row_of(owner, "zoe@alpha.test").inner_text()
    guest.go("/admin/alpha/trophenix.recruitment/athletes/new", status=403)
    guest.look()

    choose(owner, "zoe@alpha.test", "Remove", sure=True)
    assert row_of(owner, "zoe@alpha.test").count() == 0
    guest.go("/admin/alpha", status=404)


def test_nobody_is_added_twice(window: Open) -> None:
    owner = window()
    owner.go("/admin/alpha/members")
    owner.page.get_by_label("E-mail").fill("viewer@alpha.test")
    owner.press("Add")
    owner.look()
    assert row_of(owner, "viewer@alpha.test").count() == 1
    assert owner.page.get_by_role("alert").is_visible()


# ── keys ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_key_is_shown_once_works_and_stops_when_it_is_revoked(
    product: Product, window: Open
) -> None:
    owner = window()
    owner.go("/admin/alpha/keys")
    owner.press("Make a key")
    assert owner.page.get_by_label("What is it for?").get_attribute("aria-invalid") == "true"
    owner.page.get_by_label("What is it for?").fill("Nightly list")
    owner.page.get_by_label("Ends after").fill("30")
    owner.press("Make a key")
    owner.look()
    key = owner.page.locator("#tx-secret").input_value()
    with httpx.Client(base_url=product.base, headers={"Authorization": f"Bearer {key}"}) as api:
        assert api.get("/api/v1/members").status_code == 200
        owner.go("/admin/alpha/keys")
        assert key not in owner.page.content()

        choose(owner, "Nightly list", "Revoke", sure=True)
        assert "Revoked" in row_of(owner, "Nightly list").inner_text()
        assert api.get("/api/v1/members").status_code == 401


# ── the organisation ────────────────────────────────────────────────────────────────────────────────────────────────


def test_settings_name_their_faults_and_nobody_overwrites_another(window: Open) -> None:
    owner, other = window(), window(role="admin")
    owner.go("/admin/alpha/settings")
    currency = owner.page.get_by_label("Currency")
    currency.fill("gold")
    owner.page.get_by_label("Time zone").fill("Mars/Olympus")
    with owner.page.expect_response("**/settings") as caught:
        owner.page.get_by_role("button", name="Save").click()
    owner.page.get_by_role("alert").wait_for()
    assert caught.value.status == 422
    assert currency.get_attribute("aria-invalid") == "true"
    assert currency.input_value() == "gold"
    owner.look()

    other.go("/admin/alpha/settings")
    other.page.get_by_label("Currency").fill("TND")
    other.press("Save")
    assert other.page.locator(".tx-toast").inner_text() == "Saved."

    currency.fill("USD")
    owner.page.get_by_label("Time zone").fill("Africa/Tunis")
    with owner.page.expect_response("**/settings") as caught:
        owner.page.get_by_role("button", name="Save").click()
    owner.page.locator(".tx-alert").wait_for()
    assert caught.value.status == 412
    owner.look()
    other.go("/admin/alpha/settings")
    assert other.page.get_by_label("Currency").input_value() == "TND"


# ── oneself ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_new_password_ends_every_other_session(product: Product, window: Open) -> None:
    product.platform.clock.advance(minutes=1)
    here, there = window("beta", "member"), window(None, None)
    there.go("/sign-in")
    there.page.locator("[name=email]").fill("member@beta.test")
    there.page.locator("[name=password]").fill(PASSWORD)
    there.press("Sign in")
    there.go("/admin/account/sessions")
    assert there.page.locator("tbody tr").count() == 2

    here.go("/admin/account")
    here.page.get_by_label("Present password").fill("wrong")
    here.page.get_by_label("New password").fill("short")
    with here.page.expect_response("**/account"):
        here.page.get_by_role("button", name="Save").click()
    here.page.get_by_role("alert").wait_for()
    here.look()
    here.page.get_by_label("New password").fill("another horse, another staple")
    with here.page.expect_response("**/account"):
        here.page.get_by_role("button", name="Save").click()
    here.page.locator("#f-current[aria-invalid=true]").wait_for()
    here.look()
    here.page.get_by_label("Present password").fill(PASSWORD)
    here.page.get_by_label("New password").fill("another horse, another staple")
    here.press("Save")
    assert here.page.locator(".tx-toast").inner_text() == "Saved."

    there.page.goto(f"{product.base}/admin/beta")
    assert there.path.startswith("/sign-in")


def test_a_session_is_ended_from_another(product: Product, window: Open) -> None:
    product.platform.clock.advance(minutes=1)
    here, there = window("beta", "viewer"), window(None, None)
    there.go("/sign-in")
    there.page.locator("[name=email]").fill("viewer@beta.test")
    there.page.locator("[name=password]").fill(PASSWORD)
    there.press("Sign in")

    here.go("/admin/account/sessions")
    rows = here.page.locator("tbody tr").filter(has_text="signed in")
    for row in rows.all():
        row.get_by_role("checkbox").check()
    here.look()
    here.press("End")

    assert here.page.locator("tbody tr").count() == 1
    there.page.goto(f"{product.base}/admin/beta")
    assert there.path.startswith("/sign-in")


# ── looking back ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_audit_log_tells_who_changed_what(window: Open) -> None:
    admin = window(role="admin")
    admin.go("/admin/alpha/keys")
    admin.page.get_by_label("What is it for?").fill("For the audit")
    admin.press("Make a key")
    admin.go("/admin/alpha/kernel/audit")
    first = admin.page.locator("tbody tr").first.inner_text()
    assert "Admin" in first
    assert "kernel:key.create" in first
    assert "Pages" in first


def test_background_work_is_listed_with_what_came_of_it(product: Product, window: Open) -> None:
    product.call("alpha", "acme.carpool:ride.tidy", {"left_before": "2020-01-01T00:00:00Z"})
    owner = window()
    owner.go("/admin/alpha/kernel/jobs")
    owner.page.locator("select[name=status]").select_option("succeeded")
    owner.page.wait_for_url("**status=succeeded*")
    owner.look()
    assert all("Finished" in text for text in owner.page.locator("tbody tr").all_inner_texts())
