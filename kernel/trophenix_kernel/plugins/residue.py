"""What of a plugin is left in a database: the proof that an uninstall was whole.

The proof does not trust the list of what was removed: it looks at the server's catalogue and at every row of every kernel table, so that a
table somebody adds later is looked at too.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any, Final
from uuid import UUID

import msgspec

from trophenix_sdk.manifest import schema_name

_CATALOGUE: Final = """
select 'schema ' || n.nspname || ' of ' || pg_get_userbyid(n.nspowner) || ' ' || coalesce(n.nspacl::text, '') from pg_namespace n
  where n.nspname !~ '^pg_(temp|toast)'
union all select 'role ' || rolname || case when rolcanlogin then ' login' else '' end
    || case when rolbypassrls then ' bypassrls' else '' end
  from pg_roles where rolname !~ '^pg_'
union all select 'member ' || pg_get_userbyid(member) || ' of ' || pg_get_userbyid(roleid) from pg_auth_members
union all select 'relation ' || c.relkind::text || ' ' || n.nspname || '.' || c.relname || ' ' || coalesce(c.relacl::text, '')
    || case when c.relrowsecurity then ' closed' else '' end || case when c.relforcerowsecurity then ' forced' else '' end
  from pg_class c join pg_namespace n on n.oid = c.relnamespace
  where n.nspname not in ('pg_catalog', 'information_schema') and n.nspname !~ '^pg_(temp|toast)'
union all select 'policy ' || n.nspname || '.' || c.relname || ' ' || p.polname || ' ' || coalesce(pg_get_expr(p.polqual, p.polrelid), '')
  from pg_policy p join pg_class c on c.oid = p.polrelid join pg_namespace n on n.oid = c.relnamespace
union all select 'constraint ' || n.nspname || '.' || r.conname || ' ' || pg_get_constraintdef(r.oid)
  from pg_constraint r join pg_namespace n on n.oid = r.connamespace where n.nspname not in ('pg_catalog', 'information_schema')
union all select 'function ' || f.oid::regprocedure::text || ' ' || md5(f.prosrc)
  from pg_proc f join pg_namespace n on n.oid = f.pronamespace where n.nspname not in ('pg_catalog', 'information_schema')
union all select 'trigger ' || t.tgrelid::regclass::text || ' ' || t.tgname from pg_trigger t where not t.tgisinternal
union all select 'type ' || n.nspname || '.' || t.typname from pg_type t join pg_namespace n on n.oid = t.typnamespace
  where t.typtype in ('e', 'd') and n.nspname not in ('pg_catalog', 'information_schema')
union all select 'extension ' || extname || ' ' || extversion from pg_extension
union all select 'defaults ' || pg_get_userbyid(defaclrole) || ' ' || defaclacl::text from pg_default_acl
union all select 'database ' || coalesce(datacl::text, '') from pg_database where datname = current_database()
"""

_TABLES: Final = """
select c.relname as name, quote_ident(c.relname) as quoted,
  exists (select from pg_attribute a where a.attrelid = c.oid and a.attname = 'tenant_id' and not a.attisdropped) as tenant,
  array(select quote_ident(a.attname) from pg_attribute a
        where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped and a.atttypid = 'bytea'::regtype) as binary_columns
from pg_class c join pg_namespace n on n.oid = c.relnamespace where n.nspname = 'kernel' and c.relkind in ('r', 'p') order by 1
"""

_ELSEWHERE: Final = """
select exists (select from pg_shdepend d join pg_roles r on r.oid = d.refobjid and d.refclassid = 'pg_authid'::regclass
  where r.rolname = $1 and d.dbid <> 0 and d.dbid <> (select oid from pg_database where datname = current_database()))
"""

EXEMPT: Final = {
    "audit_entries": "what happened stays told",
    "installation": "holds the installation's secret only",
    "sessions": "people's, written by the kernel from what a browser sends",
    "tenants": "names and domains may read like a plugin's id",
    "tenant_domains": "names and domains may read like a plugin's id",
    "users": "addresses may read like a plugin's id",
}
"""Kernel tables that are not searched, and why."""

_ONLY: Final = {"api_keys": "t.scopes::text"}
"""Where only a part of a row can be a plugin's: a key may be named as its maker likes."""


class Residue(msgspec.Struct, frozen=True):
    """What mentions a plugin.

    Attributes:
        found: left over, one line each; nothing when the plugin is gone.
        kept: there on purpose, and why.
    """

    found: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()


async def snapshot(connection: Any) -> frozenset[str]:
    """Every schema, role, table, policy, constraint, function, trigger, type and right of a database, one line each.

    Two snapshots are equal when nothing but rows has changed between them.
    """
    return frozenset(row[0] for row in await connection.fetch(_CATALOGUE))


async def residue(
    connection: Any, plugin_id: str, *, tenants: Sequence[UUID | None] = (None,)
) -> Residue:
    """What one database still holds of a plugin, its audit entries aside.

    Args:
        connection: past row security, or of the tables' owner.
        plugin_id: whose.
        tenants: for whom rows are looked at, in turn: ``None`` alone for a connection that is past row security.

    Raises:
        ValueError: *plugin_id* is not a plugin's id.
    """
    schema = schema_name(plugin_id)
    catalogue, kept = await _catalogue(connection, schema)
    found = list(catalogue)
    pattern = mention(plugin_id)
    for table in await connection.fetch(_TABLES):
        if table["name"] in EXEMPT:
            continue
        count = await _count(connection, table, pattern, tenants if table["tenant"] else (None,))
        if count:
            found.append(f"{count} row{'s' if count != 1 else ''} of kernel.{table['name']}")
    return Residue(tuple(found), tuple(kept))


def mention(plugin_id: str) -> str:
    """A regular expression, for PostgreSQL and for Python, of texts that name this plugin or its schema, and no other's."""
    schema = schema_name(plugin_id)
    return rf"(^|[^a-z0-9_.-]){re.escape(plugin_id)}([^a-z0-9_]|$)|(^|[^a-z0-9_]){schema}([^a-z0-9_]|$)"


async def _catalogue(connection: Any, schema: str) -> tuple[list[str], list[str]]:
    whole = re.compile(rf"(^|[^a-z0-9_]){schema}([^a-z0-9_]|$)")
    lines = sorted(line for line in await snapshot(connection) if whole.search(line))
    if not await connection.fetchval(_ELSEWHERE, schema):
        return lines, []
    # Roles belong to the server: this one is what another database's plugin works as.
    shared = [line for line in lines if line.startswith(("role ", "member "))]
    return (
        [line for line in lines if line not in shared],
        [f"{line}: another database of this server has the plugin" for line in shared],
    )


async def _count(connection: Any, table: Any, pattern: str, tenants: Iterable[UUID | None]) -> int:
    text = _ONLY.get(table["name"], "t::text")
    conditions = [f"{text} ~ $1"]
    if table["name"] not in _ONLY:
        conditions += [f"encode(t.{column}, 'escape') ~ $1" for column in table["binary_columns"]]
    statement = f"select count(*) from kernel.{table['quoted']} t where {' or '.join(conditions)}"
    total = 0
    for tenant in tenants:
        async with connection.transaction(readonly=True):
            if tenant is not None:
                await connection.execute(
                    "select set_config('app.tenant_id', $1, true)", str(tenant)
                )
            total += await connection.fetchval(statement, pattern)
    return total
