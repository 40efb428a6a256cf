"""Two tenants whose every table is filled, and a way to see that nobody touched the other's rows."""

from __future__ import annotations

import itertools
from uuid import UUID

import msgspec
import pytest
import pytest_asyncio

from trophenix_sdk.ids import new_id
from trophenix_testing.platform import Platform, PlatformFactory
from trophenix_testing.samples import write_carpool, write_lunch

MARK = {"alpha": "mq7alpha", "beta": "mq7beta"}
"""A word in every text of a tenant's rows that stands nowhere else."""


class Column(msgspec.Struct, frozen=True):
    """A column that a row has to be given."""

    name: str
    type: str
    limit: int


class Index(msgspec.Struct, frozen=True):
    """A unique or excluding index."""

    name: str
    columns: list[str]


class Reference(msgspec.Struct, frozen=True):
    """A foreign key."""

    name: str
    columns: list[str]
    table: str
    target: list[str]


class Table(msgspec.Struct, frozen=True):
    """A table with a ``tenant_id``."""

    schema: str
    name: str
    columns: list[Column]
    unique: list[Index]
    references: list[Reference]

    @property
    def full(self) -> str:
        """With its schema."""
        return f"{self.schema}.{self.name}"


_TABLES = """
select n.nspname as schema, c.relname as name,
  (select jsonb_agg(jsonb_build_object('name', a.attname, 'type', format_type(a.atttypid, null), 'limit',
     case when a.atttypmod > 4 and format_type(a.atttypid, null) like 'character%' then a.atttypmod - 4 else 0 end) order by a.attnum)
   from pg_attribute a where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped and a.attgenerated = ''
     and a.attidentity = '')::text as columns,
  coalesce((select jsonb_agg(jsonb_build_object('name', i.relname, 'columns',
     (select coalesce(jsonb_agg(a.attname), '[]') from pg_attribute a where a.attrelid = c.oid and a.attnum = any (x.indkey))))
   from pg_index x join pg_class i on i.oid = x.indexrelid
   where x.indrelid = c.oid and (x.indisunique or x.indisexclusion)), '[]')::text as unique,
  coalesce((select jsonb_agg(jsonb_build_object('name', f.conname, 'table', f.confrelid::regclass::text,
     'columns', (select jsonb_agg(a.attname order by k.n) from unnest(f.conkey) with ordinality k(num, n)
        join pg_attribute a on a.attrelid = f.conrelid and a.attnum = k.num),
     'target', (select jsonb_agg(a.attname order by k.n) from unnest(f.confkey) with ordinality k(num, n)
        join pg_attribute a on a.attrelid = f.confrelid and a.attnum = k.num)))
   from pg_constraint f where f.conrelid = c.oid and f.contype = 'f'), '[]')::text as references
from pg_class c join pg_namespace n on n.oid = c.relnamespace
where c.relkind in ('r', 'p') and (n.nspname = 'kernel' or n.nspname like 'plugin\\_%')
  and exists (select from pg_attribute a where a.attrelid = c.oid and a.attname = 'tenant_id' and not a.attisdropped)
order by 1, 2
"""

_LOOSEN = """
select format('alter table %s drop constraint %I', conrelid::regclass, conname) from pg_constraint c
join pg_namespace n on n.oid = c.connamespace where contype = 'c' and (n.nspname = 'kernel' or n.nspname like 'plugin\\_%')
"""


