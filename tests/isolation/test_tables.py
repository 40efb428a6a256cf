"""No role reaches another tenant's rows in any table there is, and none learns what another tenant has."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import pytest

from trophenix_testing.connections import connect

# The fixture `filled` of the conftest; test folders are no packages, so its class cannot be imported.
Filled = Any
Table = Any

GLOBAL_BY_NATURE = {"api_keys_key_hash_key", "tenant_domains_verified"}
"""Kernel keys that are unique over all tenants: a key's digest nobody can guess, and a domain that can have one owner only."""


@asynccontextmanager
async def undone(filled: Filled, role: str, tenant: str | None) -> AsyncIterator[Any]:
    """A connection as the role, inside a transaction for the tenant that is undone."""
    connection = await connect(filled.platform.databases.application["main"])
    try:
        await connection.execute("begin")
        if tenant is not None:
            await connection.execute(
                "select set_config('app.tenant_id', $1, true)", str(filled.platform.tenant(tenant).id)
            )
        await connection.execute(f"set local role {role}")
        yield connection
    finally:
        await connection.close()


async def refused(connection: Any, statement: str, *arguments: object) -> str:
    """The SQLSTATE a statement is refused with, ``""`` when it is not; the transaction goes on as before."""
    await connection.execute("savepoint attempt")
    try:
        await connection.execute(statement, *arguments)
    except asyncpg.PostgresError as error:
        return error.sqlstate or "?"
    else:
        return ""
    finally:
        await connection.execute("rollback to savepoint attempt")


def own(filled: Filled) -> list[tuple[str, Table]]:
    """Each role with each table it works with."""
    return [(role, table) for role in filled.roles for table in filled.tables if filled.privileges(table, role)]


async def test_every_plugin_and_the_kernel_have_tables_to_look_at(filled: Filled) -> None:
    assert len(own(filled)) == len(filled.tables) >= 12
    assert {table.schema for table in filled.tables} >= {"kernel"}


async def test_only_the_tenants_rows_are_seen(filled: Filled) -> None:
    for role, table in own(filled):
        other = filled.platform.tenant("beta").id
        async with undone(filled, role, "alpha") as connection:
            assert await connection.fetchval(f"select count(*) from {table.full}") >= 3, table.full
            assert await connection.fetchval(f"select count(*) from {table.full} where tenant_id = $1", other) == 0
            for row in filled.rows[table.full]["beta"]:
                values = [f"{name}::text = '{value}'" for name, value in row.items() if name != "tenant_id"]
                found = await connection.fetchval(f"select count(*) from {table.full} where {' or '.join(values[:1])}")
                assert found == 0, table.full


async def test_without_a_tenant_every_table_is_empty_and_takes_nothing(filled: Filled) -> None:
    for role, table in own(filled):
        async with undone(filled, role, None) as connection:
            assert await connection.fetchval(f"select count(*) from {table.full}") == 0
            row = filled.row(table, "alpha")
            assert await refused(connection, filled.insert(table, row)) == "42501", table.full
            del row["tenant_id"]
            assert await refused(connection, filled.insert(table, row)) in {"23502", "42501"}, table.full


async def test_another_tenants_rows_are_not_changed_or_removed(filled: Filled) -> None:
    before = await filled.digest("beta")
    other = filled.platform.tenant("beta").id
    for role, table in own(filled):
        column = table.columns[-1].name
        async with undone(filled, role, "alpha") as connection:
            for statement in (
                f"update {table.full} set {column} = {column} where tenant_id = $1",
                f"delete from {table.full} where tenant_id = $1",
            ):
                assert (await connection.execute(statement, other)).endswith(" 0"), statement
            mine = await connection.fetchval(f"select count(*) from {table.full}")
            changed = await connection.execute(f"update {table.full} set {column} = {column}")
            assert changed == f"UPDATE {mine}", table.full
            assert await connection.execute(f"delete from {table.full}") == f"DELETE {mine}"
            await connection.execute("commit")

    assert await filled.digest("beta") == before


