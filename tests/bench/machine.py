"""Cores, processor time and memory of the processes of a comparison."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

APPLICATION: Final = 0
"""The core of the server that is measured."""

OTHERS: Final = 1
"""The core of everything else: PostgreSQL, and whoever sends the requests."""


def pin(core: int) -> None:
    """This process, and those it starts from now on, run on one core, where there are two."""
    if len(os.sched_getaffinity(0)) > 1:
        os.sched_setaffinity(0, {core})


def processor_seconds(pid: int) -> float:
    """What all threads of a process have used so far, to the nanosecond."""
    nanoseconds = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        nanoseconds += int((task / "schedstat").read_text().split()[0])
    return nanoseconds / 1e9


def family_seconds(pid: int) -> float:
    """The same for a process and those it has started that still run, such as PostgreSQL and its sessions."""
    return processor_seconds(pid) + sum(processor_seconds(child) for child in children(pid))


def resident_mebibytes(pid: int) -> float:
    """The memory a process holds."""
    for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise ProcessLookupError(f"found no process {pid}; it was to be measured")


def children(pid: int) -> list[int]:
    """The processes a process has started and that still run."""
    return [
        int(word)
        for task in Path(f"/proc/{pid}/task").iterdir()
        for word in (task / "children").read_text().split()
    ]
