"""What a plugin registers, held against what its manifest declares: a surplus refuses the plugin, a shortfall is a warning.

The kernel needs no more than a name from what plugins hand in here; the contexts that use operations, panels or events check the rest.
"""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, Protocol, cast

from msgspec import Struct

from trophenix_kernel.plugins.model import (
    Contribution,
    Contributions,
    PluginProblem,
    PluginRecord,
    PluginState,
    problem,
)
from trophenix_sdk.hooks import Hook, HookKind
from trophenix_sdk.manifest import Contract, Manifest


class Named(Protocol):
    """Something registered under a name (operation, permission, event type, settings)."""

    @property
    def name(self) -> str:
        """Unique among its kind inside the plugin."""
        ...


class Addressed(Protocol):
    """Something registered under the word in its address (panel, widget)."""

    @property
    def slug(self) -> str:
        """Unique among its kind inside the plugin."""
        ...


class Section(Struct, frozen=True):
    """How one collect hook relates to the manifest.

    Attributes:
        hook: the collect hook and the field of `Contributions`.
        declared: the key below ``[contract]``.
        named_by: attributes that hold the name, the first one present counts.
    """

    hook: str
    declared: str
    named_by: tuple[str, ...] = ("name",)


SECTIONS: Final = (
    Section("operations", "operations"),
    Section("permissions", "permissions"),
    Section("events", "events_emitted"),
    Section("panels", "panels", ("slug", "name")),
    Section("widgets", "widgets", ("slug", "name")),
    Section("settings", "settings"),
)
"""The collect hooks of hook API 1, in the order in which they are asked."""

Ask = Callable[[str], Sequence[Callable[..., Any]]]
"""The plugin's implementations of a hook."""


def implementation_faults(
    record: PluginRecord, implementations: Mapping[str, Sequence[Any]], hooks: Mapping[str, Hook]
) -> tuple[PluginProblem, ...]:
    """What is wrong with how the hooks are implemented: unknown names, sync where async is due and the reverse, order asked for in code.

    Args:
        record: the plugin.
        implementations: hook name → pluggy's implementations by this plugin.
        hooks: all specified hooks.
    """
    faults: list[PluginProblem] = []
    for name, listed in sorted(implementations.items()):
        hook = hooks.get(name)
        for one in listed:
            where = location(one.function)
            if hook is None:
                if not one.optionalhook:
                    faults.append(_unknown(record, name, hooks, where))
                continue
            due = hook.kind is not HookKind.COLLECT
            if inspect.iscoroutinefunction(one.function) is not due:
                faults.append(
                    violation(
                        record,
                        "hook_async",
                        found=f"hook {name} declared {'without' if due else 'with'} async",
                        expected=f"{'async def' if due else 'def'}, as for every {hook.kind} hook",
                        next_step=f"Declare it with {'async def' if due else 'def'}.",
                        where=where,
                    )
                )
            if one.hookwrapper or one.wrapper or one.tryfirst or one.trylast:
                faults.append(
                    violation(
                        record,
                        "hook_order",
                        found=f"hook {name} marked as wrapper, tryfirst or trylast",
                        expected="a plain @hookimpl: order follows from requirements and runtime.priority",
                        next_step='Remove the option; set runtime.priority = "early" or "late" if order matters.',
                        where=where,
                    )
                )
            asked = record.manifest.capabilities if record.manifest is not None else None
            if hook.capability is not None and getattr(asked, hook.capability, None) is None:
                faults.append(
                    violation(
                        record,
                        "hook_capability",
                        found=f"hook {name} without the capability {hook.capability}",
                        expected=f"[capabilities.{hook.capability}] in the manifest",
                        next_step="Ask for it, with the reason the tenant will read.",
                        where=where,
                    )
                )
    return tuple(faults)


