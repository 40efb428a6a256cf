"""Bulk imports: a file goes up, the platform works through it, and the outcome comes back."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import ExitStack
from typing import Any, Final, Literal

import msgspec

from trophenix.errors import ImportFailed, ImportUnfinished
from trophenix.exchange import (
    API,
    Exchange,
    Plan,
    Request,
    Tell,
    Wait,
    json_request,
    query,
    segment,
)
from trophenix.pages import AsyncPage, Page, PageContent, read_page
from trophenix.records import Record, read_answer
from trophenix.transport import AsyncConnection, Connection
from trophenix.uploads import Listener, Order, upload

PATH: Final = f"{API}/athletes/imports"
TERMINAL: Final = frozenset({"applied", "applied_with_errors", "failed", "previewed", "reverted"})
FIRST_POLL_SECONDS: Final = 0.25
LONGEST_POLL_SECONDS: Final = 5.0
POLL_GROWTH: Final = 1.5
DEFAULT_WAIT_SECONDS: Final = 3600.0


class ImportRow(Record, frozen=True, kw_only=True):
    """What happened to one value of one row.

    Attributes:
        line: where the row begins in the file; the first line is 1.
        code: stable word for what is wrong, such as ``invalid_date``.
    """

    line: int | None = None
    column: str | int | None = None
    code: str | None = None
    message: str | None = None
    value: Any = None
    status: str | None = None


class ImportState(Record, frozen=True, kw_only=True):
    """An import as the platform last described it; ``None`` is what it does not know yet."""

    batch_id: str
    status: str
    progress: float | None = None
    total: int | None = None
    imported: int | None = None
    updated: int | None = None
    unchanged: int | None = None
    rejected: int | None = None
    errors: int | None = None
    duplicates_proposed: int | None = None
    duration_ms: float | None = None
    detail: str | None = None

    @property
    def finished(self) -> bool:
        """Whether the platform has stopped working on it."""
        return self.status in TERMINAL


def bulk_import(exchange: Exchange, order: Order) -> Plan[ImportState]:
    """The import's state: final when the order says to wait, else as it is after the upload."""
    meter = _Meter(order.on_progress)
    yield from meter.show(0)
    if order.athletes is not None and order.mode == "apply" and not order.mapping:
        return (yield from _import_now(exchange, order, order.athletes, meter))
    with ExitStack() as opened:
        request = Request("POST", PATH, upload=upload(order, opened))
        response = yield from exchange.perform(request, idempotency_key=order.idempotency_key)
    state = read_answer(ImportState, response)
    if not order.wait:
        return state
    return (yield from _watch(exchange, state, meter, order.wait_timeout))


def _import_now(
    exchange: Exchange, order: Order, athletes: Sequence[Mapping[str, object]], meter: _Meter
) -> Plan[ImportState]:
    document = {
        "source": order.source or "json",
        "batch_size": order.batch_size,
        "athletes": athletes,
    }
    request = json_request("POST", f"{API}/athletes/bulk-import", document)
    response = yield from exchange.perform(request, idempotency_key=order.idempotency_key)
    state = read_answer(ImportState, response)
    if state.status == "failed":
        raise ImportFailed(state.batch_id, state.status, state.detail)
    yield from meter.show(100)
    # This door answers without a total: every athlete that was sent has been dealt with.
    return state if state.total is not None else msgspec.structs.replace(state, total=len(athletes))


class _Meter:
    """Tells the caller percentages that only ever rise."""

    def __init__(self, listener: Listener | None) -> None:
        self._listener = listener
        self._shown = -1

    def show(self, percent: float) -> Plan[None]:
        whole = int(min(100, max(0, percent)))
        if self._listener is not None and whole > self._shown:
            self._shown = whole
            yield Tell(self._listener, whole)


def wait_for(
    exchange: Exchange, batch_id: str, on_progress: Listener | None, wait_timeout: float
) -> Plan[ImportState]:
    """The import's final state, waited for."""
    state = yield from look(exchange, batch_id)
    return (yield from _watch(exchange, state, _Meter(on_progress), wait_timeout))


def _watch(
    exchange: Exchange, state: ImportState, meter: _Meter, wait_timeout: float
) -> Plan[ImportState]:
    waited, pause = 0.0, FIRST_POLL_SECONDS
    while not state.finished:
        # 100 is kept for the end: work remains after the last row, and it may still fail.
        yield from meter.show(min(99, state.progress or 0))
        if waited >= wait_timeout:
            raise ImportUnfinished(state.batch_id, state.status, waited)
        pause = min(pause, wait_timeout - waited)
        yield Wait(pause)
        waited += pause
        pause = min(pause * POLL_GROWTH, LONGEST_POLL_SECONDS)
        state = yield from look(exchange, state.batch_id)
    if state.status == "failed":
        raise ImportFailed(state.batch_id, state.status, state.detail)
    yield from meter.show(100)
    return state


def look(exchange: Exchange, batch_id: str) -> Plan[ImportState]:
    """The import as it is now."""
    request = Request("GET", f"{PATH}/{segment(batch_id, 'import')}")
    return read_answer(ImportState, (yield from exchange.perform(request)))


