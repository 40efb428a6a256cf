"""Sends requests over kept-alive connections, each as soon as the last was answered; told what by lines of JSON.

In: ``{"port": 8000, "requests": "file", "connections": 32, "seconds": 0.7}``; the file holds a JSON list of base64 requests.
Out: ``{"answered": 4000, "seconds": 0.7001, "refused": 0, "p50_ms": 4.1, "p99_ms": 6.0}``.
"""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path
from typing import Final, cast

import msgspec
import uvloop
from machine import OTHERS, pin


class Task(msgspec.Struct, frozen=True):
    """What to send, where and for how long."""

    port: int
    requests: str
    connections: int
    seconds: float


class Outcome(msgspec.Struct, frozen=True):
    """What came of it; ``refused`` counts every answer that is no success."""

    answered: int
    seconds: float
    refused: int
    p50_ms: float
    p99_ms: float


class Burst:
    """One task at work."""

    def __init__(self, requests: list[bytes], connections: int) -> None:
        self.ended: Final[asyncio.Future[None]] = asyncio.get_running_loop().create_future()
        self.took: Final[list[float]] = []
        self.refused = 0
        self.over = False
        self._requests = requests
        self._next = 0
        self._open = connections

    def request(self) -> bytes:
        """The next one."""
        self._next += 1
        return self._requests[self._next % len(self._requests)]

    def closed(self) -> None:
        """One connection less."""
        self._open -= 1
        if self._open == 0 and not self.ended.done():
            self.ended.set_result(None)


class Connection(asyncio.Protocol):
    """One caller."""

    def __init__(self, burst: Burst) -> None:
        self._burst = burst
        self._transport: asyncio.Transport | None = None
        self._received = b""
        self._expected = 0
        self._sent = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = cast("asyncio.Transport", transport)
        self._send()

    def data_received(self, data: bytes) -> None:
        """Go on once the answer is whole."""
        received = self._received = self._received + data if self._received else data
        if not self._expected:
            end = received.find(b"\r\n\r\n")
            if end < 0:
                return
            if not received.startswith(b"HTTP/1.1 2"):
                self._burst.refused += 1
            place = received.find(b"content-length: ", 0, end)
            length = received[place + 16 : received.find(b"\r\n", place)] if place > 0 else b"0"
            self._expected = end + 4 + int(length)
        if len(received) >= self._expected:
            self._burst.took.append(time.perf_counter() - self._sent)
            self._send()

    def connection_lost(self, exc: Exception | None) -> None:
        """End; a connection the server closes counts as a refusal."""
        if not self._burst.over:
            self._burst.refused += 1
        self._burst.closed()

    def _send(self) -> None:
        assert self._transport is not None
        if self._burst.over:
            self._transport.close()
            return
        self._received, self._expected = b"", 0
        self._sent = time.perf_counter()
        self._transport.write(self._burst.request())


async def burst(task: Task, requests: list[bytes]) -> Outcome:
    """The task is done."""
    loop = asyncio.get_running_loop()
    one = Burst(requests, task.connections)
    began = time.perf_counter()
    for _ in range(task.connections):
        await loop.create_connection(lambda: Connection(one), "127.0.0.1", task.port)
    loop.call_later(task.seconds, setattr, one, "over", True)
    await one.ended
    seconds = time.perf_counter() - began
    took = sorted(one.took)
    return Outcome(
        len(took),
        seconds,
        one.refused,
        took[len(took) // 2] * 1000,
        took[len(took) * 99 // 100] * 1000,
    )


def requests_in(file: Path) -> list[bytes]:
    """What is to be sent."""
    return msgspec.json.decode(file.read_bytes(), type=list[bytes])


async def work() -> None:
    """Every task that is told, until nobody is left to tell."""
    known: dict[str, list[bytes]] = {}
    for line in sys.stdin:
        task = msgspec.json.decode(line, type=Task)
        if task.requests not in known:
            known[task.requests] = requests_in(Path(task.requests))
        outcome = await burst(task, known[task.requests])
        sys.stdout.write(msgspec.json.encode(outcome).decode() + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    pin(OTHERS)
    uvloop.run(work())
