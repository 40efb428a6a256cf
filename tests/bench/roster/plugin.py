"""What the plugin offers the platform."""

from __future__ import annotations

from uuid import UUID

from trophenix_sdk.context import Context
from trophenix_sdk.events import EventType
from trophenix_sdk.hooks import hookimpl
from trophenix_sdk.ids import new_id
from trophenix_sdk.operations import GET, POST, Operation, operation
from trophenix_sdk.paging import Page, decode_cursor, encode_cursor
from trophenix_sdk.permissions import Permission

from . import store
from .model import NewPlayer, OnePlayer, Player, PlayerSigned, PlayersQuery

PLAYER_SIGNED = EventType("player.signed", PlayerSigned, title="A player joined")


@operation(
    name="player.read", title="A player", http=GET("/players/{id}"), permission="player.read"
)
async def read_player(ctx: Context, given: OnePlayer) -> Player:
    """One player."""
    return await ctx.db.one(store.ONE, id=given.id)


@operation(name="player.list", title="Players", http=GET("/players"), permission="player.read")
async def list_players(ctx: Context, query: PlayersQuery) -> Page[Player]:
    """The tenant's players by name."""
    if query.cursor:
        name, last = decode_cursor(query.cursor, str, UUID)
        rows = await ctx.db.all(store.NEXT_PAGE, name=name, id=last, limit=query.limit + 1)
    else:
        rows = await ctx.db.all(store.FIRST_PAGE, limit=query.limit + 1)
    if len(rows) <= query.limit:
        return Page(rows)
    rows.pop()
    return Page(rows, encode_cursor(rows[-1].family_name, rows[-1].id))


@operation(
    name="player.create",
    title="Sign a player",
    http=POST("/players"),
    permission="player.write",
    emits=["player.signed"],
    status=201,
)
async def create_player(ctx: Context, given: NewPlayer) -> Player:
    """A player is signed, and announced to whoever listens."""
    player = await ctx.db.one(
        store.ADD,
        id=new_id(),
        family_name=given.family_name,
        given_name=given.given_name,
        born_on=given.born_on,
        sport=given.sport,
    )
    ctx.events.emit("player.signed", PlayerSigned(player.id), aggregate=player.id)
    ctx.audit("Player signed", target=str(player.id))
    return player


@hookimpl
def operations() -> list[Operation]:
    """Everything that can be done with players."""
    return [create_player, list_players, read_player]


@hookimpl
def permissions() -> list[Permission]:
    """Who may do it."""
    return [
        Permission("player.read", "See the players", "viewer"),
        Permission("player.write", "Sign players", "member"),
    ]


@hookimpl
def events() -> list[EventType]:
    """What is announced."""
    return [PLAYER_SIGNED]
