"""Hooks called: in a fixed order, each plugin contained, timed, and shut out for a while where it keeps failing.

What a call guarantees, whatever the plugins do:

- only the plugins enabled for the audience run, after those they require, then by priority band, then by id;
- the answers of healthy plugins are those they would have given alone;
- a plugin that raises, exits, is cancelled, takes too long or answers with a wrong type is reported, and counts as the hook's
  ``on_error`` says;
- a breaker opens per plugin, tenant and hook, never wider; after a delay one call probes whether it may close;
- cancelling the caller cancels the plugin at work, and with it the call.

What it cannot do: pre-empt code that blocks the event loop (that is measured and reported), or know that a plugin swallowed a
cancellation that was meant for its caller (task groups of Python 3.11 and 3.12 look the same from outside). Only a process of the
plugin's own could.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from typing import Any, Final

from msgspec import Struct

from trophenix_kernel.plugins.breakers import BreakerPolicy, Breakers, OpenBreaker
from trophenix_kernel.plugins.failures import (
    FailureKind,
    HookFailed,
    HookFailure,
    HookVetoed,
    Report,
)
from trophenix_kernel.plugins.hook_call import (
    TIMED_CALLS,
    Answer,
    Chain,
    HookCall,
    Implementation,
    Lend,
    Outcome,
    Surroundings,
)
from trophenix_kernel.plugins.loader import LoadedPlugins
from trophenix_sdk.hooks import Hook, HookKind

__all__ = [
    "CACHED_AUDIENCES",
    "TIMED_CALLS",
    "Answer",
    "Audience",
    "BreakerPolicy",
    "Dispatcher",
    "FailureKind",
    "HookFailed",
    "HookFailure",
    "HookVetoed",
    "Implementation",
    "OpenBreaker",
    "Outcome",
    "implementations_of",
]

CACHED_AUDIENCES: Final = 4_096
"""How many different sets of enabled plugins are kept prepared."""


class Audience(Struct, frozen=True):
    """For whom a hook is called: one tenant and the plugins it has enabled.

    Attributes:
        tenant: its id as text; ``""`` for the platform.
        enabled: ids of the enabled plugins.
        fingerprint: the same for the same set, whoever the tenant is.
    """

    tenant: str
    enabled: frozenset[str]
    fingerprint: str

    @classmethod
    def of(cls, tenant: str, enabled: Iterable[str]) -> Audience:
        """The audience of *tenant*. Costs a hash over the set: make it once per change, not once per call."""
        chosen = frozenset(enabled)
        digest = hashlib.blake2b("\n".join(sorted(chosen)).encode(), digest_size=16)
        return cls(tenant, chosen, digest.hexdigest())


class Dispatcher:
    """Calls the hooks of loaded plugins. Belongs to one event loop.

    Args:
        hooks: all specified hooks.
        implementations: per hook, in the order in which they run.
        report: told of every failure.
        breaker: when breakers open.
        monotonic: seconds; for budgets of code that blocks, and for breakers.
        lend: makes each plugin's own context; without it the context is passed through untouched.
    """

    def __init__(
        self,
        hooks: Mapping[str, Hook],
        implementations: Mapping[str, Sequence[Implementation]],
        *,
        report: Report,
        breaker: BreakerPolicy = BreakerPolicy(),  # noqa: B008 - frozen
        monotonic: Callable[[], float] = time.monotonic,
        lend: Lend | None = None,
    ) -> None:
        self._hooks = hooks
        self._implementations = {name: tuple(listed) for name, listed in implementations.items()}
        self._breakers = Breakers(breaker, monotonic)
        self._around = Surroundings(self._breakers, report, monotonic, lend)
        self._chains: dict[str, dict[str, Chain]] = {}

    @classmethod
    def of(
        cls,
        loaded: LoadedPlugins,
        *,
        report: Report,
        breaker: BreakerPolicy = BreakerPolicy(),  # noqa: B008 - frozen
        monotonic: Callable[[], float] = time.monotonic,
        lend: Lend | None = None,
    ) -> Dispatcher:
        """The dispatcher of the plugins that serve, in load order."""
        return cls(
            loaded.hooks,
            implementations_of(loaded),
            report=report,
            breaker=breaker,
            monotonic=monotonic,
            lend=lend,
        )

    def plugins(self, hook: str, audience: Audience) -> tuple[str, ...]:
        """Ids of the plugins that a call would ask, in order."""
        return tuple(one.plugin for one in self._chain(hook, audience).implementations)

    def forget(self, fingerprint: str) -> None:
        """Nothing prepared for this set of enabled plugins is kept."""
        self._chains.pop(fingerprint, None)

    def forget_all(self) -> None:
        """Nothing prepared for any set of enabled plugins is kept."""
        self._chains.clear()

    def open_breakers(self) -> tuple[OpenBreaker, ...]:
        """The breakers that are open or being probed."""
        return self._breakers.open()

    def close_breakers(self, plugin: str, *, tenant: str | None = None) -> None:
        """The plugin is asked again, for one tenant or for all, and its failures so far are forgotten."""
        self._breakers.close(plugin, tenant=tenant)

    def call(
        self, hook: str, audience: Audience, ctx: Any, *arguments: Any
    ) -> Coroutine[Any, Any, Outcome]:
        """What the enabled plugins say to *hook*, once awaited.

        Args:
            hook: the name of an observe, filter or first hook.
            audience: for whom.
            ctx: passed on as the first argument.
            arguments: the others, all of them, in the order of the specification.

        Raises:
            HookVetoed: a plugin failed and the hook's ``on_error`` is ``veto``.
            HookFailed: a plugin failed and the hook's ``on_error`` is ``raise``.
            TrophenixError: a plugin refused, in a filter whose ``on_error`` is not ``skip``.
            KeyError: there is no such hook.
            TypeError: the number of arguments is wrong, or it is a collect hook.
        """
        by_hook = self._chains.get(audience.fingerprint)
        chain = by_hook.get(hook) if by_hook is not None else None
        if chain is None:
            chain = self._chain(hook, audience)
        if len(arguments) + 1 != len(chain.hook.arguments):
            raise TypeError(
                f"hook {hook} was called with {len(arguments) + 1} arguments; expected {', '.join(chain.hook.arguments)}"
            )
        return HookCall(self._around, chain, audience.tenant, (ctx, *arguments)).run()

    def _chain(self, hook: str, audience: Audience) -> Chain:
        by_hook = self._chains.get(audience.fingerprint)
        if by_hook is None:
            while len(self._chains) >= CACHED_AUDIENCES:
                del self._chains[next(iter(self._chains))]
            by_hook = self._chains[audience.fingerprint] = {}
        chain = by_hook.get(hook)
        if chain is None:
            spec = self._hooks[hook]
            if spec.kind is HookKind.COLLECT:
                raise TypeError(f"hook {hook} is asked once at load; it cannot be called")
            chain = by_hook[hook] = Chain(
                spec,
                tuple(
                    one
                    for one in self._implementations.get(hook, ())
                    if one.plugin in audience.enabled
                ),
            )
        return chain


def implementations_of(loaded: LoadedPlugins) -> dict[str, tuple[Implementation, ...]]:
    """Per hook, the implementations of the plugins that serve, in load order."""
    rank = {record.key: place for place, record in enumerate(loaded.catalogue.serving)}
    found: dict[str, tuple[Implementation, ...]] = {}
    for name, hook in loaded.hooks.items():
        if hook.kind is HookKind.COLLECT:
            continue
        caller = getattr(loaded.manager.hook, name)
        own = sorted(
            (one for one in caller.get_hookimpls() if one.plugin_name in rank),
            key=lambda one: rank[one.plugin_name],
        )
        found[name] = tuple(
            Implementation(
                one.plugin_name,
                _taking_all(one.function, hook.arguments, one.argnames),
                _budget(hook, loaded, one.plugin_name),
            )
            for one in own
        )
    return found


def _budget(hook: Hook, loaded: LoadedPlugins, plugin: str) -> float:
    manifest = loaded.catalogue.require(plugin).manifest
    wished = manifest.runtime.hook_ms.get(hook.name) if manifest is not None else None
    return min(hook.timeout_ms, wished or hook.timeout_ms) / 1000


def _taking_all(
    function: Callable[..., Any], given: tuple[str, ...], wanted: tuple[str, ...]
) -> Callable[..., Any]:
    if tuple(wanted) == given:
        return function
    places = tuple(given.index(name) for name in wanted)

    def with_fewer(*arguments: Any) -> Any:
        return function(*[arguments[place] for place in places])

    return with_fewer
