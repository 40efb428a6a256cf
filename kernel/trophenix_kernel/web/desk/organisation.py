"""The kernel's own pages: modules, members, keys and settings of an organisation."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

import msgspec
from litestar import Response, get, post
from litestar.params import FromPath

from trophenix_kernel.administration.members import AddedMember, AssignableRole, Member
from trophenix_kernel.administration.plugins import PluginView
from trophenix_kernel.panels import (
    ApiKey,
    ApiKeysPage,
    Bound,
    Button,
    CapabilityAsked,
    ConfirmPage,
    Crumb,
    FormPage,
    MembersPage,
    PluginCard,
    PluginsPage,
    arrange,
    bind,
    describe,
    place,
    problem_notice,
)
from trophenix_kernel.panels import Member as MemberRow
from trophenix_kernel.web.desk.entry import Asking
from trophenix_kernel.web.desk.visit import ROLE_NAMES, Visit
from trophenix_sdk.errors import FieldProblem, Invalid, NotFound, TrophenixError, as_problem
from trophenix_sdk.i18n import gettext_lazy
from trophenix_sdk.manifest import localised
from trophenix_sdk.panels import F

_ = gettext_lazy("kernel")

CAPABILITY_ICONS: Final = {
    "network": "globe",
    "secrets": "key-round",
    "storage": "hard-drive",
    "notifications": "bell",
    "public_routes": "globe",
    "payments": "credit-card",
    "subprocess": "terminal",
    "impersonate": "user-cog",
}
CAPABILITY_NAMES: Final = {
    "network": _("Reach other servers"),
    "secrets": _("Keep secrets"),
    "storage": _("Store files"),
    "notifications": _("Send notifications"),
    "public_routes": _("Show public pages"),
    "payments": _("Take payments"),
    "subprocess": _("Run other programs"),
    "impersonate": _("Act as other people"),
}
REMOVE: Final = _("Remove this person from the organisation?")
REVOKE: Final = _("Revoke this key? Programs that use it stop working at once.")
SENSITIVE: Final = frozenset({"secrets", "payments", "subprocess", "impersonate"})


class Invitation(msgspec.Struct):
    """The form that adds a member."""

    email: Annotated[str, msgspec.Meta(max_length=320, pattern=r"^[^@\s]+@[^@\s]+\.[^@\s]+$")]
    name: Annotated[str, msgspec.Meta(max_length=200)] = ""
    role: Literal["admin", "manager", "member", "viewer"] = "member"


class RoleForm(msgspec.Struct):
    """The form that changes a role."""

    role: AssignableRole


class KeyForm(msgspec.Struct):
    """The form that makes a key."""

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=100)]
    expires_in_days: Annotated[int, msgspec.Meta(ge=1, le=3650)] | None = None
    environment: Literal["live", "test"] = "live"


class TenantForm(msgspec.Struct):
    """The form that changes the organisation."""

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
    locale: Annotated[str, msgspec.Meta(pattern="^[a-z]{2}(-[A-Z]{2})?$")]
    time_zone: str
    currency: Annotated[str, msgspec.Meta(pattern="^[A-Z]{3}$")]


INVITATION: Final = {
    "email": F(_("E-mail"), widget="email", width="third", placeholder="name@example.com"),
    "name": F(_("Name"), width="third"),
    "role": F(_("Role"), width="third", labels=ROLE_NAMES),
}
KEY: Final = {
    "name": F(_("What is it for?"), width="third", placeholder="CRM"),
    "expires_in_days": F(
        _("Ends after"),
        suffix=_("days"),
        width="third",
        help=_("Empty: it does not end by itself."),
    ),
    "environment": F(_("Kind"), width="third", labels={"live": _("Live"), "test": _("Test")}),
}
TENANT: Final = {
    "name": F(_("Name")),
    "locale": F(_("Language"), width="third", placeholder="fr-FR"),
    "time_zone": F(_("Time zone"), width="third", placeholder="Europe/Paris"),
    "currency": F(_("Currency"), width="third", placeholder="EUR"),
}


# ── modules ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@get("/admin/{slug:str}/modules")
async def modules(request: Asking, slug: FromPath[str]) -> Response[Any]:
    """Every module, and what the organisation does with it."""
    visit = await Visit.open(request, slug)
    return await _modules(visit)


async def _modules(visit: Visit, refused: TrophenixError | None = None) -> Response[Any]:
    found = await visit.call("kernel:plugin.list")
    view = PluginsPage(
        title=_("Modules"),
        description=_(
            "Modules installed on this platform. Each is isolated, and sees only what you allow."
        ),
        plugins=tuple(_card(visit, plugin) for plugin in found.data),
        notice=problem_notice(as_problem(refused)) if refused else None,
        status=refused.status if refused else 200,
    )
    return visit.page(view)


@post("/admin/{slug:str}/modules/{plugin:str}/{to:str}")
async def switch_module(
    request: Asking, slug: FromPath[str], plugin: FromPath[str], to: FromPath[str]
) -> Response[Any]:
    """Switch a module on with the agreement the dialogue asked for, or off."""
    visit = await Visit.open(request, slug)
    await visit.form()
    try:
        if to == "enable":
            asked = await visit.call("kernel:plugin.read", {"plugin_id": plugin})
            # The dialogue lists every capability with its reason; sending it is the agreement to all of them.
            consent = [capability.name for capability in asked.capabilities]
            await visit.call("kernel:plugin.enable", {"plugin_id": plugin, "consent": consent})
        elif to == "disable":
            await visit.call("kernel:plugin.disable", {"plugin_id": plugin})
        else:
            raise NotFound
    except TrophenixError as error:
        if error.status in (401, 403, 404):
            raise
        return await _modules(visit, error)
    return visit.go(f"{visit.base}/modules", "enabled" if to == "enable" else "disabled")


def _card(visit: Visit, plugin: PluginView) -> PluginCard:
    one = visit.face.contributed.get(plugin.id)
    registry = visit.kernel.registry
    operations = sum(1 for bound in registry if bound.plugin_id == plugin.id)
    may = visit.can("kernel:plugin.enable")
    on = plugin.state in ("ENABLED", "CONSENT_NEEDED")
    state = plugin.state.lower() if plugin.ready else "failed"
    contributes: list[Any] = []
    if one is not None:
        language = visit.language
        contributes = [
            language.plural("%(n)s page", "%(n)s pages", count) % {"n": count}
            for count in [len(one.panels) + len(one.screens)]
            if count
        ] + [language.plural("%(n)s operation", "%(n)s operations", operations) % {"n": operations}]
    address = f"{visit.base}/modules/{plugin.id}"
    return PluginCard(
        id=plugin.id,
        name=plugin.name,
        version=plugin.version,
        state="available" if state == "disabled" else state,  # pyright: ignore[reportArgumentType]
        summary=plugin.summary,
        publisher=plugin.publisher.capitalize(),
        icon=plugin.icon,
        capabilities=tuple(
            CapabilityAsked(
                name=CAPABILITY_NAMES.get(capability.name, capability.name),
                reason=f"{capability.reason} ({capability.detail})"
                if capability.detail
                else capability.reason,
                icon=CAPABILITY_ICONS.get(capability.name, "database"),
                sensitive=capability.name in SENSITIVE,
            )
            for capability in plugin.capabilities
        ),
        contributes=tuple(contributes),
        fault="; ".join(plugin.problems),
        enable=f"{address}/enable" if may and plugin.ready and plugin.state != "ENABLED" else "",
        disable=f"{address}/disable" if may and on else "",
        settings_href=f"{address}/settings" if on and plugin.has_settings and may else "",
        open_href=f"{visit.base}/{plugin.id}/{one.panels[0].slug}"
        if on and one is not None and one.panels
        else "",
    )


@get("/admin/{slug:str}/modules/{plugin:str}/settings")
async def module_settings(
    request: Asking, slug: FromPath[str], plugin: FromPath[str]
) -> Response[Any]:
    """The form of a module's settings."""
    visit = await Visit.open(request, slug)
    value = await visit.call("kernel:plugin.settings", {"plugin_id": plugin})
    kind = _settings_kind(visit, plugin)
    current = msgspec.json.decode(value.values, type=kind)
    return visit.page(_settings_page(visit, plugin, kind, current, None, ()))