async def test_no_row_is_written_into_or_moved_to_another_tenant(filled: Filled) -> None:
    for role, table in own(filled):
        async with undone(filled, role, "alpha") as connection:
            assert await refused(connection, filled.insert(table, filled.row(table, "beta"))) == "42501", table.full
            move = f"update {table.full} set tenant_id = $1"
            assert await refused(connection, move, filled.platform.tenant("beta").id) == "42501", table.full
            take = f"insert into {table.full} select * from {table.full} on conflict do nothing"
            assert await refused(connection, take) in {"", "42501", "428C9", "23505"}


async def test_a_key_another_tenant_has_is_free(filled: Filled) -> None:
    """Otherwise the refusal would tell what the other has."""
    looked_at = 0
    for role, table in own(filled):
        theirs = filled.rows[table.full]["beta"][0]
        for index in table.unique:
            if index.name in GLOBAL_BY_NATURE:
                assert table.schema == "kernel"
                continue
            row = {**filled.row(table, "alpha"), **{name: theirs[name] for name in index.columns if name != "tenant_id"}}
            async with undone(filled, role, "alpha") as connection:
                # Where the row refers to is another test's matter.
                await connection.execute("set constraints all deferred")
                state = await refused(connection, filled.insert(table, row))
                assert state in {"", "23503"}, (table.full, index.name, state)
                looked_at += 1

    assert looked_at >= len(filled.tables)


async def test_a_row_refers_to_no_row_of_another_tenant(filled: Filled) -> None:
    for role, table in own(filled):
        for reference in table.references:
            if reference.table not in filled.rows or "tenant_id" not in reference.columns:
                # Tenants and people, which stand above the tenants; the survey refuses it to plugins.
                assert table.schema == "kernel", (table.full, reference.name)
                continue
            theirs = filled.rows[reference.table]["beta"][0]
            pairs = zip(reference.columns, reference.target, strict=True)
            row = {**filled.row(table, "alpha"), **{mine: theirs[its] for mine, its in pairs if mine != "tenant_id"}}
            async with undone(filled, role, "alpha") as connection:
                assert await refused(connection, filled.insert(table, row)) == "23503", (table.full, reference.name)


async def test_no_role_may_do_anything_with_a_table_of_others(filled: Filled) -> None:
    for role in filled.roles:
        for table in filled.tables:
            if filled.privileges(table, role):
                continue
            column = table.columns[-1].name
            async with undone(filled, role, "alpha") as connection:
                for statement in (
                    f"select from {table.full}",
                    filled.insert(table, filled.row(table, "alpha")),
                    f"update {table.full} set {column} = {column}",
                    f"delete from {table.full}",
                    f"lock table {table.full}",
                ):
                    assert await refused(connection, statement) == "42501", (role, statement)


@pytest.mark.parametrize(
    "statement",
    [
        "truncate {table}",
        "alter table {table} disable row level security",
        "alter table {table} no force row level security",
        "drop policy tenant on {table}",
        "create policy mine on {table} using (true)",
        "alter policy tenant on {table} using (true)",
        "drop table {table}",
        "create trigger spy before insert on {table} for each row execute function suppress_redundant_updates_trigger()",
        "create rule spy as on insert to {table} do nothing",
        "grant select on {table} to public",
        "alter table {table} owner to current_user",
        "create view pg_temp.all_rows as select * from {table}; create index on {table} (tenant_id)",
    ],
)
async def test_no_role_may_change_what_closes_a_table(filled: Filled, statement: str) -> None:
    for role in filled.roles:
        for table in filled.tables:
            async with undone(filled, role, "alpha") as connection:
                state = await refused(connection, statement.format(table=table.full))
                # 01007: GRANT of what one may not grant is a warning in PostgreSQL, and grants nothing.
                assert state == "42501", (role, statement, table.full)


async def test_row_security_cannot_be_switched_off_in_a_session(filled: Filled) -> None:
    for role, table in own(filled):
        async with undone(filled, role, "alpha") as connection:
            await connection.execute("set local row_security = off")
            assert await refused(connection, f"select * from {table.full}") == "42501", table.full
