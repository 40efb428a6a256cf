"""Every error a person or a program can meet has a stable code, and docs/errors.md names it."""

from __future__ import annotations

import importlib.util
import inspect
from collections import defaultdict
from typing import TYPE_CHECKING, Any, Final

import pytest

from trophenix_kernel.runtime.errors import RuntimeFailure
from trophenix_sdk.errors import TrophenixError

if TYPE_CHECKING:
    from .conftest import Checkout

WITHOUT_CODE: Final = {
    "trophenix_kernel.storage.failures.AnsweredBefore": "not an error: the stored answer is given again",
    "trophenix_kernel.settings.SettingsInvalid": "lists every fault of the environment, each with its variable",
    "trophenix_kernel.panels.assets.MissingAsset": "a fault of the checkout: the message names the command to run",
    "trophenix_kernel.themes.tokens.ThemeFault": "names the token and the file; themes are checked when they are installed",
    "trophenix_kernel.web.vendor.VendorFault": "of the set-up command, which prints it and ends",
}
"""Exceptions that no door answers; a new one has to give a reason here or a code."""


@pytest.fixture(scope="module")
def writer(checkout: Checkout) -> Any:
    """The script that writes docs/errors.md."""
    spec = importlib.util.spec_from_file_location(
        "write_errors", checkout.root / "docs" / "write_errors.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def classes(writer: Any) -> dict[str, type[BaseException]]:
    """Every exception class of the platform, by its full name."""
    return dict(writer.error_classes())


def test_the_page_is_current(writer: Any) -> None:
    """An error that is missing from the page is looked up in vain by somebody who has just met it."""
    assert writer.PAGE.read_text("utf-8") == writer.page(), "run `make docs`"


def test_every_error_class_has_a_code_of_its_own(classes: dict[str, type[BaseException]]) -> None:
    """Whoever branches on a code that two errors share handles one of them wrongly."""
    by_code: defaultdict[str, list[str]] = defaultdict(list)
    for name, error in classes.items():
        if issubclass(error, TrophenixError | RuntimeFailure):
            assert "code" in vars(error), (
                f"{name} inherits its code: a caller cannot tell it from {error.__base__}"
            )
            by_code[vars(error)["code"]].append(name)

    assert {code: names for code, names in by_code.items() if len(names) > 1} == {}


def test_a_code_means_one_status(writer: Any, classes: dict[str, type[BaseException]]) -> None:
    """The same word with two statuses means two things to every client."""
    statuses: defaultdict[str, set[int]] = defaultdict(set)
    by_name = {
        error.__name__: error for error in classes.values() if issubclass(error, TrophenixError)
    }
    for error in by_name.values():
        statuses[error.code].add(error.status)
    for site in writer.raised(classes):
        if site.error in by_name:
            statuses[site.code].add(by_name[site.error].status)

    assert {code: found for code, found in statuses.items() if len(found) > 1} == {}


def test_every_other_exception_says_why_it_has_no_code(
    classes: dict[str, type[BaseException]],
) -> None:
    """An exception without a code is either a fault of the caller's own program or has a reason."""
    reasonless = [
        name
        for name, error in classes.items()
        if not issubclass(
            error, TrophenixError | RuntimeFailure | ValueError | TypeError | ImportError
        )
        and not error.__name__.startswith("_")
        and not any("self.code" in source_of(base) for base in error.__mro__)
    ]

    assert set(reasonless) == set(WITHOUT_CODE)


def source_of(error: type) -> str:
    """The source of a class, empty for built-in ones."""
    try:
        return inspect.getsource(error)
    except (OSError, TypeError):
        return ""


def test_every_error_says_in_one_sentence_when_it_is_met(
    classes: dict[str, type[BaseException]],
) -> None:
    """The class's docstring is what the page shows."""
    public = {name: error for name, error in classes.items() if not error.__name__.startswith("_")}

    assert [name for name, error in public.items() if not (error.__doc__ or "").strip()] == []
