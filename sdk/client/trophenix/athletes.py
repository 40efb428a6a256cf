"""Athletes: search, read, change, and bring in by the thousand."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any, BinaryIO, Final, TypedDict, Unpack

import msgspec

from trophenix.exchange import (
    API,
    Exchange,
    Plan,
    Request,
    if_match,
    json_request,
    query,
    segment,
)
from trophenix.imports import (
    DEFAULT_WAIT_SECONDS,
    AsyncImportResult,
    AsyncImports,
    ImportResult,
    Imports,
    bulk_import,
)
from trophenix.pages import AsyncPage, Page, PageContent, read_page
from trophenix.records import Record, read_answer
from trophenix.transport import AsyncConnection, Connection
from trophenix.uploads import Listener, Mode, Order, Source

PATH: Final = f"{API}/athletes"


class ExternalId(msgspec.Struct, frozen=True):
    """The athlete's number in somebody else's register, such as a federation's licence."""

    scheme: str
    value: str


class Athlete(Record, frozen=True, kw_only=True):
    """An athlete as the key may see them; what it may not see is ``None``.

    Attributes:
        name: the full name as it is shown.
        birth_date: ``"1998"``, ``"1998-05"`` or ``"1998-05-12"``: as exact as it is known.
        birth_earliest: the first day ``birth_date`` can mean.
        birth_latest: the last day ``birth_date`` can mean.
        version: rises with every change; give it to `Athletes.update` to overwrite nobody.
        extra: members this version of the client has no name for, as they came.
    """

    id: str
    name: str
    first_name: str | None = None
    last_name: str | None = None
    sex: str | None = None
    birth_date: str | None = None
    birth_earliest: date | None = None
    birth_latest: date | None = None
    nationality: str | None = None
    sport: str | None = None
    ranking: int | None = None
    position: str | None = None
    club: str | None = None
    height_cm: int | float | None = None
    weight_kg: int | float | None = None
    visibility: str | None = None
    external_ids: tuple[ExternalId, ...] = ()
    attributes: dict[str, Any] = {}  # noqa: RUF012 - msgspec gives each its own
    version: int | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None


class AthleteFields(TypedDict, total=False):
    """What can be said about an athlete: a field left out stays as it is, ``None`` empties it."""

    first_name: str | None
    last_name: str | None
    name: str
    sex: str | None
    birth_date: str | date | None
    nationality: str | None
    sport: str | None
    ranking: int | None
    position: str | None
    club: str | None
    height_cm: float | None
    weight_kg: float | None
    visibility: str
    external_ids: Sequence[ExternalId | Mapping[str, str]]
    attributes: Mapping[str, object]


class _Search(msgspec.Struct, frozen=True, kw_only=True):
    """What `search` was asked for, to ask again for the next page."""

    q: str | None
    sport: str | None
    country: str | None
    ranking_min: int | None
    ranking_max: int | None
    age_min: int | None
    age_max: int | None
    sort: str | None
    limit: int | None
    cursor: str | None
    count: bool | None

    def after(self, cursor: str) -> _Search:
        return msgspec.structs.replace(self, cursor=cursor)


def _search(exchange: Exchange, search: _Search) -> Plan[PageContent[Athlete]]:
    request = Request("GET", PATH, query(**msgspec.structs.asdict(search)))
    return read_page(Athlete, (yield from exchange.perform(request)), search.cursor)


def _get(exchange: Exchange, athlete_id: str) -> Plan[Athlete]:
    request = Request("GET", f"{PATH}/{segment(athlete_id, 'athlete')}")
    return read_answer(Athlete, (yield from exchange.perform(request)))


def _create(
    exchange: Exchange, fields: AthleteFields, idempotency_key: str | None
) -> Plan[Athlete]:
    request = json_request("POST", PATH, fields)
    response = yield from exchange.perform(request, idempotency_key=idempotency_key)
    return read_answer(Athlete, response)


def _update(
    exchange: Exchange,
    athlete_id: str,
    fields: AthleteFields,
    version: int | None,
    idempotency_key: str | None,
) -> Plan[Athlete]:
    path = f"{PATH}/{segment(athlete_id, 'athlete')}"
    request = json_request("PATCH", path, fields, headers=if_match(version))
    response = yield from exchange.perform(request, idempotency_key=idempotency_key)
    return read_answer(Athlete, response)


def _delete(
    exchange: Exchange, athlete_id: str, version: int | None, idempotency_key: str | None
) -> Plan[None]:
    path = f"{PATH}/{segment(athlete_id, 'athlete')}"
    request = Request("DELETE", path, headers=if_match(version))
    yield from exchange.perform(request, idempotency_key=idempotency_key)


