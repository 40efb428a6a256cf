"""Real processes in throwaway directories, and ways to wait for them and to count them."""

from __future__ import annotations

import contextlib
import os
import select
import subprocess
import sys
import textwrap
import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import pytest

import trophenix_kernel

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

KERNEL = Path(trophenix_kernel.__file__).parent.parent


class Scene:
    """A directory, and every process that works in it or was started by the test."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.mark = f"TROPHENIX_TEST_SCENE={uuid.uuid4().hex}"
        self._started: list[subprocess.Popen[str]] = []

    def python(
        self, script: str, *arguments: str, environment: Mapping[str, str] | None = None
    ) -> subprocess.Popen[str]:
        """Run a script; its output, errors included, can be read line by line."""
        key, value = self.mark.split("=")
        process = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(script), *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, "PYTHONPATH": str(KERNEL), key: value, **(environment or {})},
            start_new_session=True,
        )
        self._started.append(process)
        return process

    def processes(self) -> dict[int, str]:
        """Return the command of every living process of this scene by its number."""
        found: dict[int, str] = {}
        for entry in Path("/proc").iterdir():
            # Gone meanwhile, or somebody else's.
            with contextlib.suppress(OSError):
                if not entry.name.isdecimal() or int(entry.name) == os.getpid():
                    continue
                # A zombie has no working directory and is not counted.
                where = (entry / "cwd").readlink()
                command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                marked = self.mark.encode() in (entry / "environ").read_bytes()
                if marked or str(self.directory) in f"{where} {command}":
                    found[int(entry.name)] = command
        return found

    def pid_of(self, word: str) -> int:
        """Return the one process of this scene whose command contains *word*."""
        (pid,) = [pid for pid, command in self.processes().items() if word in command]
        return pid

    def close(self) -> None:
        """Leave no process, whatever the test did."""
        for pid in self.processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, 9)
        for process in self._started:
            process.kill()
            process.communicate()


class UntilLine(Protocol):
    """Reads the output of a process until a line contains a word."""

    def __call__(self, process: subprocess.Popen[str], word: str) -> list[str]: ...


class UntilGone(Protocol):
    """Waits until none of these processes is left."""

    def __call__(self, *pids: int, seconds: float = 20) -> None: ...


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    """Lend a directory and stop every process in it afterwards."""
    scene = Scene(tmp_path)
    yield scene
    scene.close()


@pytest.fixture
def until_line() -> UntilLine:
    """Return the lines up to the first one with a word; fail with everything when it never comes."""

    def read(process: subprocess.Popen[str], word: str) -> list[str]:
        lines: list[str] = []
        assert process.stdout is not None
        for line in process.stdout:
            lines.append(line.rstrip("\n"))
            if word in line:
                return lines
        pytest.fail(f"{word!r} never came:\n" + "\n".join(lines))

    return read


@pytest.fixture
def until_gone() -> UntilGone:
    """Return once the kernel has said of each process that it ended."""

    def wait(*pids: int, seconds: float = 20) -> None:
        deadline = time.monotonic() + seconds
        for pid in pids:
            try:
                descriptor = os.pidfd_open(pid)
            except ProcessLookupError:
                continue
            try:
                over, _, _ = select.select(
                    [descriptor], [], [], max(0, deadline - time.monotonic())
                )
            finally:
                os.close(descriptor)
            assert over, f"process {pid} is still there after {seconds} s"

    return wait
