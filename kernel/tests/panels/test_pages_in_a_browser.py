"""Every page in a real browser: accessible, never wider than the screen, without errors, and usable without JavaScript."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Error, Page, Request, Route

pytestmark = pytest.mark.browser

PAGES = (
    "dashboard",
    "first-day",
    "list",
    "list-filtered",
    "list-empty",
    "list-nothing",
    "list-error",
    "detail",
    "detail-tab",
    "new",
    "form-errors",
    "edit",
    "import",
    "import-check",
    "import-run",
    "import-result",
    "plugins",
    "members",
    "keys",
    "settings",
    "confirm",
    "403",
    "404",
    "429",
    "500",
    "sign-in",
    "sign-in-failed",
    "welcome",
    "tenants",
)
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
RUN = "tags => axe.run(document, {runOnly: {type: 'tag', values: tags}})"
FACES = (
    ("en", "light", 1440, 900),
    ("en", "dark", 1440, 900),
    ("fr", "light", 390, 844),
    ("fr", "dark", 390, 844),
)
OVERFLOW = """() => {
  const wide = document.documentElement.scrollWidth - document.documentElement.clientWidth;
  if (wide <= 0) return [];
  const said = (part) => part.className + " " + part.textContent.trim().slice(0, 40);
  const beyond = (part) => { const at = part.getBoundingClientRect(); return at.right > innerWidth + 1 || at.left < -1; };
  return [wide + " pixels", ...[...document.querySelectorAll("body *")].filter(beyond).slice(0, 8).map(said)];
}"""


def _open(
    chromium: Browser, url: str, width: int, height: int, **options: Any
) -> tuple[BrowserContext, Page, list[str]]:
    context = chromium.new_context(viewport={"width": width, "height": height}, **options)
    page = context.new_page()
    faults: list[str] = []

    def note(message: ConsoleMessage) -> None:
        if message.type == "error":
            faults.append(message.text)

    def fail(error: Error) -> None:
        faults.append(str(error))

    page.on("console", note)
    page.on("pageerror", fail)
    page.goto(url, wait_until="load")
    return context, page, faults


def _posts(request: Request) -> bool:
    return request.method == "POST"


def _asks_for_dark(request: Request) -> bool:
    return "mode=dark" in (request.post_data or "")


def test_the_list_of_pages_is_complete(sample: Any, environment: Any) -> None:
    """A page that is added is looked at too."""
    assert set(PAGES) == set(sample.pages(environment))


@pytest.fixture(scope="module")
def windows(chromium: Browser) -> Generator[dict[tuple[str, str, int], Page]]:
    """One window per face, kept open: opening them anew for every page takes longer than the checks."""
    contexts = {
        (language, mode, width): chromium.new_context(
            viewport={"width": width, "height": height}, bypass_csp=True, reduced_motion="reduce"
        )
        for language, mode, width, height in FACES
    }
    yield {face: context.new_page() for face, context in contexts.items()}
    for context in contexts.values():
        context.close()


@pytest.mark.parametrize("name", PAGES)
def test_page_is_accessible_and_fits(
    name: str, windows: dict[tuple[str, str, int], Page], base: str, axe: str
) -> None:
    """In light and dark, wide and narrow, English and French: axe finds nothing and nothing overflows."""
    found: list[str] = []
    for (language, mode, width), page in windows.items():
        where = f"{language} {mode} {width}"
        page.goto(f"{base}/{language}/{mode}/{name}", wait_until="load")
        page.evaluate(axe)
        result = page.evaluate(RUN, TAGS)
        found += [
            f"{where}: {fault['id']} {node['html'][:160]} {node['failureSummary'][:160]}"
            for fault in result["violations"]
            for node in fault["nodes"]
        ]
        found += [f"{where}: too wide: {part}" for part in page.evaluate(OVERFLOW)]

    assert found == []


@pytest.mark.parametrize("name", PAGES)
def test_page_obeys_the_content_security_policy(name: str, chromium: Browser, base: str) -> None:
    """The browser refuses nothing and no script fails."""
    context, page, faults = _open(chromium, f"{base}/en/light/{name}", 1280, 800)
    page.wait_for_function("document.documentElement.classList.contains('tx-js')")
    status = page.evaluate("performance.getEntriesByType('navigation')[0].responseStatus")
    context.close()

    # a page answered with an error status is itself reported by the browser
    assert [fault for fault in faults if f"status of {status}" not in fault or status < 400] == []


def test_every_page_has_one_heading_and_one_main(
    windows: dict[tuple[str, str, int], Page], base: str
) -> None:
    """Screen readers find their way by them."""
    page = next(iter(windows.values()))
    for name in PAGES:
        page.goto(f"{base}/en/light/{name}", wait_until="domcontentloaded")
        headings, mains = page.locator("h1").count(), page.locator("main").count()

        assert (name, headings, mains) == (name, 1, 1)


def test_right_to_left_fits_too(chromium: Browser, base: str, axe: str) -> None:
    """Arabic turns the page round: the side bar stands on the right and nothing overflows."""
    for name in ("dashboard", "list", "detail", "form-errors", "import-result"):
        for width in (1280, 390):
            context, page, _faults = _open(
                chromium, f"{base}/ar/light/{name}", width, 850, bypass_csp=True
            )
            page.evaluate(axe)
            violations = page.evaluate(RUN, TAGS)["violations"]
            overflow = page.evaluate(OVERFLOW)
            side = page.locator(".tx-side").bounding_box()
            context.close()

            assert (name, width, [fault["id"] for fault in violations], overflow) == (
                name,
                width,
                [],
                [],
            )
            if width == 1280:
                assert side is not None
                assert side["x"] > 900


def test_ticking_rows_shows_what_can_be_done_with_them(chromium: Browser, base: str) -> None:
    """The bar is hidden until a row is ticked, and says how many are."""
    context, page, _faults = _open(chromium, f"{base}/en/light/list", 1280, 900)
    bar = page.locator(".tx-bulk")

    assert not bar.is_visible()
    page.locator(".tx-row-check").nth(1).check()
    assert bar.is_visible()
    page.locator("[data-all]").check()
    assert page.locator("[data-chosen]").inner_text() == "12"
    context.close()


def test_what_cannot_be_undone_is_asked_first(chromium: Browser, base: str) -> None:
    """Cancelling sends nothing; saying yes sends the form with the answer."""
    context, page, _faults = _open(chromium, f"{base}/en/light/list", 1280, 900)
    page.locator(".tx-row-check").first.check()
    sent: list[str] = []

    def note(request: Request) -> None:
        if _posts(request):
            sent.append(request.post_data or "")

    page.on("request", note)

    page.get_by_role("button", name="Archive").click()
    page.locator("#tx-confirm").get_by_role("button", name="Cancel").click()
    assert sent == []

    page.get_by_role("button", name="Archive").click()
    with page.expect_request(_posts):
        page.locator("#tx-confirm [data-confirm-yes]").click()
    assert len(sent) == 1
    assert "confirmed=yes" in sent[0]
    assert "id=018f-0001" in sent[0]
    assert "csrf_token=token" in sent[0]
    context.close()


def test_the_palette_finds_a_page_without_its_accents(chromium: Browser, base: str) -> None:
    """Control-K, a few letters, Enter."""
    context, page, _faults = _open(chromium, f"{base}/fr/light/list", 1280, 900)
    page.keyboard.press("Control+k")
    page.keyboard.type("evene")

    assert page.locator("#tx-palette li").all_inner_texts() == ["Événements\nVentes"]
    with page.expect_navigation(url="**/events"):
        page.keyboard.press("Enter")
    context.close()


def test_the_colours_change_at_once(chromium: Browser, base: str) -> None:
    """Choosing dark repaints without a reload and tells the server."""
    context, page, _faults = _open(chromium, f"{base}/en/light/list", 1280, 900)
    before = page.evaluate("getComputedStyle(document.body).backgroundColor")

    page.get_by_role("button", name="Light or dark").click()
    with page.expect_request(_asks_for_dark):
        page.get_by_role("button", name="Dark", exact=True).click()

    assert page.evaluate("getComputedStyle(document.body).backgroundColor") != before
    context.close()


def test_searching_swaps_the_list_only(chromium: Browser, base: str) -> None:
    """Typing asks for the fragment, keeps the shell and writes the address."""
    context, page, _faults = _open(chromium, f"{base}/en/light/list", 1280, 900)
    page.evaluate("document.querySelector('.tx-side').dataset.kept = 'yes'")
    page.evaluate(
        "document.querySelector('#tx-filters').setAttribute('hx-get', '/en/light/list-filtered')"
    )
    page.evaluate("htmx.process(document.querySelector('#tx-filters'))")

    with page.expect_response("**/list-filtered*") as caught:
        page.locator("#tx-q").press_sequentially("ben")
    page.locator(".tx-chip").wait_for()

    assert "<html" not in caught.value.text()
    assert page.locator(".tx-side").get_attribute("data-kept") == "yes"
    assert "q=ben" in page.url
    context.close()


def test_a_refused_form_comes_back_with_its_faults(chromium: Browser, base: str) -> None:
    """The shell stays, the summary has the focus, each fault stands at its field, and its link leads there."""
    context, page, _faults = _open(chromium, f"{base}/en/light/new", 1280, 900)
    page.evaluate("document.querySelector('.tx-side').dataset.kept = 'yes'")

    with page.expect_response("**/new") as caught:
        page.get_by_role("button", name="Create").click()
    summary = page.get_by_role("alert")
    summary.wait_for()

    assert caught.value.status == 422
    assert page.locator(".tx-side").get_attribute("data-kept") == "yes"
    page.wait_for_function("document.activeElement.getAttribute('role') === 'alert'")
    summary.get_by_role("link", name="Height").click()
    assert page.evaluate("document.activeElement.id") == "f-height_cm"
    assert page.locator("#f-height_cm").get_attribute("aria-invalid") == "true"
    context.close()


def test_a_running_import_is_asked_again_until_it_ends(chromium: Browser, base: str) -> None:
    """The bar moves by itself; the final answer stops the asking and shows what was refused."""
    context = chromium.new_context()
    page = context.new_page()

    def answer(route: Route) -> None:
        if route.request.headers.get("hx-request"):
            route.continue_(url=f"{base}/en/light/import-result")
        else:
            route.continue_()

    page.route("**/import-run", answer)
    page.goto(f"{base}/en/light/import-run", wait_until="load")

    page.get_by_text("What was not taken").first.wait_for()

    assert page.locator("#tx-progress").get_attribute("hx-get") is None
    context.close()


def test_lists_and_forms_work_without_javascript(chromium: Browser, base: str) -> None:
    """Every control that is shown does something: the search has a button, no dead button is left."""
    context = chromium.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{base}/en/light/list")

    assert page.get_by_role("button", name="Search").is_visible()
    assert not page.locator("[data-act=palette]").is_visible()
    assert not page.locator("[data-all]").is_visible()
    page.goto(f"{base}/en/light/form-errors")
    assert page.get_by_role("alert").is_visible()
    page.goto(f"{base}/en/light/import")
    assert page.locator("#f-file").is_visible()
    context.close()


def test_the_side_bar_opens_on_a_phone_and_escape_closes_it(chromium: Browser, base: str) -> None:
    """With and without JavaScript."""
    context, page, _faults = _open(chromium, f"{base}/en/light/list", 390, 844)
    page.get_by_label("Menu", exact=True).click()
    page.locator(".tx-nav a").first.wait_for(state="visible")
    page.keyboard.press("Escape")
    page.locator(".tx-nav a").first.wait_for(state="hidden")
    context.close()

    context = chromium.new_context(
        java_script_enabled=False, viewport={"width": 390, "height": 844}
    )
    page = context.new_page()
    page.goto(f"{base}/en/light/list")
    page.get_by_label("Menu", exact=True).click()
    page.locator(".tx-nav a").first.wait_for(state="visible")
    context.close()


def test_consent_is_a_dialogue_that_names_every_capability(chromium: Browser, base: str) -> None:
    """Nothing is enabled before what it asks for was shown."""
    context, page, _faults = _open(chromium, f"{base}/en/light/plugins", 1280, 900)
    page.get_by_role("button", name="Enable Ticketing").click()
    box = page.get_by_role("dialog")

    assert "Send notifications" in box.inner_text()
    assert "To tell candidates" in box.inner_text()
    with page.expect_request(_posts) as sent:
        box.get_by_role("button", name="Allow and enable").click()
    assert "consent=yes" in (sent.value.post_data or "")
    context.close()
