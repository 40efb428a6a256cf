"""A plugin's project as the rules see it: every file read once, and what is wrong said in one way."""

from __future__ import annotations

import ast
import tomllib
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Final, Literal

import msgspec

from trophenix_sdk.errors import TrophenixError
from trophenix_sdk.hooks import ENTRY_POINT_GROUP
from trophenix_sdk.manifest import MANIFEST_FILE, Manifest
from trophenix_sdk.manifest_file import ManifestProblem, inspect_manifest

Severity = Literal["error", "warning"]
_NO_PARTS: Final[Mapping[str, Any]] = {}


class NotAPluginProject(TrophenixError):
    """The folder cannot be checked at all."""

    code: ClassVar[str] = "plugin.not_a_project"
    title: ClassVar[str] = "This is not a plugin's project"


class Finding(msgspec.Struct, frozen=True):
    """One thing that breaks a rule.

    Attributes:
        rule: the rule's stable id.
        place: ``file:line``, or a file, relative to the project.
    """

    rule: str
    severity: Severity
    place: str
    found: str
    expected: str
    next_step: str

    def __str__(self) -> str:
        return f"{self.place}: {self.rule} {self.severity}: found {self.found}; expected {self.expected}. {self.next_step}"


class Module(msgspec.Struct, frozen=True):
    """One Python file of the package.

    Attributes:
        name: dotted, from the package on.
        place: the file, relative to the project.
        tree: its syntax.
    """

    name: str
    place: str
    tree: ast.Module

    @property
    def role(self) -> str:
        """What kind of file it is: the first word below the package, ``""`` for the package itself."""
        parts = self.name.split(".")
        return parts[1] if len(parts) > 1 else ""


class Project:
    """A folder with a ``pyproject.toml`` that offers one plugin.

    Attributes:
        root: the folder.
        metadata: ``[project]``.
        module: the module of the entry point.
        package: its top-level package.
        folder: the package's folder.
    """

    def __init__(self, root: Path) -> None:
        """The project in *root*.

        Raises:
            NotAPluginProject: there is no readable ``pyproject.toml``, no entry point, or no package.
        """
        self.root = root
        file = root / "pyproject.toml"
        try:
            document = tomllib.loads(file.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise NotAPluginProject(
                f"{file} cannot be read: {error}",
                next_step="Run it in a plugin's folder, or name one.",
            ) from error
        self.metadata: Mapping[str, Any] = document.get("project", _NO_PARTS)
        points: Mapping[str, str] = self.metadata.get("entry-points", _NO_PARTS).get(
            ENTRY_POINT_GROUP, _NO_PARTS
        )
        if len(points) != 1:
            raise NotAPluginProject(
                f'{file} offers {len(points)} plugins; expected exactly one in [project.entry-points."{ENTRY_POINT_GROUP}"]',
                next_step='Add a line such as carpool = "acme_carpool.plugin".',
            )
        self.module = next(iter(points.values())).partition(":")[0].strip()
        self.package = self.module.partition(".")[0]
        self.source = next(
            (
                place
                for place in (root, root / "src")
                if (place / self.package / "__init__.py").is_file()
            ),
            root,
        )
        self.folder = self.source / self.package
        if not (self.folder / "__init__.py").is_file():
            raise NotAPluginProject(
                f"{file} names {self.module}, but there is no package {self.package} beside it nor below src/",
                next_step="Correct the entry point, or add the package.",
            )

    def place(self, path: Path, line: int = 0) -> str:
        """A file of the project, and a line of it, as findings name it."""
        name = path.relative_to(self.root).as_posix()
        return f"{name}:{line}" if line else name

    @cached_property
    def manifest_text(self) -> bytes | None:
        """The manifest as it is written; ``None`` when there is none."""
        file = self.folder / MANIFEST_FILE
        return file.read_bytes() if file.is_file() else None

    @cached_property
    def inspected(self) -> tuple[Manifest | None, tuple[ManifestProblem, ...]]:
        """The manifest, and what is wrong with it."""
        return (
            inspect_manifest(self.manifest_text) if self.manifest_text is not None else (None, ())
        )

    @property
    def manifest(self) -> Manifest | None:
        """The manifest, if it can be accepted."""
        return self.inspected[0]

    @cached_property
    def unreadable(self) -> dict[str, SyntaxError | UnicodeDecodeError]:
        """Python files that are not Python, by place."""
        found: dict[str, SyntaxError | UnicodeDecodeError] = {}
        for file in sorted(self.folder.rglob("*.py")):
            try:
                ast.parse(file.read_text(encoding="utf-8"))
            except (SyntaxError, UnicodeDecodeError) as error:
                found[self.place(file)] = error
        return found

    @cached_property
    def everything(self) -> tuple[Module, ...]:
        """Every module that can be parsed, revisions of the tables among them."""
        found: list[Module] = []
        for file in sorted(self.folder.rglob("*.py")):
            place = self.place(file)
            if place not in self.unreadable:
                parts = file.relative_to(self.source).with_suffix("").parts
                name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
                found.append(Module(name, place, ast.parse(file.read_text(encoding="utf-8"))))
        return tuple(found)

    @property
    def migrations_folder(self) -> Path | None:
        """Where the revisions are, if the manifest says so."""
        where = self.manifest.data.migrations if self.manifest else None
        return self.folder / where if where else None

    @property
    def revisions(self) -> Iterator[Module]:
        """The revisions of the tables."""
        for module in self.everything:
            if self._is_revision(module):
                yield module

    @property
    def modules(self) -> Iterator[Module]:
        """Every module that is not a revision."""
        for module in self.everything:
            if not self._is_revision(module):
                yield module

    def _is_revision(self, module: Module) -> bool:
        folder = self.migrations_folder
        return (
            folder is not None
            and (self.root / module.place).is_relative_to(folder)
            and not module.place.endswith("__init__.py")
        )