@post("/admin/{slug:str}/modules/{plugin:str}/settings")
async def save_module_settings(
    request: Asking, slug: FromPath[str], plugin: FromPath[str]
) -> Response[Any]:
    """Save a module's settings."""
    visit = await Visit.open(request, slug)
    kind = _settings_kind(visit, plugin)
    bound = bind(kind, _texts(await visit.form()), visit.zone)
    problems = bound.problems
    if not problems:
        try:
            values = msgspec.Raw(msgspec.json.encode(bound.data))
            await visit.call(
                "kernel:plugin.change_settings", _settings_change(visit, plugin, values)
            )
        except Invalid as error:
            # The form shows the settings alone; to the operation they are one field of its input.
            problems = tuple(
                msgspec.structs.replace(problem, pointer=problem.pointer.removeprefix("/values"))
                for problem in error.problems
            )
        else:
            return visit.go(f"{visit.base}/modules", "saved")
    return visit.page(_settings_page(visit, plugin, kind, None, bound, problems), status=422)


def _settings_change(visit: Visit, plugin: str, values: msgspec.Raw) -> msgspec.Struct:
    kind = visit.kernel.registry.named("kernel:plugin.change_settings").operation.input_type
    return kind(plugin_id=plugin, values=values)


def _settings_kind(visit: Visit, plugin: str) -> type[msgspec.Struct]:
    record = visit.kernel.catalogue.get(plugin)
    found = record.contributions.settings if record else ()
    if not found:
        raise NotFound
    return found[0].value.kind


