"""What every hook says about itself is complete, and a hook that says nonsense cannot be specified."""

from __future__ import annotations

import inspect
from typing import Any

import pluggy
import pytest

from trophenix_kernel.plugins.contract import SECTIONS
from trophenix_kernel.plugins.model import Contributions
from trophenix_sdk import hookspecs
from trophenix_sdk.hooks import (
    PROJECT,
    HookKind,
    OnError,
    collect,
    filter,  # noqa: A004 - the word of the domain
    first,
    hooks_in,
    observe,
)
from trophenix_sdk.manifest import Contract

HOOKS = hooks_in(hookspecs)


def test_every_hook_known_to_pluggy_has_its_rules_and_the_reverse() -> None:
    manager = pluggy.PluginManager(PROJECT)
    manager.add_hookspecs(hookspecs)

    assert {name for name in vars(manager.hook) if not name.startswith("_")} == set(HOOKS)


@pytest.mark.parametrize("name", HOOKS)
def test_every_hook_is_described(name: str) -> None:
    assert inspect.getdoc(getattr(hookspecs, name))


@pytest.mark.parametrize("name", HOOKS)
def test_every_hook_is_bounded_in_time_and_says_when_it_appeared(name: str) -> None:
    assert 0 < HOOKS[name].timeout_ms <= 600_000
    assert HOOKS[name].since == 1


def test_a_decision_is_never_taken_without_the_plugin_that_has_a_say() -> None:
    """Hooks that decide something fail closed."""
    deciding = {name for name, hook in HOOKS.items() if hook.kind is HookKind.FILTER}

    assert deciding == {"authorize", "validate_settings"}
    assert {HOOKS[name].on_error for name in deciding} == {OnError.VETO}


def test_each_collect_hook_has_its_place_in_manifest_and_record() -> None:
    """Something collected and held against nothing would be a hole in the contract."""
    collected = {name for name, hook in HOOKS.items() if hook.kind is HookKind.COLLECT}

    assert {section.hook for section in SECTIONS} == collected
    assert {section.hook for section in SECTIONS} | {"hooks"} == set(
        Contributions.__struct_fields__
    )
    assert {section.declared for section in SECTIONS} | {"hooks"} == set(Contract.__struct_fields__)


def test_collect_hooks_take_nothing_and_the_others_begin_with_the_context() -> None:
    for hook in HOOKS.values():
        assert hook.arguments[:1] == (() if hook.kind is HookKind.COLLECT else ("ctx",))


def test_a_collect_hook_cannot_be_async() -> None:
    async def things() -> list[Any]:
        return []

    with pytest.raises(TypeError, match="must not be declared with async"):
        collect()(things)


def test_the_other_hooks_must_be_async() -> None:
    def happened(ctx: Any) -> None:
        pass

    with pytest.raises(TypeError, match="must be declared with async"):
        observe()(happened)


def test_the_context_comes_first() -> None:
    async def happened(event: Any, ctx: Any) -> None:
        pass

    with pytest.raises(TypeError, match="first argument must be ctx"):
        first(returns=str)(happened)


def test_only_an_argument_can_be_handed_on() -> None:
    async def change(ctx: Any, value: Any) -> None:
        pass

    with pytest.raises(TypeError, match="'price', which is none of"):
        filter(returns=str, on_error=OnError.SKIP, threads="price")(change)