def collect_contributions(
    record: PluginRecord, ask: Ask, run_time_hooks: Iterable[str]
) -> tuple[Contributions, tuple[PluginProblem, ...]]:
    """What the plugin registers and what is wrong with the way it does.

    The caller contains exceptions of the plugin's code; none is caught here.
    """
    gathered: dict[str, tuple[Contribution, ...]] = {}
    faults: list[PluginProblem] = []
    for section in SECTIONS:
        items: list[Contribution] = []
        for function in ask(section.hook):
            where = location(function)
            answer = function()
            if answer is None:
                continue
            if not isinstance(answer, (list, tuple)):
                faults.append(
                    violation(
                        record,
                        "wrong_type",
                        found=f"{type(answer).__qualname__} returned by {section.hook}()",
                        expected="a list",
                        next_step=f"Return a list from {section.hook}(), empty if there is nothing.",
                        where=where,
                    )
                )
                continue
            for index, value in enumerate(cast("Sequence[object]", answer)):
                name = _name(value, section.named_by)
                if name is None:
                    faults.append(
                        violation(
                            record,
                            "wrong_type",
                            found=f"{type(value).__qualname__} as item {index} of {section.hook}()",
                            expected=f"an object with a text in {' or '.join(section.named_by)}",
                            next_step="Return instances of the SDK's class for it.",
                            where=where,
                        )
                    )
                elif any(name == item.name for item in items):
                    faults.append(
                        violation(
                            record,
                            "repeated_name",
                            found=f"{name!r} twice in {section.hook}()",
                            expected="every name once",
                            next_step="Rename or remove one of them.",
                            where=where,
                        )
                    )
                else:
                    items.append(Contribution(name, value))
        gathered[section.hook] = tuple(items)
    return Contributions(**gathered, hooks=tuple(sorted(run_time_hooks))), tuple(faults)


def contract_differences(
    record: PluginRecord, manifest: Manifest, registered: Contributions
) -> tuple[PluginProblem, ...]:
    """One violation per kind of thing registered and not declared, one warning per kind declared and not registered."""
    pairs = [
        (section.declared, {item.name for item in getattr(registered, section.hook)})
        for section in SECTIONS
    ]
    pairs.append(("hooks", set(registered.hooks)))
    answer: list[PluginProblem] = []
    for key, names in pairs:
        declared = set(_declared(manifest.contract, key))
        if surplus := sorted(names - declared):
            answer.append(
                violation(
                    record,
                    "undeclared",
                    found=f"{key} registered by the code but not declared: {', '.join(surplus)}",
                    expected=f"only what contract.{key} lists",
                    next_step=f"Add {_quoted(surplus)} to contract.{key} in the manifest, or stop registering it.",
                    where=f"contract.{key}",
                )
            )
        collected = {section.hook for section in SECTIONS} if key == "hooks" else set[str]()
        if missing := sorted(declared - names - collected):
            answer.append(
                problem(
                    record,
                    "not_registered",
                    state=None,
                    found=f"{key} declared but not registered: {', '.join(missing)}",
                    expected="the code to register what the manifest promises",
                    next_step=f"Register it, or remove {_quoted(missing)} from contract.{key}.",
                    where=f"contract.{key}",
                )
            )
    return tuple(answer)


def violation(
    record: PluginRecord, code: str, *, found: str, expected: str, next_step: str, where: str = ""
) -> PluginProblem:
    """A breach of the contract between a plugin and the platform."""
    return problem(
        record,
        code,
        state=PluginState.CONTRACT_VIOLATION,
        found=found,
        expected=expected,
        next_step=next_step,
        where=where,
    )


def location(function: Callable[..., Any]) -> str:
    """``file:line`` of a function, as well as it can be known."""
    code = getattr(inspect.unwrap(function), "__code__", None)
    return f"{code.co_filename}:{code.co_firstlineno}" if code is not None else repr(function)


def _declared(contract: Contract, key: str) -> tuple[str, ...]:
    return getattr(contract, key)


def _name(value: object, attributes: tuple[str, ...]) -> str | None:
    for attribute in attributes:
        name = getattr(value, attribute, None)
        if isinstance(name, str) and name:
            return name
    return None


def _unknown(
    record: PluginRecord, name: str, hooks: Mapping[str, Hook], where: str
) -> PluginProblem:
    close = difflib.get_close_matches(name, hooks, n=1)
    hint = f"Did you mean {close[0]}? " if close else ""
    return violation(
        record,
        "unknown_hook",
        found=f"an implementation of the hook {name}, which does not exist",
        expected="the name of a hook of this hook API",
        next_step=f"{hint}Correct the name, or mark it @hookimpl(optionalhook=True) if it belongs to a newer hook API.",
        where=where,
    )


def _quoted(names: list[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)
