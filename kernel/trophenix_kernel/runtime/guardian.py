"""Outlives its owner just long enough to stop what the owner started.

Run as a script by `guard`, never imported: ``python -I -S guardian.py FD``. It reads one line per
fact from the pipe ``FD``. The pipe ends when the owner ends, by whatever cause, ``kill -9``
included; then everything still registered is asked to stop, lowest rank first, and killed when its
grace is over. As systemd's ``KillMode=mixed`` does, the request goes to the main process alone and
the kill to its whole group.

    started PID SIGNAL GRACE_SECONDS RANK     a process group to stop, and how
    ended PID                                 it is gone
    remove PATH                               a directory to delete at the end
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:  # importing typing would double the start-up time
    from collections.abc import Callable


class Ward:
    """One process group and how it is to be stopped."""

    def __init__(self, pid: int, stop_signal: int, grace_seconds: float, rank: int) -> None:
        self.pid = pid
        self.stop_signal = stop_signal
        self.grace_seconds = grace_seconds
        self.rank = rank

    def members(self) -> set[int]:
        """Return the living processes of the group; just its main process where /proc is missing.

        Zombies do not count: in a container without an init process nobody ever reaps them.
        """
        if not os.path.isdir("/proc/self"):
            return {self.pid} if _sent(os.killpg, self.pid, 0) else set()
        found: set[int] = set()
        for name in filter(str.isdecimal, os.listdir("/proc")):
            try:
                with open(f"/proc/{name}/stat", "rb") as file:
                    # The command, in parentheses, may itself hold spaces and parentheses.
                    state, _parent, group = file.read().rpartition(b")")[2].split()[:3]
            except OSError:
                continue
            if int(group) == self.pid and state not in (b"Z", b"X"):
                found.add(int(name))
        return found

    def ask(self) -> None:
        """Ask the main process to stop; its own children are its own business."""
        _sent(os.kill, self.pid, self.stop_signal)

    def insist(self, elapsed_seconds: float) -> bool:
        """Kill the group once its main process is gone or its grace is over; false: all gone."""
        members = self.members()
        if members and (elapsed_seconds > self.grace_seconds or self.pid not in members):
            _sent(os.killpg, self.pid, signal.SIGKILL)
        return bool(members)


def _sent(send: Callable[[int, int], None], pid: int, number: int) -> bool:
    """Send a signal; false when there is nobody to receive it."""
    try:
        send(pid, number)
    except ProcessLookupError:
        return False
    except PermissionError:
        # Somebody is there, but nobody that is ours to stop.
        return False
    return True


def watch(descriptor: int) -> tuple[dict[int, Ward], list[str]]:
    """Return what was left registered when the owner went away, and what to remove."""
    wards: dict[int, Ward] = {}
    removals: list[str] = []
    with os.fdopen(descriptor, encoding="utf-8", errors="surrogateescape") as lines:
        for line in lines:
            verb, _, rest = line.rstrip("\n").partition(" ")
            if verb == "started":
                pid, number, grace, rank = rest.split()
                wards[int(pid)] = Ward(int(pid), int(number), float(grace), int(rank))
            elif verb == "ended":
                wards.pop(int(rest), None)
            elif verb == "remove":
                removals.append(rest)
    return wards, removals


def stop(wards: list[Ward]) -> None:
    """Leave none of these process groups alive."""
    for ward in wards:
        ward.ask()
    began = time.monotonic()
    left = wards
    while left:
        elapsed = time.monotonic() - began
        # Bounded even for a process that cannot be killed, because it hangs in the kernel.
        left = [w for w in left if w.insist(elapsed) and elapsed < w.grace_seconds + 5]
        time.sleep(0.02)


def main(descriptor: int) -> None:
    """Return once everything that was registered is stopped."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
        signal.signal(number, signal.SIG_IGN)
    wards, removals = watch(descriptor)
    for rank in sorted({ward.rank for ward in wards.values()}):
        stop([ward for ward in wards.values() if ward.rank == rank])
    for path in removals:
        shutil.rmtree(path, ignore_errors=True)


if __name__ == "__main__":
    main(int(sys.argv[1]))
