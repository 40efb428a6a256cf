"""What a plugin's code may import: the SDK and third-party libraries, never the kernel and never another plugin.

Two nets. Before anything runs, the plugin's files are read and their import statements judged, inside functions and type-checking
blocks too. While its entry module is imported, names that were computed at run time are caught as they are looked up. This finds
mistakes; it is no sandbox, and code that wants to hide will: a boundary against hostile code would be a process of its own.
"""

from __future__ import annotations

import ast
import builtins
import sys
from collections.abc import Iterable, Mapping, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import FrameType, ModuleType, TracebackType
from typing import Any, Final, Self

from msgspec import Struct

KERNEL_PACKAGES: Final = ("trophenix_kernel", "trophenix_migrations")
"""Packages of the platform that are not the SDK."""


class ForbiddenImport(Struct, frozen=True):
    """An import that crosses a border.

    Attributes:
        where: ``file:line``.
        owner: the plugin the package belongs to, or ``the kernel``.
    """

    module: str
    where: str
    owner: str


class ImportRefused(ImportError):
    """A plugin imported, while it was being imported itself, what it may not."""

    def __init__(self, found: ForbiddenImport) -> None:
        super().__init__(f"{found.where} imports {found.module}, which belongs to {found.owner}")
        self.found = found


def forbidden_imports(folder: Path, forbidden: Mapping[str, str]) -> tuple[ForbiddenImport, ...]:
    """Every import in the Python files under *folder* of a package in *forbidden*, ordered by file and line.

    Only files that contain one of the names are parsed, so the usual cost is reading the files. A file that is not valid Python is passed
    over: importing it will say so better.

    Args:
        folder: the plugin's package.
        forbidden: top-level package → whose it is.
    """
    needles = [name.encode() for name in forbidden]
    found: list[ForbiddenImport] = []
    for file in sorted(folder.rglob("*.py")):
        try:
            source = file.read_bytes()
            if not any(needle in source for needle in needles):
                continue
            tree = ast.parse(source)
        except (OSError, SyntaxError, ValueError):
            continue
        found += [
            ForbiddenImport(module, f"{file}:{line}", forbidden[module.partition(".")[0]])
            for line, module in sorted(_imported(tree))
            if module.partition(".")[0] in forbidden
        ]
    return tuple(found)


def _imported(tree: ast.AST) -> Iterable[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            if node.level == 0 and node.module:
                yield node.lineno, node.module
        elif isinstance(node, ast.Call) and node.args:
            called = (
                node.func.attr
                if isinstance(node.func, ast.Attribute)
                else getattr(node.func, "id", "")
            )
            first = node.args[0]
            if (
                called in {"import_module", "__import__"}
                and isinstance(first, ast.Constant)
                and isinstance(first.value, str)
            ):
                yield node.lineno, first.value


class ImportWatch(MetaPathFinder):
    """While entered, imports of *forbidden* packages by code of *package* raise `ImportRefused` and are kept in ``found``.

    Two hooks are needed: ``__import__`` sees every import statement, also of modules already loaded; the path finder sees
    ``importlib.import_module`` of modules not loaded yet. Other code importing at the same time is not affected. Not re-entrant.
    """

    def __init__(self, package: str, forbidden: Mapping[str, str]) -> None:
        self._package = package
        self._forbidden = forbidden
        self._import: Any = None
        self.found: list[ForbiddenImport] = []

    def __enter__(self) -> Self:
        self._import = builtins.__import__
        builtins.__import__ = self._watched
        sys.meta_path.insert(0, self)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        sys.meta_path.remove(self)
        builtins.__import__ = self._import

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None,
        target: ModuleType | None = None,
    ) -> ModuleSpec | None:
        """Nothing is found here; a forbidden name asked for by the watched package is refused."""
        if fullname.partition(".")[0] in self._forbidden:
            frame: FrameType | None = sys._getframe(1)  # noqa: SLF001 # pyright: ignore[reportPrivateUsage] - the only way to learn who imports
            while frame is not None and _is_machinery(frame):
                frame = frame.f_back
            if frame is not None:
                self._judge(fullname, frame)
        return None

    def _watched(
        self,
        name: str,
        globals: Mapping[str, object] | None = None,  # noqa: A002 - the names of the replaced function
        locals: Mapping[str, object] | None = None,  # noqa: A002
        fromlist: Sequence[str] | None = (),
        level: int = 0,
    ) -> ModuleType:
        if level == 0 and name.partition(".")[0] in self._forbidden:
            self._judge(name, sys._getframe(1))  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]
        return self._import(name, globals, locals, fromlist, level)

    def _judge(self, name: str, frame: FrameType) -> None:
        importer = str(frame.f_globals.get("__name__", ""))
        if importer.partition(".")[0] != self._package:
            return
        found = ForbiddenImport(
            name,
            f"{frame.f_code.co_filename}:{frame.f_lineno}",
            self._forbidden[name.partition(".")[0]],
        )
        self.found.append(found)
        raise ImportRefused(found)


def _is_machinery(frame: FrameType) -> bool:
    module = str(frame.f_globals.get("__name__", ""))
    return (
        module == __name__
        or module.partition(".")[0] == "importlib"
        or "importlib._bootstrap" in frame.f_code.co_filename
    )
