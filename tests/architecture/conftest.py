"""The checkout as its rules see it: tracked files, parsed once for all tests of this folder."""

from __future__ import annotations

import ast
import subprocess
import tomllib
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[2]


class Source(NamedTuple):
    """A Python file: its path from the root, and its syntax tree."""

    path: str
    tree: ast.Module

    @property
    def in_tests(self) -> bool:
        """Whether it is a test or what tests share."""
        return "tests" in Path(self.path).parts[:-1]

    def at(self, node: ast.AST) -> str:
        """The place of *node*, as editors understand it."""
        return f"{self.path}:{getattr(node, 'lineno', 0)}"


class Checkout:
    """The files of the project, whether committed already or not."""

    root = ROOT

    @cached_property
    def files(self) -> list[str]:
        """Every file that git tracks or would track, as a path from the root."""
        listed = subprocess.run(
            ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
            cwd=ROOT,
            capture_output=True,
            check=True,
        ).stdout.decode()
        # A file deleted in the checkout is still in the index.
        return sorted(name for name in listed.split("\0") if name and (ROOT / name).is_file())

    @cached_property
    def sources(self) -> list[Source]:
        """Every Python file, parsed."""
        return [
            Source(name, ast.parse((ROOT / name).read_text("utf-8"), name))
            for name in self.files
            if name.endswith(".py")
        ]

    @cached_property
    def shipped(self) -> list[Source]:
        """What is installed: the members' packages, without tests and examples."""
        packages = tuple(f"{member.folder}/{member.package}/" for member in self.members)
        return [source for source in self.sources if source.path.startswith(packages)]

    @cached_property
    def pyproject(self) -> dict[str, Any]:
        """The root's pyproject.toml."""
        return tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))

    @cached_property
    def members(self) -> list[Member]:
        """The workspace's members."""
        return [
            Member(folder.relative_to(ROOT).as_posix(), tomllib.loads(file.read_text("utf-8")))
            for pattern in self.pyproject["tool"]["uv"]["workspace"]["members"]
            for folder in sorted(ROOT.glob(pattern))
            if (file := folder / "pyproject.toml").is_file()
        ]


class Member(NamedTuple):
    """A distribution of the workspace."""

    folder: str
    pyproject: dict[str, Any]

    @property
    def distribution(self) -> str:
        """Its name on an index."""
        return self.pyproject["project"]["name"]

    @property
    def package(self) -> str:
        """Its import name."""
        return self.distribution.replace("-", "_")


@pytest.fixture(scope="session")
def checkout() -> Checkout:
    """The project's files."""
    return Checkout()
