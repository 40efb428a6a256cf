"""Every distribution of the workspace works with what it asks for and nothing else.

In the shared environment a package can import what only its neighbour asked for; whoever installs it alone then gets an
ImportError. So each member gets an environment of its own, where each of its modules is imported and those of its tests are run
that need no running platform.
"""

from __future__ import annotations

import ast
import os
import subprocess
import sys
import time
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TEST_TOOLS = ("pytest", "pytest-asyncio", "pytest-timeout", "pytest-xdist", "hypothesis", "babel")
KIT = "trophenix_testing"
UV = os.environ.get("UV", "uv")  # set by `uv run`, also when uv is not on the PATH

IMPORT_EVERYTHING = """
import importlib, pkgutil, sys
package = importlib.import_module(sys.argv[1])
names = [m.name for m in pkgutil.walk_packages(package.__path__, package.__name__ + ".", onerror=lambda name: None)]
for name in names:
    if not name.endswith(".__main__"):
        importlib.import_module(name)
print(len(names) + 1)
"""


def main() -> int:
    """0 when every member works alone; the faults of all of them are printed."""
    workspace = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["uv"][
        "workspace"
    ]
    folders = sorted(
        folder
        for pattern in workspace["members"]
        for folder in ROOT.glob(pattern)
        if (folder / "pyproject.toml").is_file()
    )
    failed = [folder.name for folder in folders if not works_alone(folder)]
    if failed:
        print(f"does not work alone: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


def works_alone(folder: Path) -> bool:
    """Whether the member in *folder* imports whole, and its own tests pass, without its neighbours."""
    started = time.monotonic()
    project = tomllib.loads((folder / "pyproject.toml").read_text("utf-8"))["project"]
    name: str = project["name"]
    isolated = [UV, "run", "--quiet", "--isolated", "--no-dev", "--package", name]
    package = name.replace("-", "_")
    imported = subprocess.run(
        [*isolated, "python", "-W", "error", "-c", IMPORT_EVERYTHING, package],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if imported.returncode:
        print(f"{name}: a module cannot be imported\n{imported.stderr.strip()}", file=sys.stderr)
        return False
    tests = tests_that_need_no_platform(folder, package)
    if tests:
        extra = [word for tool in TEST_TOOLS for word in ("--with", tool)]
        command = [
            *isolated,
            *extra,
            "pytest",
            "-q",
            "-n",
            "2",
            "-m",
            "not bench and not slow",
            *map(str, tests),
        ]
        if subprocess.run(command, cwd=ROOT, check=False).returncode:
            print(f"{name}: a test fails that passes in the shared environment", file=sys.stderr)
            return False
    seconds = time.monotonic() - started
    print(
        f"{name}: {imported.stdout.strip()} modules imported, {len(tests)} test files run, {seconds:.1f} s",
        flush=True,
    )
    return True


def tests_that_need_no_platform(folder: Path, package: str) -> list[Path]:
    """The member's test files that take nothing, by import or as a fixture, from the test kit."""
    if package in {KIT, "trophenix_kernel"}:
        # The kit is a running platform, and most of the kernel's tests start real servers: both run in `make test`.
        return []
    kit = fixture_names(sorted((ROOT / "sdk" / "testing" / KIT).rglob("*.py")))
    chosen: list[Path] = []
    for file in sorted((folder / "tests").rglob("test_*.py")):
        around = [
            conftest
            for parent in file.parents
            if (conftest := parent / "conftest.py").is_file() and folder in conftest.parents
        ]
        # A fixture of the same name nearby is the one that is meant.
        foreign = kit - fixture_names([file, *around])
        if not any(needs(one, foreign) for one in (file, *around)):
            chosen.append(file)
    return chosen


def fixture_names(files: list[Path]) -> frozenset[str]:
    """The fixtures that the *files* define."""
    return frozenset(
        function.name
        for file in files
        for function in ast.walk(ast.parse(file.read_text("utf-8")))
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
        and any("fixture" in ast.unparse(decorator) for decorator in function.decorator_list)
    )


def needs(file: Path, fixtures: frozenset[str]) -> bool:
    """Whether a test file imports the test kit or asks for one of its fixtures."""
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.Import) and any(
            alias.name.partition(".")[0] == KIT for alias in node.names
        ):
            return True
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == KIT:
            return True
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            asked = [argument.arg for argument in (*node.args.args, *node.args.kwonlyargs)]
            if not fixtures.isdisjoint(asked):
                return True
    return False


if __name__ == "__main__":
    raise SystemExit(main())
