"""A part that fails is started again, later each time, and not for ever."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from trophenix_kernel.runtime.budget import RestartBudget

seconds = st.floats(min_value=0.01, max_value=1e4, allow_nan=False)
budgets = st.builds(
    RestartBudget,
    restarts=st.integers(min_value=0, max_value=50),
    window_seconds=seconds,
    first_delay_seconds=seconds,
    longest_delay_seconds=seconds,
)


@given(budgets, st.floats(min_value=0, max_value=1e6))
def test_as_many_restarts_as_allowed_and_not_one_more(budget: RestartBudget, now: float) -> None:
    """Failures that all lie in the window spend it exactly."""
    allowed = [budget.delay([now] * count, now) for count in range(1, budget.restarts + 1)]

    assert None not in allowed
    assert budget.delay([now] * (budget.restarts + 1), now) is None


@given(budgets, st.integers(min_value=0, max_value=5000))
def test_delays_never_shrink_and_never_exceed_the_longest(
    budget: RestartBudget, extra: int
) -> None:
    """However many failures there are."""
    roomy = RestartBudget(
        budget.restarts + extra,
        budget.window_seconds,
        budget.first_delay_seconds,
        budget.longest_delay_seconds,
    )
    counts = sorted({1, 2, 3, roomy.restarts // 2, roomy.restarts} - {0})
    delays = [roomy.delay([0.0] * count, 0.0) for count in counts if count <= roomy.restarts]
    waits = [delay for delay in delays if delay is not None]

    assert waits == sorted(waits)
    assert all(0 < wait <= budget.longest_delay_seconds for wait in waits)


@given(budgets, st.lists(st.floats(min_value=0, max_value=1e4), max_size=60))
def test_failures_before_the_window_are_forgotten(budget: RestartBudget, ages: list[float]) -> None:
    """A part that fails once a day is started again for ever."""
    now = 1e6
    old = [now - budget.window_seconds - age - 1 for age in ages]

    assert budget.recent(old, now) == 0
    assert budget.delay([*old, now], now) == budget.delay([now], now)
