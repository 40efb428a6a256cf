"""What a hook call costs on top of the implementations themselves."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from trophenix_kernel.plugins.dispatcher import Audience, Dispatcher, HookFailure, Implementation
from trophenix_sdk import hookspecs
from trophenix_sdk.hooks import hooks_in

INSTALLED = 100
ENABLED = 25
CALLS = 1_000
ROUNDS = 15


def implementation() -> Callable[..., Any]:
    """A function of its own that does nothing."""

    async def tenant_disabled(ctx: Any, reason: Any) -> None:
        pass

    return tenant_disabled


async def cost(call: Callable[[], Awaitable[object]]) -> float:
    """Microseconds of processor time per call, in the best of several rounds."""
    rounds: list[float] = []
    for _ in range(ROUNDS):
        started = time.thread_time()
        for _ in range(CALLS):
            await call()
        rounds.append((time.thread_time() - started) / CALLS * 1e6)
    return min(rounds)


@pytest.mark.bench
def test_a_call_of_25_idle_plugins_out_of_100(
    record_property: Callable[[str, object], None],
) -> None:
    """Target: 5 µs on an idle machine. Compare with plain ``await`` of the same functions."""
    plugins = [Implementation(f"acme.p{n:03}", implementation(), 5.0) for n in range(INSTALLED)]
    failures: list[HookFailure] = []
    dispatcher = Dispatcher(
        hooks_in(hookspecs), {"tenant_disabled": plugins}, report=failures.append
    )
    enabled = plugins[:: INSTALLED // ENABLED]
    audience = Audience.of("tenant", [one.plugin for one in enabled])

    async def plain() -> None:
        for one in enabled:
            await one.function(None, "")

    async def measure() -> tuple[float, float]:
        for _ in range(CALLS):
            await dispatcher.call("tenant_disabled", audience, None, "")
        return await cost(plain), await cost(
            lambda: dispatcher.call("tenant_disabled", audience, None, "")
        )

    bare, called = asyncio.run(measure())

    record_property("plain await, µs", round(bare, 2))
    record_property("hook call, µs", round(called, 2))
    print(f"plain await {bare:.2f} µs, hook call {called:.2f} µs")  # noqa: T201 - the measurement is the result
    assert len(dispatcher.plugins("tenant_disabled", audience)) == ENABLED
    assert failures == []
