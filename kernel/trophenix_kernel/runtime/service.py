"""What PostgreSQL and NATS have in common when they run as a child of this process."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from abc import ABC, abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Final, Self

from trophenix_kernel.runtime.endpoint import (
    HOST,
    free_port,
    is_free,
    kept_password,
    kept_port,
    write_private,
)
from trophenix_kernel.runtime.errors import PortInUse, ServiceDidNotStart, ServiceNotRunning
from trophenix_kernel.runtime.guard import Launch, process_guard
from trophenix_kernel.runtime.lock import DirectoryLock

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_LOG_LIMIT_BYTES: Final = 5_000_000
_ATTEMPTS_FOR_A_PORT: Final = 5
_POLL_SECONDS: Final = 0.01


def silent(_line: str) -> None:
    """Report nothing."""


class EmbeddedService(ABC):
    """A server whose data, password, port and log live in one directory, owned by this process.

    Not safe to start and stop from two threads at the same time; `abort` may come from any.
    """

    name: ClassVar[str]
    rank: ClassVar[int]
    """Where it stands in the order of stopping: programs have low ranks, the database the last."""
    stop_steps: ClassVar[Sequence[tuple[signal.Signals, float]]]
    """Signals to end it with and how many seconds each is given, politest first."""
    hurried_steps: ClassVar[Sequence[tuple[signal.Signals, float]]]

    def __init__(
        self,
        data_dir: Path,
        *,
        port: int | None = None,
        report: Callable[[str], None] = silent,
        start_timeout_seconds: float = 60,
    ) -> None:
        self.data_dir = data_dir.absolute()
        self.report = report
        self._wanted_port = port
        self._port: int | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = DirectoryLock(self.data_dir)
        self._aborted = threading.Event()
        self._start_timeout_seconds = start_timeout_seconds

    @property
    def port(self) -> int:
        """The TCP port on 127.0.0.1.

        Raises:
            ServiceNotRunning: before the first start, when it is not known yet.
        """
        if self._port is None:
            raise ServiceNotRunning(self.name)
        return self._port

    @property
    def password(self) -> str:
        """The password that was generated for this data directory."""
        return kept_password(self.data_dir / "password")

    @property
    def pid(self) -> int | None:
        """The number of the running process; None when there is none."""
        return self._process.pid if self._process is not None and self.is_running() else None

    @property
    def process(self) -> subprocess.Popen[bytes] | None:
        """The process as started last, running or ended; None before `start` and after `stop`."""
        return self._process

    @property
    def log_path(self) -> Path:
        """The file everything it says is appended to; one older file is kept beside it."""
        return self.data_dir / f"{self.name.lower()}.log"

    def is_running(self) -> bool:
        """Whether the process is there at this moment."""
        return self._process is not None and self._process.poll() is None

    def last_lines(self, count: int = 10) -> list[str]:
        """Return the end of the log."""
        return _lines_after(self.log_path, 0)[-count:]

    def start(self) -> None:
        """Answer on 127.0.0.1, with the data of earlier runs; starting twice changes nothing.

        The first start creates the data. What an earlier run left behind after ``kill -9`` or a
        power cut is recovered: a server that is still running is stopped, stale pid files are
        removed. Without a wanted port the port of the last run is used again if it is free.

        Raises:
            DirectoryInUse: a living process owns the data directory.
            PortInUse: the wanted port is taken.
            ProgramMissing: the server is not installed.
            ServiceDidNotStart: it ended or did not answer in time.
            RuntimeFailure: the others of this package, as their classes say.
        """
        if self.is_running():
            return
        began = time.monotonic()
        self._forget()
        self._aborted.clear()
        self.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._lock.acquire()
        try:
            self._prepare()
            self._stop_orphan()
            self._launch_until_ready(began + self._start_timeout_seconds)
        except BaseException:
            self.stop(hurry=True)
            raise
        seconds = time.monotonic() - began
        self.report(f"{self._title()} ready on {HOST}:{self.port} ({seconds:.1f} s)")

    def stop(self, *, hurry: bool = False) -> None:
        """Have no process and no claim on the data directory; stopping twice changes nothing.

        Bounded: a server that does not end when asked is killed. In a *hurry* it is not given time
        to finish, which costs a recovery at the next start but never data.
        """
        process = self._process
        if process is not None and process.poll() is None:
            began = time.monotonic()
            for number, seconds in self.hurried_steps if hurry else self.stop_steps:
                process.send_signal(number)
                try:
                    process.wait(seconds)
                    break
                except subprocess.TimeoutExpired:
                    continue
            self.report(f"{self.name} stopped ({time.monotonic() - began:.1f} s)")
        self._forget()
        self._lock.release()

    def attach(self) -> None:
        """Know the address of the server that another process runs on this data directory.

        For a second command of the same user; it neither starts nor stops anything.

        Raises:
            ServiceNotRunning: nobody runs it.
        """
        recorded = self._recorded_pid()
        port = kept_port(self.data_dir / "port")
        if recorded is None or port is None or not _works_in(recorded[0], recorded[1]):
            raise ServiceNotRunning(self.name)
        self._port = port

    def abort(self) -> None:
        """Make a `start` that is under way in another thread give up soon."""
        self._aborted.set()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @abstractmethod
    def worth_showing(self, line: str) -> bool:
        """Whether a line of the log concerns a person who watches."""

    @abstractmethod
    def _title(self) -> str:
        """Return name and version."""

    @abstractmethod
    def _prepare(self) -> None:
        """Find the program and create what the first start needs."""

    @abstractmethod
    def _launch(self, port: int) -> Launch:
        """Return what to run."""

    @abstractmethod
    def _answers(self, pid: int, port: int) -> bool:
        """Whether the process with this number, and nobody else, serves that port."""

    @abstractmethod
    def _recorded_pid(self) -> tuple[int, Path, Path] | None:
        """Return the pid in the server's pid file, its working directory, and the file."""

    @abstractmethod
    def _port_was_taken(self, lines: Sequence[str]) -> bool:
        """Whether these lines of the log say that somebody else listens on the port."""

    def _may_try_again(self, lines: Sequence[str]) -> bool:
        """Whether these lines of the log say that the same start will work in a moment."""
        del lines
        return False

    def _run(self, launch: Launch) -> subprocess.Popen[bytes]:
        """Start a process under guard, its output appended to the log."""
        # Private, because statements that fail are in the log with their values.
        with open(self.log_path, "ab", opener=_private) as log:
            try:
                return process_guard().spawn(launch, output=log)
            finally:
                for descriptor in launch.descriptors:
                    os.close(descriptor)

    def _launch_until_ready(self, deadline: float) -> None:
        self._turn_log_over()
        port = self._first_port()
        refused_ports = 0
        while True:
            offset = self.log_path.stat().st_size if self.log_path.exists() else 0
            self._process = self._run(self._launch(port))
            if self._became_ready(self._process, port, deadline):
                self._port = port
                write_private(self.data_dir / "port", f"{port}\n")
                return
            status = self._process.poll()
            lines = _lines_after(self.log_path, offset)
            if status is None:
                found = (
                    "it was interrupted" if self._aborted.is_set() else "it did not answer in time"
                )
                raise ServiceDidNotStart(self.name, found, self.log_path, lines[-10:])
            self._forget()
            if self._port_was_taken(lines):
                refused_ports += 1
                if self._wanted_port is not None or refused_ports == _ATTEMPTS_FOR_A_PORT:
                    raise PortInUse(self.name, port)
                port = free_port()
            elif not self._may_try_again(lines) or time.monotonic() > deadline:
                found = (
                    f"it was ended by {signal.Signals(-status).name}"
                    if status < 0
                    else f"it exited with status {status}"
                )
                raise ServiceDidNotStart(self.name, found, self.log_path, lines[-10:])
            else:
                self._aborted.wait(10 * _POLL_SECONDS)

    def _first_port(self) -> int:
        if self._wanted_port is not None:
            if not is_free(self._wanted_port):
                raise PortInUse(self.name, self._wanted_port)
            return self._wanted_port
        last = self._port or kept_port(self.data_dir / "port")
        return last if last is not None and is_free(last) else free_port()

    def _became_ready(self, process: subprocess.Popen[bytes], port: int, deadline: float) -> bool:
        while process.poll() is None and not self._aborted.is_set():
            if self._answers(process.pid, port):
                return True
            if time.monotonic() > deadline:
                return False
            self._aborted.wait(_POLL_SECONDS)
        return False

    def _stop_orphan(self) -> None:
        """End a server of an earlier run that still works on this directory.

        We hold the lock, so no living supervisor owns it. A pid file alone proves nothing: after a
        reboot its number may belong to anybody, so the process must also work in our directory.
        """
        recorded = self._recorded_pid()
        if recorded is None:
            return
        pid, directory, file = recorded
        if not _works_in(pid, directory):
            file.unlink(missing_ok=True)
            return
        self.report(f"{self.name}: stopping process {pid}, which an earlier run left behind")
        for number, seconds in self.stop_steps:
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                break
            deadline = time.monotonic() + seconds
            while _works_in(pid, directory) and time.monotonic() < deadline:
                self._aborted.wait(_POLL_SECONDS)
            if not _works_in(pid, directory):
                break

    def _turn_log_over(self) -> None:
        if self.log_path.exists() and self.log_path.stat().st_size > _LOG_LIMIT_BYTES:
            self.log_path.replace(self.log_path.with_suffix(".log.1"))

    def _forget(self) -> None:
        if self._process is not None:
            self._process.wait()
            process_guard().ended(self._process.pid)
            self._process = None


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _lines_after(log: Path, offset: int) -> list[str]:
    """Return the last lines of the log, none from before *offset*."""
    try:
        with log.open("rb") as file:
            file.seek(max(offset, log.stat().st_size - 65536))
            return file.read().decode(errors="replace").splitlines()
    except FileNotFoundError:
        return []


def _works_in(pid: int, directory: Path) -> bool:
    """Whether a living process of that number has *directory* as its working directory."""
    if Path("/proc/self").is_dir():
        try:
            return Path(f"/proc/{pid}/cwd").samefile(directory)
        except OSError:
            # It is gone (a zombie has no working directory either), or it is somebody else's.
            return False
    result = subprocess.run(
        ["lsof", "-a", "-p", str(pid), "-d", "cwd", "-Fn"],
        capture_output=True,
        text=True,
        check=False,
    )
    return f"n{directory.resolve()}" in result.stdout.splitlines()
