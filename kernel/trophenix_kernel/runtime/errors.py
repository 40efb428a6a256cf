"""What can go wrong while the parts of one machine are started, watched and stopped."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


class RuntimeFailure(Exception):
    """Something this machine must provide is not there; the message names the next step.

    Every failure of this package is one of these. ``code`` is stable and may be compared;
    the message is for people and may change.
    """

    code: ClassVar[str] = "runtime.failure"


class DirectoryInUse(RuntimeFailure):
    """A data directory already belongs to a living process."""

    code = "runtime.directory_in_use"

    def __init__(self, directory: Path, holder_pid: int | None, holder_command: str) -> None:
        self.directory = directory
        self.holder_pid = holder_pid
        self.holder_command = holder_command
        who = f"process {holder_pid}" if holder_pid is not None else "another process"
        what = f" ({holder_command})" if holder_command else ""
        then = f"stop it (kill {holder_pid})" if holder_pid is not None else "stop that process"
        super().__init__(
            f"{directory} is in use by {who}{what}: {then} or choose another data directory"
        )


class ProgramMissing(RuntimeFailure):
    """A server program is not installed, or what is installed cannot be used."""

    code = "runtime.program_missing"

    def __init__(self, program: str, found: str, next_step: str) -> None:
        self.program = program
        self.found = found
        super().__init__(f"{program} cannot be used: {found}; {next_step}")


class AccountMissing(RuntimeFailure):
    """PostgreSQL refuses to run as root and no ordinary account could be found or made."""

    code = "runtime.account_missing"

    def __init__(self, account: str, found: str) -> None:
        self.account = account
        super().__init__(
            f"PostgreSQL does not run as root and needs the account {account!r}: {found}; create "
            "it, name another one in TROPHENIX_PG_USER, or start as an ordinary user"
        )


class ForeignCluster(RuntimeFailure):
    """A cluster on disk cannot be served by this program or by this user."""

    code = "runtime.foreign_cluster"

    def __init__(self, cluster: Path, found: str, expected: str, next_step: str) -> None:
        self.cluster = cluster
        super().__init__(f"{cluster}: found {found}, expected {expected}; {next_step}")


class PortInUse(RuntimeFailure):
    """The port that was asked for is taken by another program."""

    code = "runtime.port_in_use"

    def __init__(self, service: str, port: int) -> None:
        self.service = service
        self.port = port
        super().__init__(
            f"{service} cannot listen on 127.0.0.1:{port}: the port is taken; free it, ask for "
            "another port, or ask for none and a free one is chosen"
        )


class ServiceDidNotStart(RuntimeFailure):
    """A server ended, or stayed silent, before it answered."""

    code = "runtime.service_did_not_start"

    def __init__(self, service: str, found: str, log: Path, last_lines: Sequence[str]) -> None:
        self.service = service
        self.log = log
        self.last_lines = tuple(last_lines)
        tail = "".join(f"\n  {line}" for line in last_lines)
        super().__init__(f"{service} did not start: {found}; its log is {log}{tail}")


class ServiceNotRunning(RuntimeFailure):
    """The address of a server was asked for before it had one."""

    code = "runtime.service_not_running"

    def __init__(self, service: str) -> None:
        self.service = service
        super().__init__(f"{service} is not running and so has no address: start it first")


class DatabaseExists(RuntimeFailure):
    """A database of that name is already there."""

    code = "runtime.database_exists"

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(f"database {name!r} exists already: drop it or choose another name")


class TemplateUnusable(RuntimeFailure):
    """A database cannot be copied, because it is missing or somebody is connected to it."""

    code = "runtime.template_unusable"

    def __init__(self, template: str, found: str) -> None:
        self.template = template
        super().__init__(
            f"database {template!r} cannot serve as a template: {found}; create it, and close "
            "every connection to it, before it is copied"
        )


class ProgramNotReady(RuntimeFailure):
    """A program of the supervisor could not be started or never answered."""

    code = "runtime.program_not_ready"

    def __init__(self, part: str, found: str) -> None:
        self.part = part
        self.found = found
        super().__init__(f"{part} is not ready: {found}")


class PartKeepsFailing(RuntimeFailure):
    """A part failed more often than its restart budget allows."""

    code = "runtime.part_keeps_failing"

    def __init__(
        self, part: str, failures: int, window_seconds: float, found: str, lines: Sequence[str]
    ) -> None:
        self.part = part
        self.failures = failures
        self.found = found
        self.last_lines = tuple(lines)
        tail = "".join(f"\n  {line}" for line in lines)
        times = "once" if failures == 1 else f"{failures} times"
        super().__init__(
            f"{part} failed {times} within {window_seconds:g} s and is not started again: "
            f"it {found}. Its last lines:{tail or ' none'}\n"
            f"Everything is being stopped. Fix what {part} reports above, then start again"
        )
