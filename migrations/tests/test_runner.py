"""Each history moves alone and whole: up, down, beside others that fail, beside other migrators, and against locks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from trophenix_kernel.plugins.schema import histories
from trophenix_kernel.storage.installation import application_dsn, set_up
from trophenix_kernel.storage.row_security import survey
from trophenix_migrations import runner
from trophenix_migrations.runner import KERNEL, History, Step, current, downgrade, head, upgrade
from trophenix_testing.connections import connect
from trophenix_testing.platform import Platform, PlatformFactory
from trophenix_testing.samples import write_carpool, write_lunch
from trophenix_testing.servers import Servers

Shape = Callable[[str], Awaitable[list[str]]]
NewHistory = Callable[..., History]
Migrate = Callable[..., Awaitable[list[Step]]]

REVISION = '''"""A later revision.

Revision ID: {revision}
Revises: {revises}
"""

import sqlalchemy as sa
from alembic import op

revision = "{revision}"
down_revision = "{revises}"
branch_labels = None
depends_on = None


def upgrade() -> None:
    {up}


def downgrade() -> None:
    {down}
'''

COLUMN = REVISION.format(
    revision="v0002",
    revises="v0001",
    up='op.add_column("rides", sa.Column("colour", sa.Text), schema="plugin_acme_carpool")',
    down='op.drop_column("rides", "colour", schema="plugin_acme_carpool")',
)
HALF = REVISION.format(
    revision="v0002",
    revises="v0001",
    up='op.execute("create table plugin_acme_carpool.half (id int)"); {fault}',
    down="pass",
)


@asynccontextmanager
async def connected(dsn: str) -> AsyncGenerator[Any]:
    connection = await connect(dsn)
    try:
        yield connection
    finally:
        await connection.close()


async def revision(dsn: str, history: History) -> str | None:
    async with connected(dsn) as connection:
        return await current(connection, history)


async def tables(dsn: str, schema: str) -> set[str]:
    async with connected(dsn) as connection:
        return {
            row[0]
            for row in await connection.fetch(
                "select tablename from pg_tables where schemaname = $1", schema
            )
        }


@pytest.fixture
def migrate(trophenix_servers: Servers) -> Migrate:
    """Sets a database up with the secret of the server's other databases, whose logins are the same."""

    async def run(dsn: str, *histories: History) -> list[Step]:
        return (await set_up(dsn, histories, secret=trophenix_servers.secret))[1]

    return run


# ── up and down ─────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_every_installed_history_goes_down_and_up_again_on_filled_tables(
    platform: Platform, trophenix_servers: Servers, shape: Shape
) -> None:
    """The kernel's and each plugin's, revision by revision, ends at the shape it began with."""
    dsn = platform.databases.admin["main"]
    before = await shape(dsn)
    every = [*reversed(histories(trophenix_servers.installed.catalogue)), KERNEL]

    for history in every:
        newest = await revision(dsn, history)
        assert newest == head(history)
        while (found := await revision(dsn, history)) is not None:
            step = await downgrade(dsn, history, "-1")
            assert (step.before, step.error) == (found, "")
            assert step.after != found
        assert await tables(dsn, history.schema) == {"alembic_version"}
    for history in reversed(every):
        (step,) = await upgrade(dsn, [history])
        assert step == Step(history.owner, None, head(history))

    assert await shape(dsn) == before


async def test_a_revision_keeps_the_rows_there_are(
    database: str, carpool_history: NewHistory, migrate: Migrate
) -> None:
    await migrate(database, carpool_history())
    new = carpool_history(v0002_colour=COLUMN)
    async with connected(database) as connection:
        await connection.execute(
            "insert into plugin_acme_carpool.rides (tenant_id, id, name, seats) values (gen_random_uuid(), gen_random_uuid(), 'Bus', 4)"
        )

    up = await upgrade(database, [new])
    down = await downgrade(database, new, "v0001")

    assert up == [Step("acme.carpool", "v0001", "v0002")]
    assert down == Step("acme.carpool", "v0002", "v0001")
    async with connected(database) as connection:
        assert await connection.fetchval("select name from plugin_acme_carpool.rides") == "Bus"


