"""Nothing that a process started outlives it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from .conftest import Scene, UntilGone, UntilLine

# Starts a program that starts another one, both of which would run for ever.
OWNER = """
    import sys, signal
    from trophenix_kernel.runtime.guard import Launch, process_guard
    PARENT = '''
    import subprocess, sys, signal
    if {stubborn}: signal.signal(signal.SIGTERM, signal.SIG_IGN)
    subprocess.Popen([sys.executable, "-c", "import signal; print('deep', flush=True); signal.pause()"])
    signal.pause()
    '''.replace("\\n    ", "\\n")
    stubborn, ending = sys.argv[1:]
    process_guard().spawn(
        Launch([sys.executable, "-c", PARENT.format(stubborn=stubborn)], grace_seconds=0.3),
        output=1,
    )
    {"wait": sys.stdin.read, "return": lambda: sys.stdin.readline()}[ending]()
"""


@pytest.mark.parametrize("stubborn", ["False", "True"])
def test_a_killed_owner_takes_children_and_grandchildren_along(
    scene: Scene, until_line: UntilLine, until_gone: UntilGone, stubborn: str
) -> None:
    """Also those that ignore the polite signal."""
    owner = scene.python(OWNER, stubborn, "wait")
    until_line(owner, "deep")
    pids = scene.processes()

    owner.kill()

    assert len(pids) == 4  # owner, guardian, child, grandchild
    owner.wait()
    until_gone(*pids)
    assert scene.processes() == {}


def test_an_owner_that_ends_normally_leaves_nothing_at_the_moment_it_is_gone(
    scene: Scene, until_line: UntilLine
) -> None:
    """Nobody has to wait: the interpreter stops what is left before it ends."""
    owner = scene.python(OWNER, "False", "return")
    until_line(owner, "deep")

    owner.communicate("go\n")

    assert owner.returncode == 0
    assert scene.processes() == {}


def test_children_are_stopped_lowest_rank_first(
    scene: Scene, until_line: UntilLine, until_gone: UntilGone, tmp_path: Path
) -> None:
    """A program may still use the database while it ends."""
    owner = scene.python(
        """
        import sys
        from trophenix_kernel.runtime.guard import Launch, process_guard
        CHILD = '''
        import os, signal, sys
        def end(*_):
            open(sys.argv[2], "a").write(sys.argv[1] + " ")
            sys.exit()
        signal.signal(signal.SIGTERM, end)
        # In one piece: three processes write to the same pipe.
        os.write(1, b"up" + bytes([10]))
        while True: signal.pause()
        '''.replace("\\n        ", "\\n")
        for rank in (5, 1, 3):
            process_guard().spawn(
                Launch([sys.executable, "-c", CHILD, str(rank), sys.argv[1]], rank=rank), output=1
            )
        sys.stdin.read()
        """,
        str(tmp_path / "order"),
    )
    for _ in range(3):
        until_line(owner, "up")
    pids = scene.processes()

    owner.kill()
    owner.wait()
    until_gone(*pids)

    assert (tmp_path / "order").read_text() == "1 3 5 "


def test_a_guardian_that_was_killed_is_replaced_and_told_everything(
    scene: Scene, until_line: UntilLine, until_gone: UntilGone
) -> None:
    """The child started before and the one started after it are both watched."""
    owner = scene.python(
        """
        import sys
        from trophenix_kernel.runtime.guard import Launch, process_guard
        CHILD = [sys.executable, "-c", "import signal; print('up', flush=True); signal.pause()"]
        process_guard().spawn(Launch(CHILD), output=1)
        sys.stdin.readline()
        process_guard().spawn(Launch(CHILD), output=1)
        sys.stdin.read()
        """
    )
    until_line(owner, "up")
    guardian = scene.pid_of("guardian.py")
    os.kill(guardian, 9)
    until_gone(guardian)
    assert owner.stdin is not None
    owner.stdin.write("go\n")
    owner.stdin.flush()
    until_line(owner, "up")
    pids = scene.processes()

    owner.kill()
    owner.wait()

    assert len(pids) == 4  # owner, new guardian, two children
    until_gone(*pids)


def test_a_killed_owner_leaves_no_throwaway_directory(
    scene: Scene, until_line: UntilLine, until_gone: UntilGone, tmp_path: Path
) -> None:
    """An interrupted test run does not fill the disk."""
    owner = scene.python(
        """
        import sys
        from trophenix_kernel.runtime.throwaway import throwaway_directory
        with throwaway_directory() as directory:
            (directory / "file").write_text("x")
            print("lent", flush=True)
            sys.stdin.read()
        """,
        environment={"TMPDIR": str(tmp_path)},
    )
    until_line(owner, "lent")
    pids = scene.processes()
    before = list(tmp_path.iterdir())

    owner.kill()
    owner.wait()
    until_gone(*pids)

    assert len(before) == 1
    assert list(tmp_path.iterdir()) == []


def test_a_program_that_does_not_exist_says_so(scene: Scene) -> None:
    """And ends with the status a shell would give."""
    owner = scene.python(
        """
        from trophenix_kernel.runtime.guard import Launch, process_guard
        print(process_guard().spawn(Launch(["/nowhere/program"]), output=1).wait())
        """
    )
    output, _ = owner.communicate()

    assert output.splitlines() == ["cannot run /nowhere/program: No such file or directory", "127"]
