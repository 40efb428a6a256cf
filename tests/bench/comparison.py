"""Variants that take turns under the same load, and what each costs."""

from __future__ import annotations

import statistics
import subprocess
import sys
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final, Self

import msgspec
from machine import processor_seconds
from servers import HERE, Server

CONNECTIONS: Final = 32
SECONDS: Final = 0.7


class Refused(RuntimeError):
    """A server answered a request of the comparison with an error, so there is nothing to compare."""


class Outcome(msgspec.Struct, frozen=True):
    """What the sender of the load saw."""

    answered: int
    seconds: float
    refused: int
    p50_ms: float
    p99_ms: float


class Variant(msgspec.Struct, frozen=True):
    """A server and what it is asked.

    Attributes:
        requests: a file.
        count: how many are in it.
    """

    server: Server
    requests: Path
    count: int


class Measured(msgspec.Struct, frozen=True):
    """One variant's turns.

    Attributes:
        processor_us: processor time of the application per request, turn by turn.
        rate: requests per second, turn by turn.
    """

    processor_us: list[float]
    rate: list[float]
    p50_ms: list[float]
    p99_ms: list[float]

    @property
    def microseconds(self) -> float:
        """Processor time per request, the median."""
        return statistics.median(self.processor_us)

    @property
    def per_second(self) -> float:
        """Requests per second, the median."""
        return statistics.median(self.rate)

    def dearer_than(self, other: Self) -> float:
        """How often the other's processor time per request this one needs, turn against turn, the median."""
        return statistics.median(
            mine / its for mine, its in zip(self.processor_us, other.processor_us, strict=True)
        )

    def slower_than(self, other: Self) -> float:
        """How many of the other's requests per second this one answers, turn against turn, the median."""
        return statistics.median(
            mine / its for mine, its in zip(self.rate, other.rate, strict=True)
        )


class Sender:
    """The process that sends."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process

    def burst(self, variant: Variant, seconds: float) -> Outcome:
        """The load is sent, and answered."""
        task = {
            "port": variant.server.port,
            "requests": str(variant.requests),
            "connections": CONNECTIONS,
            "seconds": seconds,
        }
        _pipe(self._process.stdin).write(msgspec.json.encode(task) + b"\n")
        _pipe(self._process.stdin).flush()
        outcome = msgspec.json.decode(_pipe(self._process.stdout).readline(), type=Outcome)
        if outcome.refused:
            raise Refused(
                f"{outcome.refused} of {outcome.answered} requests were not answered with success"
            )
        return outcome


@contextmanager
def sender() -> Generator[Sender]:
    """A process of its own sends what it is told, until the block ends."""
    process = subprocess.Popen(
        [sys.executable, str(HERE / "load.py")], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        yield Sender(process)
    finally:
        _pipe(process.stdin).close()
        process.wait(10)
        _pipe(process.stdout).close()


def compare(load: Sender, variants: Mapping[str, Variant], *, rounds: int) -> dict[str, Measured]:
    """What each variant costs, all of them taking turns *rounds* times.

    Raises:
        Refused: not everything was answered with success.
    """
    for variant in variants.values():
        _warm_up(load, variant)
    found = {name: Measured([], [], [], []) for name in variants}
    for turn in range(rounds):
        # Forwards and backwards, so that nobody always follows the same neighbour.
        order = list(variants.items())[:: 1 if turn % 2 else -1]
        for name, variant in order:
            before = processor_seconds(variant.server.worker)
            outcome = load.burst(variant, SECONDS)
            used = processor_seconds(variant.server.worker) - before
            measured = found[name]
            measured.processor_us.append(used / outcome.answered * 1e6)
            measured.rate.append(outcome.answered / outcome.seconds)
            measured.p50_ms.append(outcome.p50_ms)
            measured.p99_ms.append(outcome.p99_ms)
    return found


def _warm_up(load: Sender, variant: Variant) -> None:
    """Every request was answered once, and the processor is at its speed."""
    missing = variant.count
    while missing > 0:
        missing -= load.burst(variant, SECONDS).answered


def write_requests(file: Path, requests: list[bytes]) -> Path:
    """The file holds the requests."""
    file.write_bytes(msgspec.json.encode(requests))
    return file


def _pipe(end: IO[bytes] | None) -> IO[bytes]:
    assert end is not None
    return end
