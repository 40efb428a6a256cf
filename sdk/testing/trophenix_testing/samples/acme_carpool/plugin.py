"""What the plugin offers the platform."""

from __future__ import annotations

from trophenix_sdk.context import Context
from trophenix_sdk.errors import FieldProblem, Invalid, NotFound, PreconditionFailed
from trophenix_sdk.events import EventType
from trophenix_sdk.files import Download, temporary_file
from trophenix_sdk.hooks import hookimpl
from trophenix_sdk.ids import new_id, new_ids
from trophenix_sdk.operations import DELETE, GET, PATCH, POST, Operation, operation
from trophenix_sdk.paging import Page, decode_cursor, encode_cursor
from trophenix_sdk.permissions import Permission
from trophenix_sdk.settings import SettingsType

from . import more, store
from .model import (
    CarpoolSettings,
    Imported,
    NewPassenger,
    NewRide,
    OneRide,
    Passenger,
    Passengers,
    Ride,
    RideChange,
    RideList,
    RideOffered,
    RidesQuery,
    Tidied,
    Tidying,
)

RIDE_OFFERED = EventType("ride.offered", RideOffered, title="A ride can be joined")


@operation(
    name="ride.create",
    title="Offer a ride",
    http=POST("/rides"),
    permission="ride.write",
    emits=["ride.offered"],
    limit="rides",
    status=201,
)
async def create_ride(ctx: Context, given: NewRide) -> Ride:
    """Offer a ride, announced to whoever listens."""
    ride = await ctx.db.one(
        store.ADD,
        id=new_id(),
        name=given.name,
        seats=given.seats,
        leaves_at=given.leaves_at,
        details=given.details,
    )
    ctx.events.emit("ride.offered", RideOffered(ride.id, ride.seats), aggregate=ride.id)
    ctx.audit("Ride offered", target=str(ride.id), details={"name": ride.name})
    return ride


@operation(name="ride.list", title="Rides", http=GET("/rides"), permission="ride.read")
async def list_rides(ctx: Context, query: RidesQuery) -> Page[Ride]:
    """The tenant's rides by name."""
    after = decode_cursor(query.cursor, str)[0] if query.cursor else None
    rows = await ctx.db.all(store.PAGE, q=query.q, after=after, limit=query.limit + 1)
    more = len(rows) > query.limit
    rows = rows[: query.limit]
    return Page(rows, encode_cursor(rows[-1].name) if more else None)


@operation(name="ride.read", title="A ride", http=GET("/rides/{id}"), permission="ride.read")
async def read_ride(ctx: Context, given: OneRide) -> Ride:
    """One ride."""
    return await ctx.db.one(store.ONE, id=given.id)


@operation(
    name="ride.update", title="Change a ride", http=PATCH("/rides/{id}"), permission="ride.write"
)
async def update_ride(ctx: Context, given: RideChange) -> Ride:
    """Change a ride's name or seats."""
    ride = await ctx.db.one(store.ONE, id=given.id)
    changed = await ctx.db.first(
        store.CHANGE, id=ride.id, name=given.name, seats=given.seats, version=ctx.expected_version
    )
    if changed is None:
        raise PreconditionFailed(
            "The ride was changed since you read it.", next_step="Read it again."
        )
    return changed


@operation(
    name="ride.delete",
    title="Withdraw a ride",
    http=DELETE("/rides/{id}"),
    permission="ride.manage",
)
async def delete_ride(ctx: Context, given: OneRide) -> None:
    """Withdraw a ride that nobody has joined."""
    if await ctx.db.first(store.REMOVE, id=given.id) is None:
        raise NotFound("There is no such ride.")
    await ctx.use_limit("rides", -1)


@operation(
    name="ride.import",
    title="Bring rides from a file",
    http=POST("/rides/import"),
    permission="ride.manage",
)
async def import_rides(ctx: Context, given: RideList) -> Imported:
    """Make a ride of each line that is not the name of one already."""
    try:
        names = given.file.path.read_text(encoding="utf-8").split("\n")
    except UnicodeDecodeError as error:
        fault = FieldProblem("/file", "not_text", f"expected UTF-8 text; {error.reason}")
        raise Invalid("The file is not text.", problems=(fault,)) from error
    rows = [
        (ride, name.strip(), 4)
        for ride, name in zip(new_ids(len(names)), names, strict=True)
        if name.strip()
    ]
    await ctx.db.stage("ride_list", {"id": "uuid", "name": "text", "seats": "integer"}, rows)
    return Imported(await ctx.db.execute(store.TAKE_STAGED))


@operation(
    name="ride.export", title="Take rides along", http=GET("/rides/export"), permission="ride.read"
)
async def export_rides(ctx: Context) -> Download:
    """The rides' names, one per line."""
    path = temporary_file(".txt")
    path.write_text("\n".join(await ctx.db.all(store.EVERY_NAME)), encoding="utf-8")
    return Download(path, "rides.txt", "text/plain; charset=utf-8")


@operation(
    name="ride.tidy",
    title="Remove rides that left",
    http=POST("/rides/tidy"),
    permission="ride.manage",
    background=True,
)
async def tidy_rides(ctx: Context, given: Tidying) -> Tidied:
    """Remove the rides that left before an instant."""
    removed = await ctx.db.execute(store.TIDY, left_before=given.left_before)
    await ctx.progress(removed, removed)
    return Tidied(removed)


@operation(
    name="passenger.add",
    title="Join a ride",
    http=POST("/rides/{ride_id}/passengers"),
    permission="ride.write",
    status=201,
)
async def add_passenger(ctx: Context, given: NewPassenger) -> Passenger:
    """Join a ride."""
    return await ctx.db.one(
        store.ADD_PASSENGER, id=new_id(), ride_id=given.ride_id, name=given.name
    )


@operation(
    name="passenger.list",
    title="Who comes along",
    http=GET("/rides/{id}/passengers"),
    permission="ride.read",
)
async def list_passengers(ctx: Context, given: OneRide) -> Passengers:
    """Who comes along on a ride."""
    await ctx.db.one(store.ONE, id=given.id)
    return Passengers(await ctx.db.all(store.PASSENGERS, ride_id=given.id))


@hookimpl
def operations() -> list[Operation]:
    """Everything that can be done with rides."""
    return [
        create_ride,
        list_rides,
        read_ride,
        update_ride,
        delete_ride,
        import_rides,
        export_rides,
        tidy_rides,
        add_passenger,
        list_passengers,
        *more.OPERATIONS,
    ]


@hookimpl
def permissions() -> list[Permission]:
    """Who may do it."""
    return [
        Permission("ride.read", "See the rides", "viewer"),
        Permission("ride.write", "Offer and join rides", "member"),
        Permission("ride.manage", "Withdraw rides", "manager"),
    ]


@hookimpl
def events() -> list[EventType]:
    """What is announced."""
    return [RIDE_OFFERED]


@hookimpl
def settings() -> list[SettingsType]:
    """What a tenant chooses."""
    return [SettingsType("carpool", CarpoolSettings, title="Carpool")]