def turn(
    exchange: Exchange,
    batch_id: str,
    action: Literal["apply", "revert"],
    *,
    wait_timeout: float | None,
    on_progress: Listener | None,
    idempotency_key: str | None,
) -> Plan[ImportState]:
    """The import applied or reverted; waited for unless *wait_timeout* is ``None``."""
    request = Request("POST", f"{PATH}/{segment(batch_id, 'import')}/{action}")
    response = yield from exchange.perform(request, idempotency_key=idempotency_key)
    state = read_answer(ImportState, response)
    if wait_timeout is None:
        return state
    return (yield from _watch(exchange, state, _Meter(on_progress), wait_timeout))


def row_page(
    exchange: Exchange, batch_id: str, status: str | None, limit: int | None, cursor: str | None
) -> Plan[PageContent[ImportRow]]:
    """One page of what happened to the rows."""
    request = Request(
        "GET",
        f"{PATH}/{segment(batch_id, 'import')}/rows",
        query(status=status, limit=limit, cursor=cursor),
    )
    return read_page(ImportRow, (yield from exchange.perform(request)), cursor)


class _Report:
    """An import as it was when this was made; it does not change by itself."""

    def __init__(self, state: ImportState) -> None:
        self._state = state

    @property
    def batch_id(self) -> str:
        """Names the import, to come back to it."""
        return self._state.batch_id

    @property
    def status(self) -> str:
        """What became of it.

        ``applied``, ``applied_with_errors``, ``previewed``, ``reverted``, or what the platform is doing while it is unfinished.
        """
        return self._state.status

    @property
    def finished(self) -> bool:
        """Whether the platform has stopped working on it."""
        return self._state.finished

    @property
    def progress(self) -> float:
        """How far it is, from 0 to 100."""
        return 100 if self._state.finished else self._state.progress or 0

    @property
    def total(self) -> int:
        """How many rows the file has; 0 while the platform has not counted them."""
        return self._state.total or 0

    @property
    def imported(self) -> int:
        """How many athletes are new."""
        return self._state.imported or 0

    @property
    def updated(self) -> int:
        """How many athletes were known and have changed."""
        return self._state.updated or 0

    @property
    def unchanged(self) -> int:
        """How many athletes were known exactly so."""
        return self._state.unchanged or 0

    @property
    def rejected(self) -> int:
        """How many rows were not taken."""
        return self._state.rejected or 0

    @property
    def errors(self) -> int:
        """How many faults were found; a row can have several."""
        return self._state.errors or 0

    @property
    def duplicates_proposed(self) -> int:
        """How many pairs may be the same person and wait for somebody's decision."""
        return self._state.duplicates_proposed or 0

    @property
    def duration_ms(self) -> float | None:
        """How long the platform worked on it, in milliseconds."""
        return self._state.duration_ms

    @property
    def state(self) -> ImportState:
        """Everything the platform said about it, members unknown here included."""
        return self._state

    def __repr__(self) -> str:
        return (
            f"<{type(self).__name__} {self.batch_id} {self.status}: total={self.total}, "
            f"imported={self.imported}, updated={self.updated}, rejected={self.rejected}, "
            f"errors={self.errors}>"
        )


class ImportResult(_Report):
    """An import as it was when this was made; it does not change by itself."""

    def __init__(self, state: ImportState, imports: Imports) -> None:
        super().__init__(state)
        self._imports = imports

    def rows(self, status: str | None = "rejected") -> Iterator[ImportRow]:
        """Every row with *status* (``None``: whatever the status), page after page."""
        return self._imports.rows(self.batch_id, status=status).auto_paging()


class AsyncImportResult(_Report):
    """An import as it was when this was made; it does not change by itself."""

    def __init__(self, state: ImportState, imports: AsyncImports) -> None:
        super().__init__(state)
        self._imports = imports

    async def rows(self, status: str | None = "rejected") -> AsyncIterator[ImportRow]:
        """Every row with *status* (``None``: whatever the status), page after page."""
        page = await self._imports.rows(self.batch_id, status=status)
        async for row in page.auto_paging():
            yield row