def _settings_page(
    visit: Visit,
    plugin: str,
    kind: type[msgspec.Struct],
    current: Any,
    bound: Bound | None,
    problems: tuple[FieldProblem, ...],
) -> FormPage:
    one = visit.face.contributed.get(plugin)
    domain = one.domain if one else "kernel"
    fields = describe(
        kind,
        visit.language,
        domain=domain,
        answers=bound.answers if bound else None,
        record=current,
    )
    placed, others = place(fields, problems, visit.language)
    return FormPage(
        title=visit.language.message("Settings of %(plugin)s")
        % {"plugin": localised(one.name, visit.caller.locale) if one else plugin},
        crumbs=(Crumb(label=_("Modules"), href=f"{visit.base}/modules"),),
        action=f"{visit.base}/modules/{plugin}/settings",
        sections=arrange(placed, ()),
        errors=others,
        cancel_href=f"{visit.base}/modules",
    )


# ── members ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@get("/admin/{slug:str}/members")
async def members(request: Asking, slug: FromPath[str]) -> Response[Any]:
    """Who belongs to the organisation."""
    return await _members(await Visit.open(request, slug))


@post("/admin/{slug:str}/members")
async def invite(request: Asking, slug: FromPath[str]) -> Response[Any]:
    """Add a member."""
    visit = await Visit.open(request, slug)
    bound = bind(Invitation, _texts(await visit.form()), visit.zone)
    if bound.problems:
        return await _members(visit, bound, Invalid(problems=tuple(bound.problems)))
    try:
        added = await visit.call("kernel:member.add", bound.data)
    except TrophenixError as error:
        if error.status in (401, 403, 404):
            raise
        return await _members(visit, bound, error)
    return await _members(visit, invited=added)


@post("/admin/{slug:str}/members/{id_:str}/invitation")
async def invite_again(request: Asking, slug: FromPath[str], id_: FromPath[str]) -> Response[Any]:
    """A new invitation for somebody who never came."""
    visit = await Visit.open(request, slug)
    await visit.form()
    return await _members(visit, invited=await visit.call("kernel:member.invite", {"id": id_}))


@get("/admin/{slug:str}/members/{id_:str}/role")
async def role_form(request: Asking, slug: FromPath[str], id_: FromPath[str]) -> Response[Any]:
    """The form of a member's role."""
    visit = await Visit.open(request, slug)
    member = await visit.call("kernel:member.read", {"id": id_})
    return visit.page(_role_page(visit, member))


@post("/admin/{slug:str}/members/{id_:str}/role")
async def change_role(request: Asking, slug: FromPath[str], id_: FromPath[str]) -> Response[Any]:
    """Change a member's role."""
    visit = await Visit.open(request, slug)
    bound = bind(RoleForm, _texts(await visit.form()), visit.zone)
    refused = await _try(visit, "kernel:member.update", bound, id=id_)
    if refused:
        member = await visit.call("kernel:member.read", {"id": id_})
        return visit.page(
            msgspec.structs.replace(
                _role_page(visit, member), notice=problem_notice(as_problem(refused))
            ),
            status=refused.status,
        )
    return visit.go(f"{visit.base}/members", "saved")


