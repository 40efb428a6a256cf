"""The sample pages, served on this machine, for the tests of this folder."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from playwright.sync_api import Browser, sync_playwright

from trophenix_kernel.web import vendor


def _load(name: str) -> ModuleType:
    """A neighbouring module: test folders are no packages."""
    known = f"trophenix_panel_{name}"
    if known not in sys.modules:
        spec = importlib.util.spec_from_file_location(known, Path(__file__).parent / f"{name}.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[known] = module
        spec.loader.exec_module(module)
    return sys.modules[known]


@pytest.fixture(scope="session", autouse=True)
def _third_party_files() -> None:  # pyright: ignore[reportUnusedFunction]
    if not vendor.in_place():
        try:
            vendor.install()
        except vendor.VendorFault as fault:
            pytest.skip(f"third-party files are not in place: {fault}")


@pytest.fixture(scope="session")
def sample() -> Any:
    """The made-up plugin and its pages."""
    return _load("sample")


@pytest.fixture(scope="session")
def environment(sample: Any) -> Any:
    """The environment of the shell, where an unknown name in a template is an error."""
    return sample.environment(strict=True)


@pytest.fixture(scope="session")
def base() -> Iterator[str]:
    """The address of a running preview server."""
    with _load("preview").served() as address:
        yield address


@pytest.fixture(scope="session")
def axe() -> str:
    """The text of axe-core, brought by npm; never shipped."""
    file = vendor.node_folder() / "node_modules" / "axe-core" / "axe.min.js"
    if not file.is_file():
        try:
            vendor.install(development=True)
        except vendor.VendorFault as fault:
            pytest.skip(f"axe-core is not there: {fault}")
    return file.read_text("utf-8")


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """A running Chromium."""
    program = (
        os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    )
    if program is None:
        pytest.skip("no Chromium here: install it, or set CHROMIUM to its path")
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
