"""No role reaches another tenant's rows in any table there is, and none learns what another tenant has."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import pytest

from trophenix_testing.connections import connect

# The fixture `filled` of the conftest; test folders are no packages, so its class cannot be imported.
Filled = Any
Table = Any

pytestmark = pytest.mark.asyncio(loop_scope="module")

GLOBAL_BY_NATURE = {
    "api_keys_key_hash_key",
    "invitations_token_hash_key",
    "tenant_domains_verified",
}
"""Kernel keys that are unique over all tenants: digests of what nobody can guess, and domains, which have one owner."""


@asynccontextmanager
async def undone(
    filled: Filled, role: str, tenant: str | None, *, triggers: bool = True
) -> AsyncGenerator[Any]:
    """A connection as the role, inside a transaction for the tenant that is undone.

    Args:
        triggers: without them rows may have any content; foreign keys are triggers too.
    """
    dsns = filled.platform.databases.application if triggers else filled.platform.databases.admin
    connection = await connect(dsns["main"])
    try:
        if not triggers:
            await connection.execute("set session_replication_role = replica")
        await connection.execute("begin")
        if tenant is not None:
            await connection.execute(
                "select set_config('app.tenant_id', $1, true)",
                str(filled.platform.tenant(tenant).id),
            )
        await connection.execute(f"set local role {role}")
        yield connection
    finally:
        await connection.close()


async def refused(connection: Any, statement: str, *arguments: object) -> str:
    """The SQLSTATE a statement is refused with, ``""`` when it is not; the transaction goes on as if it had not been tried."""
    return (await refusal(connection, statement, *arguments))[0]


async def refusal(connection: Any, statement: str, *arguments: object) -> tuple[str, str]:
    """The same, and the constraint that refused it."""
    await connection.execute("savepoint attempt")
    try:
        await connection.execute(statement, *arguments)
    except asyncpg.PostgresError as error:
        return error.sqlstate or "?", getattr(error, "constraint_name", None) or ""
    else:
        return "", ""
    finally:
        await connection.execute("rollback to savepoint attempt")


def own(filled: Filled) -> dict[str, list[Table]]:
    """Each role and the tables it works with."""
    return {
        role: [table for table in filled.tables if filled.privileges(table, role)]
        for role in filled.roles
    }


async def test_every_plugin_and_the_kernel_have_tables_to_look_at(filled: Filled) -> None:
    assert sum(map(len, own(filled).values())) == len(filled.tables) >= 12
    assert all(own(filled).values())


async def test_only_the_tenants_rows_are_seen(filled: Filled) -> None:
    other = filled.platform.tenant("beta").id
    for role, tables in own(filled).items():
        async with undone(filled, role, "alpha") as connection:
            for table in tables:
                everything = f"select count(*) from {table.full}"
                assert await connection.fetchval(everything) >= 3, table.full
                assert await connection.fetchval(f"{everything} where tenant_id = $1", other) == 0
                marked = f"{everything} t where position('mq7beta' in t::text) > 0"
                assert await connection.fetchval(marked) == 0, table.full


async def test_without_a_tenant_every_table_is_empty_and_takes_nothing(filled: Filled) -> None:
    for role, tables in own(filled).items():
        async with undone(filled, role, None) as connection:
            for table in tables:
                assert await connection.fetchval(f"select count(*) from {table.full}") == 0
                row = filled.row(table, "alpha")
                assert await refused(connection, filled.insert(table, row)) == "42501", table.full
                del row["tenant_id"]
                assert await refused(connection, filled.insert(table, row)) in {"23502", "42501"}


async def test_another_tenants_rows_are_not_changed_or_removed(filled: Filled) -> None:
    alpha, beta = (filled.platform.tenant(name).id for name in ("alpha", "beta"))
    for role, tables in own(filled).items():
        async with undone(filled, role, "alpha", triggers=False) as connection:
            for table in tables:
                column = table.columns[-1].name
                digest = f"select md5(string_agg(t::text, '|' order by t::text)) from {table.full} t where tenant_id = $1"
                await connection.execute("reset role")
                before = await connection.fetchval(digest, beta)
                await connection.execute(f"set local role {role}")
                for statement in (
                    f"update {table.full} set {column} = {column} where tenant_id = $1",
                    f"delete from {table.full} where tenant_id = $1",
                ):
                    assert (await connection.execute(statement, beta)).endswith(" 0"), statement

                mine = await connection.fetchval(f"select count(*) from {table.full}")
                changed = await connection.execute(f"update {table.full} set {column} = {column}")
                removed = await connection.execute(f"delete from {table.full}")
                await connection.execute("reset role")

                assert (changed, removed) == (f"UPDATE {mine}", f"DELETE {mine}"), table.full
                assert await connection.fetchval(digest, beta) == before is not None, table.full
                assert await connection.fetchval(digest, alpha) is None


async def test_no_row_is_written_into_or_moved_to_another_tenant(filled: Filled) -> None:
    for role, tables in own(filled).items():
        async with undone(filled, role, "alpha") as connection:
            for table in tables:
                row = filled.row(table, "beta")
                move = f"update {table.full} set tenant_id = $1"
                assert await refused(connection, filled.insert(table, row)) == "42501", table.full
                assert (
                    await refused(connection, move, filled.platform.tenant("beta").id) == "42501"
                ), table.full


async def test_a_key_another_tenant_has_is_free(filled: Filled) -> None:
    """Otherwise the refusal would tell what the other has."""
    looked_at = 0
    for role, tables in own(filled).items():
        # Where the row refers to is another test's matter.
        async with undone(filled, role, "alpha", triggers=False) as connection:
            for table in tables:
                theirs = filled.rows[table.full]["beta"][0]
                for index in table.unique:
                    if index.name in GLOBAL_BY_NATURE:
                        assert table.schema == "kernel"
                        continue
                    same = {name: theirs[name] for name in index.columns if name != "tenant_id"}
                    row = {**filled.row(table, "alpha"), **same}
                    state, constraint = await refusal(connection, filled.insert(table, row))
                    assert not state or constraint in GLOBAL_BY_NATURE, (
                        table.full,
                        index.name,
                        state,
                    )
                    looked_at += 1

    assert looked_at >= len(filled.tables)


async def test_a_row_refers_to_no_row_of_another_tenant(filled: Filled) -> None:
    for role, tables in own(filled).items():
        async with undone(filled, role, "alpha") as connection:
            for table in tables:
                for reference in table.references:
                    if reference.table not in filled.rows or "tenant_id" not in reference.columns:
                        # Tenants and people, which stand above the tenants; the survey refuses it to plugins.
                        assert table.schema == "kernel", (table.full, reference.name)
                        continue
                    theirs = filled.rows[reference.table]["beta"][0]
                    pairs = zip(reference.columns, reference.target, strict=True)
                    same = {mine: theirs[its] for mine, its in pairs if mine != "tenant_id"}
                    row = {**filled.row(table, "alpha"), **same}
                    assert await refused(connection, filled.insert(table, row)) == "23503", (
                        table.full,
                        reference.name,
                    )


async def test_no_role_may_do_anything_with_a_table_of_others(filled: Filled) -> None:
    for role, mine in own(filled).items():
        async with undone(filled, role, "alpha") as connection:
            for table in filled.tables:
                if table in mine:
                    continue
                column = table.columns[-1].name
                for statement in (
                    f"select from {table.full}",
                    filled.insert(table, filled.row(table, "alpha")),
                    f"update {table.full} set {column} = {column}",
                    f"delete from {table.full}",
                    f"lock table {table.full}",
                ):
                    assert await refused(connection, statement) == "42501", (role, statement)


CHANGES = (
    "truncate {table}",
    "alter table {table} disable row level security",
    "alter table {table} no force row level security",
    "drop policy tenant on {table}",
    "create policy mine on {table} using (true)",
    "alter policy tenant on {table} using (true)",
    "drop table {table}",
    "create trigger spy before insert on {table} for each row execute function suppress_redundant_updates_trigger()",
    "create rule spy as on insert to {table} do nothing",
    "alter table {table} owner to current_user",
    "create index on {table} (tenant_id)",
    "comment on table {table} is 'mine'",
)


async def test_no_role_may_change_what_closes_a_table_or_empty_it(filled: Filled) -> None:
    for role in filled.roles:
        async with undone(filled, role, "alpha") as connection:
            for table in filled.tables:
                for statement in CHANGES:
                    state = await refused(connection, statement.format(table=table.full))
                    assert state == "42501", (role, statement, table.full)


async def test_no_role_may_pass_on_what_it_may(filled: Filled) -> None:
    """PostgreSQL warns instead of refusing; what counts is that nothing was passed on."""
    passed_on = "select has_table_privilege('pg_monitor', $1, 'select')"
    for role, tables in own(filled).items():
        async with undone(filled, role, "alpha") as connection:
            for table in tables:
                await connection.execute(f"grant all on {table.full} to public")
                assert not await connection.fetchval(passed_on, table.full)


async def test_row_security_cannot_be_switched_off_in_a_session(filled: Filled) -> None:
    for role, tables in own(filled).items():
        async with undone(filled, role, "alpha") as connection:
            await connection.execute("set local row_security = off")
            for table in tables:
                assert await refused(connection, f"select * from {table.full}") == "42501", (
                    table.full
                )
