"""The hooks of hook API 1. Only what the kernel calls is specified; a name is added when a real plugin needs it.

An answer of ``None`` always means nothing to say. Arguments after ``ctx`` are msgspec structs or plain values, so that a plugin can be
moved into its own process without a change. ``ctx`` is what the kernel lends one plugin for one call; see `trophenix_sdk.context`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal
from uuid import UUID

from msgspec import Struct

from trophenix_sdk.errors import FieldProblem
from trophenix_sdk.hooks import HookScope, OnError, collect, filter, first, observe  # noqa: A004

# --- what hooks exchange --------------------------------------------------------------------------------------------------------


class Health(Struct, frozen=True):
    """How well a plugin can do its work."""

    status: Literal["ok", "degraded", "down"]
    detail: str = ""


class Deny(Struct, frozen=True):
    """A refusal; hooks about authorisation can only make a decision stricter."""

    code: str
    message: str


class Change(Struct, frozen=True):
    """What is about to be stored: the values before and after, keyed by field."""

    before: dict[str, Any] | None
    after: dict[str, Any] | None


class TablePlan(Struct, frozen=True):
    """What uninstalling does to one table."""

    table: str
    rows: int
    then: Literal["archive", "drop", "keep_legal"]


class DataPlan(Struct, frozen=True):
    """What uninstalling does to a plugin's data, and what forbids it."""

    tables: tuple[TablePlan, ...] = ()
    files: int = 0
    holds: tuple[str, ...] = ()


class SubjectData(Struct, frozen=True):
    """What a plugin keeps about a person: one entry per kind of record."""

    records: dict[str, list[dict[str, Any]]]


class ErasureReport(Struct, frozen=True):
    """What was erased about a person and what the law makes the plugin keep."""

    erased: dict[str, int]
    kept: dict[str, str]


class Principal(Struct, frozen=True):
    """Somebody recognised by a credential."""

    user_id: UUID
    kind: str


class Adjustment(Struct, frozen=True):
    """A change of a price in minor units of the quote's currency; negative for a rebate."""

    code: str
    amount_minor: int
    label: str


# --- the contract surface: asked once, at load ----------------------------------------------------------------------------------


@collect()
def operations() -> Sequence[Any]:  # type: ignore[empty-body]
    """The plugin's operations (`trophenix_sdk.operations.Operation`)."""


@collect()
def permissions() -> Sequence[Any]:  # type: ignore[empty-body]
    """What the plugin lets people do (`trophenix_sdk.permissions.Permission`)."""


@collect()
def roles() -> Sequence[Any]:  # type: ignore[empty-body]
    """Roles offered to tenants as templates."""


@collect()
def events() -> Sequence[Any]:  # type: ignore[empty-body]
    """The facts the plugin announces (`trophenix_sdk.events.EventType`)."""


@collect()
def subscriptions() -> Sequence[Any]:  # type: ignore[empty-body]
    """The facts the plugin wants to hear of."""


@collect()
def panels() -> Sequence[Any]:  # type: ignore[empty-body]
    """The plugin's pages in the admin shell (`trophenix_sdk.panels`)."""


@collect()
def widgets() -> Sequence[Any]:  # type: ignore[empty-body]
    """What the plugin shows on dashboards."""


@collect()
def tasks() -> Sequence[Any]:  # type: ignore[empty-body]
    """Work done in the background."""


@collect()
def schedules() -> Sequence[Any]:  # type: ignore[empty-body]
    """When background work starts by itself."""


@collect()
def meters() -> Sequence[Any]:  # type: ignore[empty-body]
    """What is counted for billing."""


@collect()
def settings() -> Sequence[Any]:  # type: ignore[empty-body]
    """What people may set, per platform, tenant or user."""


# --- lifecycle: the kernel calls these for the one plugin concerned -------------------------------------------------------------


@observe(timeout_ms=10_000, scope=HookScope.PLATFORM)
async def startup(ctx: Any) -> None:
    """The process is about to serve."""


