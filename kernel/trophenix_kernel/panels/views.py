"""What each page shows: plain values, already permitted, already written in the reader's language where they are figures.

A view knows nothing of requests, sessions or storage. The web door fills one in and hands it to `render`; a test does the same with
values it made up. Texts may be lazy: they are translated while the page is drawn.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import ClassVar, Literal

import msgspec
from markupsafe import Markup

from trophenix_sdk.i18n import Text, gettext_lazy
from trophenix_sdk.panels import ImportPreview, ImportProblem, ImportStatus, Kind, Tone

_ = gettext_lazy("kernel")

Mode = Literal["auto", "light", "dark"]


class Struct(msgspec.Struct, frozen=True, kw_only=True):
    """The base of every view-model: immutable, every value named."""


# --- the frame around every page ------------------------------------------------------------------


class NavItem(Struct, frozen=True, kw_only=True):
    """One entry of the side bar. ``count`` is how many wait to be handled."""

    label: Text
    href: str
    icon: str = "box"
    current: bool = False
    count: int = 0


class NavSection(Struct, frozen=True, kw_only=True):
    """A heading of the side bar with its entries; no heading when ``label`` is empty."""

    items: tuple[NavItem, ...]
    label: Text = ""


class Person(Struct, frozen=True, kw_only=True):
    """Who is signed in."""

    name: str
    email: str = ""
    role: Text = ""


class TenantChoice(Struct, frozen=True, kw_only=True):
    """An organisation one may change to: by address when ``href`` is given, else by posting its slug."""

    name: str
    slug: str
    note: Text = ""
    href: str = ""
    current: bool = False


class Toast(Struct, frozen=True, kw_only=True):
    """A short message that goes away by itself."""

    text: Text
    tone: Tone = "ok"


class Usage(Struct, frozen=True, kw_only=True):
    """How much of a quota is used, at the foot of the side bar."""

    label: Text
    used: int
    limit: int
    href: str = ""


class Paths(Struct, frozen=True, kw_only=True):
    """Where the shell's own forms are sent."""

    home: str = "/admin"
    sign_in: str = "/sign-in"
    sign_out: str = "/sign-out"
    account: str = "/admin/account"
    mode: str = "/preferences/mode"
    language: str = "/preferences/language"
    tenant: str = "/preferences/tenant"


class Frame(Struct, frozen=True, kw_only=True):
    """What every page of one request shares.

    Attributes:
        theme_href: the address of the theme's style sheet.
        product: the brand shown where no tenant is known.
        csrf: goes into every form as ``csrf_token``.
        languages: code and own name of each language one may choose.
    """

    theme_href: str
    language: str = "en"
    csrf: str = ""
    mode: Mode = "auto"
    product: str = "Trophenix"
    tenant: TenantChoice | None = None
    tenants: tuple[TenantChoice, ...] = ()
    person: Person | None = None
    nav: tuple[NavSection, ...] = ()
    languages: tuple[tuple[str, str], ...] = (("fr", "Français"), ("en", "English"))
    usage: Usage | None = None
    toasts: tuple[Toast, ...] = ()
    paths: Paths = Paths()
    now: dt.datetime | None = None


class Crumb(Struct, frozen=True, kw_only=True):
    """One step on the way to this page."""

    label: Text
    href: str = ""


class Button(Struct, frozen=True, kw_only=True):
    """A link when ``href`` is given, else a form with one button that posts to ``post``.

    Attributes:
        confirm: asked before posting. Without JavaScript the door asks instead, with a `ConfirmPage`.
        fields: hidden values that are posted along.
    """

    label: Text
    href: str = ""
    post: str = ""
    icon: str = ""
    tone: Literal["neutral", "primary", "bad", "ghost"] = "neutral"
    confirm: Text = ""
    fields: tuple[tuple[str, str], ...] = ()
    download: bool = False


class Notice(Struct, frozen=True, kw_only=True):
    """A message inside the page."""

    title: Text
    text: Text = ""
    tone: Tone = "info"
    items: tuple[Text, ...] = ()
    button: Button | None = None


class View(Struct, frozen=True, kw_only=True):
    """The base of every page.

    Attributes:
        title: the heading.
        name: what the page is called in the way here and in the window's title; the heading when empty.
        crumbs: the way here, without this page.
        status: the HTTP status it is answered with.
    """

    template: ClassVar[str] = ""
    fragment: ClassVar[str] = ""
    target: ClassVar[str] = ""
    title: Text
    name: Text = ""
    description: Text = ""
    crumbs: tuple[Crumb, ...] = ()
    notice: Notice | None = None
    status: int = 200


# --- values ---------------------------------------------------------------------------------------


