"""Plugins for tests, kept as ordinary code and copied to where a test installs them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from trophenix_testing.plugins import WrittenPlugin, write_plugin

CARPOOL: Final = "acme.carpool"
LUNCH: Final = "other.lunch"


def write_carpool(
    root: Path, *, adding: Mapping[str, str] | None = None, operations: Sequence[str] = ()
) -> WrittenPlugin:
    """``acme.carpool`` is installed below *root*: two tables, every kind of operation, events, limits, settings and a capability.

    Args:
        root: the folder to put on ``sys.path``.
        adding: file inside the package → text put at its end; a file that is not there is made. Operations go to ``more.py``, which is
            read for a list ``OPERATIONS``.
        operations: names of operations that *adding* brings, for the manifest.
    """
    return _write(root, CARPOOL, "acme_carpool", adding or {}, operations)


def write_lunch(root: Path, *, adding: Mapping[str, str] | None = None) -> WrittenPlugin:
    """``other.lunch``, another publisher's plugin with one table, is installed below *root*."""
    return _write(root, LUNCH, "other_lunch", adding or {}, ())


def _write(
    root: Path, plugin_id: str, package: str, adding: Mapping[str, str], operations: Sequence[str]
) -> WrittenPlugin:
    source = Path(__file__).parent / package
    files = {
        str(file.relative_to(source)): file.read_text(encoding="utf-8")
        for file in source.rglob("*.py")
    }
    for name, text in adding.items():
        files[name] = files.get(name, "") + text
    manifest = (source / "trophenix.toml").read_text(encoding="utf-8")
    named = "".join(f'"{name}", ' for name in operations)
    manifest = manifest.replace("operations = [", f"operations = [{named}", 1)
    return write_plugin(root, id=plugin_id, package=package, files=files, manifest=manifest)
