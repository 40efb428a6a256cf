"""The command line says what it did by its exit status, and what to do when it could not."""

from __future__ import annotations

import asyncio
import json
import os
import pwd
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, cast
from uuid import UUID

import msgspec
import pytest

from trophenix_kernel.cli import main
from trophenix_kernel.cli.command import parser
from trophenix_kernel.demo import Person, Ready, TenantReady
from trophenix_kernel.runtime.databases import create_database
from trophenix_kernel.runtime.throwaway import throwaway_postgres
from trophenix_testing.platform import Platform, PlatformFactory
from trophenix_testing.plugins import write_broken_plugin

COMMANDS: Final = (
    "up",
    "web",
    "worker",
    "scheduler",
    "migrate",
    "plugins",
    "tenants",
    "call",
    "doctor",
)
Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Runs ``trophenix`` in a process of its own, in an empty environment but for what is given."""

    def start(
        *arguments: str, timeout: float = 60, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        kept = {
            name: os.environ[name]
            for name in ("PATH", "HOME", "LANG", "TMPDIR")
            if name in os.environ
        }
        return subprocess.run(
            [sys.executable, "-m", "trophenix_kernel", *arguments],
            env={**kept, **environment},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    return start


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([command, "--help"])

    assert ended.value.code == 0
    assert f"trophenix {command}" in capsys.readouterr().out


def test_help_names_every_command_and_variable(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])

    shown = capsys.readouterr().out
    offered = next(
        action.choices for action in parser()._actions if action.choices and "up" in action.choices
    )
    assert offered is not None
    assert set(offered) == set(COMMANDS)
    assert all(command in shown for command in COMMANDS)
    assert all(
        f"TROPHENIX_{name}" in shown
        for name in ("DATABASE_URL", "NATS_URL", "CLUSTERS", "SECRET_KEY", "BASE_URL")
    )


@pytest.mark.parametrize("arguments", [[], ["fly"], ["call"], ["web", "--port", "eighty"]])
def test_what_is_not_understood_ends_with_2(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)

    assert ended.value.code == 2


class TestWithoutADatabase:
    def test_a_missing_or_unreadable_setting_is_named(self, run: Run) -> None:
        missing = run("tenants")
        wrong = run(
            "tenants",
            TROPHENIX_DATABASE_URL="postgresql://x",
            TROPHENIX_POOL_SIZE="many",
            TROPHENIX_STRICT="perhaps",
        )

        assert missing.returncode == wrong.returncode == 2
        assert "TROPHENIX_DATABASE_URL is not set" in missing.stderr
        assert "trophenix up" in missing.stderr
        assert "TROPHENIX_POOL_SIZE='many'" in wrong.stderr
        assert "TROPHENIX_STRICT='perhaps'" in wrong.stderr
        assert "Traceback" not in missing.stderr + wrong.stderr

    @pytest.mark.parametrize("command", ["migrate", "tenants", "plugins", "doctor", "web"])
    def test_a_server_that_does_not_answer_is_said_without_a_traceback(
        self, run: Run, command: str
    ) -> None:
        done = run(
            command,
            TROPHENIX_DATABASE_URL="postgresql://nobody@127.0.0.1:1/none",
            TROPHENIX_NATS_URL="nats://127.0.0.1:1",
        )

        assert done.returncode == 1
        assert "Traceback" not in done.stdout + done.stderr
        assert done.stdout + done.stderr


async def in_thread(*arguments: str) -> int:
    """The command in this process; it brings its own event loop."""
    return await asyncio.to_thread(main, list(arguments))


class TestMigrate:
    async def test_an_empty_database_is_set_up_and_a_second_time_changes_nothing(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        # A server of its own: setting up changes the password of a login that all databases of a server share.
        with throwaway_postgres() as server:
            monkeypatch.setenv(
                "TROPHENIX_DATABASE_URL", await create_database(server.dsn(), "empty")
            )
            monkeypatch.setenv("TROPHENIX_SAFE", "true")

            before = await in_thread("tenants")
            told = capsys.readouterr()
            first = await in_thread("migrate")
            made = capsys.readouterr().out
            second = await in_thread("migrate")
            again = capsys.readouterr().out
            after = await in_thread("tenants")
            listed = capsys.readouterr().out

        assert before == 1
        assert "trophenix migrate" in told.err
        assert (first, second, after) == (0, 0, 0)
        assert "kernel: nothing → k0" in made
        assert "kernel: current (k0" in again
        assert "no tenants yet" in listed


@pytest.fixture
async def environment(
    platform_factory: PlatformFactory, monkeypatch: pytest.MonkeyPatch
) -> Platform:
    """The command line works on a platform with two tenants and no plugins."""
    platform = await platform_factory(plugins=[])
    settings = platform.kernel.settings
    monkeypatch.setenv("TROPHENIX_DATABASE_URL", settings.database_url)
    monkeypatch.setenv("TROPHENIX_NATS_URL", settings.nats_url)
    monkeypatch.setenv("TROPHENIX_SAFE", "true")
    return platform


class TestLooking:
    async def test_tenants(self, environment: Platform, capsys: pytest.CaptureFixture[str]) -> None:
        assert await in_thread("tenants") == 0
        table = capsys.readouterr().out
        assert await in_thread("tenants", "--json") == 0
        documents = json.loads(capsys.readouterr().out)

        assert [line.split()[:3] for line in table.splitlines()] == [
            ["alpha", "custom", "active"],
            ["beta", "custom", "active"],
        ]
        assert [document["slug"] for document in documents] == ["alpha", "beta"]

    async def test_doctor_finds_all_in_order(
        self, environment: Platform, capsys: pytest.CaptureFixture[str]
    ) -> None:
        status = await in_thread("doctor")
        shown = capsys.readouterr().out

        assert (status, "✗" in shown) == (0, False), shown
        for part in ("PostgreSQL (main)", "row security (main)", "NATS JetStream"):
            assert f"✓ {part}" in shown

    async def test_doctor_finds_what_is_not(
        self,
        environment: Platform,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        async with environment.sql("admin") as connection:
            await connection.execute("alter table kernel.grants no force row level security")
        monkeypatch.setenv("TROPHENIX_NATS_URL", "nats://127.0.0.1:1")

        status = await in_thread("doctor")
        shown = capsys.readouterr().out

        assert status == 1
        assert "✗ row security (main): kernel.grants" in shown
        assert "✗ NATS JetStream" in shown
        assert "TROPHENIX_NATS_URL" in shown

    async def test_plugins_that_are_not_ready_are_told_and_strictly_refused(
        self, environment: Platform, tmp_path: Path, run: Run
    ) -> None:
        write_broken_plugin(tmp_path / "site", "raises at import")
        settings = environment.kernel.settings
        given = {
            "TROPHENIX_DATABASE_URL": settings.database_url,
            "TROPHENIX_NATS_URL": settings.nats_url,
            "PYTHONPATH": str(tmp_path / "site"),
        }

        shown, strict, as_json = await asyncio.gather(
            asyncio.to_thread(run, "plugins", **given),
            asyncio.to_thread(run, "plugins", "--strict", **given),
            asyncio.to_thread(run, "plugins", "--json", **given),
        )

        assert shown.returncode == 0, shown.stderr
        line = next(line for line in shown.stdout.splitlines() if "bad.raises" in line)
        assert line.startswith("IMPORT_FAILED")
        assert "no licence file" in shown.stdout
        assert strict.returncode == 1
        assert "bad.raises" in strict.stderr
        assert "Traceback" not in strict.stderr
        assert {one["id"]: one["state"] for one in json.loads(as_json.stdout)}[
            "bad.raises"
        ] == "import_failed"


class TestCall:
    async def call(self, *arguments: str) -> int:
        return await in_thread("call", *arguments)

    async def test_it_runs_as_the_person_and_prints_the_answer(
        self, environment: Platform, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        file = tmp_path / "input.json"
        file.write_text('{"name": "Alpha United"}', encoding="utf-8")

        read = await self.call(
            "kernel:tenant.read", "--tenant", "alpha", "--user", "viewer@alpha.test"
        )
        shown = json.loads(capsys.readouterr().out)
        changed = await self.call(
            "kernel:tenant.update",
            "--tenant",
            "alpha",
            "--user",
            "owner@alpha.test",
            "--input",
            f"@{file}",
        )

        assert (read, shown["slug"]) == (0, "alpha")
        assert (changed, json.loads(capsys.readouterr().out)["name"]) == (0, "Alpha United")
        audit = (await environment.http("alpha", "owner").get("/api/v1/audit")).json()["data"][0]
        assert (audit["door"], audit["actor_name"]) == ("cli", "Owner")

    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            (
                ["kernel:tenant.update", "--tenant", "alpha", "--user", "viewer@alpha.test"],
                ("kernel:tenant.update", "→ "),
            ),
            (
                ["kernel:tenant.read", "--tenant", "beta", "--user", "viewer@alpha.test"],
                ("no such tenant", "→ "),
            ),
            (
                ["kernel:tenant.read", "--tenant", "alpha", "--user", "nobody@alpha.test"],
                ("nobody@alpha.test has no account",),
            ),
            (["kernel:no.such", "--tenant", "alpha", "--user", "owner@alpha.test"], ("no.such",)),
            (
                [
                    "kernel:tenant.read",
                    "--tenant",
                    "alpha",
                    "--user",
                    "owner@alpha.test",
                    "--input",
                    "[1]",
                ],
                ("--input", "JSON object"),
            ),
            (
                [
                    "kernel:tenant.update",
                    "--tenant",
                    "alpha",
                    "--user",
                    "owner@alpha.test",
                    "--input",
                    '{"nome": 1}',
                ],
                ("nome",),
            ),
            (
                [
                    "kernel:tenant.read",
                    "--tenant",
                    "alpha",
                    "--user",
                    "owner@alpha.test",
                    "--input",
                    "@/no/such",
                ],
                ("/no/such",),
            ),
        ],
    )
    async def test_a_refusal_says_what_to_do_and_ends_with_1(
        self,
        environment: Platform,
        capsys: pytest.CaptureFixture[str],
        arguments: list[str],
        words: tuple[str, ...],
    ) -> None:
        assert await self.call(*arguments) == 1

        told = capsys.readouterr()
        assert told.out == ""
        assert told.err.startswith("trophenix: ")
        for word in words:
            assert word in told.err


# ── up ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def shape_of(kind: Any) -> Any:
    """The members of a document, all the way down."""
    if isinstance(kind, dict):
        return {name: shape_of(value) for name, value in cast("dict[str, Any]", kind).items()}
    if isinstance(kind, list):
        return [shape_of(kind[0])]
    return ""


PERSON: Final = {"email": "", "password": ""}
READY: Final = {
    "base_url": "",
    "platform_admin": PERSON,
    "tenants": [{"slug": "", "id": "", "plan": "", "api_key": "", "owner": PERSON}],
}


def test_the_ready_document_has_exactly_these_members() -> None:
    person = Person("a@b.c", "x")
    ready = Ready(
        "http://x", person, [TenantReady("alpha", UUID(int=1), "free", "troph_…", person)]
    )

    assert shape_of(msgspec.to_builtins(ready)) == READY


@pytest.mark.slow
def test_up_as_this_user_is_checked_and_writes_what_is_needed_to_begin(
    run: Run, tmp_path: Path
) -> None:
    ready = tmp_path / "ready.json"

    done = run(
        "up", "--demo", "--check", "--port", str(free_port()), "--data-dir", str(tmp_path / "data"), "--json-ready", str(ready),
        timeout=110,
    )  # fmt: skip

    assert done.returncode == 0, done.stdout + done.stderr
    document = json.loads(ready.read_text())
    assert shape_of(document) == READY
    assert ready.stat().st_mode & 0o777 == 0o600
    assert {tenant["slug"] for tenant in document["tenants"]} == {
        "olympic-france",
        "club-carthage",
        "gym-dax",
        "cabinet-lumiere",
    }
    assert {tenant["plan"] for tenant in document["tenants"]} == {
        "custom",
        "professional",
        "starter",
        "free",
    }


@pytest.mark.slow
def test_up_as_an_ordinary_user(tmp_path_factory: pytest.TempPathFactory) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can become another user; the test before ran as an ordinary one")
    nobody = pwd.getpwnam("nobody")
    try:
        subprocess.run(
            [sys.executable, "-c", "import trophenix_kernel"],
            user=nobody.pw_uid,
            group=nobody.pw_gid,
            check=True,
        )
    except (PermissionError, subprocess.CalledProcessError):
        pytest.skip("this environment's Python cannot be read by an ordinary user")
    folder = tmp_path_factory.mktemp("ordinary")
    for place in (folder, folder.parent, folder.parent.parent):
        place.chmod(0o755)
    os.chown(folder, nobody.pw_uid, nobody.pw_gid)

    done = subprocess.run(
        [
            sys.executable, "-m", "trophenix_kernel", "up", "--check", "--safe",
            "--port", str(free_port()), "--data-dir", str(folder / "data"),
        ],
        user=nobody.pw_uid, group=nobody.pw_gid, extra_groups=[], cwd=folder, env={"PATH": os.environ["PATH"], "HOME": str(folder)},
        capture_output=True, text=True, timeout=110, check=False,
    )  # fmt: skip

    assert done.returncode == 0, done.stdout + done.stderr
