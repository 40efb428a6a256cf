"""Plugins reach the platform and one another only through the SDK; whatever reaches past it is found, with its line."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest

from trophenix_kernel.plugins.imports import ImportRefused, ImportWatch, forbidden_imports

FORBIDDEN = {"trophenix_kernel": "the kernel", "other_plugin": "acme.other"}


@pytest.mark.parametrize(
    ("code", "module"),
    [
        ("import trophenix_kernel", "trophenix_kernel"),
        ("import os, trophenix_kernel.storage as s", "trophenix_kernel.storage"),
        ("from trophenix_kernel.plugins import model", "trophenix_kernel.plugins"),
        ("from typing import TYPE_CHECKING\nif TYPE_CHECKING: import other_plugin", "other_plugin"),
        (
            "def f():\n    async def g():\n        from other_plugin.store import rows",
            "other_plugin.store",
        ),
        ("try:\n    import other_plugin\nexcept ImportError: pass", "other_plugin"),
        ("import importlib\nimportlib.import_module('other_plugin.x')", "other_plugin.x"),
        (
            "from importlib import import_module as im, import_module\nimport_module('other_plugin')",
            "other_plugin",
        ),
        ("__import__('trophenix_kernel')", "trophenix_kernel"),
    ],
)
def test_a_forbidden_import_is_found_wherever_it_stands(
    code: str, module: str, tmp_path: Path
) -> None:
    (tmp_path / "deep").mkdir()
    file = tmp_path / "deep" / "code.py"
    file.write_text(code)

    found = forbidden_imports(tmp_path, FORBIDDEN)

    assert [one.module for one in found] == [module]
    assert found[0].where == f"{file}:{len(code.splitlines()) if 'try' not in code else 2}"
    assert found[0].owner == FORBIDDEN[module.partition(".")[0]]


@pytest.mark.parametrize(
    "code",
    [
        "import trophenix_sdk.hooks",
        "import trophenix_kernelish",
        "from .trophenix_kernel import x",
        "from . import other_plugin",
        "text = 'import trophenix_kernel'",
        "# import trophenix_kernel",
        "def broken(:  # trophenix_kernel",
    ],
)
def test_nothing_else_is_taken_for_one(code: str, tmp_path: Path) -> None:
    (tmp_path / "code.py").write_text(code)

    assert forbidden_imports(tmp_path, FORBIDDEN) == ()


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An importable package ``watched`` beside one named ``other_plugin``."""
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    for name in ("watched", "other_plugin"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("")
        monkeypatch.delitem(sys.modules, name, raising=False)
    importlib.invalidate_caches()
    return tmp_path / "watched"


@pytest.mark.parametrize(
    "code",
    [
        "__import__('other' + '_plugin')",
        "import importlib\nimportlib.import_module('other' + '_plugin')",
        "exec('import other_plugin')",
        "__import__('trophenix' + '_kernel')",
    ],
)
def test_a_name_computed_at_run_time_is_caught_while_importing(code: str, package: Path) -> None:
    """Loaded modules included: the kernel always is."""
    (package / "__init__.py").write_text(code)
    watch = ImportWatch("watched", FORBIDDEN)

    with watch, pytest.raises(ImportRefused, match="which belongs to"):
        importlib.import_module("watched")

    assert len(watch.found) == 1
    assert "other_plugin" not in sys.modules


def test_others_may_import_meanwhile_what_the_plugin_may_not(package: Path) -> None:
    """Lazy imports inside libraries are not the plugin's doing."""
    assert package.exists()
    watch = ImportWatch("watched", FORBIDDEN)

    with watch:
        importlib.import_module("other_plugin")

    assert watch.found == []
    sys.modules.pop("other_plugin")


def test_nothing_of_the_watch_remains(package: Path) -> None:
    assert package.exists()
    finders, importer = list(sys.meta_path), __import__

    with pytest.raises(LookupError), ImportWatch("watched", FORBIDDEN):
        raise LookupError

    assert sys.meta_path == finders
    assert __import__ is importer
