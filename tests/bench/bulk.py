"""10,000 athletes in one request, end to end: the recruitment module against a bare ``COPY`` of the same rows."""

from __future__ import annotations

import csv
import io
import random
import statistics
import time
from typing import Any, Final

import msgspec
from comparison import Refused
from figures import Figure
from ground import Ground, Seat, get
from machine import family_seconds, processor_seconds
from servers import Server, fetch

ATHLETES: Final = 10_000
ALIKE: Final = 100
"""So many of them resemble another one, so that there are duplicates to propose."""
TURNS: Final = 5
FILE_TURNS: Final = 3
POLL_SECONDS: Final = 0.01
DOCUMENTED_SECONDS: Final = 2.34

_BEGINNINGS: Final = "Ba Be Bi Do Du Fa Fe Ga Go Ha Ja Ka Ki La Le Lo Ma Mi Mo Na Ne No Pa Pe Ra Ro Sa Se Ta To".split()
_MIDDLES: Final = (
    "ba ce da fi go ka la li lo ma mi na no pa ra ri ro sa si ta te ti va vi za".split()
)
_ENDS: Final = "rd l n r s t nd rt ll x ne re se te ud in on et ard eau".split()
_SPORTS: Final = ("athletics", "football", "tennis", "judo", "swimming", "rugby")
_COUNTRIES: Final = ("FRA", "KEN", "BRA", "JPN", "USA", "SEN", "ITA", "MAR")


def athletes() -> list[dict[str, Any]]:
    """The list, the same each time."""
    draw = random.Random(11)  # noqa: S311 - the same list each time, not a secret one
    found: list[dict[str, Any]] = []
    for number in range(ATHLETES):
        day = draw.randrange(28) + 1
        found.append(
            {
                "first_name": _word(draw),
                "last_name": f"{_word(draw)}{draw.choice(_MIDDLES)}",
                "birth_date": f"{draw.randrange(1985, 2006)}-{draw.randrange(12) + 1:02}-{day:02}",
                "sex": draw.choice("FM"),
                "nationality": draw.choice(_COUNTRIES),
                "sport": draw.choice(_SPORTS),
                "position": draw.choice(("defender", "midfielder", "striker", "goalkeeper")),
                "club": f"Club {draw.randrange(400)}",
                "ranking": draw.randrange(1, 5000),
                "height_cm": draw.randrange(155, 205),
                "weight_kg": draw.randrange(48, 110),
                "licence": f"LIC{number:07}",
            }
        )
    for number in range(ALIKE):
        twin = {**found[number], "licence": f"ALT{number:07}", "club": "Another club"}
        twin["first_name"] = f"{twin['first_name']}e"
        found[ATHLETES - 1 - number] = twin
    return found


def bulk(ground: Ground, postgres: int, platform: Server, bare: Server) -> list[Figure]:
    """Seconds from the first byte sent to the answer read, each turn into an organisation that has no athletes yet.

    Args:
        ground: whose tenants.
        postgres: the process of PostgreSQL.
        platform: with the recruitment module.
        bare: the floor.

    Raises:
        Refused: an import did not take all athletes.
    """
    body = msgspec.json.encode({"source": "api", "batch_size": 1000, "athletes": athletes()})
    seconds: dict[str, list[float]] = {"platform": [], "bare": []}
    used: dict[str, list[float]] = {"platform": [], "bare": []}
    stored: dict[str, list[float]] = {"platform": [], "bare": []}
    said: dict[str, Any] = {}
    # The first turn warms up.
    for seat in ground.seats[: TURNS + 1]:
        for name, server, path in (
            ("bare", bare, "/athletes/bulk-import"),
            ("platform", platform, f"/api/v1/tenants/{seat.slug}/athletes/bulk-import"),
        ):
            application, database = processor_seconds(server.worker), family_seconds(postgres)
            began = time.perf_counter()
            status, answer = fetch(server.port, _post(path, seat, body))
            seconds[name].append(time.perf_counter() - began)
            used[name].append(processor_seconds(server.worker) - application)
            stored[name].append(family_seconds(postgres) - database)
            said = msgspec.json.decode(answer)
            if status not in {200, 201} or said.get("imported") != ATHLETES:
                raise Refused(f"{name} answered {status}: {answer[:500].decode()}")
    time_of, application_of, database_of = (
        {name: statistics.median(taken[1:]) for name, taken in all_of.items()}
        for all_of in (seconds, used, stored)
    )
    return [
        Figure(
            "10,000 athletes over HTTP, against a bare COPY",
            _median_ratio(seconds),
            4,
            unit="×",
            note=f"{len(body) / 1e6:.1f} MB; validation, {said['duplicates_proposed']} proposed duplicates, evidence of each row,"
            f" audit and event included; bare {time_of['bare'] * 1000:.0f} ms",
        ),
        Figure(
            "10,000 athletes over HTTP",
            time_of["platform"],
            DOCUMENTED_SECONDS,
            unit="s",
            note=f"processor time: application {application_of['platform']:.2f} s, PostgreSQL {database_of['platform']:.2f} s;"
            f" bare {application_of['bare']:.2f} s and {database_of['bare']:.2f} s",
        ),
    ]


