"""Circuit breakers, one per plugin, tenant and hook: closed, open after failures in a row, half open for one probe at a time.

A breaker exists only while its plugin has failures that no success has followed, so healthy plugins cost nothing here.
"""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct


class BreakerPolicy(Struct, frozen=True):
    """When a breaker opens and when it is tried again.

    Attributes:
        threshold: consecutive failures that open it.
        probe_after: seconds until one call is let through.
    """

    threshold: int = 5
    probe_after: float = 30.0


class OpenBreaker(Struct, frozen=True):
    """A plugin that is not asked for a tenant's hook at present.

    Attributes:
        since: seconds on the dispatcher's clock.
    """

    plugin: str
    tenant: str
    hook: str
    since: float


class Breaker:
    """The failures of one plugin that no success has followed.

    Attributes:
        opened: when it was opened, in seconds of the clock; ``None`` while it is closed.
        probing: a call has been let through to find out whether it may close.
    """

    __slots__ = ("failures", "opened", "probing")

    def __init__(self) -> None:
        self.failures = 0
        self.opened: float | None = None
        self.probing = False


class Breakers:
    """All breakers of a dispatcher.

    Args:
        policy: when they open.
        monotonic: seconds.
    """

    def __init__(self, policy: BreakerPolicy, monotonic: Callable[[], float]) -> None:
        self._policy = policy
        self._clock = monotonic
        self._listed: dict[tuple[str, str], dict[str, Breaker]] = {}

    def __bool__(self) -> bool:
        """Whether anything has failed anywhere."""
        return bool(self._listed)

    def of(self, tenant: str, hook: str) -> dict[str, Breaker] | None:
        """The breakers of a tenant's hook by plugin; ``None`` when all its plugins are well."""
        return self._listed.get((tenant, hook))

    def lets_through(self, breaker: Breaker | None) -> bool:
        """Whether its plugin may be asked. Of an open breaker whose delay is over, this is true once until the probe has ended."""
        if breaker is None or breaker.opened is None:
            return True
        if breaker.probing or self._clock() - breaker.opened < self._policy.probe_after:
            return False
        breaker.probing = True
        return True

    def succeeded(self, tenant: str, hook: str, plugin: str) -> None:
        """Earlier failures of the plugin no longer count."""
        listed = self._listed.get((tenant, hook))
        if listed is not None and listed.pop(plugin, None) is not None and not listed:
            del self._listed[(tenant, hook)]

    def failed(self, tenant: str, hook: str, plugin: str) -> None:
        """One failure more in a row; at the threshold, or when it was a probe, the breaker opens for a whole delay."""
        listed = self._listed.setdefault((tenant, hook), {})
        breaker = listed.setdefault(plugin, Breaker())
        breaker.failures += 1
        if breaker.probing or breaker.failures >= self._policy.threshold:
            breaker.opened = self._clock()
            breaker.probing = False

    def open(self) -> tuple[OpenBreaker, ...]:
        """Those that are open or being probed."""
        return tuple(
            OpenBreaker(plugin, tenant, hook, breaker.opened)
            for (tenant, hook), listed in self._listed.items()
            for plugin, breaker in listed.items()
            if breaker.opened is not None
        )

    def close(self, plugin: str, *, tenant: str | None = None) -> None:
        """The plugin's failures so far are forgotten, for one tenant or for all."""
        for key in [key for key in self._listed if tenant is None or key[0] == tenant]:
            self._listed[key].pop(plugin, None)
            if not self._listed[key]:
                del self._listed[key]
