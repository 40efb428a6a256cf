"""API keys of the tenant: made, shown once, rotated with an overlap, revoked."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Final, Literal
from uuid import UUID

import msgspec

from trophenix_kernel.administration.services import services
from trophenix_kernel.identity import api_keys
from trophenix_kernel.operations.call import Call
from trophenix_sdk.database import Query
from trophenix_sdk.errors import FieldProblem, Invalid, NotFound, PermissionDenied
from trophenix_sdk.ids import new_id
from trophenix_sdk.operations import DELETE, GET, POST, Operation, operation


class KeyView(msgspec.Struct, frozen=True):
    """A key, without the key itself."""

    id: UUID
    name: str
    prefix: str
    environment: str
    scopes: list[str]
    user_id: UUID
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None


class Keys(msgspec.Struct, frozen=True):
    """The tenant's keys."""

    data: list[KeyView]


class NewKey(msgspec.Struct, frozen=True, kw_only=True):
    """A key to be. It may do what its maker may, narrowed to ``scopes`` when there are any."""

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=100)]
    environment: Literal["live", "test"] = "live"
    scopes: Annotated[list[str], msgspec.Meta(max_length=200)] = []
    expires_in_days: Annotated[int, msgspec.Meta(ge=1, le=3650)] | None = None


class MadeKey(msgspec.Struct, frozen=True):
    """A new key; ``key`` is shown this once and cannot be read again."""

    key: str
    details: KeyView


class OneKey(msgspec.Struct, frozen=True):
    """A key by its id."""

    id: UUID


class Rotation(msgspec.Struct, frozen=True):
    """Which key, and how long the old one still works."""

    id: UUID
    overlap_hours: Annotated[int, msgspec.Meta(ge=0, le=720)] = 24


_COLUMNS: Final = "id, name, prefix, environment, scopes, user_id, created_at, expires_at, revoked_at, last_used_at"
_LIST: Final = Query(f"select {_COLUMNS} from kernel.api_keys order by id desc limit 500", KeyView)
_ONE: Final = Query(
    f"select {_COLUMNS} from kernel.api_keys where id = :id and revoked_at is null", KeyView
)
INSERT_KEY: Final = Query(
    "insert into kernel.api_keys (id, user_id, name, environment, prefix, key_hash, scopes, expires_at)"
    f" values (:id, :user_id, :name, :environment, :prefix, :key_hash, :scopes, :expires_at) returning {_COLUMNS}",
    KeyView,
)
_REVOKE: Final = Query(
    "update kernel.api_keys set revoked_at = :now where id = :id and revoked_at is null returning id",
    UUID,
)
_EXPIRE: Final = Query(
    "update kernel.api_keys set expires_at = least(coalesce(expires_at, :at), :at) where id = :id and revoked_at is null returning id",
    UUID,
)


@operation(name="key.list", title="API keys", http=GET("/api-keys"), permission="key.manage")
async def list_keys(ctx: Call) -> Keys:
    """The tenant's keys, newest first, revoked ones included."""
    return Keys(await ctx.db.all(_LIST))


@operation(
    name="key.create",
    title="New API key",
    http=POST("/api-keys"),
    permission="key.manage",
    status=201,
    confidential=True,
)
async def create_key(ctx: Call, given: NewKey) -> MadeKey:
    """Make a key that acts for its maker. The key is shown in this answer only."""
    _check_scopes(ctx, given.scopes)
    expires = ctx.now + timedelta(days=given.expires_in_days) if given.expires_in_days else None
    return await _make(ctx, given.name, given.environment, given.scopes, expires)


@operation(
    name="key.rotate",
    title="Rotate an API key",
    http=POST("/api-keys/{id}/rotate"),
    permission="key.manage",
    status=201,
    confidential=True,
)
async def rotate_key(ctx: Call, given: Rotation) -> MadeKey:
    """Make the key's successor with the same name and scopes; the old one works for the overlap and then ends."""
    old = await ctx.db.one(_ONE, id=given.id)
    _check_scopes(ctx, old.scopes)
    environment: Literal["live", "test"] = "test" if old.environment == "test" else "live"
    made = await _make(ctx, old.name, environment, old.scopes, old.expires_at)
    await ctx.db.one(_EXPIRE, id=old.id, at=ctx.now + timedelta(hours=given.overlap_hours))
    return made


@operation(
    name="key.revoke",
    title="Revoke an API key",
    http=DELETE("/api-keys/{id}"),
    permission="key.manage",
)
async def revoke_key(ctx: Call, given: OneKey) -> None:
    """End a key, at once and everywhere."""
    if await ctx.db.first(_REVOKE, id=given.id, now=ctx.now) is None:
        raise NotFound("There is no such key, or it was revoked before.")
    ctx.audit("API key revoked", target=str(given.id))


async def _make(
    ctx: Call,
    name: str,
    environment: Literal["live", "test"],
    scopes: list[str],
    expires_at: datetime | None,
) -> MadeKey:
    key = api_keys.generate(environment)
    made = await ctx.db.one(
        INSERT_KEY,
        id=new_id(),
        user_id=ctx.actor.user_id,
        name=name,
        environment=environment,
        prefix=api_keys.shown(key),
        key_hash=api_keys.digest(key),
        scopes=scopes,
        expires_at=expires_at,
    )
    ctx.audit("API key made", target=str(made.id), details={"name": name, "scopes": scopes})
    return MadeKey(key, made)


def _check_scopes(ctx: Call, scopes: list[str]) -> None:
    declared = services(ctx).authority.declared
    held = ctx.caller.rights.permissions
    restricted = ctx.caller.identity.scopes if ctx.caller.identity else frozenset[str]()
    if restricted and not scopes:
        raise PermissionDenied("A key that is restricted to scopes cannot make one that is not.")
    for index, scope in enumerate(scopes):
        covered = {
            name
            for name in declared
            if name == scope or (scope.endswith("*") and name.startswith(scope[:-1]))
        }
        if not covered:
            fault = f"no permission matches {scope!r}"
            raise Invalid(
                fault, problems=(FieldProblem(f"/scopes/{index}", "unknown_permission", fault),)
            )
        if not (covered <= held if restricted else covered & held):
            raise PermissionDenied(f"You have nothing of {scope} to give.")


OPERATIONS: Final[tuple[Operation, ...]] = (list_keys, create_key, rotate_key, revoke_key)
