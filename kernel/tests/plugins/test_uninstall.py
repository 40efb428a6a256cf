"""A plugin leaves: what it had is exported, nothing of it is left, and nothing of anybody else's is touched."""

from __future__ import annotations

import hashlib
import re
import zipfile
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import asyncpg
import msgspec
import pytest
import pytest_asyncio
from hypothesis import given
from hypothesis import strategies as st

from trophenix_kernel.plugins import uninstall
from trophenix_kernel.plugins.residue import mention, snapshot
from trophenix_kernel.plugins.uninstall import Found, TableFound, make_plan
from trophenix_kernel.runtime.databases import create_database
from trophenix_kernel.runtime.throwaway import throwaway_postgres
from trophenix_kernel.storage.installation import set_up
from trophenix_migrations.runner import History
from trophenix_sdk.clock import FixedClock
from trophenix_sdk.manifest import OnUninstall, id_fault
from trophenix_testing.platform import Platform, PlatformFactory
from trophenix_testing.plugins import WrittenPlugin, write_plugin

NOW = datetime(2026, 11, 20, 9, 30, tzinfo=UTC)
CLOCK = FixedClock(NOW)

PLUGIN = """
import msgspec
from uuid import UUID
from trophenix_sdk.context import Context
from trophenix_sdk.database import Query
from trophenix_sdk.events import EventType
from trophenix_sdk.hooks import hookimpl
from trophenix_sdk.ids import new_id
from trophenix_sdk.operations import POST, operation
from trophenix_sdk.permissions import Permission

class Given(msgspec.Struct):
    name: str

class Note(msgspec.Struct):
    id: UUID
    name: str

ADD = Query("insert into notes (id, name) values (:id, :name) returning id, name", Note)

@operation(name="note.add", title="Add", http=POST("/{slug}/notes"), permission="note.write", limit="notes", emits=["note.added"])
async def add(ctx: Context, given: Given) -> Note:
    note = await ctx.db.one(ADD, id=new_id(), name=given.name)
    ctx.events.emit("note.added", note, aggregate=str(note.id))
    return note

@hookimpl
def operations(): return [add]
@hookimpl
def permissions(): return [Permission("note.write", "Write", "member")]
@hookimpl
def events(): return [EventType("note.added", Note)]
"""
MIGRATION = """
import sqlalchemy as sa
from trophenix_sdk.migrations import create_tenant_table, drop_table
revision = "v0001"
down_revision = None
branch_labels = None
depends_on = None
def upgrade():
    create_tenant_table("notes", sa.Column("name", sa.Text, nullable=False))
    create_tenant_table("receipts", sa.Column("total", sa.Integer, nullable=False))
def downgrade():
    drop_table("receipts")
    drop_table("notes")
"""


def written(root: Path, plugin_id: str, *, on_uninstall: str = "archive") -> WrittenPlugin:
    slug = plugin_id.partition(".")[2]
    return write_plugin(
        root,
        id=plugin_id,
        files={"plugin.py": PLUGIN.replace("{slug}", slug), "migrations/v0001_notes.py": MIGRATION},
        contract={
            "operations": ["note.add"],
            "permissions": ["note.write"],
            "events_emitted": ["note.added"],
        },
        extra={
            "data": {
                "migrations": "migrations",
                "tables": [{"name": "notes"}, {"name": "receipts", "on_uninstall": on_uninstall}],
            },
            "entitlements": {"limits": {"notes": {"free": 10, "custom": -1}}},
        },
    )


@pytest_asyncio.fixture
async def platform(platform_factory: PlatformFactory, tmp_path: Path) -> AsyncIterator[Platform]:
    """Two plugins whose ids begin alike, both used by both tenants."""
    platform = await platform_factory(
        plugins=[written(tmp_path, "acme.note"), written(tmp_path, "acme.note_book")]
    )
    for tenant in ("alpha", "beta"):
        for plugin in ("acme.note", "acme.note_book"):
            for name in ("one", "two"):
                await platform.call(
                    tenant,
                    f"{plugin}:note.add",
                    {"name": f"{name} – é\n\\"},
                    idempotency_key=f"{plugin} {name}",
                )
    await platform.kernel.meter.flush()
    yield platform


