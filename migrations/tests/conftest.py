"""Histories to run, and a way to tell whether two databases have the same shape."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from trophenix_migrations.runner import History
from trophenix_testing.connections import connect
from trophenix_testing.samples import write_carpool, write_lunch
from trophenix_testing.servers import Servers

_SHAPE = """
select 'column ' || n.nspname || '.' || c.relname || '.' || a.attname || ' ' || format_type(a.atttypid, a.atttypmod) || ' '
  || a.attnotnull || ' ' || coalesce(pg_get_expr(d.adbin, d.adrelid), '') || ' ' || coalesce(co.collname, '') as line
from pg_attribute a join pg_class c on c.oid = a.attrelid join pg_namespace n on n.oid = c.relnamespace
left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum left join pg_collation co on co.oid = a.attcollation
where a.attnum > 0 and not a.attisdropped and c.relkind in ('r', 'p', 'v', 'm')
  and (n.nspname = 'kernel' or n.nspname like 'plugin\\_%')
union all
select 'table ' || c.oid::regclass || ' ' || c.relrowsecurity || c.relforcerowsecurity || ' ' || pg_get_userbyid(c.relowner) || ' '
  || coalesce((select string_agg(g::text, ',' order by g::text) from unnest(c.relacl) g), '')
from pg_class c join pg_namespace n on n.oid = c.relnamespace where c.relkind in ('r', 'p')
  and (n.nspname = 'kernel' or n.nspname like 'plugin\\_%')
union all
select 'index ' || pg_get_indexdef(i.indexrelid) from pg_index i join pg_class c on c.oid = i.indrelid
join pg_namespace n on n.oid = c.relnamespace where n.nspname = 'kernel' or n.nspname like 'plugin\\_%'
union all
select 'constraint ' || conrelid::regclass || ' ' || conname || ' ' || pg_get_constraintdef(c.oid) from pg_constraint c
join pg_namespace n on n.oid = c.connamespace where n.nspname = 'kernel' or n.nspname like 'plugin\\_%'
union all
select 'policy ' || schemaname || '.' || tablename || ' ' || policyname || ' ' || roles::text || coalesce(qual, '')
  || coalesce(with_check, '') from pg_policies
union all
select 'function ' || f.oid::regprocedure || ' ' || pg_get_userbyid(f.proowner) || ' ' || md5(pg_get_functiondef(f.oid)) || ' '
  || coalesce((select string_agg(g::text, ',' order by g::text) from unnest(f.proacl) g), '')
from pg_proc f join pg_namespace n on n.oid = f.pronamespace
where f.prokind in ('f', 'p') and (n.nspname = 'kernel' or n.nspname like 'plugin\\_%')
union all
select 'trigger ' || pg_get_triggerdef(t.oid) from pg_trigger t where not t.tgisinternal
order by 1
"""


async def _shape(dsn: str) -> list[str]:
    connection = await connect(dsn)
    try:
        return [row[0] for row in await connection.fetch(_SHAPE)]
    finally:
        await connection.close()


@pytest.fixture
def shape() -> Callable[[str], Awaitable[list[str]]]:
    """Everything that tables, indexes, policies, functions and triggers are, one line each."""
    return _shape


@pytest.fixture
async def database(trophenix_servers: Servers) -> Any:
    """A superuser's address of a database in which nothing was set up."""
    dsn = await trophenix_servers.empty_database()
    yield dsn
    await trophenix_servers.drop(dsn)


@pytest.fixture
def carpool_history(tmp_path: Path) -> Callable[..., History]:
    """Makes the history of ``acme.carpool``, with further revision files by name."""

    def make(**revisions: str) -> History:
        adding = {f"migrations/{name}.py": text for name, text in revisions.items()}
        plugin = write_carpool(tmp_path, adding=adding)
        return History(plugin.id, "plugin_acme_carpool", plugin.folder / "migrations")

    return make


@pytest.fixture
def lunch_history(tmp_path: Path) -> History:
    """The history of ``other.lunch``."""
    plugin = write_lunch(tmp_path)
    return History(plugin.id, "plugin_other_lunch", plugin.folder / "migrations")
