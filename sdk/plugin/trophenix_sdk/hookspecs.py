"""The hooks of hook API 1. Only what the kernel calls is specified: whoever implements one can rely on being asked.

When each is called, and what a failure means, is told in docs/plugin-guide/hooks.md. An answer of ``None`` always means nothing to say.
Arguments after ``ctx`` are msgspec structs or plain values, so that a plugin can be moved into its own process without a change. ``ctx``
is what the kernel lends one plugin for one call: for whom, by whom, the plugin's tables, its settings, the time.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from msgspec import Struct

from trophenix_sdk.errors import FieldProblem
from trophenix_sdk.hooks import HookScope, OnError, collect, filter, first, observe  # noqa: A004

# --- what hooks exchange --------------------------------------------------------------------------------------------------------


class Health(Struct, frozen=True):
    """How well a plugin can do its work."""

    status: Literal["ok", "degraded", "down"]
    detail: str = ""
    """For the operators' log; never shown to callers."""


class Deny(Struct, frozen=True):
    """A refusal; hooks about authorisation can only make a decision stricter."""

    code: str
    message: str


# --- the contract surface: asked once, at load ----------------------------------------------------------------------------------


@collect()
def operations() -> Sequence[Any]:  # type: ignore[empty-body]
    """The plugin's operations (`trophenix_sdk.operations.Operation`)."""


@collect()
def permissions() -> Sequence[Any]:  # type: ignore[empty-body]
    """What the plugin lets people do (`trophenix_sdk.permissions.Permission`)."""


@collect()
def events() -> Sequence[Any]:  # type: ignore[empty-body]
    """The facts the plugin announces (`trophenix_sdk.events.EventType`)."""


@collect()
def panels() -> Sequence[Any]:  # type: ignore[empty-body]
    """The plugin's pages in the admin shell (`trophenix_sdk.panels`)."""


@collect()
def widgets() -> Sequence[Any]:  # type: ignore[empty-body]
    """What the plugin shows on the overview of a tenant (`trophenix_sdk.panels`)."""


@collect()
def settings() -> Sequence[Any]:  # type: ignore[empty-body]
    """What a tenant may set (`trophenix_sdk.settings.SettingsType`)."""


# --- life cycle -----------------------------------------------------------------------------------------------------------------


@observe(timeout_ms=10_000, scope=HookScope.PLATFORM)
async def startup(ctx: Any) -> None:
    """The process is about to serve."""


@observe(timeout_ms=10_000, scope=HookScope.PLATFORM)
async def shutdown(ctx: Any) -> None:
    """The process serves no more."""


@first(returns=Health, timeout_ms=1_000, scope=HookScope.PLATFORM)
async def health(ctx: Any) -> Health | None:
    """How the plugin is."""


@observe(timeout_ms=30_000)
async def tenant_enabled(ctx: Any, from_version: str | None) -> None:
    """A tenant switched the plugin on; *from_version* is the one it used before, if any."""


@observe(timeout_ms=30_000)
async def tenant_disabled(ctx: Any, reason: str) -> None:
    """A tenant switched the plugin off; its data stays."""


# --- decisions ------------------------------------------------------------------------------------------------------------------


@filter(returns=Deny, on_error=OnError.VETO, timeout_ms=100)
async def authorize(ctx: Any, action: str, resource: str) -> Deny | None:
    """Whether an action already allowed must still be refused."""


@filter(returns=list, items=FieldProblem, on_error=OnError.VETO)
async def validate_settings(ctx: Any, old: Struct | None, new: Struct) -> list[FieldProblem] | None:
    """What is wrong with new settings."""
