"""Runs every part of the product on one machine and leaves nothing behind."""

from __future__ import annotations

import asyncio
import signal
import time
from typing import TYPE_CHECKING, Final

from trophenix_kernel.runtime.budget import RestartBudget
from trophenix_kernel.runtime.console import Console
from trophenix_kernel.runtime.errors import PartKeepsFailing, ProgramNotReady, RuntimeFailure
from trophenix_kernel.runtime.lock import DirectoryLock
from trophenix_kernel.runtime.part import Part, Program, ProgramPart, ServicePart, in_words

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from pathlib import Path

    from trophenix_kernel.runtime.service import EmbeddedService

_STOP_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Supervisor:
    """Starts servers, then programs, keeps them running, and stops them in the right order.

    A part that ends is reported at once, with its exit status and last lines, and started again
    after a growing delay. When it ends more often than the budget allows, everything is stopped.
    SIGINT, SIGTERM and SIGHUP stop everything too; a second one kills what is left instead of
    waiting. If the supervisor itself is killed, its guardian stops the parts (see `guard`).
    """

    def __init__(
        self,
        data_dir: Path,
        *,
        services: Sequence[EmbeddedService] = (),
        programs: Callable[[], Awaitable[Sequence[Program]]],
        on_ready: Callable[[], Awaitable[None]] | None = None,
        budget: RestartBudget | None = None,
        console: Console | None = None,
        verbose: bool = False,
    ) -> None:
        """Describe what to run; nothing is touched before `run`.

        Args:
            data_dir: Belongs to one supervisor at a time.
            services: Started first, one after the other; stopped last, by their rank.
            programs: Awaited once the services answer: the place to migrate the database and to
                put addresses into the environment of the programs. They are started together and
                stopped one after the other, in this order.
            on_ready: Awaited once everything is ready for the first time.
            budget: How often a part may be started again.
            console: Where lines for people go.
            verbose: Also show the ordinary running commentary of the services.
        """
        self._data_dir = data_dir
        self._make_programs = programs
        self._on_ready = on_ready
        self._budget = budget or RestartBudget()
        self._console = console or Console()
        self._services = [ServicePart(s, self._console, verbose=verbose) for s in services]
        self._stages: list[list[Part]] = []
        self._stop_asked = asyncio.Event()
        self._stopping = False
        self._hurry = asyncio.Event()

    async def run(self) -> int:
        """Return the exit status for the process once everything has been stopped again.

        It is 0 after a signal and 1 when a part could not be kept running or the data directory
        belongs to another supervisor.
        """
        loop = asyncio.get_running_loop()
        for number in _STOP_SIGNALS:
            loop.add_signal_handler(number, self._signalled, number)
        try:
            self._data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
            with DirectoryLock(self._data_dir):
                return await self._run_until_stopped()
        except RuntimeFailure as failure:
            self._console.problem(str(failure))
            return 1
        finally:
            for number in _STOP_SIGNALS:
                loop.remove_signal_handler(number)

    def stop(self) -> None:
        """Stop everything, as a signal would; `run` then returns."""
        self._stop_asked.set()

    async def _run_until_stopped(self) -> int:
        work = asyncio.create_task(self._bring_up_and_keep())
        asked = asyncio.create_task(self._stop_asked.wait())
        try:
            await asyncio.wait({work, asked}, return_when=asyncio.FIRST_COMPLETED)
            if work.done():
                await work
        except RuntimeFailure as failure:
            self._console.problem(str(failure))
            return 1
        else:
            return 0
        finally:
            # Also reached when this coroutine is cancelled or a callback of the caller raised.
            self._stopping = True
            asked.cancel()
            await self._stop_everything(work)

    async def _bring_up_and_keep(self) -> None:
        """Return never, as long as there is a part; raise the failure nobody can repair here."""
        try:
            async with asyncio.TaskGroup() as keepers:
                await self._bring_up(keepers)
        except BaseExceptionGroup as group:
            # The first one is the cause: it made the group cancel the others.
            raise group.exceptions[0] from None

    async def _bring_up(self, keepers: asyncio.TaskGroup) -> None:
        began = time.monotonic()
        for service in self._services:
            # A server that does not even start the first time is misconfigured: no retries.
            await service.start()
            keepers.create_task(self._keep_running(service, None))
        programs = await self._make_programs()
        for rank, program in enumerate(programs):
            stage: list[Part] = [
                ProgramPart(program, number, rank, self._console)
                for number in range(1, program.copies + 1)
            ]
            self._stages.append(stage)
        first_times = {part: asyncio.Event() for stage in self._stages for part in stage}
        for part, first_time in first_times.items():
            keepers.create_task(self._keep_running(part, first_time))
        for first_time in first_times.values():
            await first_time.wait()
        self._console.say(f"everything is ready ({time.monotonic() - began:.1f} s)")
        if self._on_ready is not None:
            await self._on_ready()

    async def _keep_running(self, part: Part, first_time: asyncio.Event | None) -> None:
        """Start *part* again whenever it ends, until the budget is spent.

        Args:
            part: Running already when *first_time* is None.
            first_time: Set once the part has been ready for the first time.

        Raises:
            PartKeepsFailing: the budget is spent.
        """
        failures: list[float] = []
        running = first_time is None
        while True:
            found = await self._one_life(part, first_time, running=running)
            running = False
            now = time.monotonic()
            failures = [at for at in failures if now - at < self._budget.window_seconds]
            failures.append(now)
            delay = self._budget.delay(failures, now)
            lines = part.last_lines()
            if delay is None:
                raise PartKeepsFailing(
                    part.name, len(failures), self._budget.window_seconds, found, lines
                )
            tail = "".join(f"\n  {line}" for line in lines)
            self._console.problem(
                f"{part.name} {found}; starting it again in {delay:g} s "
                f"({len(failures)} of {self._budget.restarts}). Its last lines:{tail or ' none'}"
            )
            await asyncio.sleep(delay)

    async def _one_life(
        self, part: Part, first_time: asyncio.Event | None, *, running: bool
    ) -> str:
        """Return, in words, how the part ended."""
        if not running:
            try:
                await part.start()
            except ProgramNotReady as failure:
                await part.stop(self._hurry)
                return failure.found
            except RuntimeFailure as failure:
                await part.stop(self._hurry)
                return f"could not be started ({failure})"
            if first_time is not None:
                first_time.set()
        return in_words(await part.ended())

    async def _stop_everything(self, work: asyncio.Task[None]) -> None:
        began = time.monotonic()
        work.cancel()
        await asyncio.wait({work})
        services = sorted(self._services, key=lambda service: service.rank)
        stages: list[Sequence[Part]] = [*self._stages, *([service] for service in services)]
        surprises: list[BaseException] = []
        for stage in stages:
            # Whatever goes wrong with one part, the others must be stopped as well.
            stopped = await asyncio.gather(
                *(part.stop(self._hurry) for part in stage), return_exceptions=True
            )
            surprises += [result for result in stopped if result is not None]
        if surprises:
            raise surprises[0]
        self._console.say(f"everything is stopped ({time.monotonic() - began:.1f} s)")

    def _signalled(self, number: signal.Signals) -> None:
        if self._stopping or self._stop_asked.is_set():
            self._console.say(f"{number.name} again: killing what is left")
            self._hurry.set()
        else:
            self._console.say(f"{number.name}: stopping (once more to hurry)")
            self._stop_asked.set()
