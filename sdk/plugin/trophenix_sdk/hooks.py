"""How a plugin marks what it implements, and what every hook specification says about how it is called.

    from trophenix_sdk.hooks import hookimpl

    @hookimpl
    def operations(): return [search_athletes]

    @hookimpl
    async def validate(ctx, entity, change): ...

An implementation may take fewer arguments than the specification, never others. pluggy keeps specifications, markers and their
validation; calling is the kernel's: in turn, contained per plugin, within a time budget and behind a circuit breaker.
"""

from __future__ import annotations

import enum
import inspect
from collections.abc import Callable
from typing import Any, Final, TypeVar

import pluggy
from msgspec import Struct

PROJECT: Final = "trophenix"
"""The pluggy project name of markers and manager."""

ENTRY_POINT_GROUP: Final = "trophenix.plugins"
"""The entry-point group through which plugins are found; the object is a module or an instance."""

HOOK_API: Final = 1
"""The version of the hook specifications; it rises when a hook or an argument is removed."""

hookimpl: Final = pluggy.HookimplMarker(PROJECT)
"""Marks a function or method as an implementation of the hook of the same name."""

_hookspec: Final = pluggy.HookspecMarker(PROJECT)

_Function = TypeVar("_Function", bound=Callable[..., Any])


class HookKind(enum.StrEnum):
    """How the answers of several plugins become one."""

    COLLECT = "collect"
    """Pure, not async, asked once at load."""
    OBSERVE = "observe"
    """Async, told after the commit; answers nothing."""
    FILTER = "filter"
    """Async, in order; every answer counts, or each plugin changes the value handed on."""
    FIRST = "first"
    """Async, in order; the first answer that is not ``None`` wins."""


class OnError(enum.StrEnum):
    """What a failed implementation (error, time-out, wrong type, open breaker) means to the caller of the hook."""

    SKIP = "skip"
    """As if the plugin had said nothing."""
    VETO = "veto"
    """As if the plugin had refused."""
    RAISE = "raise"
    """The call fails."""


class HookScope(enum.StrEnum):
    """For whom a hook runs."""

    PLATFORM = "platform"
    TENANT = "tenant"
    USER = "user"


class Hook(Struct, frozen=True, kw_only=True):
    """What a hook specification says about itself.

    Attributes:
        name: of the hook.
        arguments: in order, the context first; none for collect hooks.
        kind, on_error, scope: see the enumerations.
        since: the hook API version it appeared in.
        timeout_ms: how long one plugin may take; a manifest's ``runtime.hook_ms`` may only shorten it.
        returns: the type of one plugin's answer; ``None`` is always allowed and means nothing to say. An empty tuple means that no
            answer is expected.
        items: the type of the elements when the answer is a list.
        threads: for filters that change a value, the argument which each answer replaces for the plugins after it.
        capability: what the manifest must ask for before a plugin may implement the hook.
    """

    name: str
    arguments: tuple[str, ...]
    kind: HookKind
    since: int
    timeout_ms: int
    on_error: OnError
    scope: HookScope
    returns: tuple[type, ...]
    items: type | None = None
    threads: str | None = None
    capability: str | None = None


_ATTRIBUTE: Final = "trophenix_hook"


def collect(*, since: int = 1) -> Callable[[_Function], _Function]:
    """Specify a hook asked once at load; every implementation returns a list."""
    return _specify(
        kind=HookKind.COLLECT,
        since=since,
        timeout_ms=1_000,
        on_error=OnError.RAISE,
        scope=HookScope.PLATFORM,
        returns=(list, tuple),
    )


def observe(
    *,
    since: int = 1,
    timeout_ms: int = 5_000,
    scope: HookScope = HookScope.TENANT,
    capability: str | None = None,
) -> Callable[[_Function], _Function]:
    """Specify a hook that is told of a fact; failures are reported and never reach the caller."""
    return _specify(
        kind=HookKind.OBSERVE,
        since=since,
        timeout_ms=timeout_ms,
        on_error=OnError.SKIP,
        scope=scope,
        returns=(),
        capability=capability,
    )


def filter(  # noqa: A001 - the word of the domain; the built-in is not used here
    *,
    returns: type | tuple[type, ...],
    on_error: OnError,
    items: type | None = None,
    threads: str | None = None,
    since: int = 1,
    timeout_ms: int = 250,
    scope: HookScope = HookScope.TENANT,
    capability: str | None = None,
) -> Callable[[_Function], _Function]:
    """Specify a hook whose answers decide or change something.

    *on_error* has no default: whoever specifies a decision has to say what a broken plugin means for it.
    """
    return _specify(
        kind=HookKind.FILTER,
        since=since,
        timeout_ms=timeout_ms,
        on_error=on_error,
        scope=scope,
        returns=returns if isinstance(returns, tuple) else (returns,),
        items=items,
        threads=threads,
        capability=capability,
    )


def first(
    *,
    returns: type | tuple[type, ...],
    on_error: OnError = OnError.SKIP,
    since: int = 1,
    timeout_ms: int = 1_000,
    scope: HookScope = HookScope.TENANT,
    capability: str | None = None,
) -> Callable[[_Function], _Function]:
    """Specify a hook that is answered by the first plugin that can."""
    return _specify(
        kind=HookKind.FIRST,
        since=since,
        timeout_ms=timeout_ms,
        on_error=on_error,
        scope=scope,
        returns=returns if isinstance(returns, tuple) else (returns,),
        capability=capability,
    )


def hooks_in(namespace: object) -> dict[str, Hook]:
    """Every hook specified in a module or class, by name."""
    found: dict[str, Hook] = {}
    for attribute in dir(namespace):
        hook = getattr(getattr(namespace, attribute, None), _ATTRIBUTE, None)
        if isinstance(hook, Hook):
            found[hook.name] = hook
    return found


def _specify(
    *,
    kind: HookKind,
    since: int,
    timeout_ms: int,
    on_error: OnError,
    scope: HookScope,
    returns: tuple[type, ...],
    items: type | None = None,
    threads: str | None = None,
    capability: str | None = None,
) -> Callable[[_Function], _Function]:
    def mark(function: _Function) -> _Function:
        arguments = tuple(inspect.signature(function).parameters)
        runs_async = inspect.iscoroutinefunction(function)
        if runs_async is (kind is HookKind.COLLECT):
            raise TypeError(
                f"hook {function.__name__} of kind {kind} must {'not ' if runs_async else ''}be declared with async def"
            )
        if kind is not HookKind.COLLECT and arguments[:1] != ("ctx",):
            raise TypeError(
                f"hook {function.__name__} takes {arguments}; the first argument must be ctx"
            )
        if threads is not None and threads not in arguments[1:]:
            raise TypeError(
                f"hook {function.__name__} threads {threads!r}, which is none of {arguments[1:]}"
            )
        hook = Hook(
            name=function.__name__,
            arguments=arguments,
            kind=kind,
            since=since,
            timeout_ms=timeout_ms,
            on_error=on_error,
            scope=scope,
            returns=returns,
            items=items,
            threads=threads,
            capability=capability,
        )
        setattr(function, _ATTRIBUTE, hook)
        return _hookspec(function)

    return mark
