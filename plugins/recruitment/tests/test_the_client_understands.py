"""The published Python client reads every answer of this module."""

from __future__ import annotations

from typing import Any, TypeVar

from trophenix.athletes import Athlete
from trophenix.exchange import Response
from trophenix.imports import ImportRow, ImportState
from trophenix.pages import read_page
from trophenix.records import Record, read_answer
from trophenix_testing.platform import Platform

R = TypeVar("R", bound=Record)
ATHLETES = "/api/v1/athletes"
PEOPLE = [
    {
        "first_name": "Ons",
        "last_name": "Jabeur",
        "birth_date": "1994-08-28",
        "licence": "L1",
        "ranking": 5,
    },
    {"last_name": "X", "birth_date": "31/02/1990"},
]


def answered(answer: Any) -> Response:
    return Response(answer.status_code, dict(answer.headers), answer.content)


async def test_the_client_reads_athletes_and_imports(platform: Platform) -> None:
    client = platform.http("alpha")

    report = await client.post(
        f"{ATHLETES}/bulk-import", json={"source": "json", "batch_size": 1000, "athletes": PEOPLE}
    )
    told = read_answer(ImportState, answered(report))
    page = read_page(Athlete, answered(await client.get(ATHLETES, params={"count": "true"})), None)
    one = read_answer(Athlete, answered(await client.get(f"{ATHLETES}/{page.data[0].id}")))
    state = read_answer(
        ImportState, answered(await client.get(f"{ATHLETES}/imports/{told.batch_id}"))
    )
    rows = read_page(
        ImportRow,
        answered(await client.get(f"{ATHLETES}/imports/{told.batch_id}/rows?status=rejected")),
        None,
    )

    assert (told.status, told.imported, told.rejected, told.errors) == ("partial", 1, 1, 1)
    assert (page.total, one.name, one.ranking, one.version) == (1, "Ons Jabeur", 5, 1)
    assert one.external_ids[0].scheme == "licence"
    assert (state.status, state.finished, state.total) == ("applied_with_errors", True, 2)
    assert rows.data[0].line == 2
    assert "birth.impossible" in {row.code for row in rows.data}
