"""How often, and how soon, a part that fails may be started again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class RestartBudget:
    """At most *restarts* restarts of one part within any *window_seconds*."""

    restarts: int = 5
    window_seconds: float = 60
    first_delay_seconds: float = 0.5
    longest_delay_seconds: float = 10

    def recent(self, failures: Sequence[float], now: float) -> int:
        """Return how many of these instants, on the clock of *now*, lie within the window."""
        return sum(now - at < self.window_seconds for at in failures)

    def delay(self, failures: Sequence[float], now: float) -> float | None:
        """Return how many seconds to wait before the next start; None when the budget is spent.

        The first failure in a window waits the first delay; each further one twice as long as the
        one before, up to the longest delay.

        Args:
            failures: When this part failed, the failure just seen included.
            now: The present instant on the same clock, in seconds.
        """
        count = self.recent(failures, now)
        if count > self.restarts:
            return None
        doubled = self.first_delay_seconds * 2.0 ** min(max(count - 1, 0), 60)
        return min(doubled, self.longest_delay_seconds)
