"""Runs Alembic histories: one per owner, each with its own version table in its own schema.

A history that fails leaves the others standing, and a plugin's history can be removed with its schema. Decided in
docs/adr/0004-one-history-per-plugin.md.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final
from weakref import WeakKeyDictionary

import msgspec
import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine
from sqlalchemy.pool import NullPool

from trophenix_migrations.roles import APP, OWNER, create_plugin_role

LOCK_KEY: Final = 0x74726F70
"""The advisory lock that lets one migrator at a time work on a database."""

LOCK_TIMEOUT_MS: Final = 10_000
_LOCK_NOT_FREE: Final = "55P03"


_turns: Final[WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Lock]] = WeakKeyDictionary()


class History(msgspec.Struct, frozen=True):
    """One owner's revisions.

    Attributes:
        owner: ``kernel`` or a plugin id.
        schema: where its tables and its version table are.
        versions: the folder of revision files.
        requires: owners whose histories have to be whole before this one is moved up.
    """

    owner: str
    schema: str
    versions: Path
    requires: tuple[str, ...] = ()


class Step(msgspec.Struct, frozen=True):
    """What one history went through: from which revision to which (``None`` is before the first)."""

    owner: str
    before: str | None
    after: str | None
    error: str = ""


KERNEL: Final = History("kernel", "kernel", Path(__file__).parent / "kernel")


def async_url(dsn: str) -> sa.URL:
    """A PostgreSQL URL as SQLAlchemy's asyncpg driver wants it."""
    return sa.make_url(dsn).set(drivername="postgresql+asyncpg")


async def upgrade(
    dsn: str,
    histories: Iterable[History],
    target: str = "head",
    *,
    report: Callable[[Step], None] = lambda _step: None,
) -> list[Step]:
    """Bring each history to *target*, in the order given, each in one transaction.

    A failing history is reported in its step and stops neither the histories before nor, when they do not need it, after it.

    Args:
        dsn: a login that may create roles and become `OWNER`.
        histories: in dependency order.
        target: an Alembic revision, ``head`` or ``base``.
        report: told each step as it ends.
    """
    steps: list[Step] = []
    failed: set[str] = set()
    async with _migrating(dsn) as connection:
        for history in histories:
            needed = sorted(failed.intersection(history.requires))
            step = await _move(connection, history, target, without=needed)
            if step.error:
                failed.add(history.owner)
            steps.append(step)
            report(step)
    return steps


async def downgrade(dsn: str, history: History, target: str = "base") -> Step:
    """Take one history back to *target*, which removes what its later revisions made."""
    async with _migrating(dsn) as connection:
        return await _move(connection, history, target, down=True)


@asynccontextmanager
async def _migrating(dsn: str) -> AsyncGenerator[AsyncConnection]:
    """A connection whose holder is the only migrator of the database, and of this event loop; others wait for their turn."""
    engine = create_async_engine(async_url(dsn), poolclass=NullPool)
    # Alembic hands the running migration to revisions through module globals: two at once would run into each other's database.
    turn = _turns.setdefault(asyncio.get_running_loop(), asyncio.Lock())
    try:
        async with turn, engine.connect() as connection:
            await connection.execute(sa.text("select pg_advisory_lock(:key)"), {"key": LOCK_KEY})
            await connection.commit()
            yield connection
    finally:
        await engine.dispose()


def head(history: History) -> str | None:
    """The newest revision of a history."""
    return ScriptDirectory.from_config(_config(history)).get_current_head()


async def current(connection: Any, history: History) -> str | None:
    """The revision a database is at, read through an asyncpg connection."""
    exists = await connection.fetchval(
        "select to_regclass($1) is not null", f"{history.schema}.alembic_version"
    )
    if not exists:
        return None
    return await connection.fetchval(f"select version_num from {history.schema}.alembic_version")


async def _move(
    connection: AsyncConnection,
    history: History,
    target: str,
    *,
    down: bool = False,
    without: Sequence[str] = (),
) -> Step:
    before: str | None = None
    try:
        if history.owner != "kernel":
            raw = await connection.get_raw_connection()
            await create_plugin_role(raw.driver_connection, history.schema)
        await connection.execute(sa.text(f"set role {OWNER}"))
        await connection.execute(sa.text(f"set lock_timeout = {LOCK_TIMEOUT_MS}"))
        await connection.execute(sa.text(f"set search_path = {history.schema}"))
        await connection.commit()
        before = await connection.run_sync(_revision, history)
        await connection.rollback()
        if without:
            return Step(history.owner, before, before, error=_needs(without))
        after = await connection.run_sync(_run, history, target, down)
        # Every process looks at the version before it serves.
        await connection.execute(sa.text(f"grant usage on schema {history.schema} to {APP}"))
        await connection.execute(
            sa.text(f"grant select on {history.schema}.alembic_version to {APP}")
        )
        await connection.commit()
    except (Exception, SystemExit) as error:  # noqa: BLE001 - a plugin's revision may raise anything; the step carries it
        await connection.rollback()
        return Step(history.owner, before, before, error=_told(error))
    else:
        return Step(history.owner, before, after)
    finally:
        await connection.execute(sa.text("reset role"))
        await connection.execute(sa.text("reset search_path"))
        await connection.execute(sa.text("reset lock_timeout"))
        await connection.commit()


def _needs(owners: Sequence[str]) -> str:
    return f"it needs {', '.join(owners)}, which could not be migrated: mend that and migrate again"


def _told(error: BaseException) -> str:
    """What happened, for the person who migrates."""
    if isinstance(error, DBAPIError) and getattr(error.orig, "sqlstate", "") == _LOCK_NOT_FREE:
        return (
            f"somebody holds a lock that this needs and did not free it within {LOCK_TIMEOUT_MS / 1000:g} s; nothing was changed:"
            " migrate again when it is quieter, or end the transaction that holds it"
        )
    return f"{type(error).__name__}: {error}"


def _config(history: History) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "environment"))
    config.set_main_option("version_locations", str(history.versions))
    config.set_main_option("path_separator", "newline")
    config.attributes["schema"] = history.schema
    return config


def _run(connection: sa.Connection, history: History, target: str, down: bool) -> str | None:
    config = _config(history)
    config.attributes["connection"] = connection
    move = command.downgrade if down else command.upgrade
    move(config, target)
    return _revision(connection, history)


def _revision(connection: sa.Connection, history: History) -> str | None:
    context = MigrationContext.configure(connection, opts={"version_table_schema": history.schema})
    return context.get_current_revision()
