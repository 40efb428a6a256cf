"""The command `trophenix-plugin`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec

from trophenix_sdk.errors import TrophenixError


def parser() -> argparse.ArgumentParser:
    """The command's grammar."""
    root = argparse.ArgumentParser(
        prog="trophenix-plugin", description="Make and check plugins for Trophenix."
    )
    commands = root.add_subparsers(dest="command", required=True, metavar="COMMAND")
    one = commands.add_parser(
        "new",
        help="write a complete plugin project",
        description="Write a complete plugin project: it works and its tests pass as it is.",
    )
    one.add_argument("id", help="publisher.name, such as acme.carpool")
    one.add_argument(
        "--dir",
        type=Path,
        default=Path(),
        metavar="DIR",
        help="where the project's folder goes (default: here)",
    )
    one = commands.add_parser(
        "check",
        help="hold a plugin project against the rules",
        description="Hold a plugin project against the rules. Its code is imported once, in a process of its own.",
    )
    one.add_argument(
        "project",
        nargs="?",
        type=Path,
        default=Path(),
        metavar="DIR",
        help="the project's folder (default: here)",
    )
    one.add_argument("--json", action="store_true", help="the findings as JSON")
    return root


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; 0 when all is well, 1 when something is refused or breaks a rule, 2 when the command is not understood."""
    asked = parser().parse_args(arguments)
    try:
        return (
            _new(asked.id, asked.dir)
            if asked.command == "new"
            else _check(asked.project, as_json=asked.json)
        )
    except TrophenixError as error:
        print(f"trophenix-plugin: {error.detail}", file=sys.stderr)
        print(f"  → {error.next_step}", file=sys.stderr)
        return 1


def _new(plugin_id: str, parent: Path) -> int:
    from trophenix_sdk.tools.scaffold import names_of, write_project

    written = write_project(plugin_id, parent)
    folder = parent / names_of(plugin_id).folder
    print(f"{len(written)} files in {folder}/. Next:")
    print(f'  cd {folder} && uv venv && uv pip install -e ".[test]" && uv run --no-sync pytest')
    return 0


def _check(root: Path, *, as_json: bool) -> int:
    from trophenix_sdk.tools.check import check_project

    found = check_project(root)
    errors = sum(finding.severity == "error" for finding in found)
    if as_json:
        print(msgspec.json.format(msgspec.json.encode(found), indent=2).decode())
        return 1 if errors else 0
    for finding in found:
        print(finding)
    warnings = len(found) - errors
    print(
        f"{errors} error{'s' if errors != 1 else ''}, {warnings} warning{'s' if warnings != 1 else ''}."
    )
    return 1 if errors else 0
