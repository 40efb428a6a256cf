"""One process owns a data directory; a second one learns who that is."""

from __future__ import annotations

import fcntl
import os
import sys
import time
from typing import TYPE_CHECKING, Final, Self

from trophenix_kernel.runtime.errors import DirectoryInUse

if TYPE_CHECKING:
    from pathlib import Path

_PATIENCE_SECONDS: Final = 5


class DirectoryLock:
    """Belongs to at most one open handle on the machine, and to none once its process is gone.

    The lock is an ``flock`` on a file that is never removed: the kernel drops it with the process,
    however that ends, so there is no stale lock to clean up, and removing the file would let two
    processes lock two different files of the same name. What is written inside only serves the
    message that a second process shows.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._descriptor: int | None = None

    @property
    def held(self) -> bool:
        """Whether this handle owns the directory."""
        return self._descriptor is not None

    def acquire(self) -> None:
        """Own the directory until `release` or the end of this process. Repeating changes nothing.

        Raises:
            DirectoryInUse: a living process, this one included, owns it through another handle.
        """
        if self._descriptor is not None:
            return
        descriptor = os.open(self._directory / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        patience_ends = time.monotonic() + _PATIENCE_SECONDS
        while not _locked(descriptor):
            pid, command = _holder(descriptor)
            # A process that was killed while it started another one leaves the lock to that one
            # for a moment, until it becomes the other program.
            if pid is None or _alive(pid) or time.monotonic() > patience_ends:
                os.close(descriptor)
                raise DirectoryInUse(self._directory, pid, command)
            time.sleep(0.01)
        os.ftruncate(descriptor, 0)
        command = " ".join(sys.orig_argv).replace("\n", " ")[:200]
        os.pwrite(descriptor, f"{os.getpid()}\n{command}\n".encode(errors="replace"), 0)
        self._descriptor = descriptor

    def release(self) -> None:
        """Own nothing. Releasing twice changes nothing."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def __enter__(self) -> Self:
        self.acquire()
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _holder(descriptor: int) -> tuple[int | None, str]:
    """Read who wrote the lock file; nobody when its owner has not written yet."""
    lines = os.pread(descriptor, 4096, 0).decode(errors="replace").splitlines()
    if not lines or not lines[0].isdecimal():
        return None, ""
    return int(lines[0]), lines[1] if len(lines) > 1 else ""
