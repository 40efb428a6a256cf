"""A plugin that implements every run-time hook and answers what a test tells it to."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final

import msgspec

from trophenix_sdk.database import Query
from trophenix_sdk.errors import FieldProblem
from trophenix_sdk.hooks import hookimpl
from trophenix_sdk.hookspecs import Deny, Health
from trophenix_sdk.ids import new_id
from trophenix_sdk.settings import SettingsType


class Watching(msgspec.Struct, frozen=True):
    """What a tenant sets."""

    limit: int = 7
    word: str = "quiet"


WRITE: Final = Query("insert into plugin_acme_watchman.notes (id, text) values (:id, :text)", int)
READ: Final = Query("select text from plugin_acme_watchman.notes order by text", str)
WHO: Final = Query("select cast(current_user as text)", str)

TOLD: Final[list[tuple[Any, ...]]] = []
"""Hook and arguments of every call, without the context."""
SAYS: Final[dict[str, Callable[..., Awaitable[Any]]]] = {}
"""Hook → what answers instead of silence."""


async def write(ctx: Any, text: str) -> None:
    """A note is kept."""
    await ctx.db.execute(WRITE, id=new_id(), text=text)


async def _say(hook: str, ctx: Any, *arguments: Any) -> Any:
    TOLD.append((hook, *arguments))
    return await SAYS[hook](ctx, *arguments) if hook in SAYS else None


@hookimpl
def settings() -> list[SettingsType]:
    """What a tenant sets."""
    return [SettingsType("watching", Watching)]


@hookimpl
async def startup(ctx: Any) -> None:
    """Told."""
    await _say("startup", ctx)


@hookimpl
async def shutdown(ctx: Any) -> None:
    """Told."""
    await _say("shutdown", ctx)


@hookimpl
async def health(ctx: Any) -> Health | None:
    """Asked."""
    return await _say("health", ctx)


@hookimpl
async def tenant_enabled(ctx: Any, from_version: str | None) -> None:
    """Told."""
    await _say("tenant_enabled", ctx, from_version)


@hookimpl
async def tenant_disabled(ctx: Any, reason: str) -> None:
    """Told."""
    await _say("tenant_disabled", ctx, reason)


@hookimpl
async def authorize(ctx: Any, action: str, resource: str) -> Deny | None:
    """Asked."""
    return await _say("authorize", ctx, action, resource)


@hookimpl
async def validate_settings(ctx: Any, old: Any, new: Any) -> list[FieldProblem] | None:
    """Asked."""
    return await _say("validate_settings", ctx, old, new)
