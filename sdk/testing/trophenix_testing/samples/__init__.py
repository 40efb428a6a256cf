"""Plugins for tests, kept as ordinary code and copied to where a test installs them."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from trophenix_testing.plugins import WrittenPlugin, write_plugin

CARPOOL: Final = "acme.carpool"
LUNCH: Final = "other.lunch"


def write_carpool(root: Path, **changes: str) -> WrittenPlugin:
    """``acme.carpool`` is installed below *root*: two tables, every kind of operation, events, limits, settings and a capability.

    Args:
        root: the folder to put on ``sys.path``.
        changes: file → text to append, with ``__`` for a slash and without ``.py``: ``migrations__v0002_more="…"`` adds a revision.
    """
    return _write(root, CARPOOL, "acme_carpool", changes)


def write_lunch(root: Path, **changes: str) -> WrittenPlugin:
    """``other.lunch``, another publisher's plugin with one table, is installed below *root*."""
    return _write(root, LUNCH, "other_lunch", changes)


def _write(root: Path, plugin_id: str, package: str, changes: dict[str, str]) -> WrittenPlugin:
    source = Path(__file__).parent / package
    files = {
        str(file.relative_to(source)): file.read_text(encoding="utf-8")
        for file in source.rglob("*.py")
    }
    for name, text in changes.items():
        file = f"{name.replace('__', '/')}.py"
        files[file] = files.get(file, "") + text
    manifest = (source / "trophenix.toml").read_text(encoding="utf-8")
    return write_plugin(root, id=plugin_id, package=package, files=files, manifest=manifest)