async def give(platform: Platform, plugin: str) -> None:
    """A grant, a key for this plugin alone and one for more."""
    async with platform.sql() as admin:
        tenant = platform.tenant("alpha").id
        await admin.execute(
            "insert into kernel.grants (tenant_id, id, subject_kind, subject, permission)"
            " values ($1, gen_random_uuid(), 'role', 'viewer', $2)",
            tenant,
            f"{plugin}:note.write",
        )
        for name, scopes in (
            ("alone", [f"{plugin}:note.write"]),
            ("more", [f"{plugin}:note.write", "kernel:member.read"]),
        ):
            await admin.execute(
                "insert into kernel.api_keys (tenant_id, id, user_id, name, environment, prefix, key_hash, scopes)"
                " values ($1, gen_random_uuid(), $2, $3, 'live', 'troph_', $4, $5)",
                tenant,
                platform.tenant("alpha").people["owner"].id,
                f"{plugin} {name}",
                hashlib.sha256(f"{plugin}{name}".encode()).digest(),
                scopes,
            )


async def remove(
    platform: Platform, plugin: str, archive: Path, **options: Any
) -> tuple[int, list[str]]:
    lines: list[str] = []
    status = await uninstall.run(
        platform.databases.admin,
        plugin,
        archive,
        **{"go": True, **options},
        report=lines.append,
        clock=CLOCK,
        settle_seconds=0,
    )
    return status, lines


async def rows_of(connection: Any, plugin: str) -> dict[str, list[str]]:
    """Everything of a plugin, as texts."""
    found: dict[str, list[str]] = {}
    schema = "plugin_" + plugin.replace(".", "_")
    for table in (f"{schema}.notes", f"{schema}.receipts", f"{schema}.alembic_version"):
        found[table] = sorted(
            row[0] for row in await connection.fetch(f"select t::text from {table} t")
        )
    for name in (*uninstall.MENTIONS, "plugins"):
        rows = [row[0] for row in await connection.fetch(f"select t::text from kernel.{name} t")]
        found[name] = sorted(row for row in rows if re.search(mention(plugin), row))
    return found


class TestPlanning:
    async def test_without_consent_nothing_changes(
        self, platform: Platform, tmp_path: Path
    ) -> None:
        async with platform.sql() as admin:
            before = await snapshot(admin), await rows_of(admin, "acme.note")
            status, lines = await remove(platform, "acme.note", tmp_path / "a.zip", go=False)

            assert (await snapshot(admin), await rows_of(admin, "acme.note")) == before
        assert status == 0
        assert "  main  notes: 4 rows, exported, then removed" in lines
        assert not (tmp_path / "a.zip").exists()

    async def test_a_plugin_that_was_never_here_is_told_so(
        self, platform: Platform, tmp_path: Path
    ) -> None:
        with pytest.raises(uninstall.NothingToUninstall):
            await remove(platform, "acme.unknown", tmp_path / "a.zip")
        with pytest.raises(uninstall.NothingToUninstall):
            await remove(platform, "no id; drop schema kernel", tmp_path / "a.zip")

    async def test_an_archive_is_never_written_over(
        self, platform: Platform, tmp_path: Path
    ) -> None:
        (tmp_path / "a.zip").write_bytes(b"precious")
        with pytest.raises(uninstall.UninstallRefused):
            await remove(platform, "acme.note", tmp_path / "a.zip")

        assert (tmp_path / "a.zip").read_bytes() == b"precious"
        async with platform.sql() as admin:
            assert await admin.fetchval("select count(*) from plugin_acme_note.notes") == 4

    async def test_running_jobs_stand_in_the_way(self, platform: Platform, tmp_path: Path) -> None:
        async with platform.sql() as admin:
            await admin.execute(
                "insert into kernel.jobs (tenant_id, id, operation, input, actor, status, leased_until, request_id)"
                " values ($1, gen_random_uuid(), 'acme.note:note.add', '{}', '{}', 'running', clock_timestamp() + interval '1 hour', 'r')",
                platform.tenant("alpha").id,
            )
        with pytest.raises(uninstall.UninstallRefused, match="1 of its jobs run"):
            await remove(platform, "acme.note", tmp_path / "a.zip")

    async def test_the_applications_own_login_may_not(
        self, platform: Platform, tmp_path: Path
    ) -> None:
        with pytest.raises(uninstall.NotAnAdministrator):
            await uninstall.run(
                platform.databases.application,
                "acme.note",
                tmp_path / "a.zip",
                go=True,
                report=print,
            )

    def test_a_plugin_others_need_stays(self) -> None:
        found = Found(cluster="main", schema=True, role=True, kernel_rows={"activations": 1})
        plan = make_plan("acme.note", [found])

        assert plan.obstacles == ()
        with pytest.raises(uninstall.NothingToUninstall):
            make_plan("acme.note", [Found(cluster="main", schema=False, role=True)])

    @given(
        rows=st.lists(st.integers(0, 50), min_size=1, max_size=5),
        kinds=st.lists(st.sampled_from(list(OnUninstall)), min_size=5, max_size=5),
        running=st.integers(0, 3),
    )
    def test_a_plan_never_removes_what_the_law_keeps_nor_starts_with_obstacles(
        self, rows: list[int], kinds: list[OnUninstall], running: int
    ) -> None:
        tables = tuple(
            TableFound(cluster="main", name=f"t{number}", rows=count, content="", on_uninstall=kind)
            for number, (count, kind) in enumerate(zip(rows, kinds, strict=False))
        )
        plan = make_plan(
            "acme.note",
            [Found(cluster="main", schema=True, role=True, tables=tables, running_jobs=running)],
        )

        kept = sum(table.rows for table in tables if table.on_uninstall is OnUninstall.KEEP_LEGAL)
        assert plan.rows + kept == sum(rows)
        assert bool(plan.obstacles) == bool(running)
        assert all(
            f"{table.name}: {table.rows} rows" in "\n".join(plan.lines()) for table in tables
        )


