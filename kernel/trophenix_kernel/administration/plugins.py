"""Modules of a tenant: seen, switched on and off, set up; and their states for the platform's administrators."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, cast

import msgspec

from trophenix_kernel.administration.services import services
from trophenix_kernel.operations.binding import from_document
from trophenix_kernel.operations.call import Call
from trophenix_kernel.plugins import activations as store
from trophenix_kernel.plugins.model import PluginRecord
from trophenix_sdk.errors import (
    Conflict,
    FieldProblem,
    Invalid,
    LimitReached,
    NotFound,
    TrophenixError,
)
from trophenix_sdk.manifest import Manifest, localised
from trophenix_sdk.operations import GET, POST, PUT, Operation, operation
from trophenix_sdk.settings import SettingsType


class CapabilityView(msgspec.Struct, frozen=True):
    """Something the module asks for beyond its own tables, and why."""

    name: str
    detail: str
    reason: str
    consented: bool


class PluginView(msgspec.Struct, frozen=True):
    """A module as a tenant sees it.

    Attributes:
        state: ``AVAILABLE``, ``ENABLED``, ``DISABLED``, ``CONSENT_NEEDED``, ``PAYMENT_NEEDED`` or ``SUSPENDED``.
        ready: whether this installation can run it; *problems* say why not.
    """

    id: str
    name: str
    summary: str
    version: str
    publisher: str
    state: str
    ready: bool
    icon: str
    categories: list[str]
    capabilities: list[CapabilityView]
    requires: list[str]
    has_settings: bool
    problems: list[str]


class Plugins(msgspec.Struct, frozen=True):
    """The modules of this installation."""

    data: list[PluginView]


class OnePlugin(msgspec.Struct, frozen=True):
    """A module by its id."""

    plugin_id: str


class Enabling(msgspec.Struct, frozen=True):
    """Which module, and the capabilities the tenant agrees to."""

    plugin_id: str
    consent: list[str] = []


class SettingsValue(msgspec.Struct, frozen=True):
    """A module's settings and their JSON Schema."""

    plugin_id: str
    values: msgspec.Raw
    json_schema: msgspec.Raw


class SettingsChange(msgspec.Struct, frozen=True):
    """A module and its settings to be."""

    plugin_id: str
    values: msgspec.Raw


class PlatformPlugin(msgspec.Struct, frozen=True):
    """A module as the installation sees it."""

    id: str
    distribution: str
    version: str
    state: str
    import_ms: float | None
    problems: list[str]


class PlatformPlugins(msgspec.Struct, frozen=True):
    """Every installed module and its state."""

    data: list[PlatformPlugin]


class ConsentNeeded(TrophenixError):
    """The module asks for capabilities the tenant has not agreed to."""

    code = "consent_needed"
    title = "Your agreement is needed"
    status = 409


@operation(name="plugin.list", title="Modules", http=GET("/plugins"), permission="plugin.read")
async def list_plugins(ctx: Call) -> Plugins:
    """Every module of this installation, and its state here."""
    return Plugins(
        [view(ctx, record) for record in services(ctx).catalogue if record.manifest is not None]
    )


@operation(
    name="plugin.read", title="A module", http=GET("/plugins/{plugin_id}"), permission="plugin.read"
)
async def read_plugin(ctx: Call, given: OnePlugin) -> PluginView:
    """One module, what it asks for and its state here."""
    return view(ctx, _record(ctx, given.plugin_id))


@operation(
    name="plugin.enable",
    title="Switch a module on",
    http=POST("/plugins/{plugin_id}/enable"),
    permission="plugin.manage",
)
async def enable_plugin(ctx: Call, given: Enabling) -> PluginView:
    """Switch a module on for the tenant; its data from before, if any, is there again."""
    record = _record(ctx, given.plugin_id)
    manifest = _manifest(record)
    if not record.serves:
        raise Conflict(
            f"{given.plugin_id} cannot run here: {'; '.join(problem.message for problem in record.errors) or record.state}",
            next_step="Ask the platform's administrator.",
            code="plugin_not_ready",
        )
    plans = manifest.pricing.included_in
    if plans and ctx.tenant.plan not in plans:
        raise LimitReached(
            f"{given.plugin_id} belongs to the plans {', '.join(plans)}; yours is {ctx.tenant.plan}.",
            next_step="Move to one of these plans.",
            code="plan_too_small",
        )
    activated = ctx.caller.activated
    missing = [
        name
        for name in manifest.requires.plugins
        if not ((other := activated.get(name)) and other.enabled)
    ]
    if missing:
        raise Conflict(
            f"{given.plugin_id} needs {', '.join(missing)}.",
            next_step="Switch that on first.",
            code="plugin_requires_other",
        )
    asked = capabilities(manifest)
    unknown = set(given.consent) - set(asked)
    if unknown:
        fault = f"the module does not ask for {', '.join(sorted(unknown))}"
        raise Invalid(fault, problems=(FieldProblem("/consent", "unknown_capability", fault),))
    open_questions = [name for name in asked if name not in given.consent]
    if open_questions:
        raise ConsentNeeded(
            f"{given.plugin_id} asks for {', '.join(open_questions)}.",
            next_step="Read the reasons and send the names in `consent`.",
            problems=tuple(
                FieldProblem("/consent", "consent_needed", f"{name}: {asked[name][1]}")
                for name in open_questions
            ),
        )
    await ctx.db.one(
        store.PUT,
        plugin_id=given.plugin_id,
        state="ENABLED",
        settings=None,
        consented=given.consent,
        version=record.version,
        changed_by=ctx.actor.user_id,
    )
    ctx.audit(
        "Module switched on",
        target=given.plugin_id,
        details={"consent": given.consent, "version": record.version},
    )
    _seen_at_once(ctx)
    earlier = activated.get(given.plugin_id)
    hooks = services(ctx).hooks
    ctx.after_commit.append(
        lambda: hooks.changed(
            ctx.caller, given.plugin_id, "tenant_enabled", earlier.version if earlier else None
        )
    )
    return msgspec.structs.replace(view(ctx, record, consented=given.consent), state="ENABLED")


