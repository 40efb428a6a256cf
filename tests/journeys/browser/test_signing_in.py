"""The way in and out."""

from __future__ import annotations

from urllib.parse import quote, urlsplit

import pytest

from trophenix_kernel.web.recognition import SESSION_COOKIE
from trophenix_testing.scene import PASSWORD

from .conftest import PHONE, Face, Open, Product, Window

pytestmark = pytest.mark.browser

REFUSED = "The e-mail address or the password is not right"


@pytest.fixture(autouse=True)
def _a_minute_later(product: Product) -> None:  # pyright: ignore[reportUnusedFunction]
    """Attempts are counted by the minute and the address, and all of them come from this machine."""
    product.platform.clock.advance(minutes=1)


def sign_in(window: Window, email: str, password: str = PASSWORD, button: str = "Sign in") -> None:
    window.page.locator("[name=email]").fill(email)
    window.page.locator("[name=password]").fill(password)
    window.press(button)


@pytest.mark.parametrize("face", [Face(), PHONE], ids=str)
def test_the_page_that_was_asked_for_opens_after_signing_in(
    product: Product, window: Open, face: Face
) -> None:
    nobody = window(None, None, face=face)
    button = "Se connecter" if face.language == "fr" else "Sign in"
    nobody.page.goto(f"{product.base}/admin/alpha/members?x=1")
    assert nobody.path.startswith("/sign-in?next=")

    sign_in(nobody, "owner@alpha.test", "not the password", button)
    assert nobody.page.get_by_role("alert").is_visible()
    assert nobody.page.locator("[name=email]").input_value() == "owner@alpha.test"
    assert nobody.page.locator("[name=password]").input_value() == ""
    nobody.look()

    sign_in(nobody, "owner@alpha.test", PASSWORD, button)
    assert nobody.path == "/admin/alpha/members?x=1"
    cookie = next(c for c in nobody.context.cookies() if c.get("name") == SESSION_COOKIE)
    assert cookie.get("httpOnly")
    assert cookie.get("sameSite") == "Lax"


def test_after_five_wrong_passwords_the_right_one_has_to_wait(
    product: Product, window: Open
) -> None:
    nobody = window(None, None)
    nobody.go("/sign-in")
    for _attempt in range(5):
        sign_in(nobody, "manager@beta.test", "wrong")

    sign_in(nobody, "manager@beta.test")
    assert REFUSED in nobody.page.get_by_role("alert").inner_text()
    assert nobody.path == "/sign-in"

    product.platform.clock.advance(minutes=20)
    sign_in(nobody, "manager@beta.test")
    assert nobody.path == "/admin/beta"


def test_signing_out_ends_the_session_wherever_it_was_copied_to(
    product: Product, window: Open
) -> None:
    theirs, copy = window(None, None), window(None, None)
    theirs.go("/sign-in")
    sign_in(theirs, "viewer@beta.test")
    copy.context.add_cookies(theirs.context.cookies())  # pyright: ignore[reportArgumentType] - the same shape
    copy.go("/admin/beta")

    theirs.page.locator(".tx-me").click()
    theirs.press("Sign out")

    assert theirs.path == "/sign-in"
    copy.page.goto(f"{product.base}/admin/beta")
    assert copy.path.startswith("/sign-in")


@pytest.mark.parametrize(
    "elsewhere",
    [
        "//evil.example/",
        "https://evil.example/",
        "/\\evil.example/",
        "\\\\evil.example",
        "/\t/evil.example/",
        "/\n/evil.example/",
        "javascript:alert(1)",
    ],
)
def test_signing_in_never_leads_to_another_site(
    product: Product, window: Open, elsewhere: str
) -> None:
    """Neither the address, nor the form, nor a preference's way back."""
    nobody = window(None, None)
    nobody.go(f"/sign-in?next={quote(elsewhere, safe='')}")
    assert nobody.page.locator("[name=next]").count() == 0

    answer = nobody.context.request.post(
        f"{product.base}/sign-in",
        form={"email": "viewer@beta.test", "password": PASSWORD, "next": elsewhere},
        headers={"Origin": product.base},
        max_redirects=0,
    )
    assert answer.status == 303
    assert answer.headers["location"] == "/admin"


def test_another_site_cannot_sign_anybody_in(product: Product, window: Open) -> None:
    nobody = window(None, None)
    answer = nobody.context.request.post(
        f"{product.base}/sign-in",
        form={"email": "viewer@beta.test", "password": PASSWORD},
        headers={"Origin": "https://evil.example"},
        max_redirects=0,
    )
    assert answer.status == 403
    assert not nobody.context.cookies()


def test_who_belongs_to_two_organisations_chooses(product: Product, window: Open) -> None:
    both = product.platform.tenant("beta").people["admin"]
    added = product.call("alpha", "kernel:member.add", {"email": both.email, "role": "viewer"})
    theirs = window("beta", "admin")
    theirs.go(added.invitation.removeprefix(product.base))
    theirs.look()
    theirs.page.locator("[name=password]").fill(PASSWORD)
    theirs.press("Join")

    theirs.go("/admin")
    assert theirs.heading == "Choose an organisation"
    theirs.look()
    theirs.page.locator("main").get_by_role("link", name="Beta").click()
    theirs.page.wait_for_url("**/admin/beta")

    theirs.page.locator(".tx-tenant").click()
    theirs.page.locator("#tx-tenants").get_by_role("link", name="Alpha").click()
    theirs.page.wait_for_url("**/admin/alpha")
    assert theirs.page.locator(".tx-me").inner_text().split("\n")[-1] == "Viewer"
    assert theirs.page.get_by_role("link", name="API keys").count() == 0


def test_who_belongs_nowhere_is_told_so(window: Open) -> None:
    stranger = window(None, None)
    stranger.go("/sign-in")
    sign_in(stranger, "stranger@nowhere.test")
    assert stranger.heading == "You belong to no organisation yet."
    stranger.press("Sign out")
    assert stranger.path == "/sign-in"


def test_language_and_light_are_remembered(window: Open) -> None:
    theirs = window("beta", "viewer")
    theirs.go("/admin/beta")
    theirs.page.get_by_role("button", name="Language").click()
    theirs.press("Français")
    assert theirs.page.locator("html").get_attribute("lang") == "fr"
    assert theirs.path == "/admin/beta"

    theirs.page.get_by_role("button", name="Clair ou sombre").click()
    with theirs.page.expect_response("**/preferences/mode"):
        theirs.page.get_by_role("button", name="Sombre", exact=True).click()
    theirs.go("/admin/account")
    assert theirs.page.locator("html").get_attribute("data-theme") == "dark"
    theirs.look()


def test_nobody_is_asked_to_sign_in_whatever_they_want(product: Product, window: Open) -> None:
    nobody = window(None, None)
    for path in ("/admin", "/admin/alpha", "/admin/nowhere", "/admin/account", "/admin/alpha/keys"):
        nobody.page.goto(product.base + path)
        assert nobody.path == f"/sign-in?next={path}"
    status, _text = nobody.post("/admin/alpha/keys", {"name": "mine"})
    assert status == 303
    answer = nobody.context.request.post(f"{product.base}/admin/alpha/keys", max_redirects=0)
    assert urlsplit(answer.headers["location"]).path == "/sign-in"
