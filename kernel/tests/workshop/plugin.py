"""A plugin with an operation of every kind, whose long calls stop at gates that tests open."""

from __future__ import annotations

import asyncio
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Final, Literal
from uuid import UUID

import msgspec

from trophenix_sdk.context import Context
from trophenix_sdk.database import Query
from trophenix_sdk.errors import Conflict, NotFound, PreconditionFailed, Unavailable
from trophenix_sdk.events import EventType
from trophenix_sdk.files import Download, Upload, temporary_file
from trophenix_sdk.hooks import hookimpl
from trophenix_sdk.ids import new_id
from trophenix_sdk.operations import DELETE, GET, PATCH, POST, Operation, operation
from trophenix_sdk.paging import Page
from trophenix_sdk.permissions import Permission
from trophenix_sdk.settings import SettingsType

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=100)]
Pieces = Annotated[int, msgspec.Meta(ge=1, le=1000)]


class Gate:
    """Where a handler says that it is inside, and waits to be let on."""

    def __init__(self) -> None:
        self.entered = asyncio.Event()
        self.open = asyncio.Event()
        self.times = 0

    async def pass_through(self) -> None:
        """Return when the test opens the gate."""
        self.times += 1
        self.entered.set()
        await self.open.wait()


GATES: Final[dict[str, Gate]] = {}


def gate(name: str) -> Gate:
    """The gate of this name, closed when it is first asked for."""
    return GATES.setdefault(name, Gate())


class Thing(msgspec.Struct, frozen=True):
    """Something in the workshop."""

    id: UUID
    name: str
    pieces: int
    made_at: datetime | None
    details: dict[str, Any]
    version: int


class Part(msgspec.Struct, frozen=True):
    """A part of a thing."""

    name: Name
    pieces: Pieces = 1


class NewThing(msgspec.Struct, frozen=True, kw_only=True):
    """A thing to be."""

    name: Name
    pieces: Pieces = 1
    made_at: datetime | None = None
    details: dict[str, str] = {}
    tags: Annotated[list[Name], msgspec.Meta(max_length=5)] = []
    parts: list[Part] = []
    kind: Literal["tool", "toy"] = "tool"
    weight: Annotated[float, msgspec.Meta(ge=0)] = 0.0


class ThingChange(msgspec.Struct, frozen=True, kw_only=True):
    """A thing and what changes of it."""

    id: UUID
    name: Name | None = None
    pieces: Pieces | None = None


class OneThing(msgspec.Struct, frozen=True):
    """A thing by its id."""

    id: UUID


class ThingsQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which things."""

    q: str | None = None
    limit: Annotated[int, msgspec.Meta(ge=1, le=500)] = 500
    least: int | None = None
    since: datetime | None = None
    names: list[str] = []
    newest: bool = False


class ThingFile(msgspec.Struct, frozen=True, kw_only=True):
    """A list of names, and a word about it."""

    file: Upload
    note: Annotated[str, msgspec.Meta(max_length=20)] = ""
    pieces: Pieces = 1


class Read(msgspec.Struct, frozen=True):
    """What was read of a file."""

    lines: int
    note: str
    pieces: int
    size_bytes: int
    file_name: str


class Secret(msgspec.Struct, frozen=True):
    """A word that is said once."""

    word: str


class Taking(msgspec.Struct, frozen=True):
    """How many to count against the limit."""

    amount: int


class Taken(msgspec.Struct, frozen=True):
    """How many are used now."""

    used: int


class Greeting(msgspec.Struct, frozen=True):
    """What the tenant says."""

    text: str
    seats: int


class WorkshopSettings(msgspec.Struct, frozen=True):
    """What a tenant chooses."""

    greeting: Annotated[str, msgspec.Meta(max_length=20)] = "Welcome"
    seats: Annotated[int, msgspec.Meta(ge=1, le=60)] = 4


class ThingMade(msgspec.Struct, frozen=True):
    """A thing is there."""

    thing_id: UUID
    name: str


class Batch(msgspec.Struct, frozen=True, kw_only=True):
    """Things to make in the background, and how it goes wrong."""

    names: list[str]
    gate: str = ""
    fault: Literal["", "refuse", "crash", "away"] = ""
    submit_fault: bool = False
    path: str = ""


class BatchDone(msgspec.Struct, frozen=True):
    """How many were made."""

    made: int


class Ordered(msgspec.Struct, frozen=True):
    """The job that was asked for."""

    job_id: UUID


class Probe(msgspec.Struct, frozen=True):
    """Which operation to call from inside."""

    operation: str


class Probed(msgspec.Struct, frozen=True):
    """The call was allowed."""

    done: bool


_T: Final = "plugin_acme_workshop.things"
_THING: Final = "id, name, pieces, made_at, details, version"
_ADD = Query(
    f"insert into {_T} (id, name, pieces, made_at, details) values (:id, :name, :pieces, :made_at, :details) returning {_THING}",
    Thing,
)
_ONE = Query(f"select {_THING} from {_T} where id = :id", Thing)
_ALL = Query(
    f"select {_THING} from {_T} where (cast(:q as text) is null or name ^@ cast(:q as text))"
    " and (cast(:least as bigint) is null or pieces >= cast(:least as bigint))"
    " and (cast(:since as timestamptz) is null or made_at >= :since) order by name limit :limit",
    Thing,
)
_CHANGE = Query(
    f"update {_T} set name = coalesce(:name, name), pieces = coalesce(:pieces, pieces), version = version + 1"
    f" where id = :id and (cast(:version as int) is null or version = :version) returning {_THING}",
    Thing,
)
_REMOVE = Query(f"delete from {_T} where id = :id returning id", UUID)
_NAMES = Query(f"select name from {_T} order by name", str)


async def _add(ctx: Context, name: str, given: NewThing | None = None) -> Thing:
    return await ctx.db.one(
        _ADD,
        id=new_id(),
        name=name,
        pieces=given.pieces if given else 1,
        made_at=given.made_at if given else None,
        details=given.details if given else {},
    )


@operation(name="thing.list", title="Things", http=GET("/things"), permission="thing.read")
async def list_things(ctx: Context, query: ThingsQuery) -> Page[Thing]:
    """Everything in the workshop."""
    return Page(
        await ctx.db.all(_ALL, q=query.q, least=query.least, since=query.since, limit=query.limit)
    )


@operation(name="thing.read", title="A thing", http=GET("/things/{id}"), permission="thing.read")
async def read_thing(ctx: Context, given: OneThing) -> Thing:
    """One thing."""
    return await ctx.db.one(_ONE, id=given.id)


@operation(
    name="thing.create",
    title="Make a thing",
    http=POST("/things"),
    permission="thing.write",
    emits=["thing.made"],
    limit="things",
    status=201,
)
async def create_thing(ctx: Context, given: NewThing) -> Thing:
    """Make a thing and announce it."""
    made = await _add(ctx, given.name, given)
    ctx.events.emit("thing.made", ThingMade(made.id, made.name), aggregate=made.id)
    ctx.audit("Thing made", target=str(made.id), details={"name": made.name})
    return made


@operation(
    name="thing.update",
    title="Change a thing",
    http=PATCH("/things/{id}"),
    permission="thing.write",
)
async def update_thing(ctx: Context, given: ThingChange) -> Thing:
    """Change a thing's name or pieces."""
    await ctx.db.one(_ONE, id=given.id)
    changed = await ctx.db.first(
        _CHANGE, id=given.id, name=given.name, pieces=given.pieces, version=ctx.expected_version
    )
    if changed is None:
        raise PreconditionFailed
    return changed


@operation(
    name="thing.delete",
    title="Remove a thing",
    http=DELETE("/things/{id}"),
    permission="thing.manage",
)
async def delete_thing(ctx: Context, given: OneThing) -> None:
    """Remove a thing."""
    if await ctx.db.first(_REMOVE, id=given.id) is None:
        raise NotFound("There is no such thing.")
    await ctx.use_limit("things", -1)


@operation(
    name="thing.import",
    title="Bring things",
    http=POST("/things/import"),
    permission="thing.write",
    max_body_bytes=3 << 20,
)
async def import_things(ctx: Context, given: ThingFile) -> Read:
    """Count the lines of a file."""
    content = await asyncio.to_thread(given.file.path.read_bytes)
    ctx.audit("Read a file")
    return Read(
        content.count(b"\n"), given.note, given.pieces, given.file.size_bytes, given.file.file_name
    )


@operation(
    name="thing.export",
    title="Take things along",
    http=GET("/things/export"),
    permission="thing.read",
)
async def export_things(ctx: Context) -> Download:
    """The things' names, one per line."""
    path = temporary_file(".txt")
    path.write_text("\n".join(await ctx.db.all(_NAMES)), encoding="utf-8")
    return Download(path, "things.txt", "text/plain; charset=utf-8")


@operation(
    name="thing.secret",
    title="A secret",
    http=POST("/things/secret"),
    permission="thing.write",
    confidential=True,
    status=201,
)
async def make_secret(ctx: Context) -> Secret:
    """Say a word that is never said again."""
    await _add(ctx, f"secret {new_id()}")
    return Secret("sesame-open-the-door")


@operation(
    name="thing.explode", title="Fail", http=POST("/things/explode"), permission="thing.write"
)
async def explode(ctx: Context) -> Thing:
    """Fail after a change."""
    await _add(ctx, "half done")
    raise RuntimeError("the password of postgresql://root:hunter2@db is hunter2")


