"""What the pages do not show cannot be done past them either."""

from __future__ import annotations

from typing import Final

import pytest

from .conftest import Open, Product

pytestmark = pytest.mark.browser

ATHLETES: Final = "/trophenix.recruitment/athletes"
NOBODY: Final = "01890000-0000-7000-8000-000000000000"
FORMS: Final = (
    "/modules/acme.carpool/disable",
    "/modules/acme.carpool/settings",
    "/members",
    "/members/{member}/role",
    "/members/{member}/remove",
    "/keys",
    "/settings",
    f"{ATHLETES}/new",
    f"{ATHLETES}/{{athlete}}/edit",
    f"{ATHLETES}/{{athlete}}/delete",
    f"{ATHLETES}/import/file",
    f"{ATHLETES}/import/{{athlete}}",
)
FIELDS: Final = {
    "confirmed": "yes",
    "name": "Forced",
    "email": "forced@alpha.test",
    "role": "viewer",
    "locale": "en",
    "time_zone": "UTC",
    "currency": "EUR",
    "last_name": "Forced",
}


@pytest.fixture
def athlete(product: Product, recruitment: str) -> str:
    """An athlete of alpha's."""
    assert recruitment.startswith("/admin/alpha/")
    page = product.call("alpha", "trophenix.recruitment:athlete.search", {"limit": 1})
    return str(page.data[0].id)


@pytest.mark.parametrize("path", FORMS)
def test_a_form_without_its_token_is_refused(
    product: Product, window: Open, athlete: str, path: str
) -> None:
    """As is one with the token of somebody else's session."""
    owner, other = window(), window(role="admin")
    member = str(product.platform.tenant("alpha").people["viewer"].member_id)
    address = "/admin/alpha" + path.format(member=member, athlete=athlete)

    status, text = owner.post(address, FIELDS, token=False)
    assert (status, "CSRF" in text) == (403, False)
    status, _text = owner.post(address, {**FIELDS, "csrf_token": other.csrf}, token=False)
    assert status == 403


@pytest.mark.parametrize("path", FORMS)
def test_a_viewer_who_forces_a_form_is_refused(
    product: Product, window: Open, athlete: str, path: str
) -> None:
    viewer = window(role="viewer")
    member = str(product.platform.tenant("alpha").people["member"].member_id)
    status, _text = viewer.post(
        "/admin/alpha" + path.format(member=member, athlete=athlete), FIELDS
    )
    assert status == 403


def test_a_viewer_sees_no_button_they_may_not_use(window: Open, athlete: str) -> None:
    viewer = window(role="viewer")
    for path in ("", "/modules", "/members", ATHLETES, f"{ATHLETES}/{athlete}"):
        answer = viewer.page.goto(f"{viewer.base}/admin/alpha{path}")
        assert answer is not None
        if answer.status == 403:
            continue
        forms = viewer.page.locator("main form[method=post] button").all_inner_texts()
        links = viewer.page.locator("main a").evaluate_all("all => all.map(a => a.pathname)")
        assert (path, forms) == (path, [])
        assert not [link for link in links if link.endswith(("/new", "/edit", "/import", "/role"))]


@pytest.mark.parametrize(
    "path", ["", "/modules", "/members", "/keys", "/settings", "/kernel/audit", ATHLETES]
)
def test_another_organisation_is_not_there(window: Open, path: str) -> None:
    """The page is the one of an organisation that does not exist, but for its number."""
    owner = window()
    answer = owner.go(f"/admin/beta{path}", status=404)
    assert "Beta" not in answer.text()
    assert "beta.test" not in answer.text()
    heading, text = owner.heading, owner.page.locator("main p").all_inner_texts()
    owner.go(f"/admin/no-such-organisation{path}", status=404)
    assert (owner.heading, owner.page.locator("main p").all_inner_texts()) == (heading, text)

    status, _text = owner.post(f"/admin/beta{path}", FIELDS)
    assert status in {404, 405}


def test_another_organisations_records_are_not_there(
    product: Product, window: Open, athlete: str
) -> None:
    """Neither to see nor to change, under one's own address or the other's."""
    beta = window("beta")
    for path in ("", "/edit", "?tab=duplicates"):
        beta.go(f"/admin/beta{ATHLETES}/{athlete}{path}", status=404)
        beta.go(f"/admin/alpha{ATHLETES}/{athlete}{path}", status=404)
    for path in ("/edit", "/delete"):
        status, _text = beta.post(f"/admin/beta{ATHLETES}/{athlete}{path}", FIELDS)
        assert status == 404
    member = product.platform.tenant("alpha").people["viewer"].member_id
    for path in ("role", "remove"):
        status, _text = beta.post(f"/admin/beta/members/{member}/{path}", FIELDS)
        assert status == 404
    assert product.call("alpha", "trophenix.recruitment:athlete.read", {"id": athlete}).id


@pytest.mark.parametrize(
    "path",
    [
        f"{ATHLETES}/nonsense",
        f"{ATHLETES}/{NOBODY}",
        f"{ATHLETES}/{NOBODY}/edit",
        "/nothing.such/panel",
        f"{ATHLETES}/export.exe",
        f"{ATHLETES}/import/{NOBODY}",
        "/modules/nothing.such/settings",
        f"/members/{NOBODY}/role",
    ],
)
@pytest.mark.usefixtures("recruitment")
def test_what_does_not_exist_is_a_page_that_says_so(window: Open, path: str) -> None:
    owner = window()
    answer = owner.page.goto(f"{owner.base}/admin/alpha{path}")
    assert answer is not None
    assert answer.status in {404, 422}
    owner.look()


def test_pages_cannot_be_framed_or_read_by_another_site(window: Open) -> None:
    headers = window().go("/admin/alpha").headers
    policy = headers["content-security-policy"]
    assert "frame-ancestors 'none'" in policy
    assert "'unsafe-inline'" not in policy
    assert "'unsafe-eval'" not in policy
    assert headers["cache-control"] == "private, no-store" or "no-store" in headers["cache-control"]