class Athletes:
    """The tenant's athletes.

    Attributes:
        imports: the imports already started.
    """

    def __init__(self, connection: Connection, exchange: Exchange) -> None:
        self._connection = connection
        self._exchange = exchange
        self.imports: Final = Imports(connection, exchange)

    def search(
        self,
        q: str | None = None,
        *,
        sport: str | None = None,
        country: str | None = None,
        ranking_min: int | None = None,
        ranking_max: int | None = None,
        age_min: int | None = None,
        age_max: int | None = None,
        sort: str | None = None,
        limit: int | None = None,
        cursor: str | None = None,
        count: bool = False,
    ) -> Page[Athlete]:
        """The first page of the athletes for whom everything asked for is true.

        ``for athlete in results`` goes over this page and sends nothing more, so with
        ``limit=50`` it sees at most 50 athletes. ``for athlete in results.auto_paging()`` goes on
        through all following pages; ``limit`` is then the size of each.

        Args:
            q: words of the name.
            country: ISO 3166-1 code of the nationality, such as ``FR``.
            ranking_min: the best ranking wanted, itself included.
            ranking_max: the worst ranking wanted, itself included.
            age_min: completed years of age, itself included.
            age_max: completed years of age, itself included.
            sort: field to sort by, with ``-`` before it for descending.
            limit: athletes per page; the platform's own size when left out.
            cursor: begins where an earlier page's ``next_cursor`` pointed.
            count: also count all matches into ``total``, which costs the platform more.

        Raises:
            ValidationFailed: a filter has a value the platform does not accept.
        """
        wanted = _Search(
            q=q,
            sport=sport,
            country=country,
            ranking_min=ranking_min,
            ranking_max=ranking_max,
            age_min=age_min,
            age_max=age_max,
            sort=sort,
            limit=limit,
            cursor=cursor,
            count=count or None,
        )
        return self._page(wanted)

    def get(self, athlete_id: str) -> Athlete:
        """The athlete with this id.

        Raises:
            NotFound: the tenant has none, or the key may not see them.
        """
        return self._connection.run(_get(self._exchange, athlete_id))

    def create(
        self, *, idempotency_key: str | None = None, **fields: Unpack[AthleteFields]
    ) -> Athlete:
        """The new athlete, stored.

        Args:
            idempotency_key: the same key never creates twice, even from another process; made
                up for this call when left out.

        Raises:
            ValidationFailed: some fields are not valid.
            PaymentRequired: the plan has no room for another athlete.
        """
        return self._connection.run(_create(self._exchange, fields, idempotency_key))

    def update(
        self,
        athlete_id: str,
        *,
        version: int | None = None,
        idempotency_key: str | None = None,
        **fields: Unpack[AthleteFields],
    ) -> Athlete:
        """The athlete with *fields* changed and all others as they were.

        Args:
            version: the version the change was decided on; without it, what somebody else wrote
                in the meantime may be overwritten.

        Raises:
            PreconditionFailed: the athlete is no longer at *version*.
            NotFound: the tenant has no such athlete.
            ValidationFailed: some fields are not valid.
        """
        plan = _update(self._exchange, athlete_id, fields, version, idempotency_key)
        return self._connection.run(plan)

    def delete(
        self, athlete_id: str, *, version: int | None = None, idempotency_key: str | None = None
    ) -> None:
        """The athlete is gone.

        Raises:
            PreconditionFailed: the athlete is no longer at *version*.
            NotFound: the tenant has no such athlete.
        """
        self._connection.run(_delete(self._exchange, athlete_id, version, idempotency_key))

    def bulk_import(
        self,
        source: Source | None = None,
        *,
        file_path: str | os.PathLike[str] | None = None,
        file: BinaryIO | None = None,
        athletes: Sequence[Mapping[str, object]] | None = None,
        batch_size: int = 1000,
        mode: Mode = "apply",
        mapping: Mapping[str, str] | None = None,
        on_progress: Listener | None = None,
        wait: bool = True,
        wait_timeout: float = DEFAULT_WAIT_SECONDS,
        idempotency_key: str | None = None,
    ) -> ImportResult:
        """The athletes of a file or list are imported, or with ``mode="preview"`` only judged.

        A file is sent piece by piece and never held in memory; the platform works through it
        afterwards. A list goes in one call that answers when the work is done. Rows that are
        refused do not stop an import: see ``errors``, ``rejected`` and ``rows()`` of the result.

        Args:
            source: ``csv``, ``xlsx`` or ``json``; taken from the file's name when left out.
            file_path: where the file lies.
            file: an open binary file, sent from its beginning and left open. One that cannot be
                rewound, such as a pipe, is sent as it comes and never sent again on failure.
            athletes: the athletes themselves, as dictionaries.
            batch_size: how many rows the platform commits at a time.
            mapping: the file's headings to the platform's fields, where they are not recognised.
            on_progress: called with whole percentages that only rise, from 0 to 100; 100 comes
                after the platform has finished. The asynchronous client awaits what it returns.
            wait: ``False`` returns after the upload; go on with ``imports.wait(batch_id)``.
            wait_timeout: seconds to spend at most in pauses between looking.

        Raises:
            InvalidArgument: not exactly one of *file_path*, *file* and *athletes* was given.
            ImportFailed: the platform gave the import up.
            ImportUnfinished: it goes on after *wait_timeout* seconds.
            PayloadTooLarge: the file or list is larger than the platform accepts.
        """
        order = Order(
            source=source,
            file_path=file_path,
            file=file,
            athletes=athletes,
            batch_size=batch_size,
            mode=mode,
            mapping=mapping,
            on_progress=on_progress,
            wait=wait,
            wait_timeout=wait_timeout,
            idempotency_key=idempotency_key,
        )
        return ImportResult(self._connection.run(bulk_import(self._exchange, order)), self.imports)

    def _page(self, wanted: _Search) -> Page[Athlete]:
        content = self._connection.run(_search(self._exchange, wanted))
        return Page(content, lambda cursor: self._page(wanted.after(cursor)))