@post("/admin/{slug:str}/members/{id_:str}/remove")
async def remove_member(request: Asking, slug: FromPath[str], id_: FromPath[str]) -> Response[Any]:
    """End a membership."""
    visit = await Visit.open(request, slug)
    posted = await visit.form()
    if not posted.get("confirmed"):
        member = await visit.call("kernel:member.read", {"id": id_})
        return visit.page(
            ConfirmPage(
                title=member.name,
                crumbs=(Crumb(label=_("Members"), href=f"{visit.base}/members"),),
                question=REMOVE,
                action=f"{visit.base}/members/{id_}/remove",
                submit=_("Remove"),
                cancel_href=f"{visit.base}/members",
            )
        )
    await visit.call("kernel:member.remove", {"id": id_})
    return visit.go(f"{visit.base}/members", "removed")


async def _members(
    visit: Visit,
    bound: Bound | None = None,
    refused: TrophenixError | None = None,
    invited: AddedMember | None = None,
) -> Response[Any]:
    found = await visit.call("kernel:member.list", {"limit": "200"})
    manage = visit.can("kernel:member.add")
    fields = describe(
        Invitation, visit.language, fields=INVITATION, answers=bound.answers if bound else None
    )
    placed, others = place(fields, refused.problems if refused else (), visit.language)
    notice = problem_notice(as_problem(refused)) if refused and not refused.problems else None
    view = MembersPage(
        title=_("Members"),
        description=_("Who may enter this organisation, and as what."),
        members=tuple(_member(visit, row, manage=manage) for row in found.data),
        invite=f"{visit.base}/members" if manage else "",
        fields=placed,
        errors=others,
        notice=notice,
        link=invited.invitation if invited else "",
        link_name=invited.member.name if invited else "",
        status=refused.status if refused else 200,
    )
    return visit.page(view)


def _member(visit: Visit, row: Member, *, manage: bool) -> MemberRow:
    identity = visit.caller.identity
    you = identity is not None and identity.user_id == row.user_id
    address = f"{visit.base}/members/{row.id}"
    buttons: tuple[Button, ...] = ()
    if manage and row.role != "owner" and not you:
        buttons = (
            Button(label=_("Change the role"), href=f"{address}/role", icon="shield"),
            *(
                ()
                if row.status != "invited"
                else (Button(label=_("Invite again"), post=f"{address}/invitation", icon="link"),)
            ),
            Button(
                label=_("Remove"),
                post=f"{address}/remove",
                icon="user-round-x",
                tone="bad",
                confirm=REMOVE,
            ),
        )
    return MemberRow(
        id=str(row.id),
        name=row.name,
        email=row.email,
        role=ROLE_NAMES[row.role],
        state=row.status,  # pyright: ignore[reportArgumentType]
        since=row.created_at,
        you=you,
        buttons=buttons,
    )


def _role_page(visit: Visit, member: Member) -> FormPage:
    fields = describe(
        RoleForm,
        visit.language,
        fields={"role": F(_("Role"), widget="radio", labels=ROLE_NAMES)},
        record=member,
    )
    return FormPage(
        title=member.name,
        crumbs=(Crumb(label=_("Members"), href=f"{visit.base}/members"),),
        action=f"{visit.base}/members/{member.id}/role",
        sections=arrange(fields, ()),
        cancel_href=f"{visit.base}/members",
    )


# ── keys ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@get("/admin/{slug:str}/keys")
async def keys(request: Asking, slug: FromPath[str]) -> Response[Any]:
    """The organisation's API keys."""
    return await _keys(await Visit.open(request, slug))


@post("/admin/{slug:str}/keys")
async def make_key(request: Asking, slug: FromPath[str]) -> Response[Any]:
    """Make a key and show it this once."""
    visit = await Visit.open(request, slug)
    bound = bind(KeyForm, _texts(await visit.form()), visit.zone)
    if bound.problems:
        return await _keys(visit, bound, Invalid(problems=tuple(bound.problems)))
    try:
        made = await visit.call("kernel:key.create", bound.data)
    except TrophenixError as error:
        if error.status in (401, 403, 404):
            raise
        return await _keys(visit, bound, error)
    return await _keys(visit, secret=made.key, secret_name=made.details.name)


@post("/admin/{slug:str}/keys/{id_:str}/revoke")
async def revoke_key(request: Asking, slug: FromPath[str], id_: FromPath[str]) -> Response[Any]:
    """End a key."""
    visit = await Visit.open(request, slug)
    posted = await visit.form()
    if not posted.get("confirmed"):
        return visit.page(
            ConfirmPage(
                title=_("API keys"),
                question=REVOKE,
                action=f"{visit.base}/keys/{id_}/revoke",
                submit=_("Revoke"),
                cancel_href=f"{visit.base}/keys",
            )
        )
    await visit.call("kernel:key.revoke", {"id": id_})
    return visit.go(f"{visit.base}/keys", "removed")


