"""A NATS server with JetStream that lives in one directory."""

from __future__ import annotations

import json
import re
import secrets
import signal
import socket
import subprocess
from typing import TYPE_CHECKING, ClassVar, Final
from urllib.parse import quote

from trophenix_kernel.runtime.endpoint import HOST, write_private
from trophenix_kernel.runtime.guard import Launch
from trophenix_kernel.runtime.programs import find_nats
from trophenix_kernel.runtime.service import EmbeddedService

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

USER: Final = "trophenix"


class EmbeddedNats(EmbeddedService):
    """A NATS server on 127.0.0.1 whose streams survive a restart.

    Clients log in with a user and a password, which is in the file ``password`` of the data
    directory and never on a command line. Streams are in ``jetstream``. A message that was
    acknowledged survives the death of the server; a power cut may cost the last two minutes, which
    is NATS' own default: the database, not the bus, is what must never forget.
    """

    name: ClassVar[str] = "NATS"
    rank: ClassVar[int] = 900
    stop_steps: ClassVar[Sequence[tuple[signal.Signals, float]]] = (
        (signal.SIGTERM, 10),
        (signal.SIGKILL, 5),
    )
    hurried_steps: ClassVar[Sequence[tuple[signal.Signals, float]]] = stop_steps[1:]

    _program: Path | None = None
    _version: str = ""
    _server_name: str = ""

    @property
    def url(self) -> str:
        """``nats://user:password@127.0.0.1:port``.

        Raises:
            ServiceNotRunning: before the first start, when there is no port yet.
        """
        return f"nats://{USER}:{quote(self.password, safe='')}@{HOST}:{self.port}"

    def worth_showing(self, line: str) -> bool:
        """Whether a line is more than the server's ordinary running commentary."""
        # The password is plain text in a file that only its owner can read, which is intended.
        usual = ("[INF]", "[DBG]", "Plaintext passwords detected")
        return bool(line.strip()) and not any(word in line for word in usual)

    def _title(self) -> str:
        return f"NATS {self._version}"

    def _prepare(self) -> None:
        self._program = find_nats()
        result = subprocess.run(
            [self._program, "--version"], capture_output=True, text=True, check=False
        )
        match = re.search(r"v(\d+(?:\.\d+)+)", result.stdout)
        self._version = match.group(1) if match else "of unknown version"

    def _launch(self, port: int) -> Launch:
        # A new name each time tells this process from any other that may answer on the same port.
        self._server_name = f"trophenix-{secrets.token_hex(8)}"
        # JSON is valid configuration for NATS and quotes every path and password correctly.
        configuration = {
            "server_name": self._server_name,
            "host": HOST,
            "port": port,
            "pid_file": str(self._pid_file),
            "authorization": {"user": USER, "password": self.password},
            "jetstream": {"store_dir": str(self.data_dir / "jetstream")},
        }
        file = self.data_dir / "nats.conf"
        write_private(file, json.dumps(configuration, indent=2) + "\n")
        return Launch(
            command=[str(self._program), "--config", str(file)],
            directory=self.data_dir,
            stop_signal=self.stop_steps[0][0],
            grace_seconds=self.stop_steps[0][1],
            rank=self.rank,
        )

    def _answers(self, pid: int, port: int) -> bool:
        """Whether a client can log in and gets an answer, with JetStream there."""
        del pid
        try:
            with socket.create_connection((HOST, port), timeout=1) as connection:
                return self._greets(connection)
        except OSError:
            return False

    def _greets(self, connection: socket.socket) -> bool:
        with connection.makefile("rwb") as stream:
            greeting = stream.readline()
            if not greeting.startswith(b"INFO "):
                return False
            info = json.loads(greeting.removeprefix(b"INFO "))
            if info.get("server_name") != self._server_name or not info.get("jetstream"):
                return False
            login = {"user": USER, "pass": self.password, "verbose": False, "pedantic": False}
            stream.write(b"CONNECT " + json.dumps(login).encode() + b"\r\nPING\r\n")
            stream.flush()
            return stream.readline().strip() == b"PONG"

    @property
    def _pid_file(self) -> Path:
        return self.data_dir / "nats.pid"

    def _recorded_pid(self) -> tuple[int, Path, Path] | None:
        try:
            text = self._pid_file.read_text(encoding="ascii").strip()
        except FileNotFoundError:
            return None
        return (int(text) if text.isdecimal() else 0), self.data_dir, self._pid_file

    def _port_was_taken(self, lines: Sequence[str]) -> bool:
        return any("address already in use" in line for line in lines)