class Cell(Struct, frozen=True, kw_only=True):
    """One value, written out.

    Attributes:
        text: as people read it.
        sub: small, below.
        part: for ``progress``, 0 to 1.
        whole: for ``progress``, the whole as people read it.
        iso: for dates, the machine's form.
    """

    key: str
    label: Text
    kind: Kind = "text"
    text: Text = ""
    sub: Text = ""
    href: str = ""
    tone: Tone = "neutral"
    part: float = 0.0
    whole: str = ""
    iso: str = ""
    tags: tuple[str, ...] = ()
    yes: bool = False
    hide: str = ""
    numeric: bool = False
    empty: bool = False


class Row(Struct, frozen=True, kw_only=True):
    """One record of a list."""

    id: str
    title: str
    cells: tuple[Cell, ...]
    href: str = ""


# --- list -----------------------------------------------------------------------------------------


class Heading(Struct, frozen=True, kw_only=True):
    """A column's heading; ``href`` orders the list by it."""

    label: Text
    href: str = ""
    direction: Literal["", "ascending", "descending"] = ""
    numeric: bool = False
    hide: str = ""


class Option(Struct, frozen=True, kw_only=True):
    """One value of a choice."""

    value: str
    label: Text
    chosen: bool = False


class FilterControl(Struct, frozen=True, kw_only=True):
    """One filter above the list."""

    name: str
    label: Text
    kind: Literal["select", "text", "date", "number"] = "select"
    options: tuple[Option, ...] = ()
    value: str = ""
    placeholder: Text = ""


class Chip(Struct, frozen=True, kw_only=True):
    """A filter that is set, with the address that takes it off."""

    label: Text
    value: Text
    href: str


class Pager(Struct, frozen=True, kw_only=True):
    """Where in the list one is. ``total`` is ``None`` when it was not counted."""

    first: int
    last: int
    total: int | None = None
    start_href: str = ""
    previous_href: str = ""
    next_href: str = ""


class EmptyState(Struct, frozen=True, kw_only=True):
    """What an empty list says: what will stand here and how to get it there."""

    title: Text
    text: Text = ""
    steps: tuple[Text, ...] = ()
    icon: str = "inbox"
    buttons: tuple[Button, ...] = ()


class ListPage(View, frozen=True, kw_only=True):
    """A list with search, filters, order, pages and actions on ticked rows."""

    template: ClassVar[str] = "kernel/list.html"
    fragment: ClassVar[str] = "kernel/list_body.html"
    target: ClassVar[str] = "tx-list"
    path: str
    label: Text
    headings: tuple[Heading, ...]
    rows: tuple[Row, ...] = ()
    pager: Pager | None = None
    searchable: bool = False
    search_hint: Text = ""
    q: str = ""
    filters: tuple[FilterControl, ...] = ()
    chips: tuple[Chip, ...] = ()
    clear_href: str = ""
    sort: str = ""
    buttons: tuple[Button, ...] = ()
    exports: tuple[Button, ...] = ()
    bulk: tuple[Button, ...] = ()
    return_to: str = ""
    empty: EmptyState | None = None
    error: Notice | None = None


# --- detail ---------------------------------------------------------------------------------------


class Tab(Struct, frozen=True, kw_only=True):
    """Another side of the same thing."""

    label: Text
    href: str
    current: bool = False
    count: int | None = None


class FactGroup(Struct, frozen=True, kw_only=True):
    """Facts that belong together."""

    facts: tuple[Cell, ...]
    title: Text = ""
    hint: Text = ""


class TimelineEntry(Struct, frozen=True, kw_only=True):
    """Something that happened: who, what, when."""

    what: Text
    when: dt.datetime
    who: str = ""
    icon: str = "circle"
    tone: Tone = "neutral"
    note: Text = ""


class Table(Struct, frozen=True, kw_only=True):
    """A plain list inside another page."""

    label: Text
    headings: tuple[Heading, ...]
    rows: tuple[Row, ...] = ()
    empty: Text = ""
    more_href: str = ""


class DetailPage(View, frozen=True, kw_only=True):
    """One record: who or what it is, its key facts, the rest in sections, what is related, what happened."""

    template: ClassVar[str] = "kernel/detail.html"
    path: str = ""
    subtitle: Text = ""
    icon: str = "box"
    person: bool = False
    badges: tuple[Cell, ...] = ()
    facts: tuple[Cell, ...] = ()
    groups: tuple[FactGroup, ...] = ()
    tabs: tuple[Tab, ...] = ()
    table: Table | None = None
    timeline: tuple[TimelineEntry, ...] | None = None
    buttons: tuple[Button, ...] = ()
    more: tuple[Button, ...] = ()
    reference: str = ""


