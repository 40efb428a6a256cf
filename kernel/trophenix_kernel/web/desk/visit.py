"""One request of a person's browser: who, in which organisation, and how a page is answered."""

from __future__ import annotations

import hmac
import time
from collections.abc import Mapping, Sequence
from typing import Any, Final, cast
from urllib.parse import parse_qs, quote
from zoneinfo import ZoneInfo

import msgspec
from litestar import Request, Response
from litestar.response import Redirect

from trophenix_kernel.administration.account import Place as Membership
from trophenix_kernel.composition import Kernel
from trophenix_kernel.identity.credentials import csrf_token
from trophenix_kernel.operations.binding import from_document
from trophenix_kernel.operations.call import Caller
from trophenix_kernel.operations.pipeline import Request as Asked
from trophenix_kernel.operations.registry import KERNEL
from trophenix_kernel.panels import (
    Frame,
    Language,
    NavItem,
    NavSection,
    Paths,
    Person,
    Place,
    TenantChoice,
    Toast,
    View,
    problem_page,
    render,
)
from trophenix_kernel.web.desk.face import Contributed, Face
from trophenix_kernel.web.recognition import SESSION_COOKIE, Recognition, Seen
from trophenix_sdk.errors import (
    NotFound,
    PermissionDenied,
    TrophenixError,
    Unauthenticated,
    as_problem,
)
from trophenix_sdk.i18n import gettext_lazy
from trophenix_sdk.ids import new_id
from trophenix_sdk.panels import nav

_ = gettext_lazy("kernel")

MODE_COOKIE: Final = "trophenix_mode"
LANGUAGE_COOKIE: Final = "trophenix_language"
TOAST_COOKIE: Final = "trophenix_toast"
TOASTS: Final = {
    "saved": _("Saved."),
    "made": _("Made."),
    "removed": _("Removed."),
    "done": _("Done."),
    "enabled": _("The module is switched on."),
    "disabled": _("The module is switched off; its data is kept."),
    "reverted": _("The import was taken back."),
}
ROLE_NAMES: Final = {
    "owner": _("Owner"),
    "admin": _("Administrator"),
    "manager": _("Manager"),
    "member": _("Member"),
    "viewer": _("Viewer"),
    "guest": _("Guest"),
}


