"""What can be done with greetings."""

from __future__ import annotations

from typing import Annotated, Final
from uuid import UUID

import msgspec
from msgspec import Meta
from trophenix_sdk.context import Context
from trophenix_sdk.events import EventType
from trophenix_sdk.i18n import gettext_lazy
from trophenix_sdk.ids import new_id
from trophenix_sdk.operations import GET, POST, Operation, operation
from trophenix_sdk.paging import Page, decode_cursor, encode_cursor
from trophenix_sdk.permissions import Permission

from acme_hello import store
from acme_hello.model import Greeting
from acme_hello.settings import General

_ = gettext_lazy("hello")


class GreetingSent(msgspec.Struct, frozen=True):
    """Somebody was greeted."""

    id: UUID
    name: str
    text: str


EVENTS: Final = (EventType("greeting.sent", GreetingSent, title="Greeting sent"),)
PERMISSIONS: Final = (
    Permission("greeting.read", _("See greetings"), "viewer"),
    Permission("greeting.send", _("Send greetings"), "member"),
)


class GreetingQuery(msgspec.Struct, frozen=True):
    """Which greetings: ``q`` is found anywhere in the name."""

    q: str | None = None
    limit: Annotated[int, Meta(ge=1, le=200)] = 25
    cursor: str | None = None


class NewGreeting(msgspec.Struct, frozen=True):
    """Who is greeted."""

    name: Annotated[str, Meta(min_length=1, max_length=80)]


@operation(
    name="greeting.list",
    title=_("Greetings"),
    http=GET("/hello/greetings"),
    permission="greeting.read",
)
async def list_greetings(ctx: Context, query: GreetingQuery) -> Page[Greeting]:
    """Greetings, newest first."""
    before = decode_cursor(query.cursor, UUID)[0] if query.cursor else None
    rows = await ctx.db.all(store.PAGE, q=query.q, before=before, limit=query.limit + 1)
    shown = rows[: query.limit]
    return Page(shown, encode_cursor(shown[-1].id) if len(rows) > query.limit else None)


@operation(
    name="greeting.send",
    title=_("Greet somebody"),
    http=POST("/hello/greetings"),
    permission="greeting.send",
    emits=["greeting.sent"],
    status=201,
)
async def send_greeting(ctx: Context, given: NewGreeting) -> Greeting:
    """Greet somebody with the tenant's own word."""
    text = f"{ctx.settings(General).word}, {given.name}!"
    greeting = await ctx.db.one(store.INSERT, id=new_id(), name=given.name, text=text)
    ctx.events.emit(
        "greeting.sent",
        GreetingSent(greeting.id, greeting.name, greeting.text),
        aggregate=greeting.id,
    )
    ctx.audit("Greeting sent", target=str(greeting.id))
    return greeting


OPERATIONS: Final[tuple[Operation, ...]] = (list_greetings, send_greeting)
