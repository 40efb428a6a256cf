"""The athletes as a file: CSV and XLSX for spreadsheets, which run nothing of it, and JSON for programs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Final, Literal

import msgspec

from trophenix_recruitment.exporting import ExportColumns, Language, csv_chunks, write_xlsx
from trophenix_recruitment.model import AthleteDraft
from trophenix_recruitment.operations.athletes import Filters, wanted_of
from trophenix_recruitment.store import athletes, search
from trophenix_recruitment.store.athletes import StoredAthlete
from trophenix_recruitment.store.search import Sort, Wanted
from trophenix_recruitment.views import view
from trophenix_sdk.clock import today
from trophenix_sdk.context import Context
from trophenix_sdk.files import Download, temporary_file
from trophenix_sdk.i18n import gettext_lazy
from trophenix_sdk.operations import GET, Operation, operation

_ = gettext_lazy("recruitment")

_ROWS_AT_ONCE: Final = 1_000
_ATTRIBUTE_COLUMNS: Final = 100
"""Attributes beyond these go together into one column."""

_TYPES: Final = {
    "csv": "text/csv; charset=utf-8",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "json": "application/json",
}


class ExportQuery(Filters, frozen=True, kw_only=True):
    """Which athletes, and as what.

    Attributes:
        format: ``csv`` with semicolons and a byte-order mark, ``xlsx``, or ``json`` as the API answers.
        language: of the headings; the caller's own when left out.
    """

    format: Literal["csv", "xlsx", "json"] = "csv"
    language: Language | None = None
    sort: Sort = "name"


@operation(
    name="athlete.export",
    title=_("Export athletes"),
    http=GET("/athletes/export"),
    permission="athlete.export",
)
async def export_athletes(ctx: Context, query: ExportQuery) -> Download:
    """A file of all athletes asked for; an import reads it back as the same athletes."""
    wanted = wanted_of(query, ctx)
    path = temporary_file(f".{query.format}")
    day = today(ctx.clock, ctx.tenant.time_zone)
    try:
        if query.format == "json":
            await _write_json(ctx, wanted, query.sort, path)
        else:
            language: Language = query.language or ("fr" if ctx.locale == "fr" else "en")
            await _write_table(ctx, wanted, query, path, language)
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    return Download(
        path, f"athletes-{ctx.tenant.slug}-{day.isoformat()}.{query.format}", _TYPES[query.format]
    )


async def _pages(ctx: Context, wanted: Wanted, sort: Sort) -> AsyncIterator[list[StoredAthlete]]:
    cursor: str | None = None
    while True:
        found, cursor = await search.page(ctx.db, wanted, sort, _ROWS_AT_ONCE, cursor)
        if found:
            yield found
        if cursor is None:
            return


async def _write_json(ctx: Context, wanted: Wanted, sort: Sort, path: Path) -> None:
    encode = msgspec.json.Encoder().encode
    with path.open("wb") as stream:
        stream.write(b"[")
        between = b"\n"
        async for page in _pages(ctx, wanted, sort):
            for one in page:
                stream.write(between + encode(view(one)))
                between = b",\n"
        stream.write(b"\n]\n")


async def _write_table(
    ctx: Context, wanted: Wanted, query: ExportQuery, path: Path, language: Language
) -> None:
    schemes, attributes = await athletes.export_columns(ctx.db, _ATTRIBUTE_COLUMNS)
    columns = ExportColumns(language, tuple(schemes), tuple(attributes))
    loop = asyncio.get_running_loop()
    pages = _pages(ctx, wanted, query.sort)

    async def following() -> list[StoredAthlete] | None:
        return await anext(pages, None)

    def drafts() -> Iterator[AthleteDraft]:
        """The athletes one by one, fetched page by page on the loop while this runs beside it: memory stays that of a page."""
        while True:
            page = asyncio.run_coroutine_threadsafe(following(), loop).result()
            if page is None:
                return
            for one in page:
                yield one.draft()

    def write() -> None:
        with path.open("wb") as stream:
            if query.format == "csv":
                stream.writelines(csv_chunks(drafts(), columns))
            else:
                write_xlsx(drafts(), columns, stream)

    await asyncio.to_thread(write)


OPERATIONS: Final[tuple[Operation, ...]] = (export_athletes,)
