"""What the plugin offers the platform."""

from __future__ import annotations

from uuid import UUID

import msgspec

from trophenix_sdk.context import Context
from trophenix_sdk.database import Query
from trophenix_sdk.hooks import hookimpl
from trophenix_sdk.ids import new_id
from trophenix_sdk.operations import GET, POST, Operation, operation
from trophenix_sdk.permissions import Permission


class Booking(msgspec.Struct, frozen=True):
    """A table that is kept."""

    id: UUID
    place: str


class Bookings(msgspec.Struct, frozen=True):
    """Every table that is kept."""

    data: list[Booking]


class NewBooking(msgspec.Struct, frozen=True):
    """Where to eat."""

    place: str


_BOOK = Query(
    "insert into plugin_other_lunch.bookings (id, place) values (:id, :place) returning id, place",
    Booking,
)
_ALL = Query("select id, place from plugin_other_lunch.bookings order by id", Booking)


@operation(name="table.book", title="Keep a table", http=POST("/lunch"), permission="table.book")
async def book(ctx: Context, given: NewBooking) -> Booking:
    """Keep a table."""
    return await ctx.db.one(_BOOK, id=new_id(), place=given.place)


@operation(name="table.list", title="Kept tables", http=GET("/lunch"), permission="table.book")
async def bookings(ctx: Context) -> Bookings:
    """Every table that is kept."""
    return Bookings(await ctx.db.all(_ALL))


@hookimpl
def operations() -> list[Operation]:
    """What can be done."""
    return [book, bookings]


@hookimpl
def permissions() -> list[Permission]:
    """Who may do it."""
    return [Permission("table.book", "Keep tables", "member")]
