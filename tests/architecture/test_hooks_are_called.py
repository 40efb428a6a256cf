"""Every hook that is specified is called by the kernel and told of in the guide: one that nobody calls is a false promise."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING, Final

import pytest

from trophenix_sdk import hookspecs
from trophenix_sdk.hooks import Hook, HookKind, hooks_in

if TYPE_CHECKING:
    from .conftest import Checkout

HOOKS: Final = hooks_in(hookspecs)
PAGE: Final = "docs/plugin-guide/hooks.md"
CALLERS: Final = frozenset({"call", "changed", "everywhere"})
"""Of `Dispatcher` and of `Hooks`: what calls the hook that one of its arguments names."""


@pytest.fixture(scope="module")
def named_in_calls(checkout: Checkout) -> set[str]:
    """Every text that the kernel gives to something that calls a hook."""
    return {
        argument.value
        for source in checkout.shipped
        if source.path.startswith("kernel/")
        for node in ast.walk(source.tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in CALLERS
        for argument in node.args
        if isinstance(argument, ast.Constant) and isinstance(argument.value, str)
    }


@pytest.fixture(scope="module")
def contributions_used(checkout: Checkout) -> set[str]:
    """Every field of a plugin's contributions that the kernel reads."""
    return {
        node.attr
        for source in checkout.shipped
        if source.path.startswith("kernel/")
        for node in ast.walk(source.tree)
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Attribute)
        and node.value.attr == "contributions"
    }


@pytest.fixture(scope="module")
def rows(checkout: Checkout) -> dict[str, list[str]]:
    """The rows of the page's tables by the hook in their first cell."""
    text = (checkout.root / PAGE).read_text("utf-8")
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        if not line.startswith("| `"):
            continue
        cells = [cell.strip() for cell in line.strip("|").split(" | ")]
        name = re.match(r"`(\w+)", cells[0])
        assert name is not None, line
        found[name[1]] = cells
    return found


def of_kind(*, collected: bool) -> list[Hook]:
    return [hook for hook in HOOKS.values() if (hook.kind is HookKind.COLLECT) is collected]


@pytest.mark.parametrize("hook", of_kind(collected=False), ids=lambda hook: hook.name)
def test_a_run_time_hook_is_called(hook: Hook, named_in_calls: set[str]) -> None:
    assert hook.name in named_in_calls


@pytest.mark.parametrize("hook", of_kind(collected=True), ids=lambda hook: hook.name)
def test_what_is_collected_is_used(hook: Hook, contributions_used: set[str]) -> None:
    assert hook.name in contributions_used


@pytest.mark.parametrize("hook", HOOKS.values(), ids=lambda hook: hook.name)
def test_the_guide_tells_of_it(hook: Hook, rows: dict[str, list[str]]) -> None:
    """With its arguments and its time, as they are in the code."""
    assert hook.name in rows
    if hook.kind is HookKind.COLLECT:
        return
    signature, _when, time, failure = rows[hook.name]
    assert signature.strip("` ") == f"{hook.name}({', '.join(hook.arguments)})"
    number, unit = time.split()
    assert int(number) * {"s": 1000, "ms": 1}[unit] == hook.timeout_ms
    assert failure.strip("| ")


def test_the_guide_tells_of_no_other(rows: dict[str, list[str]]) -> None:
    assert set(rows) == set(HOOKS)