class AsyncAthletes:
    """The tenant's athletes.

    Attributes:
        imports: the imports already started.
    """

    def __init__(self, connection: AsyncConnection, exchange: Exchange) -> None:
        self._connection = connection
        self._exchange = exchange
        self.imports: Final = AsyncImports(connection, exchange)

    async def search(
        self,
        q: str | None = None,
        *,
        sport: str | None = None,
        country: str | None = None,
        ranking_min: int | None = None,
        ranking_max: int | None = None,
        age_min: int | None = None,
        age_max: int | None = None,
        sort: str | None = None,
        limit: int | None = None,
        cursor: str | None = None,
        count: bool = False,
    ) -> AsyncPage[Athlete]:
        """See `Athletes.search`; the other pages come with ``async for … in auto_paging()``."""
        wanted = _Search(
            q=q,
            sport=sport,
            country=country,
            ranking_min=ranking_min,
            ranking_max=ranking_max,
            age_min=age_min,
            age_max=age_max,
            sort=sort,
            limit=limit,
            cursor=cursor,
            count=count or None,
        )
        return await self._page(wanted)

    async def get(self, athlete_id: str) -> Athlete:
        """See `Athletes.get`."""
        return await self._connection.run(_get(self._exchange, athlete_id))

    async def create(
        self, *, idempotency_key: str | None = None, **fields: Unpack[AthleteFields]
    ) -> Athlete:
        """See `Athletes.create`."""
        return await self._connection.run(_create(self._exchange, fields, idempotency_key))

    async def update(
        self,
        athlete_id: str,
        *,
        version: int | None = None,
        idempotency_key: str | None = None,
        **fields: Unpack[AthleteFields],
    ) -> Athlete:
        """See `Athletes.update`."""
        plan = _update(self._exchange, athlete_id, fields, version, idempotency_key)
        return await self._connection.run(plan)

    async def delete(
        self, athlete_id: str, *, version: int | None = None, idempotency_key: str | None = None
    ) -> None:
        """See `Athletes.delete`."""
        await self._connection.run(_delete(self._exchange, athlete_id, version, idempotency_key))

    async def bulk_import(
        self,
        source: Source | None = None,
        *,
        file_path: str | os.PathLike[str] | None = None,
        file: BinaryIO | None = None,
        athletes: Sequence[Mapping[str, object]] | None = None,
        batch_size: int = 1000,
        mode: Mode = "apply",
        mapping: Mapping[str, str] | None = None,
        on_progress: Listener | None = None,
        wait: bool = True,
        wait_timeout: float = DEFAULT_WAIT_SECONDS,
        idempotency_key: str | None = None,
    ) -> AsyncImportResult:
        """See `Athletes.bulk_import`; *on_progress* may be a coroutine function.

        The file itself is read in the event loop, 64 KiB at a time.
        """
        order = Order(
            source=source,
            file_path=file_path,
            file=file,
            athletes=athletes,
            batch_size=batch_size,
            mode=mode,
            mapping=mapping,
            on_progress=on_progress,
            wait=wait,
            wait_timeout=wait_timeout,
            idempotency_key=idempotency_key,
        )
        state = await self._connection.run(bulk_import(self._exchange, order))
        return AsyncImportResult(state, self.imports)

    async def _page(self, wanted: _Search) -> AsyncPage[Athlete]:
        content = await self._connection.run(_search(self._exchange, wanted))
        return AsyncPage(content, lambda cursor: self._page(wanted.after(cursor)))