@operation(
    name="plugin.disable",
    title="Switch a module off",
    http=POST("/plugins/{plugin_id}/disable"),
    permission="plugin.manage",
)
async def disable_plugin(ctx: Call, given: OnePlugin) -> PluginView:
    """Switch a module off for the tenant, at once and in every worker. Its data is kept."""
    record = _record(ctx, given.plugin_id)
    dependants = [
        other.id
        for other in services(ctx).catalogue
        if other.manifest is not None
        and given.plugin_id in other.manifest.requires.plugins
        and (activation := ctx.caller.activated.get(other.id or "")) is not None
        and activation.enabled
    ]
    if dependants:
        raise Conflict(
            f"{', '.join(str(name) for name in dependants)} needs {given.plugin_id}.",
            next_step="Switch that off first.",
            code="plugin_required_by_other",
        )
    changed = await ctx.db.first(
        store.SET_STATE, plugin_id=given.plugin_id, state="DISABLED", changed_by=ctx.actor.user_id
    )
    if changed is None:
        raise Conflict(f"{given.plugin_id} is not switched on.", code="plugin_is_off")
    ctx.audit("Module switched off", target=given.plugin_id)
    _seen_at_once(ctx)
    hooks = services(ctx).hooks
    ctx.after_commit.append(
        lambda: hooks.changed(ctx.caller, given.plugin_id, "tenant_disabled", "switched off")
    )
    return msgspec.structs.replace(view(ctx, record), state="DISABLED")


@operation(
    name="plugin.settings",
    title="A module's settings",
    http=GET("/plugins/{plugin_id}/settings"),
    permission="plugin.manage",
)
async def read_settings(ctx: Call, given: OnePlugin) -> SettingsValue:
    """The settings with their defaults, and their schema."""
    kind = _settings_kind(_record(ctx, given.plugin_id))
    activation = ctx.caller.activated.get(given.plugin_id)
    return _settings_value(
        given.plugin_id, kind, activation.settings if activation else msgspec.Raw(b"{}")
    )


@operation(
    name="plugin.change_settings",
    title="Change a module's settings",
    http=PUT("/plugins/{plugin_id}/settings"),
    permission="plugin.manage",
)
async def change_settings(ctx: Call, given: SettingsChange) -> SettingsValue:
    """Replace the settings; refused as a whole when a value is not valid."""
    kind = _settings_kind(_record(ctx, given.plugin_id))
    document: Any = msgspec.json.decode(given.values)
    if not isinstance(document, dict):
        fault = "expected an object"
        raise Invalid(fault, problems=(FieldProblem("/values", "wrong_type", fault),))
    try:
        valid = from_document(kind, cast("dict[str, Any]", document), strict=True)
    except Invalid as error:
        raise Invalid(error.detail, problems=_below_values(error.problems)) from None
    activation = ctx.caller.activated.get(given.plugin_id)
    before = msgspec.json.decode(activation.settings, type=kind) if activation else None
    problems = await services(ctx).hooks.settings_problems(
        ctx.caller, given.plugin_id, before, valid
    )
    if problems:
        raise Invalid("The module refuses these settings.", problems=_below_values(problems))
    changed = await ctx.db.first(
        store.SET_SETTINGS,
        plugin_id=given.plugin_id,
        settings=msgspec.to_builtins(valid),
        changed_by=ctx.actor.user_id,
    )
    if changed is None:
        raise Conflict(
            f"{given.plugin_id} was never switched on here.",
            next_step="Switch it on first.",
            code="plugin_is_off",
        )
    ctx.audit("Module settings changed", target=given.plugin_id)
    _seen_at_once(ctx)
    return _settings_value(given.plugin_id, kind, changed.settings)


