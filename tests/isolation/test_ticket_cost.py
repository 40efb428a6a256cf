"""What a signed tenant ticket would cost beside the plain setting; the figures of docs/adr/0013-tenant-context.md."""

from __future__ import annotations

import hashlib
import hmac
import statistics
import time
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import pytest

from trophenix_sdk.ids import new_id, new_ids
from trophenix_testing.connections import connect
from trophenix_testing.servers import Servers

pytestmark = [pytest.mark.bench, pytest.mark.timeout(300)]

ROUNDS = 2_000
KEY = hashlib.sha256(b"the installation's").digest()
FORMS = {
    "plain": ("app.tenant_id", "(select nullif(current_setting('app.tenant_id', true), '')::uuid)"),
    "signed": ("app.ticket", "(select bench.tenant())"),
}

# HMAC by what core PostgreSQL has: the key's two pads are kept ready, so that a check is two digests.
SETUP = """
create role bench_keeper nologin;
create role bench_plain login password 'bench';
create role bench_signed login password 'bench';
create schema bench;
grant usage on schema bench to bench_keeper, bench_plain, bench_signed;
create table bench.pads (inner_pad bytea, outer_pad bytea);
alter table bench.pads owner to bench_keeper;
create function bench.tenant() returns uuid language plpgsql stable security definer set search_path = bench, pg_temp as $$
declare ticket text := current_setting('app.ticket', true); body text; mine bench.pads;
begin
  if ticket is null or ticket = '' then return null; end if;
  body := split_part(ticket, '.', 1);
  select * into mine from bench.pads;
  if encode(sha256(mine.outer_pad || sha256(mine.inner_pad || convert_to(body, 'utf8'))), 'hex') <> split_part(ticket, '.', 2)
    or split_part(body, '|', 2) <> session_user
    or to_timestamp(split_part(body, '|', 3)::bigint) < clock_timestamp() then
    return null;
  end if;
  return split_part(body, '|', 1)::uuid;
end $$;
alter function bench.tenant() owner to bench_keeper;
create table bench.rows (tenant_id uuid, id uuid, name text, seats int, note text, primary key (tenant_id, id));
"""


def ticket(tenant: UUID, login: str = "bench_signed", lifetime: int = 600) -> str:
    body = f"{tenant}|{login}|{int(time.time()) + lifetime}"
    return f"{body}.{hmac.new(KEY, body.encode(), hashlib.sha256).hexdigest()}"


def shown(form: str, tenant: UUID) -> str:
    return str(tenant) if form == "plain" else ticket(tenant)


def in_one_trip(form: str, query: str) -> str:
    return (
        f"select q.* from (select set_config('{FORMS[form][0]}', $2::text, true) as entered offset 0) as s,"
        f" lateral (select p.* from ({query}) as p where s.entered is not null offset 0) as q"
    )


def queries(form: str) -> dict[str, str]:
    columns = f"select id, name, seats, note from bench.rows_{form}"
    return {
        "one row": f"{columns} where id = $1",
        "list of 50": f"{columns} where name > $1 order by name limit 50",
    }


class Ground:
    """The same rows behind both policies, a connection for each."""

    def __init__(self) -> None:
        self.tenants = [new_id() for _ in range(200)]
        self.ids: list[UUID] = []
        self.connections: dict[str, Any] = {}

    async def make(self, servers: Servers, dsn: str) -> None:
        admin = await connect(dsn)
        await admin.execute(SETUP)
        padded = KEY.ljust(64, b"\0")
        pads = bytes(byte ^ 0x36 for byte in padded), bytes(byte ^ 0x5C for byte in padded)
        await admin.execute("insert into bench.pads values ($1, $2)", *pads)
        for number, tenant in enumerate(self.tenants):
            ids = new_ids(10_000 if number == 0 else 950)
            self.ids = self.ids or ids
            rows = [
                (tenant, row, f"name {at:05}", at % 60 + 1, "x" * 40) for at, row in enumerate(ids)
            ]
            await admin.copy_records_to_table("rows", schema_name="bench", records=rows)
        name = dsn.rpartition("/")[2]
        for form, (_, value) in FORMS.items():
            table = f"bench.rows_{form}"
            await admin.execute(
                f"create table {table} (like bench.rows including all); insert into {table} select * from bench.rows;"
                f" create index on {table} (tenant_id, name); alter table {table} enable row level security;"
                f" alter table {table} force row level security; create policy tenant on {table} using (tenant_id = {value});"
                f" grant select on {table} to bench_{form}; analyze {table}"
            )
            self.connections[form] = await connect(servers.main.dsn(name, f"bench_{form}", "bench"))
        await admin.close()

    async def ask(self, form: str, what: str, number: int, *, one_trip: bool) -> float:
        """One call's microseconds."""
        connection, query = self.connections[form], queries(form)[what]
        argument: Any = (
            self.ids[number * 7919 % len(self.ids)]
            if what == "one row"
            else f"name {number * 31 % 9000:05}"
        )
        entered = shown(form, self.tenants[0])
        began = time.perf_counter_ns()
        if one_trip:
            rows = await connection.fetch(in_one_trip(form, query), argument, entered)
        else:
            await connection.execute(f"begin; set local {FORMS[form][0]} = '{entered}'")
            rows = await connection.fetch(query, argument)
            await connection.execute("commit")
        took = (time.perf_counter_ns() - began) / 1000
        assert len(rows) == (1 if what == "one row" else 50)
        return took


@pytest.fixture
async def ground(trophenix_servers: Servers) -> AsyncIterator[Ground]:
    dsn = await trophenix_servers.empty_database()
    made = Ground()
    await made.make(trophenix_servers, dsn)
    yield made
    for connection in made.connections.values():
        await connection.close()
    await trophenix_servers.drop(dsn)
    admin = await connect(trophenix_servers.main.dsn())
    await admin.execute("drop role bench_keeper, bench_plain, bench_signed")
    await admin.close()


async def test_a_signed_ticket_is_measured_beside_the_plain_setting(ground: Ground) -> None:
    connection = ground.connections["signed"]
    count = in_one_trip("signed", "select id from bench.rows_signed where $1::text is null")
    good, other = ground.tenants[1], ground.tenants[0]
    presented = {
        "good": (ticket(good), 950),
        "forged": (ticket(good).replace(str(good), str(other)), 0),
        "another login's": (ticket(good, "bench_plain"), 0),
        "expired": (ticket(good, lifetime=-5), 0),
        "none": ("", 0),
    }
    for kind, (text, expected) in presented.items():
        assert len(await connection.fetch(count, None, text)) == expected, kind

    for what in ("one row", "list of 50"):
        for one_trip in (True, False):
            taken: dict[str, list[float]] = {form: [] for form in FORMS}
            for number in range(-60, ROUNDS):
                for form in FORMS if number % 2 else reversed(FORMS):
                    took = await ground.ask(form, what, number, one_trip=one_trip)
                    if number >= 0:
                        taken[form].append(took)
            plain, signed = (statistics.median(taken[form]) for form in FORMS)
            pairs = zip(taken["signed"], taken["plain"], strict=True)
            more = statistics.median(with_ticket - without for with_ticket, without in pairs)
            print(  # noqa: T201 - a measurement says what it found
                f"{what}, {'one round trip' if one_trip else 'in a transaction'}: plain {plain:.0f} µs, signed {signed:.0f} µs,"
                f" {more:+.0f} µs, {signed / plain:.2f} ×"
            )
