"""Registers this process with the guardian, drops privileges and becomes another program.

Run as a script by `guard`, never imported: ``python -I -S launcher.py FD SIGNAL GRACE RANK UID GID
PROGRAM ARGUMENT...``. It only imports what a bare interpreter has loaded already, which makes it
cost about ten milliseconds. Being registered *before* the program exists is the point: whatever
moment its owner is killed at, the guardian knows the process.

A script instead of a ``preexec_fn``: code between fork and exec may deadlock in a process that has
threads.
"""

from __future__ import annotations

import os
import signal
import sys


def main(arguments: list[str]) -> None:
    """Replace this process by the program; on return nothing was run."""
    descriptor, stop_signal, grace, rank, uid, gid, *command = arguments
    os.write(int(descriptor), f"started {os.getpid()} {stop_signal} {grace} {rank}\n".encode())
    os.close(int(descriptor))
    # Python ignores SIGPIPE, and ignored signals stay ignored across exec.
    for number in (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    if uid != "-":
        os.setgroups([])
        os.setgid(int(gid))
        os.setuid(int(uid))
    os.execvp(command[0], command)


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except OSError as error:
        sys.stderr.write(f"cannot run {sys.argv[7]}: {error.strerror}\n")
        sys.exit(127)