@operation(
    name="platform.plugins",
    title="Installed modules",
    http=GET("/platform/plugins"),
    scope="platform",
    permission="platform.read",
)
async def list_installed(ctx: Call) -> PlatformPlugins:
    """Every installed distribution that offers a module, its state, and what is wrong with it."""
    return PlatformPlugins(
        [
            PlatformPlugin(
                record.id or record.key,
                record.distribution,
                record.version,
                record.state,
                record.import_ms,
                [problem.message for problem in record.problems],
            )
            for record in services(ctx).catalogue
        ]
    )


def capabilities(manifest: Manifest) -> dict[str, tuple[str, str]]:
    """What a module asks for: name → (detail, reason)."""
    asked = manifest.capabilities
    found: dict[str, tuple[str, str]] = {}
    for core in asked.core:
        found[f"core:{core.fields}:{core.access}"] = (core.access, _text(core.reason))
    if asked.network:
        found["network"] = (", ".join(asked.network.hosts), _text(asked.network.reason))
    if asked.secrets:
        found["secrets"] = (", ".join(asked.secrets.names), _text(asked.secrets.reason))
    if asked.storage:
        found["storage"] = (f"{asked.storage.megabytes} MB", _text(asked.storage.reason))
    for name in ("notifications", "public_routes", "payments", "subprocess", "impersonate"):
        grant = getattr(asked, name)
        if grant is not None:
            found[name] = ("", _text(grant.reason))
    return found


def view(ctx: Call, record: PluginRecord, *, consented: list[str] | None = None) -> PluginView:
    """A module as the calling tenant sees it."""
    manifest = _manifest(record)
    activation = ctx.caller.activated.get(manifest.id)
    agreed = consented if consented is not None else (activation.consented if activation else [])
    asked = capabilities(manifest)
    plugin = manifest.plugin
    state = activation.state if activation else "AVAILABLE"
    if state == "ENABLED" and not set(asked) <= set(agreed):
        # A newer version asks for more than was agreed to: it goes on with what it has until somebody decides.
        state = "CONSENT_NEEDED"
    return PluginView(
        id=manifest.id,
        name=localised(plugin.name, ctx.locale),
        summary=localised(plugin.summary, ctx.locale) if plugin.summary else "",
        version=record.version,
        publisher=manifest.id.partition(".")[0],
        state=state,
        ready=record.serves,
        icon=plugin.icon or "puzzle",
        categories=list(plugin.categories),
        capabilities=[
            CapabilityView(name, detail, reason, name in agreed)
            for name, (detail, reason) in asked.items()
        ],
        requires=list(manifest.requires.plugins),
        has_settings=bool(record.contributions.settings),
        problems=[problem.message for problem in record.errors],
    )


def _seen_at_once(ctx: Call) -> None:
    """Whoever changed it sees the change in the very next call, before the database's announcement has come round."""

    async def forget() -> None:
        services(ctx).activations.forget(ctx.tenant.id)

    ctx.after_commit.append(forget)


def _text(reason: Any) -> str:
    return localised(reason, "en")


def _record(ctx: Call, plugin_id: str) -> PluginRecord:
    record = services(ctx).catalogue.get(plugin_id)
    if record is None or record.manifest is None:
        raise NotFound(
            f"There is no module {plugin_id!r} in this installation.", code="plugin_unknown"
        )
    return record


def _manifest(record: PluginRecord) -> Manifest:
    if record.manifest is None:
        raise NotFound(f"{record.key} has no readable manifest.", code="plugin_unknown")
    return record.manifest


def _settings_kind(record: PluginRecord) -> type[msgspec.Struct]:
    for contribution in record.contributions.settings:
        if isinstance(contribution.value, SettingsType):
            return contribution.value.kind
    raise NotFound(f"{record.id} has nothing to set.", code="plugin_has_no_settings")


def _below_values(problems: Iterable[FieldProblem]) -> tuple[FieldProblem, ...]:
    """Faults of the settings as faults of the operation's input, in which the settings are one field."""
    return tuple(
        msgspec.structs.replace(problem, pointer=f"/values{problem.pointer}")
        for problem in problems
    )


def _settings_value(
    plugin_id: str, kind: type[msgspec.Struct], stored: msgspec.Raw
) -> SettingsValue:
    values = msgspec.json.decode(stored, type=kind)
    schema = msgspec.json.encode(msgspec.json.schema(kind))
    return SettingsValue(plugin_id, msgspec.Raw(msgspec.json.encode(values)), msgspec.Raw(schema))


OPERATIONS: Final[tuple[Operation, ...]] = (
    list_plugins,
    read_plugin,
    enable_plugin,
    disable_plugin,
    read_settings,
    change_settings,
    list_installed,
)
