"""What happens in memory on every call: the decision, and hooks."""

from __future__ import annotations

import statistics
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final

from figures import Figure
from ground import ROSTER, SECRET, Ground

from trophenix_kernel.composition import Kernel
from trophenix_kernel.plugins.dispatcher import Audience, Dispatcher, HookFailure, Implementation
from trophenix_kernel.settings import Settings
from trophenix_kernel.web.application import recognition_of
from trophenix_sdk import hookspecs
from trophenix_sdk.hooks import hooks_in

CALLS: Final = 2_000
ROUNDS: Final = 25
INSTALLED: Final = 100
ENABLED: Final = 25


async def decision(ground: Ground) -> list[Figure]:
    """Processor time of one warm decision, alone and with the look-up of what the caller may do."""
    seat = ground.seats[0]
    kernel = await Kernel.compose(
        Settings(database_url=ground.application, secret_key=SECRET.decode())
    )
    await kernel.changes.start()
    try:
        identity = await kernel.credentials.of_key(seat.key)
        entry = await kernel.directory.by_id(seat.tenant)
        assert entry is not None
        caller = await recognition_of(kernel).caller_in(
            identity, entry, door="http", request_id="bench"
        )
        bound = kernel.registry.named(f"{ROSTER}:player.read")
        decide, rights = kernel.pipeline.decide, kernel.decisions.of

        async def alone() -> float:
            started = time.thread_time()
            for _ in range(CALLS):
                decide(bound, caller)
            return time.thread_time() - started

        async def with_rights() -> float:
            started = time.thread_time()
            for _ in range(CALLS):
                await rights(identity, entry.record)
                decide(bound, caller)
            return time.thread_time() - started

        names = len(kernel.authority.declared)
        return [
            Figure(
                "permission decision",
                await _microseconds(alone),
                1,
                unit="µs",
                note="plugin enabled and permission held",
            ),
            Figure(
                "the same, rights looked up anew",
                await _microseconds(with_rights),
                unit="µs",
                note=f"membership, grants and compiled set over {names} permissions",
            ),
        ]
    finally:
        await kernel.stop()


async def hook_call() -> list[Figure]:
    """Processor time of one hook call of idle plugins."""
    plugins = [Implementation(f"idle.p{n:03}", _implementation(), 5.0) for n in range(INSTALLED)]
    failures: list[HookFailure] = []
    dispatcher = Dispatcher(
        hooks_in(hookspecs), {"tenant_disabled": plugins}, report=failures.append
    )
    enabled = plugins[:: INSTALLED // ENABLED]
    audience = Audience.of("tenant", [one.plugin for one in enabled])

    async def plain() -> float:
        started = time.thread_time()
        for _ in range(CALLS):
            for one in enabled:
                await one.function(None, None)
        return time.thread_time() - started

    async def called() -> float:
        started = time.thread_time()
        for _ in range(CALLS):
            await dispatcher.call("tenant_disabled", audience, None, None)
        return time.thread_time() - started

    await called()
    floor, cost = await _microseconds(plain), await _microseconds(called)
    assert not failures
    return [
        Figure(
            "hook call, 100 plugins installed, 25 enabled",
            cost,
            5,
            unit="µs",
            note=f"awaiting the same 25 functions without anything around them: {floor:.2f} µs",
        )
    ]


def _implementation() -> Callable[..., Any]:
    async def tenant_disabled(ctx: Any, reason: Any) -> None:
        pass

    return tenant_disabled


async def _microseconds(once: Callable[[], Awaitable[float]]) -> float:
    return statistics.median([await once() for _ in range(ROUNDS)]) / CALLS * 1e6
