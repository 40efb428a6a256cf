"""What holds for the tests of every folder, and the one browser that all of them share."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from playwright.sync_api import Browser

# How long an example takes says how busy the machine is, not whether the code is right.
settings.register_profile("without deadline", deadline=None)
settings.load_profile("without deadline")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Browser tests come last in every process.

    Playwright's synchronous API keeps an event loop running in the thread for as long as its browser lives, and every asyncio test
    after that fails with "Cannot run the event loop while another loop is running". pytest-xdist hands tests out in this order, too.
    """
    items.sort(key=lambda item: item.get_closest_marker("browser") is not None)


@pytest.fixture(scope="session")
def third_party_files() -> None:
    """The web face's third-party files are in place."""
    from trophenix_kernel.web import vendor  # noqa: PLC0415 - most runs need none of it

    if not vendor.in_place():
        try:
            vendor.install()
        except vendor.VendorFault as fault:
            pytest.skip(f"third-party files are not in place: {fault}")


@pytest.fixture(scope="session")
def axe() -> str:
    """The text of axe-core, brought by npm; never shipped."""
    from trophenix_kernel.web import vendor  # noqa: PLC0415 - see above

    file = vendor.node_folder() / "node_modules" / "axe-core" / "axe.min.js"
    if not file.is_file():
        try:
            vendor.install(development=True)
        except vendor.VendorFault as fault:
            pytest.skip(f"axe-core is not there: {fault}")
    return file.read_text("utf-8")


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """A running Chromium, one per process: Playwright refuses a second in the same thread."""
    program = (
        os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    )
    if program is None:
        pytest.skip("no Chromium here: install it, or set CHROMIUM to its path")
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 - see above

    with sync_playwright() as play:
        browser = play.chromium.launch(
            executable_path=program,
            args=[
                "--no-sandbox",
                "--disable-gpu",
                "--disable-background-networking",
                "--disable-component-update",
                "--no-first-run",
            ],
        )
        yield browser
        browser.close()