async def test_what_is_current_stays_as_it_is(
    database: str, carpool_history: NewHistory, shape: Shape, migrate: Migrate
) -> None:
    history = carpool_history()
    await migrate(database, history)
    before = await shape(database)

    steps = await migrate(database, history)

    assert [(step.before, step.after, step.error) for step in steps] == [
        (head(KERNEL), head(KERNEL), ""),
        ("v0001", "v0001", ""),
    ]
    assert await shape(database) == before


# ── histories that fail ─────────────────────────────────────────────────────────────────────────────────────────────────

FAULTS = {
    "bad SQL": HALF.replace("{fault}", 'op.execute("alter table nowhere add column x int")'),
    "an exception": HALF.replace("{fault}", "raise LookupError('no such colour')"),
    "an exit": HALF.replace("{fault}", "raise SystemExit(3)"),
    "a syntax error": "def upgrade(:\n",
    "no predecessor": COLUMN.replace('down_revision = "v0001"', 'down_revision = "v0007"'),
    "two successors": COLUMN,
}


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_history_that_fails_is_named_and_leaves_itself_and_the_others_as_they_were(
    database: str,
    carpool_history: NewHistory,
    lunch_history: History,
    shape: Shape,
    migrate: Migrate,
    fault: str,
) -> None:
    await migrate(database, carpool_history())
    before = [line for line in await shape(database) if "plugin_acme" in line]
    more = {"v0002_more": FAULTS[fault]}
    if fault == "two successors":
        more["v0002_other"] = COLUMN.replace("v0002", "v0003")
    broken = carpool_history(**more)

    steps = await migrate(database, broken, lunch_history)

    kernel, carpool, lunch = steps
    assert (kernel.error, lunch.error) == ("", "")
    assert lunch.after == "v0001"
    assert carpool.error
    assert (carpool.before, carpool.after) == ("v0001", "v0001")
    assert [line for line in await shape(database) if "plugin_acme" in line] == before
    assert await revision(database, broken) == "v0001"


async def test_a_history_that_needs_one_that_failed_is_not_tried(
    database: str, carpool_history: NewHistory, lunch_history: History, migrate: Migrate
) -> None:
    broken = carpool_history(v0002_more=FAULTS["bad SQL"])
    needing = msgspec.structs.replace(lunch_history, requires=("acme.carpool",))

    steps = await migrate(database, broken, needing)

    assert "acme.carpool" in steps[2].error
    assert steps[2].after is None
    assert await tables(database, "plugin_other_lunch") == set()


# ── beside others ───────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_lock_held_by_somebody_ends_the_step_with_a_clear_word_and_nothing_half_done(
    database: str,
    carpool_history: NewHistory,
    lunch_history: History,
    migrate: Migrate,
    monkeypatch: pytest.MonkeyPatch,
    shape: Shape,
) -> None:
    monkeypatch.setattr(runner, "LOCK_TIMEOUT_MS", 100)
    await migrate(database, carpool_history())
    before = await shape(database)
    both = COLUMN.replace(
        "    op.add_column",
        '    op.execute("create table plugin_acme_carpool.half (id int)")\n    op.add_column',
    )
    history = carpool_history(v0002_colour=both)
    async with connected(database) as reader:
        await reader.execute("begin; select count(*) from plugin_acme_carpool.rides")

        carpool, lunch = await upgrade(database, [history, lunch_history])

        assert (carpool.before, carpool.after) == ("v0001", "v0001")
        assert "somebody holds a lock" in carpool.error
        assert "0.1 s" in carpool.error
        assert "again" in carpool.error
        assert lunch.error == ""
        after = [line for line in await shape(database) if "plugin_other" not in line]
        assert after == before

    assert await upgrade(database, [history]) == [Step("acme.carpool", "v0001", "v0002")]