class Imports:
    """The imports of a tenant's athletes; starting one is ``client.athletes.bulk_import``."""

    def __init__(self, connection: Connection, exchange: Exchange) -> None:
        self._connection = connection
        self._exchange = exchange

    def get(self, batch_id: str) -> ImportResult:
        """The import as it is now."""
        return self._result(look(self._exchange, batch_id))

    def wait(
        self,
        batch_id: str,
        *,
        on_progress: Listener | None = None,
        wait_timeout: float = DEFAULT_WAIT_SECONDS,
    ) -> ImportResult:
        """The import when the platform has finished with it.

        Raises:
            ImportFailed: the platform gave it up.
            ImportUnfinished: it goes on after *wait_timeout* seconds of waiting.
        """
        return self._result(wait_for(self._exchange, batch_id, on_progress, wait_timeout))

    def apply(
        self,
        batch_id: str,
        *,
        on_progress: Listener | None = None,
        wait: bool = True,
        wait_timeout: float = DEFAULT_WAIT_SECONDS,
        idempotency_key: str | None = None,
    ) -> ImportResult:
        """A previewed import is carried out.

        Raises:
            Conflict: it is not in a state that can be applied.
            ImportFailed: the platform gave it up.
            ImportUnfinished: it goes on after *wait_timeout* seconds of waiting.
        """
        plan = turn(
            self._exchange,
            batch_id,
            "apply",
            wait_timeout=wait_timeout if wait else None,
            on_progress=on_progress,
            idempotency_key=idempotency_key,
        )
        return self._result(plan)

    def revert(
        self,
        batch_id: str,
        *,
        on_progress: Listener | None = None,
        wait: bool = True,
        wait_timeout: float = DEFAULT_WAIT_SECONDS,
        idempotency_key: str | None = None,
    ) -> ImportResult:
        """What an applied import changed is undone.

        Raises:
            Conflict: it is not in a state that can be reverted.
            ImportFailed: the platform gave it up.
            ImportUnfinished: it goes on after *wait_timeout* seconds of waiting.
        """
        plan = turn(
            self._exchange,
            batch_id,
            "revert",
            wait_timeout=wait_timeout if wait else None,
            on_progress=on_progress,
            idempotency_key=idempotency_key,
        )
        return self._result(plan)

    def rows(
        self,
        batch_id: str,
        *,
        status: str | None = "rejected",
        limit: int | None = None,
        cursor: str | None = None,
    ) -> Page[ImportRow]:
        """One page of what happened to the rows with *status* (``None``: to all)."""
        content = self._connection.run(row_page(self._exchange, batch_id, status, limit, cursor))

        def follow(cursor: str) -> Page[ImportRow]:
            return self.rows(batch_id, status=status, limit=limit, cursor=cursor)

        return Page(content, follow)

    def _result(self, plan: Plan[ImportState]) -> ImportResult:
        return ImportResult(self._connection.run(plan), self)


class AsyncImports:
    """The imports of a tenant's athletes; starting one is ``client.athletes.bulk_import``."""

    def __init__(self, connection: AsyncConnection, exchange: Exchange) -> None:
        self._connection = connection
        self._exchange = exchange

    async def get(self, batch_id: str) -> AsyncImportResult:
        """The import as it is now."""
        return await self._result(look(self._exchange, batch_id))

    async def wait(
        self,
        batch_id: str,
        *,
        on_progress: Listener | None = None,
        wait_timeout: float = DEFAULT_WAIT_SECONDS,
    ) -> AsyncImportResult:
        """The import when the platform has finished with it.

        Raises:
            ImportFailed: the platform gave it up.
            ImportUnfinished: it goes on after *wait_timeout* seconds of waiting.
        """
        return await self._result(wait_for(self._exchange, batch_id, on_progress, wait_timeout))

    async def apply(
        self,
        batch_id: str,
        *,
        on_progress: Listener | None = None,
        wait: bool = True,
        wait_timeout: float = DEFAULT_WAIT_SECONDS,
        idempotency_key: str | None = None,
    ) -> AsyncImportResult:
        """A previewed import is carried out.

        Raises:
            Conflict: it is not in a state that can be applied.
            ImportFailed: the platform gave it up.
            ImportUnfinished: it goes on after *wait_timeout* seconds of waiting.
        """
        plan = turn(
            self._exchange,
            batch_id,
            "apply",
            wait_timeout=wait_timeout if wait else None,
            on_progress=on_progress,
            idempotency_key=idempotency_key,
        )
        return await self._result(plan)

    async def revert(
        self,
        batch_id: str,
        *,
        on_progress: Listener | None = None,
        wait: bool = True,
        wait_timeout: float = DEFAULT_WAIT_SECONDS,
        idempotency_key: str | None = None,
    ) -> AsyncImportResult:
        """What an applied import changed is undone.

        Raises:
            Conflict: it is not in a state that can be reverted.
            ImportFailed: the platform gave it up.
            ImportUnfinished: it goes on after *wait_timeout* seconds of waiting.
        """
        plan = turn(
            self._exchange,
            batch_id,
            "revert",
            wait_timeout=wait_timeout if wait else None,
            on_progress=on_progress,
            idempotency_key=idempotency_key,
        )
        return await self._result(plan)

    async def rows(
        self,
        batch_id: str,
        *,
        status: str | None = "rejected",
        limit: int | None = None,
        cursor: str | None = None,
    ) -> AsyncPage[ImportRow]:
        """One page of what happened to the rows with *status* (``None``: to all)."""
        content = await self._connection.run(
            row_page(self._exchange, batch_id, status, limit, cursor)
        )

        async def follow(cursor: str) -> AsyncPage[ImportRow]:
            return await self.rows(batch_id, status=status, limit=limit, cursor=cursor)

        return AsyncPage(content, follow)

    async def _result(self, plan: Plan[ImportState]) -> AsyncImportResult:
        return AsyncImportResult(await self._connection.run(plan), self)
