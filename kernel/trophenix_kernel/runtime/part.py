"""The parts a supervisor keeps alive: programs, and the servers they need."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from abc import ABC, abstractmethod
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from trophenix_kernel.runtime.errors import ProgramNotReady, ServiceNotRunning
from trophenix_kernel.runtime.guard import Launch, process_guard

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Awaitable, Callable, Mapping, Sequence
    from pathlib import Path

    from trophenix_kernel.runtime.console import Console
    from trophenix_kernel.runtime.service import EmbeddedService

_TAIL_LINES: Final = 10
_LONGEST_LINE_BYTES: Final = 64 * 1024
_LAST_WORDS_SECONDS: Final = 1.0
_PROBE_SECONDS: Final = 0.05
_FOLLOW_SECONDS: Final = 0.2


@dataclass(frozen=True, slots=True)
class Program:
    """A command to keep running.

    Its main process gets the stop signal and ``grace_seconds`` to end its own children; whatever
    is left of its process group after that is killed.
    """

    name: str
    command: Sequence[str]
    copies: int = 1
    """How many to run; from two on they are called ``name-1``, ``name-2`` …"""
    environment: Mapping[str, str] | None = None
    """Added to the environment of the supervisor."""
    directory: Path | None = None
    ready: Callable[[], Awaitable[bool]] | None = None
    """Asked again and again until it says yes; None: ready as soon as it runs."""
    ready_timeout_seconds: float = 60
    stop_signal: signal.Signals = signal.SIGTERM
    grace_seconds: float = 10


class Part(ABC):
    """One process of the product, under a name."""

    name: str

    @abstractmethod
    async def start(self) -> None:
        """Run and be ready.

        Raises:
            RuntimeFailure: it cannot run, or did not become ready.
        """

    @abstractmethod
    async def ended(self) -> int:
        """Return the exit status, negative for a signal, as soon as it has ended.

        Raises:
            ServiceNotRunning: it was not started, or its end was dealt with already.
        """

    @abstractmethod
    def last_lines(self) -> Sequence[str]:
        """Return the last it said."""

    @abstractmethod
    async def stop(self, hurry: asyncio.Event) -> None:
        """Leave no process, politely until *hurry* is set. Stopping twice changes nothing."""


class ProgramPart(Part):
    """One copy of a program."""

    def __init__(self, program: Program, number: int, rank: int, console: Console) -> None:
        self.name = program.name if program.copies == 1 else f"{program.name}-{number}"
        self._program = program
        self._rank = rank
        self._console = console
        self._process: subprocess.Popen[bytes] | None = None
        self._reading: asyncio.Task[None] | None = None
        self._tail: deque[str] = deque(maxlen=_TAIL_LINES)
        console.expect(self.name)

    async def start(self) -> None:
        """Run and be ready."""
        began = time.monotonic()
        self._tail.clear()
        read_end, write_end = os.pipe()
        try:
            self._process = process_guard().spawn(self._launch(), output=write_end)
        except OSError as error:
            os.close(read_end)
            raise ProgramNotReady(self.name, f"could not be started ({error})") from error
        finally:
            os.close(write_end)
        self._reading = asyncio.create_task(self._read(read_end))
        if self._program.ready is None:
            self._console.say(f"{self.name} started (process {self._process.pid})")
        else:
            await self._until_ready(self._process, self._program.ready)
            self._console.say(f"{self.name} ready ({time.monotonic() - began:.1f} s)")

    async def ended(self) -> int:
        """Return the exit status as soon as the main process has ended, and kill what it left."""
        process = self._process
        if process is None:
            raise ServiceNotRunning(self.name)
        status = await exit_status(process)
        await self._clean_up(process)
        return status

    def last_lines(self) -> Sequence[str]:
        """Return the last it said."""
        return tuple(self._tail)

    async def stop(self, hurry: asyncio.Event) -> None:
        """Leave no process of the group."""
        process = self._process
        if process is None:
            return
        if process.poll() is None:
            process.send_signal(self._program.stop_signal)
            over = asyncio.ensure_future(exit_status(process))
            hurried = asyncio.ensure_future(hurry.wait())
            try:
                await asyncio.wait(
                    {over, hurried},
                    timeout=self._program.grace_seconds,
                    return_when=asyncio.FIRST_COMPLETED,
                )
                if not over.done():
                    if not hurry.is_set():
                        self._console.problem(
                            f"{self.name} did not stop within "
                            f"{self._program.grace_seconds:g} s: killing it"
                        )
                    process.kill()
                await over
            finally:
                hurried.cancel()
                over.cancel()
        await self._clean_up(process)

    def _launch(self) -> Launch:
        program = self._program
        return Launch(
            command=program.command,
            # Unbuffered, or the last words of a Python program that crashes are lost.
            environment={**os.environ, "PYTHONUNBUFFERED": "1", **(program.environment or {})},
            directory=program.directory,
            stop_signal=program.stop_signal,
            grace_seconds=program.grace_seconds,
            rank=self._rank,
        )

    async def _until_ready(
        self, process: subprocess.Popen[bytes], ready: Callable[[], Awaitable[bool]]
    ) -> None:
        limit = self._program.ready_timeout_seconds
        deadline = time.monotonic() + limit
        while (status := process.poll()) is None:
            # Asked before and after: somebody else may have answered in place of a dead process.
            if await ready() and process.poll() is None:
                return
            if time.monotonic() > deadline:
                process.kill()
                raise ProgramNotReady(self.name, f"did not answer within {limit:g} s")
            await asyncio.sleep(_PROBE_SECONDS)
        raise ProgramNotReady(self.name, f"{in_words(status)} before it was ready")

    async def _read(self, descriptor: int) -> None:
        reader = asyncio.StreamReader()
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(descriptor, "rb", buffering=0)
        )
        try:
            rest = b""
            while chunk := await reader.read(_LONGEST_LINE_BYTES):
                *lines, rest = (rest + chunk).split(b"\n")
                for line in lines:
                    self._heard(line)
                if len(rest) > _LONGEST_LINE_BYTES:
                    self._heard(rest)
                    rest = b""
            if rest:
                self._heard(rest)
        finally:
            transport.close()

    def _heard(self, raw: bytes) -> None:
        line = raw.decode(errors="replace").rstrip("\r")
        self._tail.append(line)
        self._console.line(self.name, line)

    async def _clean_up(self, process: subprocess.Popen[bytes]) -> None:
        """Kill what the ended main process left behind, and hear the last words."""
        self._process = None
        reading, self._reading = self._reading, None
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        process_guard().ended(process.pid)
        if reading is not None:
            try:
                # Bounded: a process that left the group may still hold the other end.
                await asyncio.wait({reading}, timeout=_LAST_WORDS_SECONDS)
            finally:
                reading.cancel()


class ServicePart(Part):
    """PostgreSQL or NATS. Its log is a file; what concerns people is shown as it grows."""

    def __init__(self, service: EmbeddedService, console: Console, *, verbose: bool) -> None:
        self.name = service.name.lower()
        self.rank = service.rank
        self._service = service
        self._console = console
        self._verbose = verbose
        self._starting: asyncio.Task[None] | None = None
        self._following: asyncio.Task[None] | None = None
        console.expect(self.name)
        service.report = console.say

    async def start(self) -> None:
        """Run and be ready."""
        if self._following is None:
            log = self._service.log_path
            offset = log.stat().st_size if log.exists() else 0
            self._following = asyncio.create_task(self._follow(offset))
        # Shielded: a thread cannot be cancelled, so stop() has to know of it and wait for it.
        self._starting = asyncio.create_task(asyncio.to_thread(self._service.start))
        await asyncio.shield(self._starting)

    async def ended(self) -> int:
        """Return the exit status as soon as it has ended."""
        process = self._service.process
        if process is None:
            raise ServiceNotRunning(self.name)
        return await exit_status(process)

    def last_lines(self) -> Sequence[str]:
        """Return the end of its log."""
        return self._service.last_lines(_TAIL_LINES)

    async def stop(self, hurry: asyncio.Event) -> None:
        """Leave no process, and the data directory free."""
        if self._starting is not None:
            self._service.abort()
            await asyncio.wait({self._starting})
            # Whoever waited for it has said why it did not start; else nobody wants to know now.
            self._starting.exception()
        stopping = asyncio.create_task(asyncio.to_thread(self._service.stop, hurry=hurry.is_set()))
        hurried = asyncio.create_task(hurry.wait())
        await asyncio.wait({stopping, hurried}, return_when=asyncio.FIRST_COMPLETED)
        hurried.cancel()
        for number, seconds in self._service.hurried_steps:
            process = self._service.process
            if stopping.done() or process is None:
                break
            process.send_signal(number)
            await asyncio.wait({stopping}, timeout=seconds)
        await stopping
        if self._following is not None:
            self._following.cancel()
            self._following = None

    async def _follow(self, offset: int) -> None:
        """Show the log as it grows; it is a file so that it survives a kill of the supervisor."""
        rest = b""
        while True:
            await asyncio.sleep(_FOLLOW_SECONDS)
            try:
                size = self._service.log_path.stat().st_size
                offset = offset if offset <= size else 0
                with self._service.log_path.open("rb") as log:
                    log.seek(offset)
                    new = log.read(size - offset)
            except FileNotFoundError:
                continue
            offset += len(new)
            *lines, rest = (rest + new).split(b"\n")
            for raw in lines:
                line = raw.decode(errors="replace")
                if self._verbose or self._service.worth_showing(line):
                    self._console.line(self.name, line)


async def exit_status(process: subprocess.Popen[bytes]) -> int:
    """Return the exit status of a child as soon as it has ended; any number may wait for it."""
    status = process.poll()
    if status is not None:
        return status
    if not hasattr(os, "pidfd_open"):
        # Only Linux can say it at once.
        while (status := process.poll()) is None:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
        return status
    try:
        descriptor = os.pidfd_open(process.pid)
    except ProcessLookupError:
        # Another thread waited for it since the line above.
        return process.wait()
    loop = asyncio.get_running_loop()
    over = asyncio.Event()
    loop.add_reader(descriptor, over.set)
    try:
        await over.wait()
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)
    return process.wait()


def in_words(status: int) -> str:
    """Return what an exit status means."""
    if status >= 0:
        return f"exited with status {status}"
    try:
        return f"was ended by {signal.Signals(-status).name}"
    except ValueError:
        return f"was ended by signal {-status}"