class TestRemoving:
    async def test_nothing_is_left_and_the_neighbour_is_untouched(
        self, platform: Platform, tmp_path: Path
    ) -> None:
        await give(platform, "acme.note")
        await give(platform, "acme.note_book")
        async with platform.sql() as admin:
            neighbour = await rows_of(admin, "acme.note_book")
            audit = await admin.fetchval(
                "select count(*) from kernel.audit_entries where operation like 'acme.note:%'"
            )
            status, lines = await remove(platform, "acme.note", tmp_path / "a.zip")

            assert status == 0, lines
            assert "proven: nothing else of it is left" in lines
            assert await rows_of(admin, "acme.note_book") == neighbour
            assert not await admin.fetchval(
                "select exists (select from pg_namespace where nspname = 'plugin_acme_note')"
            )
            for name in uninstall.MENTIONS:
                assert not [
                    row
                    for row in await admin.fetch(f"select t::text from kernel.{name} t")
                    if name != "api_keys" and re.search(mention("acme.note"), row[0])
                ]
            assert (
                await admin.fetchval(
                    "select count(*) from kernel.audit_entries where operation like 'acme.note:%'"
                )
                == audit
                == 4
            )
            assert (
                await admin.fetchval(
                    "select count(*) from kernel.audit_entries where operation = 'kernel:plugin.uninstall'"
                )
                == 2
            )

    async def test_a_key_for_this_plugin_alone_ends_and_never_grows(
        self, platform: Platform, tmp_path: Path
    ) -> None:
        await give(platform, "acme.note")
        await remove(platform, "acme.note", tmp_path / "a.zip")
        async with platform.sql() as admin:
            keys = {
                row["name"]: (row["scopes"], row["revoked_at"] is not None)
                for row in await admin.fetch(
                    "select name, scopes, revoked_at from kernel.api_keys where name like 'acme.note %'"
                )
            }

        assert keys == {
            "acme.note alone": ([], True),
            "acme.note more": (["kernel:member.read"], False),
        }

    async def test_it_is_out_of_reach_in_every_running_process(
        self, platform: Platform, tmp_path: Path
    ) -> None:
        async with platform.http("alpha") as client:
            assert (await client.post("/api/v1/note/notes", json={"name": "x"})).status_code == 200
            await remove(platform, "acme.note", tmp_path / "a.zip")
            answer = await client.post("/api/v1/note/notes", json={"name": "x"})
            neighbour = await client.post("/api/v1/note_book/notes", json={"name": "x"})

        assert answer.status_code == 404
        assert neighbour.status_code == 200

    async def test_the_archive_holds_every_row_as_it_was(
        self, platform: Platform, tmp_path: Path
    ) -> None:
        async with platform.sql() as admin:
            rows = sorted(
                row[0]
                for row in await admin.fetch(
                    "select to_jsonb(t)::text from plugin_acme_note.notes t"
                )
            )
        await remove(platform, "acme.note", tmp_path / "a.zip")

        with zipfile.ZipFile(tmp_path / "a.zip") as archive:
            manifest = msgspec.json.decode(
                archive.read("manifest.json"), type=uninstall.ArchiveManifest
            )
            files = {file.table: file for file in manifest.files}
            for file in manifest.files:
                content = archive.read(file.name)
                assert hashlib.sha256(content).hexdigest() == file.sha256
                assert content.count(b"\n") == file.rows
                assert b"key_hash" not in content
            written = archive.read(files["notes"].name).decode().splitlines()
        assert sorted(written) == rows
        assert "one – é\n\\" in {msgspec.json.decode(row)["name"] for row in written}
        assert manifest.revisions == {"main": "v0001"}
        assert files["kernel.activations"].rows == 2
        assert (tmp_path / "a.zip").stat().st_mode & 0o077 == 0

    async def test_what_is_written_after_the_export_is_not_removed(
        self, platform: Platform, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        original = uninstall.export

        async def and_then_a_late_write(*given: Any, **options: Any) -> Any:
            archive = await original(*given, **options)
            async with platform.sql() as admin:
                await admin.execute(
                    "update plugin_acme_note.notes set name = 'late' where name like 'one%'"
                )
            return archive

        monkeypatch.setattr(uninstall, "export", and_then_a_late_write)
        with pytest.raises(uninstall.ChangedSinceExport):
            await remove(platform, "acme.note", tmp_path / "a.zip")
        async with platform.sql() as admin:
            assert (
                await admin.fetchval(
                    "select count(*) from plugin_acme_note.notes where name = 'late'"
                )
                == 2
            )

        monkeypatch.undo()
        assert (await remove(platform, "acme.note", tmp_path / "b.zip"))[0] == 0

    async def test_a_failed_export_leaves_everything_as_it_was(
        self, platform: Platform, tmp_path: Path
    ) -> None:
        async with platform.sql() as admin:
            states = "select tenant_id, plugin_id, state from kernel.activations order by 1, 2"
            before = await admin.fetch(states), await rows_of(admin, "acme.note_book")
            with pytest.raises(FileNotFoundError):
                await remove(platform, "acme.note", tmp_path / "no such folder" / "a.zip")

            assert (await admin.fetch(states), await rows_of(admin, "acme.note_book")) == before
            assert await admin.fetchval("select count(*) from plugin_acme_note.notes") == 4
        async with platform.http("alpha") as client:
            assert (await client.post("/api/v1/note/notes", json={"name": "x"})).status_code == 200

    async def test_what_the_law_keeps_is_set_aside_out_of_reach(
        self, platform_factory: PlatformFactory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        platform = await platform_factory(
            plugins=[written(tmp_path, "acme.note", on_uninstall="keep_legal")]
        )
        monkeypatch.setattr(uninstall, "discover", lambda: tuple(platform.kernel.catalogue))
        async with platform.sql() as admin:
            await admin.execute(
                "insert into plugin_acme_note.receipts (tenant_id, id, total) values ($1, gen_random_uuid(), 7)",
                platform.tenant("alpha").id,
            )
            status, lines = await remove(platform, "acme.note", tmp_path / "a.zip")

            kept = "kept_acme_note_20261120093000"
            assert status == 0, lines
            assert f"kept: schema {kept}: receipts (kept by law)" in lines
            assert await admin.fetchval(f"select total from {kept}.receipts") == 7
            assert await admin.fetchval("select to_regclass('plugin_acme_note.notes')") is None
        for role in ("app",):
            async with platform.sql(role, tenant="alpha") as connection:
                with pytest.raises(asyncpg.InsufficientPrivilegeError):
                    await connection.fetch(f"select * from {kept}.receipts")

    async def test_rows_in_a_second_cluster_go_too(
        self, platform_factory: PlatformFactory, tmp_path: Path
    ) -> None:
        platform = await platform_factory(plugins=[written(tmp_path, "acme.note")], clusters=2)
        for tenant in ("alpha", "beta"):
            await platform.call(tenant, "acme.note:note.add", {"name": "x"}, idempotency_key="k")
        status, lines = await remove(platform, "acme.note", tmp_path / "a.zip")

        assert status == 0, lines
        with zipfile.ZipFile(tmp_path / "a.zip") as archive:
            manifest = msgspec.json.decode(
                archive.read("manifest.json"), type=uninstall.ArchiveManifest
            )
        assert {(file.cluster, file.rows) for file in manifest.files if file.table == "notes"} == {
            ("main", 1),
            ("second", 1),
        }

    async def test_the_proof_sees_what_the_removal_forgot(
        self, platform: Platform, tmp_path: Path
    ) -> None:
        async with platform.sql() as admin:
            await admin.execute("create table kernel.someone_elses (note text)")
            await admin.execute(
                "insert into kernel.someone_elses values ('for acme.note only'), ('for acme.note_book')"
            )
            status, lines = await remove(platform, "acme.note", tmp_path / "a.zip")

        assert status == 1
        assert "LEFT OVER: main: 1 row of kernel.someone_elses" in lines

    async def test_doing_it_again_says_that_nothing_is_here(
        self, platform: Platform, tmp_path: Path
    ) -> None:
        await remove(platform, "acme.note", tmp_path / "a.zip")
        with pytest.raises(uninstall.NothingToUninstall):
            await remove(platform, "acme.note", tmp_path / "b.zip")


async def test_an_administrator_who_is_no_superuser_sees_and_removes_all(
    platform: Platform, tmp_path: Path
) -> None:
    """As on managed servers: row security holds for the tables' owner too, so it has to be walked tenant by tenant."""
    dsn = platform.databases.admin["main"]
    async with platform.sql() as admin:
        role = "managed_admin"
        await admin.execute(
            f"do $$ begin create role {role} login createrole createdb password 'x'; exception when duplicate_object then null; end $$"
        )
        await admin.execute(f"grant trophenix_owner, trophenix_system to {role}")
        await admin.execute(
            f"grant plugin_acme_note, plugin_acme_note_book to {role} with admin option"
        )
    managed = re.sub(r"//[^@]*@", f"//{role}:x@", dsn)
    lines: list[str] = []
    status = await uninstall.run(
        {"main": managed},
        "acme.note",
        tmp_path / "a.zip",
        go=True,
        report=lines.append,
        clock=CLOCK,
        settle_seconds=0,
    )

    assert status == 0, lines
    assert "  main  notes: 4 rows, exported, then removed" in lines
    async with platform.sql() as admin:
        assert await admin.fetchval("select to_regclass('plugin_acme_note.notes')") is None
        assert await admin.fetchval("select count(*) from plugin_acme_note_book.notes") == 4
        assert (
            await admin.fetchval(
                "select count(*) from kernel.activations where plugin_id = 'acme.note'"
            )
            == 0
        )


async def test_the_whole_catalogue_is_as_before_the_installation(tmp_path: Path) -> None:
    """On a server of its own: every schema, role, right, table and policy, before and after."""
    written(tmp_path, "acme.leaving")
    history = History(
        "acme.leaving", "plugin_acme_leaving", tmp_path / "acme_leaving" / "migrations"
    )
    with throwaway_postgres() as server:
        dsn = await create_database(server.dsn(), "proof")
        await set_up(dsn, [])
        connection = await asyncpg.connect(dsn)
        try:
            before = await snapshot(connection)
            await set_up(dsn, [history])
            assert await snapshot(connection) > before
            status = await uninstall.run(
                {"main": dsn},
                "acme.leaving",
                tmp_path / "a.zip",
                go=True,
                report=print,
                clock=CLOCK,
                settle_seconds=0,
            )

            assert status == 0
            assert await snapshot(connection) == before
        finally:
            await connection.close()


IDS = st.from_regex(r"^[a-z][a-z0-9]{0,6}\.[a-z](_?[a-z0-9]){0,8}\Z").filter(
    lambda word: id_fault(word) is None
)


@given(
    one=IDS,
    other=IDS,
    before=st.sampled_from(["", " ", '"', "{", "("]),
    after=st.sampled_from(["", ":x.y", ".done", '"', ","]),
)
def test_a_mention_is_of_this_plugin_and_of_no_other(
    one: str, other: str, before: str, after: str
) -> None:
    assert re.search(mention(one), f"{before}{one}{after}")
    if one != other:
        assert not re.search(mention(one), f"{before}{other}{after}")