@observe(timeout_ms=10_000, scope=HookScope.PLATFORM)
async def shutdown(ctx: Any) -> None:
    """The process serves no more."""


@first(returns=Health, timeout_ms=2_000, scope=HookScope.PLATFORM)
async def health(ctx: Any) -> Health | None:
    """How the plugin is."""


@observe(timeout_ms=30_000)
async def tenant_enabled(ctx: Any, from_version: str | None) -> None:
    """A tenant switched the plugin on; *from_version* is the one it used before, if any."""


@observe(timeout_ms=30_000)
async def tenant_disabled(ctx: Any, reason: str) -> None:
    """A tenant switched the plugin off; its data stays."""


@observe(timeout_ms=60_000)
async def tenant_upgraded(ctx: Any, from_version: str, to_version: str) -> None:
    """A tenant's data now belongs to a newer version."""


@observe(timeout_ms=60_000)
async def tenant_cloned(ctx: Any, source: UUID, id_map: dict[str, str]) -> None:
    """The tenant was made from *source*; *id_map* leads from old ids to new ones."""


@first(returns=DataPlan, timeout_ms=30_000, on_error=OnError.RAISE)
async def uninstall_plan(ctx: Any) -> DataPlan | None:
    """What removing the plugin would do; changes nothing."""


@filter(returns=(), on_error=OnError.RAISE, timeout_ms=600_000)
async def purge(ctx: Any, plan: DataPlan) -> None:
    """What the plugin keeps outside its schema is gone."""


# --- privacy --------------------------------------------------------------------------------------------------------------------


@filter(returns=SubjectData, on_error=OnError.RAISE, timeout_ms=60_000)
async def subject_export(ctx: Any, subject: UUID) -> SubjectData | None:
    """What the plugin keeps about the person *subject*."""


@filter(returns=ErasureReport, on_error=OnError.RAISE, timeout_ms=60_000)
async def subject_erase(ctx: Any, subject: UUID, legal_keep: bool) -> ErasureReport | None:
    """The person *subject* is gone from the plugin's data, but for what *legal_keep* preserves."""


# --- decisions ------------------------------------------------------------------------------------------------------------------


@first(returns=Principal, timeout_ms=500)
async def resolve_credential(ctx: Any, kind: str, value: str) -> Principal | None:
    """Whose credential (RFID, QR, …) this is."""


@filter(returns=Deny, on_error=OnError.VETO, timeout_ms=100)
async def authorize(ctx: Any, action: str, resource: str) -> Deny | None:
    """Whether an action already allowed must still be refused."""


@filter(returns=list, items=FieldProblem, on_error=OnError.VETO)
async def validate(ctx: Any, entity: str, change: Change) -> list[FieldProblem] | None:
    """What is wrong with a change of a core entity."""


@filter(returns=list, items=Adjustment, on_error=OnError.RAISE)
async def price_adjustments(ctx: Any, quote: Struct) -> list[Adjustment] | None:
    """What the plugin adds to or takes from a price."""


@observe()
async def entitlement_changed(ctx: Any, old: Struct | None, new: Struct | None) -> None:
    """The tenant's plan now allows other things."""


@observe(timeout_ms=30_000)
async def on_event(ctx: Any, event: Struct) -> None:
    """A subscribed fact happened; may be told twice, so it must be idempotent."""


# --- panels ---------------------------------------------------------------------------------------------------------------------


@first(returns=(Struct, dict, list), on_error=OnError.RAISE, timeout_ms=2_000, scope=HookScope.USER)
async def panel_data(
    ctx: Any, panel: str, params: dict[str, Any]
) -> Struct | dict[str, Any] | list[Any] | None:
    """What a custom panel shows."""


@filter(returns=list, items=FieldProblem, on_error=OnError.VETO, scope=HookScope.USER)
async def validate_settings(ctx: Any, old: Struct | None, new: Struct) -> list[FieldProblem] | None:
    """What is wrong with new settings."""