def file_import(ground: Ground, platform: Server) -> list[Figure]:
    """Seconds from the first byte of a CSV file sent to the import seen as applied, by a worker of its own.

    Raises:
        Refused: an import did not take all athletes.
    """
    listed = athletes()
    text = io.StringIO()
    writer = csv.DictWriter(text, list(listed[0]))
    writer.writeheader()
    writer.writerows(listed)
    content = text.getvalue().encode()
    seconds: list[float] = []
    # The organisations that `bulk` left empty; the first turn warms up.
    for seat in ground.seats[TURNS + 1 : TURNS + 1 + FILE_TURNS + 1]:
        prefix = f"/api/v1/tenants/{seat.slug}/athletes/imports"
        began = time.perf_counter()
        status, answer = fetch(platform.port, _upload(prefix, seat, content))
        if status != 202:
            raise Refused(f"the file was answered {status}: {answer[:500].decode()}")
        state = msgspec.json.decode(answer, type=_Import)
        while state.status in {"queued", "running"}:
            time.sleep(POLL_SECONDS)
            _, answer = fetch(platform.port, get(f"{prefix}/{state.batch_id}", seat.key))
            state = msgspec.json.decode(answer, type=_Import)
        seconds.append(time.perf_counter() - began)
        if state.imported != ATHLETES:
            raise Refused(f"the import ended as {answer[:500].decode()}")
    return [
        Figure(
            "10,000 athletes as a CSV file: upload, job and import",
            statistics.median(seconds[1:]),
            unit="s",
            note=f"{len(content) / 1e6:.1f} MB, until the caller sees it applied",
        )
    ]


class _Import(msgspec.Struct):
    batch_id: str
    status: str
    imported: int


def _upload(path: str, seat: Seat, content: bytes) -> bytes:
    boundary = "bench-boundary"
    body = (
        (
            f'--{boundary}\r\ncontent-disposition: form-data; name="file"; filename="athletes.csv"\r\n'
            "content-type: text/csv\r\n\r\n"
        ).encode()
        + content
        + f"\r\n--{boundary}--\r\n".encode()
    )
    return (
        f"POST {path} HTTP/1.1\r\nhost: 127.0.0.1\r\naccept: application/json\r\nauthorization: Bearer {seat.key}\r\n"
        f"content-type: multipart/form-data; boundary={boundary}\r\ncontent-length: {len(body)}\r\n\r\n"
    ).encode() + body


def _median_ratio(taken: dict[str, list[float]]) -> float:
    return statistics.median(
        mine / its for mine, its in zip(taken["platform"][1:], taken["bare"][1:], strict=True)
    )


def _post(path: str, seat: Seat, body: bytes) -> bytes:
    return (
        f"POST {path} HTTP/1.1\r\nhost: 127.0.0.1\r\naccept: application/json\r\nauthorization: Bearer {seat.key}\r\n"
        f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    ).encode() + body


def _word(draw: random.Random) -> str:
    return draw.choice(_BEGINNINGS) + draw.choice(_MIDDLES) + draw.choice(_ENDS)
