"""A new plugin's project: complete, working and tested from its first minute."""

from __future__ import annotations

from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import ClassVar, Final

import msgspec

from trophenix_sdk.errors import TrophenixError
from trophenix_sdk.manifest import id_fault

_SUFFIX: Final = ".tmpl"
_RENAMED: Final = {"gitignore": ".gitignore"}


class CannotScaffold(TrophenixError):
    """The project cannot be written; nothing was."""

    code: ClassVar[str] = "plugin.cannot_scaffold"
    title: ClassVar[str] = "The project cannot be written"


class Names(msgspec.Struct, frozen=True):
    """Every name a plugin has, all derived from its id.

    Attributes:
        name: the id's last word: entry point and message domain.
        folder: the project's folder, and the first word of its routes.
    """

    plugin_id: str
    name: str
    distribution: str
    package: str
    folder: str
    title: str


def names_of(plugin_id: str) -> Names:
    """The names of a plugin with this id.

    Raises:
        CannotScaffold: *plugin_id* is not an id that may be used.
    """
    if (expected := id_fault(plugin_id)) is not None:
        raise CannotScaffold(
            f"found the id {plugin_id!r}; expected {expected}",
            next_step="Choose an id such as acme.carpool: your publisher name, a dot, the plugin's name.",
        )
    publisher, _, name = plugin_id.partition(".")
    words = name.replace("_", "-")
    return Names(
        plugin_id=plugin_id,
        name=name,
        distribution=f"{publisher}-{words}",
        package=f"{publisher}_{name}",
        folder=words,
        title=name.replace("_", " ").capitalize(),
    )


def write_project(plugin_id: str, parent: Path) -> list[Path]:
    """A project for *plugin_id* in a new folder of *parent*; the files that were written, sorted.

    Raises:
        CannotScaffold: the id cannot be used, *parent* is not a folder, or the project's folder is there already.
    """
    names = names_of(plugin_id)
    if not parent.is_dir():
        raise CannotScaffold(
            f"found no folder {parent}; expected one to put {names.folder}/ into",
            next_step="Make it first, or choose another with --dir.",
        )
    project = parent / names.folder
    if project.exists():
        raise CannotScaffold(
            f"found {project}, which exists already; expected to make it",
            next_step="Choose another id or another --dir; existing files are never touched.",
        )
    texts = {project / place: text for place, text in _files(names)}
    for path, text in texts.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return sorted(texts)


def _files(names: Names) -> list[tuple[Path, str]]:
    values = {
        "__PLUGIN_ID__": names.plugin_id,
        "__NAME__": names.name,
        "__DISTRIBUTION__": names.distribution,
        "__PACKAGE__": names.package,
        "__ROUTE__": names.folder,
        "__TITLE__": names.title,
    }
    found: list[tuple[Path, str]] = []
    for place, template in _templates(
        resources.files("trophenix_sdk.tools") / "project_files", Path()
    ):
        text = template.read_text(encoding="utf-8")
        for word, value in values.items():
            text = text.replace(word, value)
        found.append((_named(place, names), text))
    return found


def _templates(folder: Traversable, place: Path) -> list[tuple[Path, Traversable]]:
    found: list[tuple[Path, Traversable]] = []
    for entry in sorted(folder.iterdir(), key=lambda entry: entry.name):
        if entry.is_dir():
            found += _templates(entry, place / entry.name)
        elif entry.name.endswith(_SUFFIX):
            found.append((place / entry.name.removesuffix(_SUFFIX), entry))
    return found


def _named(place: Path, names: Names) -> Path:
    parts = list(place.parts)
    if parts[0] == "package":
        parts[0] = names.package
    parts[-1] = _RENAMED.get(parts[-1], parts[-1])
    if parts[-1] == "domain.po":
        parts[-1] = f"{names.name}.po"
    return Path(*parts)