@operation(
    name="thing.explode_reading", title="Fail", http=GET("/things/explode"), permission="thing.read"
)
async def explode_reading(_ctx: Context) -> Thing:
    """Fail while reading."""
    raise RuntimeError("the password of postgresql://root:hunter2@db is hunter2")


@operation(name="thing.nobodys", title="Nobody's", http=GET("/things/nobodys"))
async def nobodys(_ctx: Context) -> Probed:
    """Was given no permission, so nobody may."""
    return Probed(done=True)


@operation(name="thing.hidden", title="Without a route", permission="thing.special", effect="read")
async def hidden(_ctx: Context) -> Probed:
    """Only an explicit grant gives it, and it has no route of its own."""
    return Probed(done=True)


@operation(
    name="thing.held",
    title="Make a thing slowly",
    http=POST("/things/held"),
    permission="thing.write",
    status=201,
)
async def make_held(ctx: Context, given: NewThing) -> Thing:
    """Make a thing, stopping at the gate of its name before the end."""
    made = await _add(ctx, given.name, given)
    await gate(given.name).pass_through()
    return made


@operation(
    name="thing.nest",
    title="Make a thing by another operation",
    http=POST("/things/nest"),
    permission="thing.write",
)
async def nest(ctx: Context, given: NewThing) -> Thing:
    """Make a thing through `thing.create`."""
    return await ctx.call("thing.create", given)


@operation(
    name="thing.take",
    title="Count against the limit",
    http=POST("/things/take"),
    permission="thing.write",
)
async def take(ctx: Context, given: Taking) -> Taken:
    """Use up the limit, or give back."""
    return Taken(await ctx.use_limit("things", given.amount))


@operation(
    name="thing.rumour",
    title="Announce what was not declared",
    http=POST("/things/rumour"),
    permission="thing.write",
)
async def rumour(ctx: Context) -> Probed:
    """Emit an event that this operation did not declare."""
    await _add(ctx, "rumour")
    ctx.events.emit("thing.made", ThingMade(new_id(), "rumour"), aggregate=new_id())
    return Probed(done=True)


@operation(name="greeting.read", title="Greeting", http=GET("/greeting"), permission="thing.read")
async def greeting(ctx: Context) -> Greeting:
    """What the tenant's settings say."""
    chosen = ctx.settings(WorkshopSettings)
    return Greeting(chosen.greeting, chosen.seats)


@operation(
    name="batch.run",
    title="Make many",
    http=POST("/batches"),
    permission="thing.manage",
    background=True,
)
async def run_batch(ctx: Context, given: Batch) -> BatchDone:
    """Make things one by one, telling how far it is."""
    for index, name in enumerate(given.names, 1):
        await _add(ctx, name)
        await ctx.progress(index, len(given.names))
        if given.path and index == 1:
            await asyncio.to_thread(Path(given.path).write_text, "begun")
        if given.gate:
            await gate(given.gate).pass_through()
    if given.fault == "refuse":
        raise Conflict("The glue has dried.", code="glue_dried")
    if given.fault == "crash":
        raise RuntimeError("the saw broke at postgresql://root:hunter2@db")
    if given.fault == "away":
        raise Unavailable("The supplier does not answer.")
    return BatchDone(len(given.names))


@operation(
    name="batch.order", title="Order many", http=POST("/batches/order"), permission="thing.manage"
)
async def order_batch(ctx: Context, given: Batch) -> Ordered:
    """Submit `batch.run`, and fail afterwards when asked to."""
    job = await ctx.submit("batch.run", given)
    if given.submit_fault:
        raise Conflict("Changed our mind.", code="changed_mind")
    return Ordered(job)


@operation(
    name="probe.read", title="Call another", http=POST("/probe/read"), effect="read", scope="public"
)
async def probe_read(ctx: Context, given: Probe) -> Probed:
    """Call an operation from inside a reading one."""
    await ctx.call(given.operation)
    return Probed(done=True)


@operation(name="probe.write", title="Call another", http=POST("/probe/write"), scope="public")
async def probe_write(ctx: Context, given: Probe) -> Probed:
    """Call an operation from inside a writing one."""
    await ctx.call(given.operation)
    return Probed(done=True)


@hookimpl
def operations() -> list[Operation]:
    """Everything."""
    return [one for one in globals().values() if isinstance(one, Operation)]


@hookimpl
def permissions() -> list[Permission]:
    """Who may."""
    return [
        Permission("thing.read", "See things", "viewer"),
        Permission("thing.write", "Make things", "member"),
        Permission("thing.manage", "Remove things", "manager"),
        Permission("thing.special", "Something special"),
    ]


@hookimpl
def events() -> list[EventType]:
    """What is announced."""
    return [EventType("thing.made", ThingMade, title="A thing is there")]


@hookimpl
def settings() -> list[SettingsType]:
    """What a tenant chooses."""
    return [SettingsType("workshop", WorkshopSettings, title="Workshop")]
