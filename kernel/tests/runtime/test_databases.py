"""Databases for tests are copied from a template."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, cast

import asyncpg
import pytest

from trophenix_kernel.runtime.databases import create_database, drop_database, with_database
from trophenix_kernel.runtime.errors import DatabaseExists, TemplateUnusable
from trophenix_kernel.runtime.throwaway import throwaway_services

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def dsn() -> Iterator[str]:
    """Lend a throwaway server, with NATS beside it as a test session would."""
    with throwaway_services() as services:
        assert services.nats_url.startswith("nats://")
        yield services.dsn


async def _connect(dsn: str) -> Any:
    return await cast("Any", asyncpg).connect(dsn)


def test_a_copy_has_what_the_template_has_and_is_independent(dsn: str) -> None:
    """Rows, too; and it can be dropped while somebody is connected to it."""

    async def run() -> list[int]:
        template = await create_database(dsn, 'tem"plate')
        connection = await _connect(template)
        await connection.execute("create table t (n int); insert into t values (1)")
        await connection.close()
        copies = [await create_database(dsn, name, 'tem"plate') for name in ("one", "two/2")]
        first, second = [await _connect(copy) for copy in copies]
        await first.execute("insert into t values (2)")
        counts = [await c.fetchval("select count(*) from t") for c in (first, second)]
        for name in ("one", "two/2", 'tem"plate', "never there"):
            await drop_database(dsn, name)
        for left in (first, second):
            left.terminate()
        connection = await _connect(dsn)
        counts.append(
            await connection.fetchval(
                "select count(*) from pg_database where datname in ('one', 'two/2')"
            )
        )
        await connection.close()
        return counts

    assert asyncio.run(run()) == [2, 1, 0]


def test_a_name_that_is_taken_is_told_apart(dsn: str) -> None:
    """From a template that cannot be used."""

    async def run() -> None:
        await create_database(dsn, "taken")
        await create_database(dsn, "taken")

    with pytest.raises(DatabaseExists):
        asyncio.run(run())


def test_a_template_somebody_is_connected_to_is_refused(dsn: str) -> None:
    """PostgreSQL copies only what nobody can be changing."""

    async def run() -> None:
        connection = await _connect(await create_database(dsn, "busy"))
        try:
            await create_database(dsn, "copy", "busy")
        finally:
            await connection.close()

    with pytest.raises(TemplateUnusable, match="accessed by other users"):
        asyncio.run(run())


def test_a_template_that_is_missing_is_named(dsn: str) -> None:
    """With what PostgreSQL says."""
    with pytest.raises(TemplateUnusable, match="does not exist"):
        asyncio.run(create_database(dsn, "copy", "nowhere"))


def test_an_address_keeps_everything_but_the_database() -> None:
    """Parameters as well."""
    assert with_database("postgresql://u:p%40@h:1/a?ssl=on", "b c") == (
        "postgresql://u:p%40@h:1/b%20c?ssl=on"
    )
