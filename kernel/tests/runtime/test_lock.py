"""A data directory belongs to one process."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from trophenix_kernel.runtime.errors import DirectoryInUse
from trophenix_kernel.runtime.lock import DirectoryLock

if TYPE_CHECKING:
    from pathlib import Path

    from .conftest import Scene, UntilLine

HOLD = """
    import sys
    from pathlib import Path
    from trophenix_kernel.runtime.lock import DirectoryLock
    with DirectoryLock(Path(sys.argv[1])):
        print("held", flush=True)
        sys.stdin.read()
"""


def test_a_second_handle_learns_which_process_holds_the_directory(tmp_path: Path) -> None:
    """Even within one process: two servers on one directory are never right."""
    with DirectoryLock(tmp_path), pytest.raises(DirectoryInUse) as refused:
        DirectoryLock(tmp_path).acquire()

    assert refused.value.holder_pid == os.getpid()
    assert f"kill {os.getpid()}" in str(refused.value)


def test_another_process_is_named_with_its_command(
    scene: Scene, tmp_path: Path, until_line: UntilLine
) -> None:
    """The message lets a person find what holds the directory."""
    holder = scene.python(HOLD, str(tmp_path))
    until_line(holder, "held")

    with pytest.raises(DirectoryInUse) as refused:
        DirectoryLock(tmp_path).acquire()

    assert refused.value.holder_pid == holder.pid
    assert "python" in refused.value.holder_command


def test_a_killed_holder_leaves_nothing_to_clean_up(
    scene: Scene, tmp_path: Path, until_line: UntilLine
) -> None:
    """The kernel drops the lock with the process."""
    holder = scene.python(HOLD, str(tmp_path))
    until_line(holder, "held")
    holder.kill()
    holder.wait()

    with DirectoryLock(tmp_path) as lock:
        assert lock.held


def test_a_released_directory_can_be_taken_again(tmp_path: Path) -> None:
    """Release and acquire in any number."""
    first, second = DirectoryLock(tmp_path), DirectoryLock(tmp_path)
    first.acquire()
    first.acquire()
    first.release()
    first.release()

    second.acquire()

    assert second.held
    assert not first.held
    second.release()