# --- forms ----------------------------------------------------------------------------------------


class FormField(Struct, frozen=True, kw_only=True):
    """One question of a form, with what was answered and what is wrong with it."""

    name: str
    label: Text
    control: Literal[
        "text", "textarea", "select", "checkbox", "radio", "checks", "file", "hidden"
    ] = "text"
    type: str = "text"
    value: str = ""
    values: tuple[str, ...] = ()
    checked: bool = False
    required: bool = False
    help: Text = ""
    error: Text = ""
    placeholder: Text = ""
    prefix: Text = ""
    suffix: Text = ""
    width: str = "full"
    autocomplete: str = ""
    options: tuple[Option, ...] = ()
    attributes: tuple[tuple[str, str], ...] = ()

    @property
    def id(self) -> str:
        """What labels, help and faults point at."""
        return "f-" + self.name.replace(".", "-")


class FormSection(Struct, frozen=True, kw_only=True):
    """Questions that belong together."""

    fields: tuple[FormField, ...]
    title: Text = ""
    hint: Text = ""


class FormPage(View, frozen=True, kw_only=True):
    """A form to make, change or set up something; ``status`` is 422 when errors are shown."""

    template: ClassVar[str] = "kernel/form.html"
    fragment: ClassVar[str] = "kernel/form_body.html"
    target: ClassVar[str] = "tx-form"
    action: str
    sections: tuple[FormSection, ...]
    submit: Text = _("Save")
    cancel_href: str = ""
    hidden: tuple[tuple[str, str], ...] = ()
    errors: tuple[Text, ...] = ()
    tabs: tuple[Tab, ...] = ()
    danger: Button | None = None
    danger_text: Text = ""
    multipart: bool = False

    @property
    def faults(self) -> tuple[FormField, ...]:
        """The fields that have an error, in the order of the form."""
        return tuple(field for section in self.sections for field in section.fields if field.error)


class ConfirmPage(View, frozen=True, kw_only=True):
    """Asks before something that cannot be undone, where no dialogue could."""

    template: ClassVar[str] = "kernel/confirm.html"
    question: Text
    action: str
    submit: Text
    cancel_href: str
    tone: Literal["primary", "bad"] = "bad"
    hidden: tuple[tuple[str, str], ...] = ()


# --- dashboard ------------------------------------------------------------------------------------


class KpiCard(Struct, frozen=True, kw_only=True):
    """A figure on the dashboard."""

    label: Text
    value: str
    icon: str = "activity"
    change: str = ""
    rising: bool = True
    better: bool = True
    versus: Text = ""
    spark: Markup = Markup("")
    href: str = ""


class WidgetCard(Struct, frozen=True, kw_only=True):
    """A card on the dashboard: a drawing, a table, or a plugin's own fragment."""

    title: Text
    description: Text = ""
    href: str = ""
    span: int = 1
    chart: Markup | None = None
    table: Table | None = None
    include: str = ""
    data: object = None
    failed: bool = False


class Dashboard(View, frozen=True, kw_only=True):
    """The first page: figures and widgets of every enabled plugin the person may see."""

    template: ClassVar[str] = "kernel/dashboard.html"
    kpis: tuple[KpiCard, ...] = ()
    widgets: tuple[WidgetCard, ...] = ()
    buttons: tuple[Button, ...] = ()
    empty: EmptyState | None = None


# --- import ---------------------------------------------------------------------------------------


class ImportPage(View, frozen=True, kw_only=True):
    """Bring a file in. Exactly one of the steps is shown: choose, check the mapping, watch it run, see the result.

    Attributes:
        path: the import's own address; ``status`` of a running one is asked there again.
        upload: where the file is sent.
        apply: where the checked mapping is sent.
        revert: where taking it back is asked.
    """

    template: ClassVar[str] = "kernel/import.html"
    fragment: ClassVar[str] = "kernel/import_progress.html"
    target: ClassVar[str] = "tx-progress"
    path: str
    step: Literal["choose", "check", "run", "result"] = "choose"
    upload: str = ""
    apply: str = ""
    revert: str = ""
    accepts: tuple[str, ...] = (".csv",)
    limit: str = ""
    template_href: str = ""
    preview: ImportPreview | None = None
    run: ImportStatus | None = None
    problems: tuple[ImportProblem, ...] = ()
    problems_total: int = 0
    problems_href: str = ""
    list_href: str = ""
    again_href: str = ""
    error: Text = ""


# --- plugins --------------------------------------------------------------------------------------


class CapabilityAsked(Struct, frozen=True, kw_only=True):
    """Something a plugin asks to be lent, in plain words, and why."""

    name: Text
    reason: Text
    icon: str = "key-round"
    sensitive: bool = False


