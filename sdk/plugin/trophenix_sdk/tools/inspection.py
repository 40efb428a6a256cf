"""What a plugin registers, found by importing it: run in a process of its own, so that what the import does stays there.

``python -m trophenix_sdk.tools.inspection <folder on the path> <module>`` prints one JSON document.
"""

from __future__ import annotations

import contextlib
import importlib
import inspect
import io
import sys
import traceback
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, cast

import msgspec

from trophenix_sdk.hooks import PROJECT, HookKind, hooks_in

COLLECTED: Final[Mapping[str, tuple[str, tuple[str, ...]]]] = {
    "operations": ("operations", ("name",)),
    "permissions": ("permissions", ("name",)),
    "events": ("events_emitted", ("name",)),
    "panels": ("panels", ("slug", "name")),
    "widgets": ("widgets", ("slug", "name")),
    "settings": ("settings", ("name",)),
}
"""Collect hook → the manifest's key below ``[contract]`` and the attributes that hold a name."""


class RegisteredOperation(msgspec.Struct, frozen=True):
    """What the rules ask of an operation."""

    name: str
    permission: str | None
    scope: str
    effect: str
    emits: list[str]
    limit: str | None


class Registered(msgspec.Struct, frozen=True):
    """What a plugin registers.

    Attributes:
        names: contract key → names, ``hooks`` among them.
        failure: why it could not be found out; everything else is then empty.
    """

    names: dict[str, list[str]] = {}
    operations: list[RegisteredOperation] = []
    failure: str = ""


def inspect_module(name: str) -> Registered:
    """What the module *name* registers; a failure of its own is a `Registered` that says so."""
    try:
        module = importlib.import_module(name)
    except BaseException as error:  # noqa: BLE001 - foreign code may raise anything, SystemExit too
        return Registered(
            failure=f"the import of {name} failed: {_where(error)}{type(error).__name__}: {error}"
        )
    # After the plugin's own import, whose failure is told first.
    from trophenix_sdk import hookspecs

    known = hooks_in(hookspecs)
    names: dict[str, list[str]] = {}
    operations: list[RegisteredOperation] = []
    for attribute, function in inspect.getmembers(module, callable):
        options: Any = getattr(function, f"{PROJECT}_impl", None)
        if not options:
            continue
        hook = options.get("specname") or attribute
        if hook not in known:
            return Registered(
                failure=f"the hook {hook} does not exist; known are {', '.join(sorted(known))}"
            )
        if known[hook].kind is not HookKind.COLLECT:
            names.setdefault("hooks", []).append(hook)
            continue
        try:
            items: list[Any] = list(cast("Callable[[], Iterable[Any] | None]", function)() or ())
        except BaseException as error:  # noqa: BLE001 - see above
            return Registered(
                failure=f"{hook}() failed: {_where(error)}{type(error).__name__}: {error}"
            )
        if hook in COLLECTED:
            key, attributes = COLLECTED[hook]
            names[key] = [_name(item, attributes) for item in items]
        if hook == "operations":
            operations = [_operation(item) for item in items]
    return Registered(names, operations)


def _operation(item: Any) -> RegisteredOperation:
    return RegisteredOperation(
        item.name, item.permission, item.scope, item.effect, list(item.emits), item.limit
    )


def _name(item: Any, attributes: Iterable[str]) -> str:
    for attribute in attributes:
        value = getattr(item, attribute, None)
        if value is not None:
            return str(getattr(value, "name", value))
    return f"<{type(item).__name__} without a name>"


def _where(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    return f"{frames[-1].filename}:{frames[-1].lineno}: " if frames else ""


def main() -> None:
    """Print what the module on the command line registers."""
    folder, name = sys.argv[1:]
    sys.path.insert(0, folder)
    # What a plugin prints while it is imported is not the answer.
    with contextlib.redirect_stdout(io.StringIO()):
        found = inspect_module(name)
    sys.stdout.write(msgspec.json.encode(found).decode())
    sys.stdout.flush()


if __name__ == "__main__":
    main()