@pytest.fixture(scope="module")
def own_servers() -> Iterator[Servers]:
    """A PostgreSQL whose logins' passwords may change without anybody noticing."""
    with Servers() as servers:
        yield servers


async def test_several_migrators_at_once_take_turns_and_agree_on_the_secret(
    own_servers: Servers, carpool_history: NewHistory, lunch_history: History
) -> None:
    dsn = await own_servers.empty_database()
    histories_ = [carpool_history(), lunch_history]

    outcomes = await asyncio.gather(*[set_up(dsn, histories_) for _ in range(4)])

    steps = [step for _, steps in outcomes for step in steps]
    assert [step.error for step in steps] == [""] * 12
    made = sorted(step.owner for step in steps if step.before is None)
    assert made == ["acme.carpool", "kernel", "other.lunch"]
    assert len({secret for secret, _ in outcomes}) == 1
    async with connected(await application_dsn(dsn)) as connection:
        assert await connection.fetchval("select session_user") == "trophenix_app"


async def test_databases_of_one_server_are_set_up_at_the_same_time(
    trophenix_servers: Servers, lunch_history: History
) -> None:
    dsns = [await trophenix_servers.empty_database() for _ in range(4)]
    try:
        outcomes = await asyncio.gather(
            *[set_up(dsn, [lunch_history], secret=trophenix_servers.secret) for dsn in dsns]
        )
    finally:
        for dsn in dsns:
            await trophenix_servers.drop(dsn)

    assert [step.error for _, steps in outcomes for step in steps] == [""] * 8


# ── who may migrate ─────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_an_administrator_who_is_no_superuser_sets_a_database_up(
    carpool_history: NewHistory,
) -> None:
    """As managed databases have them: may make databases and roles, nothing more."""
    with Servers() as servers:
        async with connected(servers.main.dsn()) as admin:
            await admin.execute("create role keeper login createdb createrole password 'keeper'")
            await admin.execute("create database theirs owner keeper")
        dsn = servers.main.dsn("theirs", "keeper", "keeper")

        first = (await set_up(dsn, [carpool_history()]))[1]
        second = (await set_up(dsn, [carpool_history()]))[1]
        async with connected(await application_dsn(dsn)) as connection:
            gaps = await survey(connection)

    assert [step.error for step in [*first, *second]] == [""] * 4
    assert gaps == []


# ── other versions ──────────────────────────────────────────────────────────────────────────────────────────────────────

OLDEST = Path("/usr/lib/postgresql/15/bin")


@pytest.mark.skipif(
    not OLDEST.is_dir(), reason=f"the oldest supported PostgreSQL is not in {OLDEST}"
)
async def test_everything_goes_up_down_and_serves_on_the_oldest_postgresql(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TROPHENIX_PG_BIN", str(OLDEST))
    carpool, lunch = write_carpool(tmp_path), write_lunch(tmp_path)
    with Servers() as servers:
        async with AsyncExitStack() as stack:
            platform = await PlatformFactory(servers, stack)(plugins=[carpool, lunch])
            async with platform.sql("app") as connection:
                assert (await connection.fetchval("show server_version")).startswith("15.")
                assert await survey(connection) == []
            for tenant in ("alpha", "beta"):
                made = await platform.http(tenant, "member").post(
                    "/api/v1/rides", json={"name": tenant}
                )
                assert made.status_code == 201
            found = await platform.http("alpha", "viewer").get("/api/v1/rides")
            assert [ride["name"] for ride in found.json()["data"]] == ["alpha"]
            dsn = platform.databases.admin["main"]
            for history in (
                History(carpool.id, "plugin_acme_carpool", carpool.folder / "migrations"),
                KERNEL,
            ):
                down = await downgrade(dsn, history)
                (up,) = await upgrade(dsn, [history])
                assert (down.after, down.error, up.after, up.error) == (None, "", head(history), "")
