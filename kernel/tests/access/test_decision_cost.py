"""What one decision costs on a warm worker."""

from __future__ import annotations

import sys
import time

import pytest

from trophenix_kernel.web.application import recognition_of
from trophenix_kernel.web.recognition import Seen
from trophenix_testing.platform import Platform


@pytest.mark.bench
async def test_a_permission_decision(
    workshop: Platform, capsys: pytest.CaptureFixture[str]
) -> None:
    person = workshop.tenant("alpha").people["member"]
    bound = workshop.kernel.registry.named("acme.workshop:thing.list")
    recognition = recognition_of(workshop.kernel)
    seen = Seen(bearer=person.key, cookie="", tenant_word="alpha", host="", language="", ip="")
    caller = await recognition.caller(seen, door="http", request_id="")
    decide = workshop.kernel.pipeline.decide
    rounds = 200_000

    best = min(_seconds(decide, bound, caller, rounds) for _ in range(5)) / rounds
    started = time.perf_counter()
    for _ in range(20_000):
        await recognition.caller(seen, door="http", request_id="")
    recognised = (time.perf_counter() - started) / 20_000

    with capsys.disabled():
        sys.stdout.write(
            f"\none decision: {best * 1e6:.2f} µs; recognising who asks, for which tenant: {recognised * 1e6:.1f} µs\n"
        )
    decide(bound, caller)


def _seconds(decide: object, bound: object, caller: object, rounds: int) -> float:
    call = decide
    assert callable(call)
    started = time.perf_counter()
    for _ in range(rounds):
        call(bound, caller)
    return time.perf_counter() - started