class PluginCard(Struct, frozen=True, kw_only=True):
    """One plugin as a tenant sees it.

    Attributes:
        state: AVAILABLE, ENABLED, CONSENT_NEEDED, PAYMENT_NEEDED, SUSPENDED, FAILED, in lower case.
        fault: why it does not run, for ``failed`` and ``suspended``.
        contributes: what it brings, in a few words each.
    """

    id: str
    name: Text
    version: str
    state: Literal[
        "available",
        "enabled",
        "consent_needed",
        "payment_needed",
        "suspended",
        "failed",
        "detached",
    ]
    summary: Text = ""
    publisher: str = ""
    icon: str = "puzzle"
    capabilities: tuple[CapabilityAsked, ...] = ()
    contributes: tuple[Text, ...] = ()
    fault: Text = ""
    enable: str = ""
    disable: str = ""
    settings_href: str = ""
    open_href: str = ""


class PluginsPage(View, frozen=True, kw_only=True):
    """Every plugin installed on the platform, and what this tenant does with it."""

    template: ClassVar[str] = "kernel/plugins.html"
    plugins: tuple[PluginCard, ...] = ()


# --- people and keys ------------------------------------------------------------------------------


class Member(Struct, frozen=True, kw_only=True):
    """One membership."""

    id: str
    name: str
    email: str
    role: Text
    state: Literal["active", "invited", "suspended"] = "active"
    since: dt.datetime | None = None
    seen: dt.datetime | None = None
    you: bool = False
    buttons: tuple[Button, ...] = ()


class MembersPage(View, frozen=True, kw_only=True):
    """Who belongs to the tenant, and the form to invite one more. ``link`` is given exactly once, in the answer to inviting."""

    template: ClassVar[str] = "kernel/members.html"
    members: tuple[Member, ...] = ()
    invite: str = ""
    fields: tuple[FormField, ...] = ()
    errors: tuple[Text, ...] = ()
    pager: Pager | None = None
    link: str = ""
    link_name: str = ""


class ApiKey(Struct, frozen=True, kw_only=True):
    """A key as it can be shown after it was made: by its prefix."""

    id: str
    name: str
    prefix: str
    scopes: tuple[Text, ...] = ()
    created: dt.datetime | None = None
    used: dt.datetime | None = None
    expires: dt.datetime | None = None
    state: Literal["active", "expired", "revoked"] = "active"
    buttons: tuple[Button, ...] = ()


class ApiKeysPage(View, frozen=True, kw_only=True):
    """The keys of a tenant. ``secret`` is given exactly once, in the answer to making one."""

    template: ClassVar[str] = "kernel/api_keys.html"
    keys: tuple[ApiKey, ...] = ()
    create: str = ""
    fields: tuple[FormField, ...] = ()
    errors: tuple[Text, ...] = ()
    secret: str = ""
    secret_name: str = ""


# --- pages without a shell ------------------------------------------------------------------------


class SignInPage(View, frozen=True, kw_only=True):
    """E-mail and password. ``error`` never says which of the two was wrong."""

    template: ClassVar[str] = "kernel/sign_in.html"
    action: str = "/sign-in"
    email: str = ""
    next: str = ""
    error: Text = ""
    note: Text = ""
    forgot_href: str = ""


class WelcomePage(View, frozen=True, kw_only=True):
    """An invited person joins: with the account's password when it is ``known``, else by setting one."""

    template: ClassVar[str] = "kernel/welcome.html"
    action: str
    email: str
    minimum: int
    known: bool = False
    error: Text = ""


class TenantsPage(View, frozen=True, kw_only=True):
    """Choose an organisation, when one belongs to several or to none."""

    template: ClassVar[str] = "kernel/tenants.html"
    tenants: tuple[TenantChoice, ...] = ()


class ProblemPage(View, frozen=True, kw_only=True):
    """Something could not be answered; says what and what to do, in the words of `trophenix_sdk.errors.Problem`.

    Drawn inside the shell when somebody is signed in, alone otherwise.
    """

    template: ClassVar[str] = "kernel/problem.html"
    fragment: ClassVar[str] = "kernel/problem_body.html"
    code: str = ""
    detail: Text = ""
    original: str = ""
    next_step: Text = ""
    request_id: str = ""
    retry_seconds: int = 0
    buttons: tuple[Button, ...] = ()


# --- a plugin's own page --------------------------------------------------------------------------


class ScreenPage(View, frozen=True, kw_only=True):
    """A page drawn by a plugin's template, which extends ``kernel/screen.html``."""

    plugin: str
    file: str
    data: object = None
    context: Mapping[str, object] = {}
    buttons: tuple[Button, ...] = ()
