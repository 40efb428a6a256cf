"""The servers that are compared, each a process of its own."""

from __future__ import annotations

import http.client
import os
import socket
import subprocess
import sys
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import msgspec
from machine import children

HERE: Final = Path(__file__).parent
START_SECONDS: Final = 60


class DidNotStart(RuntimeError):
    """A server ended, or did not answer in time; the message ends with what it said."""


class Server(msgspec.Struct, frozen=True):
    """A server that answers.

    Attributes:
        worker: the process that answers.
    """

    port: int
    worker: int


@contextmanager
def serving(
    application: str, environment: Mapping[str, str], *, log: Path, paths: tuple[str, ...] = ()
) -> Generator[Server]:
    """A server of *application* answers until the block ends.

    Args:
        application: ``module:factory``, the module beside this one.
        environment: over this process's own.
        log: what it says.
        paths: further folders to import from.

    Raises:
        DidNotStart: see there.
    """
    port = _free_port()
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, str(HERE / "serve.py"), application, str(port)],
            env={**os.environ, **environment, "PYTHONPATH": os.pathsep.join((str(HERE), *paths))},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            _wait(process, port, log)
            (worker,) = children(process.pid)
            yield Server(port, worker)
        finally:
            _end(process)


@contextmanager
def working(
    environment: Mapping[str, str], *, log: Path, paths: tuple[str, ...]
) -> Generator[None]:
    """A worker of the platform runs jobs until the block ends."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, str(HERE / "work.py")],
            env={**os.environ, **environment, "PYTHONPATH": os.pathsep.join((str(HERE), *paths))},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            yield
        finally:
            _end(process)


def fetch(port: int, head: bytes) -> tuple[int, bytes]:
    """Status and body of one request, written out as *head*."""
    with socket.create_connection(("127.0.0.1", port), timeout=120) as connection:
        connection.sendall(head)
        response = http.client.HTTPResponse(connection)
        response.begin()
        return response.status, response.read()


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


def _wait(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until and process.poll() is None:
        try:
            fetch(port, b"GET /nothing HTTP/1.1\r\nhost: localhost\r\n\r\n")
        except OSError:
            time.sleep(0.05)
        else:
            return
    said = log.read_text(encoding="utf-8", errors="replace")[-3000:]
    raise DidNotStart(f"found no answer on port {port} within {START_SECONDS} s; it said:\n{said}")
