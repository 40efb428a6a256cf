"""How long a client waits before it tries again: the bounds hold for every input."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from trophenix.retry import RetryPolicy, may_retry, retry_after

draws = st.floats(0, 1, exclude_max=True)
policies = st.builds(
    RetryPolicy,
    max_retries=st.integers(0, 20),
    base_seconds=st.floats(0, 100),
    cap_seconds=st.floats(0, 1000),
    patience_seconds=st.floats(0, 1000),
)


@given(policies, st.integers(0, 10_000), draws)
def test_backoff_is_never_longer_than_its_bounds(
    policy: RetryPolicy, retry: int, draw: float
) -> None:
    wait = policy.backoff(retry, draw)

    assert 0 <= wait <= policy.cap_seconds
    assert wait <= policy.base_seconds * 2 ** min(retry, 900)


@given(policies, st.integers(0, 30))
def test_backoff_bound_never_falls_from_one_retry_to_the_next(
    policy: RetryPolicy, retry: int
) -> None:
    almost = 1 - 1e-9

    assert policy.backoff(retry, almost) <= policy.backoff(retry + 1, almost)


@given(policies.filter(lambda policy: policy.max_retries > 0), draws, st.data())
def test_pause_never_undercuts_retry_after_and_never_outlasts_patience(
    policy: RetryPolicy, draw: float, data: st.DataObject
) -> None:
    retry = data.draw(st.integers(0, policy.max_retries - 1))
    after = data.draw(st.floats(0, policy.patience_seconds))

    pause = policy.pause(retry, after, draw)

    assert pause is not None
    assert after <= pause <= policy.patience_seconds + policy.cap_seconds


@given(policies, st.integers(0, 30), draws, st.floats(0, 1e9, exclude_min=True))
def test_more_than_patience_is_never_waited_for(
    policy: RetryPolicy, retry: int, draw: float, excess: float
) -> None:
    after = policy.patience_seconds + excess
    assume(after > policy.patience_seconds)  # a tiny excess is lost in rounding

    assert policy.pause(retry, after, draw) is None


@given(policies, draws)
def test_a_call_is_tried_at_most_max_retries_times_again(policy: RetryPolicy, draw: float) -> None:
    retries = 0
    while policy.pause(retries, None, draw) is not None:
        retries += 1

    assert retries == policy.max_retries


def test_full_jitter_spreads_over_the_whole_bound() -> None:
    policy = RetryPolicy(base_seconds=0.5, cap_seconds=8)

    assert [policy.backoff(retry, 0.5) for retry in range(6)] == [0.25, 0.5, 1, 2, 4, 4]
    assert policy.backoff(3, 0) == 0


@given(st.integers(0, 10**9))
def test_retry_after_in_seconds_is_read(value: int) -> None:
    assert retry_after({"retry-after": str(value)}) == value


@given(
    st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1)),  # noqa: DTZ001 - made aware below
    st.integers(-(10**6), 10**6),
)
def test_retry_after_as_a_date_counts_from_the_answers_own_date(now: datetime, later: int) -> None:
    now = now.replace(microsecond=0, tzinfo=UTC)
    headers = {
        "retry-after": format_datetime(now + timedelta(seconds=later), usegmt=True),
        "date": format_datetime(now, usegmt=True),
    }

    assert retry_after(headers) == max(0, later)


@given(st.text())
def test_retry_after_never_fails_on_nonsense(value: str) -> None:
    read = retry_after({"retry-after": value, "date": value})

    assert read is None or read >= 0


@pytest.mark.parametrize(
    ("status", "headers", "expected"),
    [
        (408, {}, True),
        (429, {}, True),
        (502, {}, True),
        (503, {}, True),
        (504, {}, True),
        (409, {}, False),
        (409, {"retry-after": "1"}, True),
        (500, {}, False),
        (501, {}, False),
        (400, {"retry-after": "1"}, False),
        (422, {}, False),
    ],
)
def test_only_failures_that_may_pass_are_retried(
    status: int, headers: dict[str, str], *, expected: bool
) -> None:
    assert may_retry(status, headers) is expected
