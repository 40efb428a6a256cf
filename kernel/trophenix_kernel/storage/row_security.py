"""The proof, made at every start, that no tenant's row can be reached from outside its tenant."""

from __future__ import annotations

from typing import Any, Final

import msgspec


class Gap(msgspec.Struct, frozen=True):
    """A table that is not closed, and why."""

    table: str
    fault: str


_EXPECTED: Final = (
    "(tenant_id=(SELECT(NULLIF(current_setting('app.tenant_id'::text,true),''::text))::uuid))"
)
"""As PostgreSQL writes the policy, its blanks and the name it gives the value left out: those differ between versions."""

_SURVEY: Final = """
select n.nspname || '.' || c.relname as "table", c.relrowsecurity as enabled, c.relforcerowsecurity as forced,
  n.nspname as schema,
  pg_get_userbyid(c.relowner) as owner,
  exists (select from pg_index i where i.indrelid = c.oid and i.indisprimary
    and t.attnum = any ((i.indkey::int2[])[0:i.indnkeyatts - 1])) as keyed,
  (select coalesce(jsonb_agg(jsonb_build_object('name', p.polname, 'permissive', p.polpermissive, 'command', p.polcmd::text,
     'roles', (select coalesce(jsonb_agg(pg_get_userbyid(r)), '[]') from unnest(p.polroles) r where r <> 0),
     'using', pg_get_expr(p.polqual, p.polrelid), 'check', pg_get_expr(p.polwithcheck, p.polrelid))), '[]')::text
   from pg_policy p where p.polrelid = c.oid) as policies,
  (select coalesce(array_agg(i.relname::text order by i.relname), '{}') from pg_index x join pg_class i on i.oid = x.indexrelid
   where x.indrelid = c.oid and x.indkey[0] <> t.attnum and (x.indisunique or x.indisexclusion) and not x.indisprimary
     and n.nspname like 'plugin\\_%') as loose_unique,
  (select coalesce(array_agg(f.conname::text order by f.conname), '{}') from pg_constraint f
   where f.conrelid = c.oid and f.contype = 'f' and n.nspname like 'plugin\\_%'
     and not exists (select from unnest(f.conkey, f.confkey) as pair(mine, theirs)
       join pg_attribute other on other.attrelid = f.confrelid and other.attnum = pair.theirs and other.attname = 'tenant_id'
       where pair.mine = t.attnum)) as loose_references,
  (select coalesce(array_agg(distinct case g.grantee when 0 then 'everybody' else pg_get_userbyid(g.grantee) end
      || ' to ' || lower(g.privilege_type)), '{}')
   from aclexplode(c.relacl) g
   where g.grantee <> c.relowner and n.nspname like 'plugin\\_%'
     and not (g.grantee <> 0 and pg_get_userbyid(g.grantee) = n.nspname
       and g.privilege_type in ('SELECT', 'INSERT', 'UPDATE', 'DELETE') and not g.is_grantable)) as allowed
from pg_class c join pg_namespace n on n.oid = c.relnamespace
  join pg_attribute t on t.attrelid = c.oid and t.attname = 'tenant_id' and not t.attisdropped
where c.relkind in ('r', 'p') and (n.nspname = 'kernel' or n.nspname like 'plugin\\_%')
order by 1
"""

_STRAYS: Final = """
select n.nspname || '.' || c.relname as name, case
    when c.relkind = 'm' then 'a materialized view cannot be closed to other tenants'
    when c.relkind = 'f' then 'a foreign table cannot be closed to other tenants'
    when c.relkind = 'v' then 'a view runs with its owner''s rights: it needs security_invoker'
    else 'a plugin''s table has no tenant_id: every row of a plugin belongs to a tenant' end as fault
from pg_class c join pg_namespace n on n.oid = c.relnamespace
where n.nspname like 'plugin\\_%' and (
    c.relkind in ('m', 'f')
    or c.relkind = 'v' and not coalesce(c.reloptions && array['security_invoker=true', 'security_invoker=on', 'security_invoker=1'], false)
    or c.relkind in ('r', 'p') and c.relname <> 'alembic_version' and not exists (
      select from pg_attribute a where a.attrelid = c.oid and a.attname = 'tenant_id' and not a.attisdropped))
union all
select n.nspname || '.' || f.proname, 'a function runs with its owner''s rights: it must not be SECURITY DEFINER'
from pg_proc f join pg_namespace n on n.oid = f.pronamespace where n.nspname like 'plugin\\_%' and f.prosecdef
order by 1
"""

_LOGIN: Final = """
select rolsuper, rolbypassrls, rolcreaterole from pg_roles where rolname = session_user
"""


class _Policy(msgspec.Struct):
    name: str
    permissive: bool
    command: str
    roles: list[str]
    using: str | None
    check: str | None


async def survey(connection: Any) -> list[Gap]:
    """Every way in which a table with a ``tenant_id`` is not closed; empty when all is well.

    Args:
        connection: an asyncpg connection of the application's login.
    """
    gaps: list[Gap] = []
    login = await connection.fetchrow(_LOGIN)
    if login["rolsuper"] or login["rolbypassrls"]:
        gaps.append(Gap("(the login)", "is a superuser or may bypass row security"))
    for row in await connection.fetch(_SURVEY):
        policies = msgspec.json.decode(row["policies"], type=list[_Policy])
        gaps.extend(Gap(row["table"], fault) for fault in _faults(row, policies))
    gaps.extend(Gap(row["name"], row["fault"]) for row in await connection.fetch(_STRAYS))
    return gaps


def _faults(row: Any, policies: list[_Policy]) -> list[str]:
    faults: list[str] = []
    if not row["enabled"]:
        faults.append("row security is not enabled")
    if not row["forced"]:
        faults.append("row security is not forced on the table's owner")
    if row["owner"] != "trophenix_owner":
        faults.append(f"belongs to {row['owner']}, expected trophenix_owner")
    if not row["keyed"]:
        faults.append("the primary key does not hold tenant_id")
    faults.extend(
        f"unique index {name} does not begin with tenant_id: it tells one tenant what another has"
        for name in row["loose_unique"]
    )
    faults.extend(
        f"foreign key {name} does not carry tenant_id: it accepts another tenant's row"
        for name in row["loose_references"]
    )
    faults.extend(f"opened for {allowed}" for allowed in row["allowed"])
    tenant = [policy for policy in policies if policy.name == "tenant"]
    closed = (
        len(tenant) == 1
        and tenant[0].permissive
        and tenant[0].command == "*"
        and not tenant[0].roles
        and _compact(tenant[0].using) == _EXPECTED
        and (tenant[0].check is None or _compact(tenant[0].check) == _EXPECTED)
    )
    if not closed:
        faults.append("the policy `tenant` is missing or is not the platform's")
    for policy in policies:
        if policy.name == "tenant" or not policy.permissive:
            continue
        if row["schema"] == "kernel" and policy.roles == ["trophenix_system"]:
            continue
        faults.append(f"policy {policy.name} opens the table further")
    return faults


def _compact(expression: str | None) -> str:
    return "".join((expression or "").replace(' AS "nullif"', "").split())
