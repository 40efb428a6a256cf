"""Requests under load: the platform against the floor and the usual way, and against itself with more of everything."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from comparison import Measured, Sender, Variant, compare, write_requests
from figures import Figure
from ground import Ground, Seat, fifty_rows, one_row
from servers import Server, fetch

API: Final = "/api/v1"


class Unlike(RuntimeError):
    """The variants do not answer the same, so comparing them says nothing."""


def against_others(
    load: Sender,
    folder: Path,
    ground: Ground,
    platform: Server,
    bare: Server,
    orm: Server,
    *,
    rounds: int,
) -> list[Figure]:
    """One row and a list of 50: the platform, bare asyncpg and FastAPI with SQLAlchemy's ORM.

    Raises:
        Unlike: they do not answer the same.
    """
    variants: dict[str, Variant] = {}
    for word, requests in (("one", one_row), ("list", fifty_rows)):
        _check_alike(requests, ground.seats, platform, bare, orm)
        count = len(requests(ground.seats, API))
        api = write_requests(folder / f"{word}.api", requests(ground.seats, API))
        plain = write_requests(folder / f"{word}.plain", requests(ground.seats, ""))
        variants[f"{word} platform"] = Variant(platform, api, count)
        variants[f"{word} bare"] = Variant(bare, plain, count)
        variants[f"{word} orm"] = Variant(orm, plain, count)
    found = compare(load, variants, rounds=rounds)
    return [
        *_compared(
            "GET of one row", 0.5, found["one platform"], found["one bare"], found["one orm"]
        ),
        *_compared(
            "list of 50", 0.6, found["list platform"], found["list bare"], found["list orm"]
        ),
    ]


def against_itself(
    load: Sender, folder: Path, variants: dict[str, tuple[Server, Ground]], *, rounds: int
) -> list[Figure]:
    """One row, under all *variants*; the first is what the others are held against."""
    growing: dict[str, Variant] = {}
    for number, (name, (server, ground)) in enumerate(variants.items()):
        requests = one_row(ground.seats, API)
        file = write_requests(folder / f"growth-{number}", requests)
        growing[name] = Variant(server, file, len(requests))
    found = compare(load, growing, rounds=rounds)
    base, *others = found
    return [
        Figure(
            f"GET of one row: {name} against {base}",
            found[name].dearer_than(found[base]),
            1.1,
            unit="×",
            note=f"{found[name].microseconds:.0f} against {found[base].microseconds:.0f} µs of processor time",
        )
        for name in others
    ]


def _compared(
    name: str, aim: float, platform: Measured, bare: Measured, orm: Measured
) -> list[Figure]:
    return [
        Figure(
            f"{name}: requests per second and core, against bare",
            1 / platform.dearer_than(bare),
            aim,
            better="more",
            unit="×",
            note=f"{_said(platform)}; bare {_said(bare)}",
        ),
        Figure(
            f"{name}: the same against FastAPI, ORM, pydantic",
            orm.dearer_than(platform),
            4,
            better="more",
            unit="×",
            digits=1,
            note=_said(orm),
        ),
        Figure(
            f"{name}: requests per second over the wire, against bare",
            platform.slower_than(bare),
            unit="×",
            note=f"{platform.per_second:,.0f} against {bare.per_second:,.0f}; against the ORM {platform.slower_than(orm):.1f} ×",
        ),
    ]


def _said(measured: Measured) -> str:
    return f"{measured.microseconds:.0f} µs"


def _check_alike(
    requests: Callable[[Sequence[Seat], str], list[bytes]], seats: Sequence[Seat], *servers: Server
) -> None:
    bodies = [
        fetch(server.port, requests(seats[:1], "" if place else API)[0])[1]
        for place, server in enumerate(servers)
    ]
    # The first two encode alike; the third may space its JSON differently.
    if bodies[0] != bodies[1] or json.loads(bodies[0]) != json.loads(bodies[2]):
        raise Unlike("\n".join(body.decode()[:500] for body in bodies))
