"""What the servers stand on: plugins on disk, and databases full of tenants."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import msgspec

from trophenix_kernel.identity import api_keys
from trophenix_kernel.runtime.databases import create_database
from trophenix_kernel.runtime.postgres import EmbeddedPostgres
from trophenix_kernel.storage.installation import application_dsn, set_up
from trophenix_migrations.runner import History
from trophenix_testing.connections import connect
from trophenix_testing.plugins import WrittenPlugin, write_plugin

ROSTER: Final = "bench.roster"
RECRUITMENT: Final = "trophenix.recruitment"
SECRET: Final = b"of databases that live as long as a measurement"
CALLERS: Final = 1_000
"""Requests come from as many tenants, or from all when there are fewer."""
ROWS_KNOWN: Final = 20
"""Of so many rows per tenant the requests know the id."""

_IDLE: Final = """
from trophenix_sdk.context import Context
from trophenix_sdk.hooks import hookimpl
from trophenix_sdk.operations import GET, Operation, operation
from trophenix_sdk.permissions import Permission


@operation(name="card.list", title="Cards", http=GET("/{word}"), permission="card.read")
async def list_cards(ctx: Context) -> None:
    pass


@hookimpl
def operations() -> list[Operation]:
    return [list_cards]


@hookimpl
def permissions() -> list[Permission]:
    return [Permission("card.read", "See the cards", "viewer")]


@hookimpl
async def tenant_disabled(ctx, reason):
    pass
