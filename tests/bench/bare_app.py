"""The floor: ASGI and asyncpg with nothing between, no row security, the tenant in the statement.

The keys' digests are in a dictionary, connections are not reset between two uses, structs are the plugin's own.
"""

from __future__ import annotations

import hashlib
import os
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import asyncpg
import msgspec
from roster.model import Player
from roster.store import COLUMNS

from trophenix_sdk.ids import new_ids
from trophenix_sdk.paging import Page, encode_cursor

ONE: Final = f"select {COLUMNS} from plugin_bench_roster.players where tenant_id = $1 and id = $2"
LIST: Final = f"select {COLUMNS} from plugin_bench_roster.players where tenant_id = $1 order by family_name, id limit 51"
PAGE_SIZE: Final = 50
encode: Final = msgspec.json.Encoder().encode

BULK_TABLE: Final = "bench_athletes"
"""The recruitment module's table with its indexes and checks, without row security."""
BULK_COLUMNS: Final = (
    "tenant_id", "id", "family_name", "given_name", "sex", "birth_earliest", "birth_latest", "nationality", "nationality_system",
    "sport", "ranking", "height_cm", "weight_kg", "position", "club", "visibility", "attributes", "name_key", "name_words",
    "name_sorted", "sport_key", "created_at", "updated_at",
)  # fmt: skip


class GivenAthlete(msgspec.Struct):
    """An athlete of a list, as it is sent."""

    first_name: str
    last_name: str
    birth_date: date
    sex: str
    nationality: str
    sport: str
    position: str
    club: str
    ranking: int
    height_cm: float
    weight_kg: float
    licence: str


class GivenList(msgspec.Struct):
    """A list of athletes, as it is sent."""

    athletes: list[GivenAthlete]


decode_list: Final = msgspec.json.Decoder(GivenList).decode


def application() -> Any:
    """The application."""
    keys = msgspec.json.decode(Path(os.environ["BENCH_KEYS"]).read_bytes(), type=dict[str, UUID])
    return Bare({bytes.fromhex(digest): tenant for digest, tenant in keys.items()})


class Bare:
    """The application."""

    def __init__(self, tenants: dict[bytes, UUID]) -> None:
        self._tenants = tenants
        self._pool: Any = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer."""
        if scope["type"] != "http":
            await self._live(receive, send)
            return
        tenant = self._tenant(scope["headers"])
        path: str = scope["path"]
        if tenant is None:
            status, body = 401, b"{}"
        elif path == "/players":
            status, body = 200, encode(await self._list(tenant))
        elif path == "/athletes/bulk-import":
            status, body = 200, encode(await self._bulk(tenant, receive))
        elif path.startswith("/players/"):
            status, body = 200, encode(await self._one(tenant, UUID(path[9:])))
        else:
            status, body = 404, b"{}"
        await send(
            {
                "type": "http.response.start",
                "status": status,
                "headers": [
                    (b"content-type", b"application/json"),
                    (b"content-length", str(len(body)).encode()),
                ],
            }
        )
        await send({"type": "http.response.body", "body": body})

    def _tenant(self, headers: list[tuple[bytes, bytes]]) -> UUID | None:
        for name, value in headers:
            if name == b"authorization":
                return self._tenants.get(hashlib.sha256(value[7:]).digest())
        return None

    async def _one(self, tenant: UUID, player: UUID) -> Player:
        async with self._pool.acquire() as connection:
            return Player(*await connection.fetchrow(ONE, tenant, player))

    async def _list(self, tenant: UUID) -> Page[Player]:
        async with self._pool.acquire() as connection:
            rows = [Player(*row) for row in await connection.fetch(LIST, tenant)]
        if len(rows) <= PAGE_SIZE:
            return Page(rows)
        rows.pop()
        return Page(rows, encode_cursor(rows[-1].family_name, rows[-1].id))

    async def _bulk(self, tenant: UUID, receive: Any) -> dict[str, int]:
        parts: list[bytes] = []
        more = True
        while more:
            message = await receive()
            parts.append(message["body"])
            more = message["more_body"]
        given = decode_list(b"".join(parts)).athletes
        now = datetime.now(UTC)  # noqa: TID251 - a program that only copies
        rows = [
            _row(tenant, athlete, one, now)
            for athlete, one in zip(new_ids(len(given)), given, strict=True)
        ]
        async with self._pool.acquire() as connection:
            await connection.copy_records_to_table(BULK_TABLE, records=rows, columns=BULK_COLUMNS)
        return {"imported": len(rows)}

    async def _live(self, receive: Any, send: Any) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                self._pool = await asyncpg.create_pool(
                    os.environ["BENCH_DSN"],
                    min_size=8,
                    max_size=8,
                    init=prepare,
                    reset=_leave,
                    server_settings={"jit": "off"},
                )
                await send({"type": "lifespan.startup.complete"})
            else:
                await self._pool.close()
                await send({"type": "lifespan.shutdown.complete"})
                return


def _row(tenant: UUID, athlete: UUID, one: GivenAthlete, now: datetime) -> tuple[Any, ...]:
    name = f"{one.last_name} {one.first_name}".lower()
    born = one.birth_date
    return (
        tenant, athlete, one.last_name, one.first_name, one.sex, born, born, one.nationality, "ISO", one.sport, one.ranking,
        one.height_cm, one.weight_kg, one.position, one.club, "recruiter_only", {"licence": one.licence}, name, 2, name, one.sport,
        now, now,
    )  # fmt: skip


async def prepare(connection: Any) -> None:
    """Documents are passed on as they are."""
    await connection.set_type_codec(
        "jsonb",
        schema="pg_catalog",
        format="binary",
        encoder=_document,
        decoder=_raw,
    )


def _document(value: Any) -> bytes:
    return b"\x01" + msgspec.json.encode(value)


def _raw(data: bytes) -> msgspec.Raw:
    return msgspec.Raw(data[1:])


async def _leave(_connection: Any) -> None:
    """A connection that holds no state needs no statement to forget it."""
