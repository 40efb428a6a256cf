"""The sample pages, served on this machine, for the tests of this folder."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest


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
def _with_third_party_files(third_party_files: None) -> None:  # pyright: ignore[reportUnusedFunction]
    """Every page asks for them."""


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
