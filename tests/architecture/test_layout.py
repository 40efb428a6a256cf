"""Where things are, and that every list that names the members names them all."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from .conftest import Checkout

CATCH_ALL = frozenset(
    "util utils common misc miscellaneous helper helpers manager managers shared base core lib stuff".split()
)
"""Names that say nothing: whatever fits nowhere ends there, and nobody finds it again."""


def test_every_member_is_installed_with_the_workspace(checkout: Checkout) -> None:
    """A member that the root does not depend on is silently absent from the environment: its tests would not even run."""
    wanted = {member.distribution for member in checkout.members}

    asked = {
        re.split(r"[\[<>=~! ]", line)[0] for line in checkout.pyproject["project"]["dependencies"]
    }

    assert wanted == asked


def test_every_member_is_taken_from_the_checkout(checkout: Checkout) -> None:
    """Without a source entry uv looks for a distribution of that name on an index, and installs a stranger's."""
    sources = checkout.pyproject["tool"]["uv"]["sources"]

    assert {m.distribution for m in checkout.members} == {
        n for n, s in sources.items() if s == {"workspace": True}
    }


def test_every_member_is_under_the_import_contracts(checkout: Checkout) -> None:
    """import-linter looks only at the packages it is told of."""
    linted = checkout.pyproject["tool"]["importlinter"]["root_packages"]

    assert {member.package for member in checkout.members} == set(linted)


def test_every_member_is_sorted_as_ours(checkout: Checkout) -> None:
    """Imports of a package that ruff does not know as ours are sorted differently from machine to machine."""
    known = checkout.pyproject["tool"]["ruff"]["lint"]["isort"]["known-first-party"]

    assert {member.package for member in checkout.members} == set(known)


def test_every_member_stands_in_the_contract_of_distributions(checkout: Checkout) -> None:
    """A plugin outside the list could import the kernel or another plugin unseen."""
    contracts = checkout.pyproject["tool"]["importlinter"]["contracts"]
    layers = next(contract["layers"] for contract in contracts if contract["id"] == "distributions")

    named = {name.strip(" ()") for layer in layers for name in re.split(r"[|:]", layer)}

    assert {member.package for member in checkout.members} == named


def test_every_plugin_is_kept_from_the_kernel_and_the_migrations(checkout: Checkout) -> None:
    """A plugin that reaches past the SDK gets something that a stranger's plugin does not."""
    contracts = checkout.pyproject["tool"]["importlinter"]["contracts"]
    kept = next(contract for contract in contracts if contract["id"] == "migrations")
    plugins = {
        m.package
        for m in checkout.members
        if "trophenix.plugins" in m.pyproject["project"].get("entry-points", {})
    }

    assert plugins == set(kept["source_modules"])
    assert {"trophenix_migrations", "trophenix_kernel"} <= set(kept["forbidden_modules"])


@pytest.mark.parametrize(
    "name", ["README.md", "{package}/py.typed", "{package}/__init__.py", "pyproject.toml"]
)
def test_every_member_has(checkout: Checkout, name: str) -> None:
    """An index shows the README, a type checker obeys py.typed; both are missed only by others."""
    wanted = [
        f"{member.folder}/{name.format(package=member.package)}" for member in checkout.members
    ]

    assert [path for path in wanted if path not in checkout.files] == []


def test_every_member_says_how_it_is_built_and_under_which_licence(checkout: Checkout) -> None:
    """setuptools' editable installs hide a package from type checkers; hatchling's do not."""
    for member in checkout.members:
        project = member.pyproject["project"]
        assert member.pyproject["build-system"]["build-backend"] == "hatchling.build", member.folder
        assert project["license"] == "Apache-2.0", member.folder
        assert project["requires-python"] == checkout.pyproject["project"]["requires-python"], (
            member.folder
        )


def test_no_folder_or_module_is_a_catch_all(checkout: Checkout) -> None:
    """A module is named after what it knows."""
    vague = [
        name
        for name in checkout.files
        if name.endswith(".py")
        and CATCH_ALL & {PurePosixPath(part).stem for part in PurePosixPath(name).parts}
    ]

    assert vague == []


def test_test_folders_are_no_packages(checkout: Checkout) -> None:
    """With an __init__.py, two test files of one name in two members become one module, and one of them is not run."""
    with_tests = {
        str(PurePosixPath(name).parent)
        for name in checkout.files
        if re.search(r"(^|/)test_\w+\.py$", name)
    }

    assert [
        folder for folder in sorted(with_tests) if f"{folder}/__init__.py" in checkout.files
    ] == []


def test_every_test_is_below_a_folder_that_is_collected(checkout: Checkout) -> None:
    """A test outside `testpaths` passes for ever, because it never runs; `.ci/wheels.py` runs those of the examples."""
    collected = checkout.pyproject["tool"]["pytest"]["ini_options"]["testpaths"]
    tests = [name for name in checkout.files if re.fullmatch(r"(.*/)?test_\w+\.py", name)]

    assert [name for name in tests if name.partition("/")[0] not in {*collected, "examples"}] == []
    assert tests