class Filled:
    """A platform in which both tenants have rows in every table.

    Attributes:
        tables: every table with a ``tenant_id``.
        roles: the kernel's role and every plugin's.
        rows: table → tenant → the rows made here, column → value as text.
    """

    def __init__(self, platform: Platform, tables: list[Table], roles: list[str]) -> None:
        self.platform = platform
        self.tables = tables
        self.roles = roles
        self.rows: dict[str, dict[str, list[dict[str, str]]]] = {}
        self._numbers = itertools.count(1)

    def row(self, table: Table, tenant: str) -> dict[str, str]:
        """A row of any content, marked as the tenant's."""
        number = next(self._numbers)
        made = {column.name: self._value(column, tenant, number) for column in table.columns}
        made["tenant_id"] = str(self.platform.tenant(tenant).id)
        return made

    def _value(self, column: Column, tenant: str, number: int) -> str:
        mark = f"{MARK[tenant]}x{number}"
        match column.type:
            case "uuid":
                return str(new_id())
            case "boolean":
                return "true"
            case "smallint" | "integer" | "bigint" | "numeric" | "real" | "double precision":
                return str(number)
            case "jsonb" | "json":
                return f'{{"mark": "{mark}"}}'
            case "bytea":
                return "\\x" + mark.encode().hex()
            case "date":
                return f"2026-01-{number % 28 + 1:02}"
            case kind if kind.startswith("timestamp"):
                return (
                    f"2026-01-01 00:00:00+00:{number % 60:02}"
                    if "with time zone" in kind
                    else "2026-01-01"
                )
            case kind if kind.startswith("time"):
                return "12:00"
            case "interval":
                return f"{number} seconds"
            case "uuid[]":
                return f"{{{new_id()}}}"
            case kind if kind.endswith("[]"):
                return f"{{{mark if kind.startswith(('text', 'character')) else number}}}"
            case kind if kind.endswith("range"):
                return "empty"
            case _:
                return mark[-column.limit :] if column.limit else mark

    def insert(self, table: Table, row: dict[str, str]) -> str:
        """The statement that inserts a row."""
        types = {column.name: column.type for column in table.columns}
        values = ", ".join(f"cast('{value}' as {types[name]})" for name, value in row.items())
        return f"insert into {table.full} ({', '.join(row)}) values ({values})"

    async def fill(self, *tenants: str) -> None:
        """Three rows per table for each of the tenants, past every rule but the ones that isolate."""
        async with self.platform.sql() as admin:
            for statement in await admin.fetch(_LOOSEN):
                await admin.execute(statement[0])
            await admin.execute("set session_replication_role = replica")
            for table in self.tables:
                made = self.rows[table.full] = {}
                for tenant in tenants:
                    made[tenant] = [self.row(table, tenant) for _ in range(3)]
                    for row in made[tenant]:
                        await admin.execute(self.insert(table, row))

    async def ids(self, tenant: str) -> list[UUID]:
        """Every UUID in the tenant's rows, the tenant's own first."""
        found = {self.platform.tenant(tenant).id: None}
        async with self.platform.sql() as admin:
            for table in self.tables:
                for column in (column.name for column in table.columns if column.type == "uuid"):
                    rows = await admin.fetch(
                        f"select distinct {column} from {table.full} where tenant_id = $1 and {column} is not null limit 5",
                        self.platform.tenant(tenant).id,
                    )
                    found.update(dict.fromkeys(row[0] for row in rows))
        return list(found)

    async def digest(self, tenant: str, *, without: tuple[str, ...] = ()) -> dict[str, str]:
        """One word per table for all of the tenant's rows."""
        async with self.platform.sql() as admin:
            return {
                table.full: await admin.fetchval(
                    f"select coalesce(md5(string_agg(t::text, '|' order by t::text)), '') from {table.full} t where tenant_id = $1",
                    self.platform.tenant(tenant).id,
                )
                for table in self.tables
                if table.name not in without
            }

    def privileges(self, table: Table, role: str) -> frozenset[str]:
        """What the role should be allowed to do with the table's rows."""
        owner = "trophenix_app" if table.schema == "kernel" else table.schema
        return frozenset({"select", "insert", "update", "delete"}) if role == owner else frozenset()


async def _filled(platform: Platform, *tenants: str) -> Filled:
    async with platform.sql() as admin:
        tables = [
            Table(
                row["schema"],
                row["name"],
                msgspec.json.decode(row["columns"], type=list[Column]),
                msgspec.json.decode(row["unique"], type=list[Index]),
                msgspec.json.decode(row["references"], type=list[Reference]),
            )
            for row in await admin.fetch(_TABLES)
        ]
    plugins = sorted({table.schema for table in tables if table.schema != "kernel"})
    filled = Filled(platform, tables, ["trophenix_app", *plugins])
    await filled.fill(*tenants)
    return filled


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=["samples", "installed"])
async def both(
    request: pytest.FixtureRequest,
    module_platform_factory: PlatformFactory,
    tmp_path_factory: pytest.TempPathFactory,
) -> Platform:
    """A platform with two sample plugins, and one with whatever is installed here."""
    site = tmp_path_factory.mktemp("site")
    plugins = [write_carpool(site), write_lunch(site)] if request.param == "samples" else None
    return await module_platform_factory(plugins=plugins)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def filled(both: Platform) -> Filled:
    """Both tenants with rows of any content in every table."""
    return await _filled(both, "alpha", "beta")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def filled_beta(both: Platform) -> Filled:
    """Beta with rows of any content in every table; alpha can be worked with."""
    return await _filled(both, "beta")