async def _keys(
    visit: Visit,
    bound: Bound | None = None,
    refused: TrophenixError | None = None,
    *,
    secret: str = "",
    secret_name: str = "",
) -> Response[Any]:
    found = await visit.call("kernel:key.list")
    now = visit.kernel.clock.now()
    fields = describe(KeyForm, visit.language, fields=KEY, answers=bound.answers if bound else None)
    placed, others = place(fields, refused.problems if refused else (), visit.language)
    rows: list[ApiKey] = []
    for key in found.data:
        ended = key.expires_at is not None and key.expires_at <= now
        state: Any = "revoked" if key.revoked_at else "expired" if ended else "active"
        revoke = Button(
            label=_("Revoke"),
            post=f"{visit.base}/keys/{key.id}/revoke",
            icon="ban",
            tone="bad",
            confirm=REVOKE,
        )
        rows.append(
            ApiKey(
                id=str(key.id),
                name=key.name,
                prefix=key.prefix,
                scopes=tuple(key.scopes),
                created=key.created_at,
                used=key.last_used_at,
                expires=key.expires_at,
                state=state,
                buttons=(revoke,) if state == "active" else (),
            )
        )
    view = ApiKeysPage(
        title=_("API keys"),
        description=_("For programs that speak for this organisation."),
        keys=tuple(rows),
        create=f"{visit.base}/keys",
        fields=placed,
        errors=others,
        secret=secret,
        secret_name=secret_name,
        status=refused.status if refused else 200,
    )
    return visit.page(view)


# ── the organisation ────────────────────────────────────────────────────────────────────────────────────────────────


@get("/admin/{slug:str}/settings")
async def settings(request: Asking, slug: FromPath[str]) -> Response[Any]:
    """The form of the organisation."""
    visit = await Visit.open(request, slug)
    record = await visit.call("kernel:tenant.read")
    return visit.page(_tenant_page(visit, record, record.version, None, None))


@post("/admin/{slug:str}/settings")
async def save_settings(request: Asking, slug: FromPath[str]) -> Response[Any]:
    """Change the organisation."""
    visit = await Visit.open(request, slug)
    texts = _texts(await visit.form())
    bound = bind(TenantForm, texts, visit.zone)
    version = (texts.get("version") or [""])[0]
    refused: TrophenixError | None = (
        Invalid(problems=tuple(bound.problems)) if bound.problems else None
    )
    if refused is None:
        try:
            await visit.call(
                "kernel:tenant.update",
                bound.data,
                version=int(version) if version.isdecimal() else None,
            )
        except TrophenixError as error:
            if error.status in (401, 403, 404):
                raise
            refused = error
        else:
            return visit.go(f"{visit.base}/settings", "saved")
    return visit.page(_tenant_page(visit, None, version, bound, refused), status=refused.status)


def _tenant_page(
    visit: Visit, record: Any, version: Any, bound: Bound | None, refused: TrophenixError | None
) -> FormPage:
    fields = describe(
        TenantForm,
        visit.language,
        fields=TENANT,
        record=record,
        answers=bound.answers if bound else None,
    )
    placed, others = place(fields, refused.problems if refused else (), visit.language)
    return FormPage(
        title=_("Settings"),
        description=_("How this organisation is called, and where it is at home."),
        action=f"{visit.base}/settings",
        sections=arrange(placed, ()),
        errors=others,
        notice=problem_notice(
            as_problem(refused), again=f"{visit.base}/settings" if refused.status == 412 else ""
        )
        if refused and not refused.problems
        else None,
        hidden=(("version", str(version)),),
    )


async def _try(visit: Visit, operation: str, bound: Bound, **known: Any) -> TrophenixError | None:
    """The refusal of what was posted, by the form's rules or by the operation; nothing when it was done."""
    if bound.problems:
        return Invalid(problems=tuple(bound.problems))
    try:
        await visit.call(operation, {**bound.data, **known})
    except TrophenixError as error:
        if error.status in (401, 403, 404):
            raise
        return error
    return None


def _texts(posted: dict[str, list[Any]]) -> dict[str, list[str]]:
    return {name: [str(value) for value in values] for name, values in posted.items()}


HANDLERS: Final = [
    modules,
    switch_module,
    module_settings,
    save_module_settings,
    members,
    invite,
    invite_again,
    role_form,
    change_role,
    remove_member,
    keys,
    make_key,
    revoke_key,
    settings,
    save_settings,
]