class Visit:
    """What a page is made with.

    Attributes:
        kernel, face, recognition: the process's parts.
        request: the HTTP request.
        token: the session's token, empty for a stranger.
        caller: who, in which organisation.
        slug: the organisation's, empty outside any.
    """

    def __init__(
        self,
        kernel: Kernel,
        face: Face,
        recognition: Recognition,
        request: Request[Any, Any, Any],
        caller: Caller,
        token: str,
    ) -> None:
        self.kernel = kernel
        self.face = face
        self.recognition = recognition
        self.request = request
        self.caller = caller
        self.token = token
        self.slug = caller.entry.record.slug if caller.entry else ""
        self.places: list[Membership] = []

    @classmethod
    async def open(cls, request: Request[Any, Any, Any], slug: str = "") -> Visit:
        """The visit a request makes.

        Raises:
            Unauthenticated: nobody is signed in.
            NotFound: the person does not belong to the organisation.
            RateLimited: too many pages in a minute.
        """
        visit = await cls.of(request, slug)
        if visit.caller.identity is None:
            raise Unauthenticated
        visit.places = await visit.memberships()
        if slug:
            await visit.recognition.count(visit.caller, "admin")
            if not visit.caller.rights.role:
                raise NotFound(code="tenant_not_found")
        return visit

    @classmethod
    async def of(cls, request: Request[Any, Any, Any], slug: str = "") -> Visit:
        """The visit of anybody, signed in or not."""
        state = request.app.state
        recognition: Recognition = state.recognition
        headers = dict(request.scope["headers"])
        seen = Seen.of(cast("Any", request.scope), headers, slug)
        chosen = request.cookies.get(LANGUAGE_COOKIE)
        if chosen in ("fr", "en"):
            seen.language = chosen
        request_id = new_id().hex
        try:
            caller = await recognition.caller(seen, door="panel", request_id=request_id)
        except Unauthenticated:
            seen.cookie = ""
            caller = await recognition.caller(seen, door="panel", request_id=request_id)
        return cls(state.kernel, state.face, recognition, request, caller, seen.cookie)

    # ── what the person may and does ───────────────────────────────────────────────────────────────────────────────

    def can(self, name: str) -> bool:
        """Whether the person may call the operation of this platform-wide name."""
        bound = self.kernel.registry.find(name)
        if bound is None:
            return False
        try:
            self.kernel.pipeline.decide(bound, self.caller)
        except TrophenixError:
            return False
        return True

    async def call(
        self,
        name: str,
        given: Mapping[str, Any] | msgspec.Struct | None = None,
        *,
        version: int | None = None,
    ) -> Any:
        """Run an operation as the person; *given* is its input, as a struct or as plain values.

        Raises:
            TrophenixError: whatever it refuses with.
        """
        bound = self.kernel.registry.named(name)
        kind = bound.operation.input_type

        def read_input() -> Any:
            return (
                given
                if isinstance(given, msgspec.Struct)
                else from_document(kind, given or {}, strict=False)
            )

        started = time.perf_counter_ns()
        status = 200
        try:
            answer = await self.kernel.pipeline.run(
                bound, self.caller, Asked(read_input=read_input, expected_version=version)
            )
        except TrophenixError as error:
            status = error.status
            raise
        finally:
            entry = self.caller.entry
            if entry is not None and self.caller.has(bound.plugin_id):
                self.kernel.meter.record(
                    entry.record.id,
                    entry.record.cluster,
                    name,
                    status,
                    (time.perf_counter_ns() - started) // 1000,
                    self.kernel.clock.now().date(),
                )
        return answer.value

    def enabled(self) -> list[Contributed]:
        """What the organisation's modules bring, in load order, the kernel's own last."""
        activated = self.caller.activated
        return [
            one
            for plugin_id, one in self.face.contributed.items()
            if plugin_id != KERNEL
            and (activation := activated.get(plugin_id)) is not None
            and activation.enabled
        ] + [self.face.contributed[KERNEL]]

    def contributed(self, plugin_id: str) -> Contributed:
        """What one module brings here.

        Raises:
            NotFound: there is no such module, or it is not switched on.
        """
        found = next((one for one in self.enabled() if one.plugin_id == plugin_id), None)
        if found is None:
            raise NotFound(code="plugin_not_enabled")
        return found

    # ── reading the request ────────────────────────────────────────────────────────────────────────────────────────

    def query(self) -> dict[str, list[str]]:
        """The address's parameters."""
        raw: bytes = self.request.scope["query_string"]
        return parse_qs(raw.decode("latin-1"), keep_blank_values=True)

    async def form(self) -> dict[str, list[str]]:
        """What was posted, its token checked.

        Raises:
            PermissionDenied: the form is not one of ours for this session.
        """
        data = await self.request.form()
        posted: dict[str, list[Any]] = {name: list(data.getall(name)) for name in data}
        self.check_token(posted)
        return posted

    def check_token(self, posted: Mapping[str, Sequence[Any]]) -> None:
        """Accept a form made for this session.

        Raises:
            PermissionDenied: the token is missing or another session's.
        """
        sent = self.request.headers.get("x-csrf-token") or str(
            (posted.get("csrf_token") or [""])[0]
        )
        if not self.token or not hmac.compare_digest(
            sent.encode(), csrf_token(self.token).encode()
        ):
            raise PermissionDenied(
                "The form was not made for this session.",
                next_step="Load the page again and repeat.",
                code="form_expired",
            )

    # ── answering ──────────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def base(self) -> str:
        """The organisation's address."""
        return f"/admin/{self.slug}" if self.slug else "/admin"

    @property
    def zone(self) -> ZoneInfo:
        """The organisation's time zone."""
        return ZoneInfo(self.caller.entry.record.time_zone if self.caller.entry else "UTC")

    @property
    def language(self) -> Language:
        """Who reads."""
        return self.face.environment.language(self.caller.locale, self.zone)

    def place(self, one: Contributed, slug: str) -> Place:
        """Where a panel of a module stands."""
        return Place(
            base=f"{self.base}/{one.plugin_id}/{slug}",
            language=self.language,
            now=self.kernel.clock.now(),
            domain=one.domain,
            can=lambda name: self.can(f"{one.plugin_id}:{name}"),
        )

    def page(self, view: View, *, status: int | None = None) -> Response[bytes]:
        """The view drawn, whole or the part htmx asked for."""
        headers = {name.lower(): value for name, value in self.request.headers.items()}
        drawn = render(self.face.environment, view, self.frame(), request=headers, zone=self.zone)
        answer = Response(
            drawn.body,
            status_code=status or drawn.status,
            headers=dict(drawn.headers),
            media_type=None,
        )
        if TOAST_COOKIE in self.request.cookies and headers.get("hx-request") != "true":
            answer.delete_cookie(TOAST_COOKIE)
        return answer

    def go(self, address: str, toast: str = "") -> Response[Any]:
        """Send the browser on, by htmx's way or by the ordinary one."""
        if self.request.headers.get("hx-request") == "true":
            answer: Response[Any] = Response(
                b"", status_code=200, headers={"HX-Redirect": address}, media_type="text/html"
            )
        else:
            answer = Redirect(address, status_code=303)
        if toast:
            answer.set_cookie(
                TOAST_COOKIE, toast, max_age=30, httponly=True, samesite="lax", path="/"
            )
        return answer

    def problem(self, error: TrophenixError) -> Response[Any]:
        """The page of a refusal; a stranger is sent to sign in."""
        if error.status == 401:
            address = self.request.url.path
            if self.request.url.query:
                address += f"?{self.request.url.query}"
            return self.go(f"/sign-in?next={quote(address)}")
        retry = next((int(value) for name, value in error.headers if name == "Retry-After"), 0)
        known = bool(self.caller.rights.role)
        view = problem_page(
            as_problem(error, request_id=self.caller.request_id),
            home=self.base if known else "/admin",
            retry_seconds=retry,
        )
        return self.page(view, status=error.status)

    def frame(self) -> Frame:
        """What surrounds every page."""
        identity = self.caller.identity
        record = self.caller.entry.record if self.caller.entry and self.caller.rights.role else None
        toast = self.request.cookies.get(TOAST_COOKIE, "")
        mode = self.request.cookies.get(MODE_COOKIE, "auto")
        return Frame(
            theme_href=self.face.theme_href,
            language=self.caller.locale,
            csrf=csrf_token(self.token) if self.token else "",
            mode=mode if mode in ("light", "dark") else "auto",  # pyright: ignore[reportArgumentType]
            tenant=TenantChoice(
                name=record.name, slug=record.slug, note=record.plan.capitalize(), current=True
            )
            if record
            else None,
            tenants=tuple(
                TenantChoice(
                    name=place.name,
                    slug=place.slug,
                    note=ROLE_NAMES[place.role],
                    href=f"/admin/{place.slug}",
                    current=place.slug == self.slug,
                )
                for place in self.places[:50]
            ),
            person=Person(name=identity.name, role=ROLE_NAMES.get(self.caller.rights.role, ""))
            if identity
            else None,
            nav=self._navigation() if record else self._ways_in() if identity else (),
            toasts=(Toast(text=TOASTS[toast]),) if toast in TOASTS else (),
            paths=Paths(home=self.base, account="/admin/account"),
            now=self.kernel.clock.now(),
        )

    def _ways_in(self) -> tuple[NavSection, ...]:
        """Outside an organisation: the person's own pages, and where they belong."""
        path = self.request.url.path
        own = tuple(
            NavItem(label=label, href=href, icon=icon, current=path == href)
            for label, href, icon in (
                (_("Account"), "/admin/account", "user-round"),
                (_("Sessions"), "/admin/account/sessions", "monitor"),
            )
        )
        places = tuple(
            NavItem(label=place.name, href=f"/admin/{place.slug}", icon="building")
            for place in self.places
        )
        return (
            NavSection(items=own),
            *((NavSection(label=_("Organisations"), items=places),) if places else ()),
        )

    def _navigation(self) -> tuple[NavSection, ...]:
        path = self.request.url.path
        groups: dict[str, tuple[int, Any, list[NavItem]]] = {}

        def add(group: Any, label: Any, href: str, icon: str) -> None:
            current = path == href or path.startswith(href + "/")
            groups.setdefault(group.slug, (group.order, group.label, []))[2].append(
                NavItem(label=label, href=href, icon=icon, current=current)
            )

        for one in self.enabled():
            for panel in one.panels:
                if self.can(f"{one.plugin_id}:{panel.list}"):
                    add(
                        panel.group,
                        panel.label_plural,
                        f"{self.base}/{one.plugin_id}/{panel.slug}",
                        panel.icon,
                    )
            for screen in one.screens:
                if not screen.panel and self.can(f"{one.plugin_id}:{screen.load}"):
                    add(
                        screen.group,
                        screen.label,
                        f"{self.base}/{one.plugin_id}/{screen.slug}",
                        screen.icon,
                    )
        for name, label, word, icon in (
            ("kernel:member.list", _("Members"), "members", "users-round"),
            ("kernel:key.list", _("API keys"), "keys", "key-round"),
            ("kernel:plugin.list", _("Modules"), "modules", "puzzle"),
            ("kernel:tenant.update", _("Settings"), "settings", "settings"),
        ):
            if self.can(name):
                add(nav.ORGANISATION, label, f"{self.base}/{word}", icon)
        home = NavItem(
            label=_("Dashboard"), href=self.base, icon="layout-dashboard", current=path == self.base
        )
        ordered = sorted(groups.values(), key=lambda group: group[0])
        return (
            NavSection(items=(home,)),
            *(NavSection(label=label, items=tuple(items)) for _order, label, items in ordered),
        )

    async def memberships(self) -> list[Membership]:
        """Where the person belongs."""
        me = await self.call("kernel:account.me")
        return me.tenants


__all__ = ["LANGUAGE_COOKIE", "MODE_COOKIE", "ROLE_NAMES", "SESSION_COOKIE", "Visit"]