"""

_POPULATE: Final = (
    (
        "insert into kernel.tenants (id, slug, name, plan)"
        " select gen_random_uuid(), 't-' || n, 'Tenant ' || n, 'enterprise' from generate_series(1, $1::int) n"
    ),
    (
        "insert into kernel.users (id, email, name)"
        " select gen_random_uuid(), 'owner@' || slug || '.test', 'Owner' from kernel.tenants"
    ),
    (
        "insert into kernel.memberships (tenant_id, id, user_id, role)"
        " select t.id, gen_random_uuid(), u.id, 'owner'"
        " from kernel.tenants t join kernel.users u on u.email = 'owner@' || t.slug || '.test'"
    ),
    (
        "insert into kernel.api_keys (tenant_id, id, user_id, name, environment, prefix, key_hash)"
        " select tenant_id, gen_random_uuid(), user_id, 'key', 'live', 'troph_sk_live_', sha256(id::text::bytea)"
        " from kernel.memberships"
    ),
    (
        "insert into kernel.activations (tenant_id, plugin_id, state, version)"
        " select t.id, p, 'ENABLED', '1.0.0' from kernel.tenants t, unnest($1::text[]) p"
    ),
    (
        "insert into plugin_bench_roster.players"
        " (tenant_id, id, family_name, given_name, sex, born_on, country, sport, club, ranking, height_cm, attributes, created_at)"
        " select t.id, gen_random_uuid(), 'Family ' || md5(n::text), 'Given ' || n, 'F', date '1998-05-12' + n % 3000, 'FRA',"
        " 'athletics', 'Club ' || n % 200, n % 900 + 1, 160 + n % 40,"
        " jsonb_build_object('licence', 'L' || n, 'discipline', 'long jump', 'coach', 'Coach ' || n % 50),"
        " timestamptz '2026-01-05 10:00:00.123456+00'"
        " from kernel.tenants t, generate_series(1, $1::int) n"
    ),
)

_SETTLE: Final = (
    "analyze kernel.tenants, kernel.users, kernel.memberships, kernel.api_keys, kernel.activations,"
    " plugin_bench_roster.players"
)


class Seat(msgspec.Struct, frozen=True):
    """A tenant that asks, with one key and some of its rows."""

    slug: str
    tenant: UUID
    key: str
    rows: list[UUID]


class Ground(msgspec.Struct, frozen=True):
    """A populated database.

    Attributes:
        admin: a superuser's address; row security does not apply.
        application: the platform's.
        keys: a file with the digests of the seats' keys.
    """

    admin: str
    application: str
    keys: Path
    seats: list[Seat]


def write_plugins(root: Path, count: int) -> list[WrittenPlugin]:
    """The roster, and as many others as make *count*, are installed below *root*."""
    source = Path(__file__).parent / "roster"
    roster = write_plugin(
        root,
        id=ROSTER,
        package="bench_roster",
        manifest=(source / "trophenix.toml").read_text(encoding="utf-8"),
        files={
            str(file.relative_to(source)): file.read_text(encoding="utf-8")
            for file in source.rglob("*.py")
        },
    )
    return [roster, *(_write_idle(root, number) for number in range(1, count))]


def _write_idle(root: Path, number: int) -> WrittenPlugin:
    return write_plugin(
        root,
        id=f"idle.p{number:03}",
        files={"plugin.py": _IDLE.replace("{word}", f"cards-{number:03}")},
        contract={
            "operations": ["card.list"],
            "permissions": ["card.read"],
            "hooks": ["tenant_disabled"],
        },
    )


async def template(postgres: EmbeddedPostgres, histories: Sequence[History]) -> str:
    """The address of a database with all tables and no rows."""
    dsn = await create_database(postgres.dsn(), "bench_template")
    await set_up(dsn, histories, secret=SECRET)
    connection = await connect(dsn)
    try:
        await connection.execute(
            "create table bench_athletes (like plugin_trophenix_recruitment.athlete including all)"
        )
    finally:
        await connection.close()
    return dsn


async def populated(
    postgres: EmbeddedPostgres,
    folder: Path,
    name: str,
    *,
    tenants: int,
    rows: int,
    enabled: Sequence[str],
) -> Ground:
    """A copy of the template with *tenants* that have *rows* players each and *enabled* plugins switched on."""
    admin = await create_database(postgres.dsn(), name, "bench_template")
    connection = await connect(admin)
    try:
        # One row at a time announced to nobody: triggers stay off until everything is there.
        await connection.execute(
            "set session_replication_role = replica; set synchronous_commit = off"
        )
        for statement, argument in zip(
            _POPULATE, (tenants, None, None, None, list(enabled), rows), strict=True
        ):
            await connection.execute(statement, *(() if argument is None else (argument,)))
        await connection.execute(_SETTLE)
        seats = await _seats(connection)
        # What was written in a hurry is on disk before anything is measured.
        await connection.execute("checkpoint")
    finally:
        await connection.close()
    keys = folder / f"{name}.keys"
    keys.write_bytes(
        msgspec.json.encode({api_keys.digest(seat.key).hex(): seat.tenant for seat in seats})
    )
    return Ground(admin, await application_dsn(admin, SECRET), keys, seats)


async def _seats(connection: Any) -> list[Seat]:
    found = await connection.fetch(
        "select t.slug, t.id, array(select p.id from plugin_bench_roster.players p where p.tenant_id = t.id limit $2)"
        " from kernel.tenants t order by random() limit $1",
        CALLERS,
        ROWS_KNOWN,
    )
    seats = [Seat(slug, tenant, api_keys.generate("live"), rows) for slug, tenant, rows in found]
    await connection.executemany(
        "update kernel.api_keys set key_hash = $2 where tenant_id = $1",
        [(seat.tenant, api_keys.digest(seat.key)) for seat in seats],
    )
    return seats


def one_row(seats: Sequence[Seat], prefix: str) -> list[bytes]:
    """Requests for one player each, of all seats in turn, in no order."""
    return _shuffled(
        [get(f"{prefix}/players/{row}", seat.key) for seat in seats for row in seat.rows]
    )


def fifty_rows(seats: Sequence[Seat], prefix: str) -> list[bytes]:
    """Requests for a list each, of all seats in no order."""
    return _shuffled([get(f"{prefix}/players", seat.key) for seat in seats])


def get(path: str, key: str) -> bytes:
    """A request as a client of the API sends it."""
    return (
        f"GET {path} HTTP/1.1\r\nhost: 127.0.0.1\r\naccept: application/json\r\n"
        f"authorization: Bearer {key}\r\nuser-agent: bench\r\n\r\n"
    ).encode()


def _shuffled(requests: list[bytes]) -> list[bytes]:
    random.Random(7).shuffle(requests)  # noqa: S311 - the same order each time, not a secret one
    return requests
