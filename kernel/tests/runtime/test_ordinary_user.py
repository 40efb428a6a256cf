"""Everything works for a user who is not root, owns one directory, and has no other rights."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import sys
import tempfile
import textwrap
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import trophenix_kernel

if TYPE_CHECKING:
    from collections.abc import Iterator

KERNEL = Path(trophenix_kernel.__file__).parent.parent
SCRIPT = """
    import asyncio, os, signal, sys
    from pathlib import Path
    from trophenix_kernel.runtime import EmbeddedNats, EmbeddedPostgres, Program, Supervisor
    from trophenix_kernel.runtime.databases import create_database, drop_database

    directory = Path(sys.argv[1])
    postgres, nats = EmbeddedPostgres(directory / "postgres"), EmbeddedNats(directory / "nats")
    WAIT = "import signal; print('up', flush=True); signal.pause()"

    async def programs():
        await create_database(postgres.dsn(), "made")
        await drop_database(postgres.dsn(), "made")
        return [Program("web", [sys.executable, "-c", WAIT], copies=2)]

    async def on_ready():
        owners = {Path(f"/proc/{pid}").stat().st_uid for pid in (postgres.pid, nats.pid)}
        print("owners are me:", owners == {os.getuid()} != {0}, flush=True)
        os.kill(os.getpid(), signal.SIGTERM)

    run = Supervisor(
        directory, services=[postgres, nats], programs=programs, on_ready=on_ready
    ).run()
    sys.exit(asyncio.run(run))
"""


def _run_as(user: str, *command: str) -> subprocess.CompletedProcess[str]:
    prefix = [] if os.geteuid() else ["runuser", "-u", user, "--"]
    site = str(Path(str(metadata.distribution("asyncpg").locate_file(""))).resolve())
    return subprocess.run(
        [*prefix, "env", f"PYTHONPATH={KERNEL}:{site}", *command],
        capture_output=True,
        text=True,
        check=False,
        cwd="/",
        timeout=60,
    )


@pytest.fixture(scope="module")
def user() -> Iterator[str]:
    """Lend an ordinary user: this one, or for root one that is removed afterwards."""
    if os.geteuid() != 0:
        yield pwd.getpwuid(os.geteuid()).pw_name
        return
    for tool in ("useradd", "userdel", "runuser"):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is needed to make an ordinary user and is not installed")
    name = f"trophenix-test-{os.getpid()}"
    subprocess.run(["useradd", "--no-create-home", name], check=True, capture_output=True)
    yield name
    subprocess.run(["userdel", name], check=True, capture_output=True)


@pytest.fixture(scope="module")
def python(user: str) -> str:
    """Return a Python that user can run with what is installed here; root's own may be private."""
    for candidate in (sys.executable, "/usr/bin/python3", "/usr/local/bin/python3"):
        probe = "import sys, asyncpg, trophenix_kernel.runtime; print(sys.version_info[:2])"
        result = _run_as(user, candidate, "-c", probe)
        if result.returncode == 0 and result.stdout.strip() == str(sys.version_info[:2]):
            return candidate
    pytest.skip("an ordinary user can run no Python of this version with the packages used here")


@pytest.fixture
def directory(user: str) -> Iterator[Path]:
    """Lend a directory of that user; pytest's own are private to the one who runs the tests."""
    with tempfile.TemporaryDirectory() as name:
        entry = pwd.getpwnam(user)
        os.chown(name, entry.pw_uid, entry.pw_gid)
        yield Path(name)


def test_an_ordinary_user_runs_everything_and_leaves_nothing(
    user: str, python: str, directory: Path
) -> None:
    """From the first start to the last process."""
    result = _run_as(user, python, "-c", textwrap.dedent(SCRIPT), str(directory))
    owner = pwd.getpwnam(user).pw_uid
    left = [
        path.name
        for path in Path("/proc").iterdir()
        if path.name.isdecimal() and str(directory).encode() in (path / "cmdline").read_bytes()
    ]

    assert "owners are me: True" in result.stdout, result.stderr
    assert "web-2 started" in result.stderr
    assert "everything is stopped" in result.stderr
    assert result.returncode == 0
    assert (directory / "postgres" / "cluster").stat().st_uid == owner
    assert left == []


def test_a_cluster_of_somebody_else_is_refused(user: str, python: str, directory: Path) -> None:
    """With whose it is and what to do, instead of PostgreSQL's own riddle."""
    if os.geteuid() != 0:
        pytest.skip("only root can make a file that belongs to somebody else")
    (directory / "cluster").mkdir()
    os.chown(directory, pwd.getpwnam(user).pw_uid, -1)
    script = (
        "import sys, pathlib, trophenix_kernel.runtime as r\n"
        "try: r.EmbeddedPostgres(pathlib.Path(sys.argv[1])).start()\n"
        "except r.RuntimeFailure as failure: print(failure.code, failure)"
    )
    result = _run_as(user, python, "-c", script, str(directory))

    assert result.stdout.startswith("runtime.foreign_cluster"), result.stderr
    assert "an owner with uid 0, expected this user" in result.stdout
