"""Runs Alembic histories: one per owner, each with its own version table in its own schema.

A history that fails leaves the others standing, and a plugin's history can be removed with its schema. Decided in
docs/adr/0004-one-history-per-plugin.md.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import msgspec
import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine
from sqlalchemy.pool import NullPool

from trophenix_migrations.roles import APP, OWNER, create_plugin_role

LOCK_KEY: Final = 0x74726F70
"""The advisory lock that lets one migrator at a time work on a database."""

LOCK_TIMEOUT_MS: Final = 10_000


class History(msgspec.Struct, frozen=True):
    """One owner's revisions.

    Attributes:
        owner: ``kernel`` or a plugin id.
        schema: where its tables and its version table are.
        versions: the folder of revision files.
    """

    owner: str
    schema: str
    versions: Path


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


async def upgrade(dsn: str, histories: Iterable[History], target: str = "head") -> list[Step]:
    """Bring each history to *target*, in the order given, each in one transaction.

    A failing history is reported in its step and stops neither the histories before nor, when they do not need it, after it.

    Args:
        dsn: a login that may create roles and become `OWNER`.
        histories: in dependency order.
        target: an Alembic revision, ``head`` or ``base``.
    """
    engine = create_async_engine(async_url(dsn), poolclass=NullPool)
    steps: list[Step] = []
    try:
        async with engine.connect() as connection:
            await connection.execute(sa.text("select pg_advisory_lock(:key)"), {"key": LOCK_KEY})
            await connection.commit()
            for history in histories:
                steps.append(await _move(connection, history, target))
    finally:
        await engine.dispose()
    return steps


async def downgrade(dsn: str, history: History, target: str = "base") -> Step:
    """Take one history back to *target*, which removes what its later revisions made."""
    engine = create_async_engine(async_url(dsn), poolclass=NullPool)
    try:
        async with engine.connect() as connection:
            await connection.execute(sa.text("select pg_advisory_lock(:key)"), {"key": LOCK_KEY})
            await connection.commit()
            return await _move(connection, history, target, down=True)
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
    connection: AsyncConnection, history: History, target: str, *, down: bool = False
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
        before, after = await connection.run_sync(_run, history, target, down)
        # Every process looks at the version before it serves.
        await connection.execute(sa.text(f"grant usage on schema {history.schema} to {APP}"))
        await connection.execute(
            sa.text(f"grant select on {history.schema}.alembic_version to {APP}")
        )
        await connection.commit()
    except Exception as error:  # noqa: BLE001 - a plugin's revision may raise anything; the step carries it
        await connection.rollback()
        return Step(history.owner, before, before, error=f"{type(error).__name__}: {error}")
    else:
        return Step(history.owner, before, after)
    finally:
        await connection.execute(sa.text("reset role"))
        await connection.execute(sa.text("reset search_path"))
        await connection.commit()


def _config(history: History) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "environment"))
    config.set_main_option("version_locations", str(history.versions))
    config.set_main_option("path_separator", "newline")
    config.attributes["schema"] = history.schema
    return config


def _run(
    connection: sa.Connection, history: History, target: str, down: bool
) -> tuple[str | None, str | None]:
    config = _config(history)
    config.attributes["connection"] = connection
    before = _revision(connection, history)
    move = command.downgrade if down else command.upgrade
    move(config, target)
    return before, _revision(connection, history)


def _revision(connection: sa.Connection, history: History) -> str | None:
    context = MigrationContext.configure(connection, opts={"version_table_schema": history.schema})
    return context.get_current_revision()
