"""Child processes that cannot outlive the process that started them.

How it works: each owner starts one small guardian process in a session of its own and keeps the
only write end of a pipe to it. Each child is started through `launcher`, which registers itself
with the guardian before it becomes the wanted program. When the owner ends, the kernel closes the
pipe and the guardian stops, in order, whatever is still registered.

Why not ``PR_SET_PDEATHSIG``: it exists on Linux only, it fires when the *thread* that forked ends
(so starting a server from a thread pool kills it later), it is lost when a child changes its user,
and it sends one signal to everybody at once, without order, grace or a final kill. Each child gets
its own process group, so workers that a child forked are stopped with it.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import signal
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from trophenix_kernel.runtime.account import Account

_HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Launch:
    """A program to run and how it is to be stopped when nobody is left to ask it."""

    command: Sequence[str]
    environment: Mapping[str, str] | None = None
    directory: Path | None = None
    account: Account | None = None
    descriptors: Sequence[int] = ()
    stop_signal: signal.Signals = signal.SIGTERM
    grace_seconds: float = 10
    rank: int = 0
    """Lower ranks are stopped first."""


@dataclass(slots=True)
class Guard:
    """Starts processes that end with this one.

    One per process is enough: see `process_guard`. Safe to use from several threads.
    """

    _lock: threading.Lock = field(default_factory=threading.Lock)
    _guardian: subprocess.Popen[bytes] | None = None
    _pipe: int | None = None
    _wards: dict[int, str] = field(default_factory=dict[int, str])
    _removals: list[str] = field(default_factory=list[str])

    def spawn(
        self,
        launch: Launch,
        *,
        stdin: int = subprocess.DEVNULL,
        output: IO[bytes] | int = subprocess.DEVNULL,
    ) -> subprocess.Popen[bytes]:
        """Start the program; both its streams go to *output*. It leads its own process group.

        Call `ended` with its number once it has been waited for.
        """
        with self._lock:
            pipe = self._living_pipe()
            account = launch.account
            process = subprocess.Popen(
                [
                    *_bare_python("launcher.py"),
                    str(pipe),
                    str(int(launch.stop_signal)),
                    str(launch.grace_seconds),
                    str(launch.rank),
                    "-" if account is None else str(account.uid),
                    "-" if account is None else str(account.gid),
                    *launch.command,
                ],
                stdin=stdin,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=launch.environment,
                cwd=launch.directory,
                pass_fds=(pipe, *launch.descriptors),
                start_new_session=True,
            )
            self._wards[process.pid] = (
                f"started {process.pid} {int(launch.stop_signal)} "
                f"{launch.grace_seconds} {launch.rank}\n"
            )
        return process

    def ended(self, pid: int) -> None:
        """Forget a process that is gone, before its number is given to somebody else."""
        with self._lock:
            if self._wards.pop(pid, None) is not None:
                self._tell(f"ended {pid}\n")

    def remove_at_end(self, directory: Path) -> None:
        """Delete a directory once everything is stopped, should this process not live to do it."""
        with self._lock:
            self._living_pipe()
            self._removals.append(f"remove {directory}\n")
            self._tell(self._removals[-1])

    def close(self) -> None:
        """Stop whatever is still registered and wait until the guardian is gone as well."""
        with self._lock:
            guardian = self._guardian
            self._hang_up()
            self._wards.clear()
            self._removals.clear()
        if guardian is not None:
            guardian.wait()

    def disown(self) -> None:
        """Give up the pipe in a forked copy of the owner: only the owner keeps the guardian."""
        self._lock = threading.Lock()
        if self._guardian is not None:
            # It is not our child; this only lets the handle know that there is nothing to wait for.
            self._guardian.poll()
        self._hang_up()
        self._wards.clear()
        self._removals.clear()

    def _living_pipe(self) -> int:
        """Return the write end that leads to a living guardian, starting one when needed."""
        if self._guardian is not None and self._guardian.poll() is not None:
            # Somebody killed the guardian: without a new one the next crash leaves orphans.
            self._hang_up()
        if self._pipe is not None:
            return self._pipe
        read_end, write_end = os.pipe()
        self._guardian = subprocess.Popen(
            [*_bare_python("guardian.py"), str(read_end)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
            pass_fds=(read_end,),
            start_new_session=True,
        )
        os.close(read_end)
        self._pipe = write_end
        for fact in (*self._wards.values(), *self._removals):
            self._tell(fact)
        return write_end

    def _tell(self, fact: str) -> None:
        if self._pipe is not None:
            # A guardian that is gone is replaced, and told everything, by the next start.
            with contextlib.suppress(BrokenPipeError):
                os.write(self._pipe, fact.encode(errors="surrogateescape"))

    def _hang_up(self) -> None:
        if self._pipe is not None:
            os.close(self._pipe)
        self._pipe = self._guardian = None


@cache
def process_guard() -> Guard:
    """Return the one guard of this process; a forked copy of the process starts its own.

    It is closed when the interpreter ends, so nothing is left running after a normal end either.
    """
    guard = Guard()
    atexit.register(guard.close)
    os.register_at_fork(after_in_child=guard.disown)
    return guard


def _bare_python(script: str) -> list[str]:
    # -I and -S: neither the environment nor site-packages can change, or slow down, these scripts.
    return [sys.executable, "-I", "-S", str(_HERE / script)]
