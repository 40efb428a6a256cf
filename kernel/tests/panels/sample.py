"""A made-up plugin and every page of the shell filled with it, for the tests, the screenshots and the preview server."""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta
from msgspec.structs import replace

from trophenix_kernel.panels import (
    ApiKey,
    ApiKeysPage,
    Assets,
    Bound,
    Button,
    CapabilityAsked,
    ConfirmPage,
    Crumb,
    EmptyState,
    Environment,
    Frame,
    ImportPage,
    Member,
    MembersPage,
    Mode,
    NavItem,
    NavSection,
    Notice,
    Page,
    Person,
    Place,
    PluginCard,
    PluginsPage,
    ProblemPage,
    SignInPage,
    Tab,
    TenantChoice,
    TenantsPage,
    TimelineEntry,
    Toast,
    Usage,
    View,
    arrange,
    bind,
    build_environment,
    chart_card,
    dashboard,
    describe,
    detail_page,
    form_page,
    kpi_card,
    latest_card,
    list_page,
    list_query,
)
from trophenix_kernel.panels.views import FormPage, WelcomePage
from trophenix_kernel.themes import default_choices, stylesheet
from trophenix_sdk.errors import FieldProblem
from trophenix_sdk.i18n import gettext_lazy
from trophenix_sdk.panels import (
    Action,
    Chart,
    ChartData,
    Col,
    Empty,
    F,
    Filter,
    ImportColumn,
    ImportPreview,
    ImportProblem,
    ImportStatus,
    Kpi,
    KpiValue,
    Latest,
    Panel,
    Related,
    Section,
    Series,
    nav,
)

HERE = Path(__file__).parent
NOW = dt.datetime(2026, 11, 20, 10, 42, tzinfo=dt.UTC)
BASE = "/admin/sample/athletes"
_ = gettext_lazy("sample")


class Athlete(msgspec.Struct):
    """What the sample's read operation answers."""

    id: str
    name: str
    club: str
    sport: str
    position: str
    born_on: dt.date
    nationality: str
    status: str
    level: float
    followers: int
    email: str
    updated_at: dt.datetime
    licence: str
    languages: list[str]
    minor: bool
    version: int


class AthleteQuery(msgspec.Struct, kw_only=True):
    """What the sample's search operation takes."""

    q: str = ""
    status: Literal["active", "trial", "injured", "archived"] | None = None
    sport: Literal["football", "handball", "basketball"] | None = None
    minor: bool | None = None
    sort: str = "name"
    cursor: str | None = None
    limit: int = 25


class AthleteForm(msgspec.Struct, kw_only=True):
    """What the sample's create operation takes."""

    name: Annotated[str, Meta(min_length=3, max_length=80)]
    born_on: dt.date
    sport: Literal["football", "handball", "basketball"]
    position: str | None = None
    club: Annotated[str, Meta(max_length=60)]
    licence: Annotated[str, Meta(pattern=r"^[A-Z]{2}-[0-9]{6}$")]
    email: Annotated[str, Meta(pattern=r"^[^@\s]+@[^@\s]+\.[a-z]{2,}$")]
    height_cm: Annotated[int, Meta(ge=60, le=260)]
    salary: Annotated[float, Meta(ge=0)] | None = None
    status: Literal["active", "trial", "injured", "archived"] = "trial"
    languages: list[Literal["fr", "en", "ar"]] = []
    notes: Annotated[str, Meta(max_length=500)] | None = None
    public: bool = False


athletes = Panel(
    slug="athletes",
    label=_("Athlete"),
    label_plural=_("Athletes"),
    label_new=_("New athlete"),
    description=_("Everybody you follow, from first sighting to signature."),
    icon="users",
    group=nav.PEOPLE,
    list="athlete.search",
    read="athlete.read",
    create="athlete.create",
    update="athlete.update",
    delete="athlete.delete",
    export="athlete.export",
    export_formats=("csv", "xlsx", "json"),
    columns=(
        Col("name", _("Athlete"), kind="person", sub="club", sort="name"),
        Col(
            "sport",
            _("Sport"),
            labels={
                "football": _("Football"),
                "handball": _("Handball"),
                "basketball": _("Basketball"),
            },
            hide="tablet",
        ),
        Col("born_on", _("Born"), kind="date", sort="born_on", hide="phone"),
        Col("level", _("Level"), kind="progress", sort="level", hide="laptop"),
        Col("followers", _("Followers"), kind="number", sort="followers", hide="tablet"),
        Col(
            "status",
            _("Status"),
            kind="badge",
            sort="status",
            tones={"active": "ok", "trial": "info", "injured": "warn"},
        ),
    ),
    facts=(
        Col(
            "sport",
            _("Sport"),
            labels={
                "football": _("Football"),
                "handball": _("Handball"),
                "basketball": _("Basketball"),
            },
        ),
        Col("born_on", _("Born"), kind="date"),
        Col("nationality", _("Nationality")),
        Col("level", _("Level"), kind="percent"),
        Col("followers", _("Followers"), kind="number"),
    ),
    filters=(
        Filter("status", _("Status")),
        Filter(
            "sport",
            _("Sport"),
            labels={
                "football": _("Football"),
                "handball": _("Handball"),
                "basketball": _("Basketball"),
            },
        ),
        Filter("minor", _("Minor")),
    ),
    search=_("Search a name or a club"),
    sort="name",
    limit=12,
    version="version",
    subtitle="club",
    fields={
        "name": F(_("Full name"), placeholder="Leïla Ben Youssef", autocomplete="off"),
        "born_on": F(_("Born on"), width="half"),
        "sport": F(
            _("Sport"),
            width="half",
            labels={
                "football": _("Football"),
                "handball": _("Handball"),
                "basketball": _("Basketball"),
            },
        ),
        "position": F(_("Position"), width="half"),
        "club": F(_("Club"), width="half"),
        "licence": F(
            _("Licence"),
            help=_("Two capital letters, a dash and six digits."),
            width="half",
            placeholder="TN-004217",
        ),
        "email": F(_("E-mail"), widget="email", width="half", autocomplete="off"),
        "height_cm": F(_("Height"), suffix="cm", width="third"),
        "salary": F(_("Salary wanted"), prefix="TND", width="third"),
        "status": F(_("Status"), width="third"),
        "languages": F(_("Languages"), labels={"fr": "Français", "en": "English", "ar": "العربية"}),
        "notes": F(_("Notes"), widget="textarea"),
        "public": F(_("Show in the public directory"), help=_("Never possible for minors.")),
    },
    sections=(
        Section(
            _("Identity"),
            _("Who the athlete is."),
            ("name", "born_on", "nationality", "email", "languages"),
        ),
        Section(
            _("Sport"),
            _("Where and how they play."),
            ("sport", "position", "club", "licence", "height_cm"),
        ),
        Section(
            _("Recruitment"),
            _("Where you are with them."),
            ("status", "salary", "notes", "public", "updated_at"),
        ),
    ),
    actions=(
        Action(
            slug="shortlist",
            label=_("Add to the shortlist"),
            operation="athlete.shortlist",
            icon="star",
            bulk="ids",
        ),
        Action(
            slug="archive",
            label=_("Archive"),
            operation="athlete.archive",
            icon="archive",
            tone="bad",
            confirm=_("Archive the chosen athletes? They leave every list."),
            bulk="ids",
        ),
        Action(
            slug="merge", label=_("Merge with another"), operation="athlete.merge", icon="merge"
        ),
    ),
    related=(
        Related(
            slug="applications",
            label=_("Applications"),
            operation="application.search",
            by="athlete_id",
            columns=(
                Col("offer", _("Offer")),
                Col("moved", _("Moved"), kind="ago"),
                Col("state", _("State"), kind="badge", tones={"interview": "info", "offer": "ok"}),
            ),
        ),
    ),
    empty=Empty(
        _("No athlete yet"),
        _(
            "Athletes are the people you recruit. Bring them in from a spreadsheet, or write down the first one."
        ),
        (
            _("Import the list you already have"),
            _("Check what was found twice"),
            _("Invite a colleague to look with you"),
        ),
    ),
)

_NAMES = (
    "Amine Trabelsi",
    "Leïla Ben Youssef",
    "Karim Jaziri",
    "Sonia Mejri",
    "Nour Haddad",
    "Youssef Gharbi",
    "Inès Chaabane",
    "Mehdi Ayari",
    "Salma Kefi",
    "Rami Bouaziz",
    "Aya Belhaj",
    "Omar Sassi",
    "Emna Toumi",
    "Walid Khelifi",
)
_CLUBS = ("Espérance de Tunis", "Club Africain", "Étoile du Sahel", "CS Sfaxien", "US Monastir")


def people(count: int = 12) -> list[Athlete]:
    """Made-up athletes, always the same."""
    chance = random.Random(7)  # noqa: S311 - always the same people
    return [
        Athlete(
            id=f"018f-{number:04d}",
            name=chance.choice(_NAMES),
            club=chance.choice(_CLUBS),
            sport=chance.choice(("football", "handball", "basketball")),
            position=chance.choice(("Forward", "Keeper", "Wing")),
            born_on=dt.date(2010, 1, 1) - dt.timedelta(days=chance.randrange(6000)),
            nationality="TUN",
            status=chance.choices(("active", "trial", "injured", "archived"), (60, 20, 12, 8))[0],
            level=round(chance.betavariate(4, 3), 3),
            followers=chance.randrange(120, 48_000),
            email=f"a{number}@example.com",
            updated_at=NOW - dt.timedelta(hours=chance.randrange(2, 900)),
            licence=f"TN-{chance.randrange(10**6):06d}",
            languages=["fr", "ar"],
            minor=False,
            version=3,
        )
        for number in range(1, count + 1)
    ]


class Application(msgspec.Struct):
    """One row of the related list."""

    id: str
    offer: str
    moved: dt.datetime
    state: str


def environment(*, strict: bool = True) -> Environment:
    """The environment of the shell with the sample plugin in it."""
    return build_environment(
        Assets(), locales={"sample": HERE / "locales"}, templates={}, strict=strict
    )


def frame(
    env: Environment, language: str = "en", mode: Mode = "light", current: str = "athletes"
) -> Frame:
    """The shell around every sample page."""
    theme = stylesheet(default_choices(), env.assets.href)

    def item(label: str, slug: str, icon: str, count: int = 0, href: str = "") -> NavItem:
        return NavItem(
            label=label, href=href or f"/{slug}", icon=icon, current=slug == current, count=count
        )

    return Frame(
        theme_href=f"/theme/{theme.version}.css",
        language=language,
        csrf="token",
        mode=mode,
        tenant=TenantChoice(name="Carthage Arena", slug="carthage", note="Enterprise"),
        tenants=(
            TenantChoice(name="Carthage Arena", slug="carthage", current=True),
            TenantChoice(name="Pulse Fitness", slug="pulse"),
        ),
        person=Person(name="Leïla Ben Youssef", email="leila@example.com", role=_("Owner")),
        nav=(
            NavSection(items=(item(_("Dashboard"), "dashboard", "layout-dashboard"),)),
            NavSection(
                label=nav.PEOPLE.label,
                items=(
                    item(athletes.label_plural, "athletes", "users"),
                    item(_("Applications"), "applications", "file-user", 14),
                ),
            ),
            NavSection(
                label=nav.SALES.label,
                items=(
                    item(_("Events"), "events", "ticket"),
                    item(_("Orders"), "orders", "receipt"),
                ),
            ),
            NavSection(
                label=nav.ORGANISATION.label,
                items=(
                    item(_("Plugins"), "plugins", "puzzle"),
                    item(_("Members"), "members", "users-round"),
                    item(_("API keys"), "keys", "key-round"),
                    item(_("Settings"), "settings", "settings"),
                ),
            ),
        ),
        usage=Usage(label=_("API calls this month"), used=6214, limit=10000),
        now=NOW,
    )


def pages(env: Environment, language: str = "en") -> Mapping[str, Callable[[], View]]:
    """Every page of the shell by name, made when asked for."""
    speech = env.language(language)
    here = Place(base=BASE, language=speech, now=NOW, domain="sample")
    rows = people()
    everybody = Page(data=rows, next_cursor="WyJrZXkiXQ", total=10401)

    def the_list(**asked: str) -> View:
        query = list_query(athletes, {key: (value,) for key, value in asked.items()})
        import_button = Button(label=_("Import"), href="/import", icon="upload")
        return list_page(
            athletes, query, everybody, here, input_struct=AthleteQuery, extra=(import_button,)
        )

    def nobody(**asked: str) -> View:
        query = list_query(athletes, {key: (value,) for key, value in asked.items()})
        return list_page(athletes, query, Page(data=[], total=0), here, input_struct=AthleteQuery)

    def broken() -> View:
        notice = Notice(
            title=_("The list cannot be shown right now."),
            text=_("The recruitment module does not answer. Nothing is lost."),
            tone="bad",
            button=Button(label=_("Try again"), href="/list", icon="rotate-cw"),
        )
        return list_page(
            athletes, list_query(athletes, {}), None, here, input_struct=AthleteQuery, error=notice
        )

    def record(tab: str = "") -> View:
        found = [
            Application("1", "Ligue 1 · Striker", NOW - dt.timedelta(hours=5), "interview"),
            Application("2", "Ligue 2 · Wing", NOW - dt.timedelta(days=9), "offer"),
        ]
        story = (
            TimelineEntry(
                who="Karim Jaziri",
                what=_("moved the application to Interview"),
                when=NOW - dt.timedelta(hours=2),
                icon="arrow-right",
                tone="info",
            ),
            TimelineEntry(
                who="Leïla Ben Youssef",
                what=_("added to the shortlist"),
                when=NOW - dt.timedelta(days=3),
                icon="star",
                tone="warn",
            ),
            TimelineEntry(
                who="",
                what=_("imported from athletes.csv, line 214"),
                when=NOW - dt.timedelta(days=12),
                icon="upload",
                tone="ok",
            ),
        )
        return detail_page(
            athletes,
            rows[1],
            here,
            tab=tab,
            related=Page(data=found),
            counts={"applications": 2},
            timeline=story,
        )

    def new() -> View:
        return form_page(athletes, AthleteForm, here)

    def refused() -> View:
        posted = {
            "name": ("ab",),
            "height_cm": ("12",),
            "licence": ("4217",),
            "email": ("nobody",),
            "club": ("Club Africain",),
            "public": ("true",),
            "languages": ("fr", "ar"),
            "sport": ("",),
        }
        bound: Bound = bind(AthleteForm, posted, dt.UTC)
        return form_page(
            athletes,
            AthleteForm,
            here,
            bound=bound,
            problems=(
                FieldProblem(
                    "", "quota", "Your plan holds 10,000 athletes: archive some or change the plan."
                ),
            ),
        )

    def edit() -> View:
        return form_page(athletes, AthleteForm, here, item=rows[1])

    def home() -> View:
        day = dt.date(2026, 10, 22)
        chance = random.Random(3)  # noqa: S311 - always the same course
        wave = [
            9 + 4 * chance.random() + (4 if number % 7 in (4, 5) else 0) for number in range(30)
        ]
        kpis = [
            kpi_card(
                Kpi(
                    slug="athletes",
                    label=_("Athletes followed"),
                    operation="x",
                    icon="users",
                    href="/list",
                ),
                KpiValue(
                    value=10401, change=0.124, versus=_("vs previous 30 days"), recent=tuple(wave)
                ),
                speech,
            ),
            kpi_card(
                Kpi(slug="revenue", label=_("Ticket revenue"), operation="x", icon="banknote"),
                KpiValue(
                    value=405_589_000,
                    kind="money",
                    currency="TND",
                    change=0.244,
                    versus=_("vs previous 30 days"),
                    recent=tuple(value * value for value in wave),
                ),
                speech,
            ),
            kpi_card(
                Kpi(slug="risk", label=_("Members at risk"), operation="x", icon="triangle-alert"),
                KpiValue(
                    value=42,
                    change=-0.08,
                    good="down",
                    versus=_("vs previous 30 days"),
                    recent=(44, 43, 45, 41, 40, 38, 39, 36, 35, 34),
                ),
                speech,
            ),
            kpi_card(
                Kpi(slug="slots", label=_("Slots filled"), operation="x", icon="calendar-check"),
                KpiValue(
                    value=0.78,
                    kind="percent",
                    change=-0.034,
                    versus=_("vs previous 30 days"),
                    recent=(80, 79, 83, 80, 78, 81, 79, 77, 76, 78),
                ),
                speech,
            ),
        ]
        labels = tuple(day + dt.timedelta(days=number) for number in range(30))
        course = ChartData(
            labels=labels,
            axis=_("Day"),
            kind="money",
            currency="TND",
            series=(
                Series(_("This period"), tuple(value * 1_000_000 for value in wave)),
                Series(_("Previous period"), tuple(value * 820_000 for value in reversed(wave))),
            ),
        )
        sources = ChartData(
            labels=(_("Spreadsheet"), _("Scouts"), _("Club portals"), _("Public profile")),
            axis=_("Source"),
            series=(Series(_("Athletes"), (5120.0, 2711.0, 1640.0, 930.0)),),
        )
        hours = ChartData(
            labels=tuple(f"{hour} h" for hour in range(6, 23)),
            axis=_("Hour"),
            mark=5,
            series=(
                Series(
                    _("Visits"),
                    (12, 31, 44, 38, 29, 35, 61, 52, 27, 24, 33, 58, 92, 110, 97, 64, 30),
                ),
            ),
        )
        widgets = [
            chart_card(
                Chart(
                    slug="revenue",
                    label=_("Revenue"),
                    description=_("Last 30 days, online and at the box office"),
                    operation="x",
                    href="/orders",
                ),
                course,
                speech,
            ),
            chart_card(
                Chart(
                    slug="sources",
                    label=_("Where athletes come from"),
                    kind="split",
                    span=1,
                    operation="x",
                ),
                sources,
                speech,
            ),
            latest_card(
                Latest(
                    slug="latest",
                    label=_("Newly followed"),
                    panel="athletes",
                    columns=("name", "status", "followers"),
                    limit=5,
                    span=2,
                ),
                athletes,
                everybody,
                here,
            ),
            chart_card(
                Chart(
                    slug="hours",
                    label=_("Attendance"),
                    kind="bars",
                    span=1,
                    description=_("Visits per hour"),
                    operation="x",
                ),
                hours,
                speech,
            ),
        ]
        return dashboard(
            _("Good morning, Leïla"),
            _("What happened across your modules in the last 30 days."),
            kpis,
            widgets,
            buttons=(Button(label=_("New athlete"), href="/new", icon="plus", tone="primary"),),
        )

    def first_day() -> View:
        empty = EmptyState(
            title=_("Your platform is ready"),
            text=_("Enable the modules you want: their figures and lists appear here."),
            steps=(_("Enable a module"), _("Invite your team"), _("Bring your data")),
            icon="rocket",
            buttons=(
                Button(label=_("Choose modules"), href="/plugins", icon="puzzle", tone="primary"),
            ),
        )
        return dashboard(_("Good morning, Leïla"), "", (), (), empty=empty)

    crumbs = (Crumb(label=athletes.label_plural, href=BASE),)

    def bring(step: str) -> View:
        status = ImportStatus(
            id="7",
            state="running" if step == "run" else "finished",
            file_name="import_fr_messy.csv",
            total=10567,
            done=6420 if step == "run" else 10567,
            created=6188 if step == "run" else 10161,
            updated=12,
            unchanged=64,
            review=41 if step == "run" else 164,
            rejected=115 if step == "run" else 166,
            seconds=1.4,
            revertible=True,
        )
        preview = ImportPreview(
            id="7",
            file_name="import_fr_messy.csv",
            rows=10567,
            format="CSV, « ; », UTF-8",
            columns=(
                ImportColumn(
                    heading="Nom de famille",
                    samples=("Trabelsi", "Ben Youssef", "Jaziri"),
                    target="family_name",
                ),
                ImportColumn(
                    heading="Prénom", samples=("Amine", "Leïla", "Karim"), target="given_name"
                ),
                ImportColumn(
                    heading="Date de naissance",
                    samples=("04/07/1994", "12/01/2001", "1998"),
                    target="born_on",
                    certain=False,
                ),
                ImportColumn(heading="Remarque", samples=("", "capitaine", "")),
            ),
            targets={
                "family_name": _("Family name"),
                "given_name": _("Given name"),
                "born_on": _("Born on"),
                "club": _("Club"),
            },
            required=("family_name",),
        )
        problems = (
            ImportProblem(
                line=214,
                column="Date de naissance",
                code="not_a_date",
                message=_("This is not a date of the calendar."),
                value="31/02/1994",
            ),
            ImportProblem(line=377, code="missing", message=_("The line has no name at all.")),
            ImportProblem(
                line=1_902,
                column="Taille",
                code="too_large",
                message=_("A height is between 60 and 260 cm."),
                value="1840",
            ),
        )
        return ImportPage(
            title=_("Import athletes"),
            description=_(
                "From a spreadsheet, thousands at once. Nothing is written before you have checked."
            ),
            crumbs=crumbs,
            path="/import-run",
            step=step,  # pyright: ignore[reportArgumentType]
            upload="/import",
            apply="/import-run",
            revert="/import-revert",
            accepts=(".csv", ".xlsx"),
            limit=speech.size(50 * 1024 * 1024),
            template_href="/example.csv",
            preview=preview if step == "check" else None,
            run=status if step in ("run", "result") else None,
            problems=problems if step == "result" else (),
            problems_total=166,
            problems_href="/problems.csv",
            list_href="/list",
            again_href="/import",
        )

    def plugins() -> View:
        capabilities = (
            CapabilityAsked(
                name=_("Store its own records"),
                reason=_("Athletes, offers and applications."),
                icon="database",
            ),
            CapabilityAsked(
                name=_("Send notifications"),
                reason=_("To tell candidates that their application moved."),
                icon="bell",
                sensitive=True,
            ),
            CapabilityAsked(
                name=_("Read members' names"), reason=_("To say who changed what."), icon="users"
            ),
        )
        cards = (
            PluginCard(
                id="trophenix.recruitment",
                name=_("Recruitment"),
                version="0.1.0",
                state="enabled",
                publisher="Trophenix",
                icon="users",
                summary=_("Athlete profiles, offers, applications and bulk import."),
                capabilities=capabilities,
                contributes=(_("2 panels"), _("14 operations"), _("3 events")),
                disable="/off",
                settings_href="/settings",
                open_href="/list",
            ),
            PluginCard(
                id="trophenix.ticketing",
                name=_("Ticketing"),
                version="0.3.2",
                state="available",
                publisher="Trophenix",
                icon="ticket",
                summary=_(
                    "Online and box-office sales, seat maps, unique QR codes, offline access control."
                ),
                capabilities=capabilities,
                contributes=(_("4 panels"), _("31 operations")),
                enable="/on",
            ),
            PluginCard(
                id="atelier.appointments",
                name=_("Appointments"),
                version="1.4.0",
                state="consent_needed",
                publisher="Atelier Sfax",
                icon="calendar-clock",
                summary=_("Team calendar, reminders, deposits, a widget for your site."),
                capabilities=capabilities[:2],
                contributes=(_("3 panels"),),
                enable="/on",
            ),
            PluginCard(
                id="studio.broken",
                name=_("Loyalty"),
                version="0.0.9",
                state="failed",
                publisher="Studio Medina",
                icon="gift",
                summary=_("Points and rewards."),
                fault=_(
                    "It needs trophenix-sdk 2.0 or later, found 0.1.0: upgrade the platform or install an older version."
                ),
            ),
        )
        return PluginsPage(
            title=_("Plugins"),
            description=_(
                "Modules installed on this platform. Each is isolated, and sees only what you allow."
            ),
            plugins=cards,
        )

    class Invitation(msgspec.Struct):
        email: Annotated[str, Meta(pattern=r"^[^@\s]+@[^@\s]+$")]
        role: Literal["admin", "manager", "member", "viewer"] = "member"

    class NewKey(msgspec.Struct):
        name: Annotated[str, Meta(min_length=2, max_length=60)]
        days: Annotated[int, Meta(ge=1, le=730)] = 365
        scopes: list[Literal["athlete.read", "athlete.write", "offer.read"]] = []

    def members() -> View:
        fields = describe(
            Invitation,
            speech,
            fields={
                "email": F(
                    _("E-mail"), widget="email", width="half", placeholder="name@example.com"
                ),
                "role": F(_("Role"), width="half"),
            },
            domain="sample",
        )
        remove = Button(
            label=_("Remove"),
            post="/remove",
            icon="user-round-x",
            tone="bad",
            confirm=_("Remove this person from the organisation?"),
        )
        role = Button(label=_("Change the role"), href="/role", icon="shield")
        found = (
            Member(
                id="1",
                name="Leïla Ben Youssef",
                email="leila@example.com",
                role=_("Owner"),
                since=NOW - dt.timedelta(days=412),
                seen=NOW - dt.timedelta(minutes=2),
                you=True,
            ),
            Member(
                id="2",
                name="Karim Jaziri",
                email="karim@example.com",
                role=_("Manager"),
                since=NOW - dt.timedelta(days=90),
                seen=NOW - dt.timedelta(hours=7),
                buttons=(role, remove),
            ),
            Member(
                id="3",
                name="Sonia Mejri",
                email="sonia@example.com",
                role=_("Viewer"),
                state="invited",
                since=NOW - dt.timedelta(days=1),
                buttons=(remove,),
            ),
            Member(
                id="4",
                name="Rami Bouaziz",
                email="rami@example.com",
                role=_("Member"),
                state="suspended",
                since=NOW - dt.timedelta(days=200),
                seen=NOW - dt.timedelta(days=34),
                buttons=(role, remove),
            ),
        )
        return MembersPage(
            title=_("Members"),
            description=_("Who may enter this organisation, and as what."),
            members=found,
            invite="/invite",
            fields=fields,
        )

    def keys() -> View:
        fields = describe(
            NewKey,
            speech,
            fields={
                "name": F(_("What is it for?"), width="half", placeholder="CRM"),
                "days": F(_("Ends after"), suffix=_("days"), width="half"),
                "scopes": F(_("It may")),
            },
            domain="sample",
        )
        revoke = Button(
            label=_("Revoke"),
            post="/revoke",
            icon="ban",
            tone="bad",
            confirm=_("Revoke this key? Programs that use it stop working at once."),
        )
        found = (
            ApiKey(
                id="1",
                name="CRM",
                prefix="tx_live_3fA9",
                scopes=("athlete.read", "offer.read"),
                created=NOW,
                used=NOW - dt.timedelta(minutes=4),
                expires=NOW + dt.timedelta(days=300),
                buttons=(revoke,),
            ),
            ApiKey(
                id="2",
                name="Old importer",
                prefix="tx_live_b71c",
                scopes=("athlete.write",),
                state="revoked",
                used=NOW - dt.timedelta(days=60),
            ),
        )
        return ApiKeysPage(
            title=_("API keys"),
            description=_("For programs that speak for this organisation."),
            keys=found,
            create="/keys",
            fields=fields,
            secret="tx_live_3fA9cQ2rT7uV8wX1yZ5aB6dE",
            secret_name="CRM",
        )

    def settings() -> View:
        class Settings(msgspec.Struct):
            company: Annotated[str, Meta(min_length=2, max_length=80)] = "Carthage Arena"
            language: Literal["fr", "en"] = "fr"
            zone: Literal["Africa/Tunis", "Europe/Paris", "UTC"] = "Africa/Tunis"
            review: Literal["always", "unsure", "never"] = "unsure"
            digest: bool = True

        fields = describe(
            Settings,
            speech,
            fields={
                "company": F(_("Name")),
                "language": F(
                    _("Language"), width="half", labels={"fr": "Français", "en": "English"}
                ),
                "zone": F(
                    _("Time zone"),
                    width="half",
                    labels={
                        "Africa/Tunis": "Africa/Tunis",
                        "Europe/Paris": "Europe/Paris",
                        "UTC": "UTC",
                    },
                ),
                "review": F(
                    _("Ask a person about duplicates"),
                    widget="radio",
                    labels={"always": _("Always"), "unsure": _("When unsure"), "never": _("Never")},
                ),
                "digest": F(
                    _("Weekly summary by e-mail"), help=_("Every Monday, to owners and managers.")
                ),
            },
            domain="sample",
        )
        sections = arrange(
            fields,
            (
                Section(
                    _("Organisation"),
                    _("Shown on every page and every e-mail."),
                    ("company", "language", "zone"),
                ),
                Section(_("Recruitment"), _("How the module behaves here."), ("review", "digest")),
            ),
        )
        tabs = (
            Tab(label=_("General"), href="/settings", current=True),
            Tab(label=_("Recruitment"), href="/settings/recruitment"),
            Tab(label=_("Security"), href="/settings/security"),
        )
        return FormPage(
            title=_("Settings"),
            description=_("They hold for the whole organisation."),
            action="/settings",
            sections=sections,
            tabs=tabs,
            danger=Button(
                label=_("Leave the organisation"),
                post="/leave",
                tone="bad",
                confirm=_("Leave Carthage Arena?"),
            ),
            danger_text=_("You lose access at once. An owner can invite you again."),
        )

    def problem(status: int) -> View:
        known = {
            403: (
                _("You may not do this"),
                _("Your role, Viewer, does not include changing athletes."),
                _("Ask an owner of Carthage Arena for the role Manager."),
                0,
            ),
            404: (
                _("Nothing here"),
                _("This address does not exist, or is not yours to see."),
                "",
                0,
            ),
            429: (_("Too many calls"), _("Your plan allows 100 calls a minute."), "", 42),
            500: (
                _("Something went wrong on our side"),
                _("It was noted and somebody will look at it. Nothing you sent was stored."),
                _("Try again in a minute."),
                0,
            ),
        }
        title, detail, step, wait = known[status]
        return ProblemPage(
            title=title,
            detail=detail,
            next_step=step,
            retry_seconds=wait,
            status=status,
            request_id="01J9Z7Q4-58",
            buttons=(
                Button(
                    label=_("Back to the dashboard"),
                    href="/dashboard",
                    icon="layout-dashboard",
                    tone="primary",
                ),
            ),
        )

    def sign_in(*, failed: bool = False) -> View:
        return SignInPage(
            title=_("Sign in"),
            description=_("With the e-mail address you were invited with."),
            email="leila@example.com" if failed else "",
            error=_("The e-mail address or the password is wrong.") if failed else "",
            forgot_href="/forgotten",
            next="/dashboard",
        )

    return {
        "dashboard": home,
        "first-day": first_day,
        "list": the_list,
        "list-filtered": lambda: the_list(
            q="ben", status="active", sort="-born_on", cursor="abc", start="13", trail="-"
        ),
        "list-empty": nobody,
        "list-nothing": lambda: nobody(q="zz", status="trial"),
        "list-error": broken,
        "detail": record,
        "detail-tab": lambda: record("applications"),
        "new": new,
        "form-errors": refused,
        "edit": edit,
        "import": lambda: bring("choose"),
        "import-check": lambda: bring("check"),
        "import-run": lambda: bring("run"),
        "import-result": lambda: bring("result"),
        "plugins": plugins,
        "members": members,
        "keys": keys,
        "settings": settings,
        "confirm": lambda: ConfirmPage(
            title=_("Archive"),
            question=_("Archive the chosen athletes? They leave every list."),
            action="/do",
            submit=_("Archive"),
            cancel_href="/list",
            hidden=(("id", "1"),),
        ),
        "403": lambda: problem(403),
        "404": lambda: problem(404),
        "429": lambda: problem(429),
        "500": lambda: problem(500),
        "sign-in": sign_in,
        "sign-in-failed": lambda: sign_in(failed=True),
        "welcome": lambda: WelcomePage(
            title=_("Welcome"),
            description=_("Choose a password and come in."),
            action="/welcome",
            email="sonia@example.com",
            minimum=12,
        ),
        "tenants": lambda: TenantsPage(
            title=_("Choose an organisation"),
            description=_("You belong to two."),
            tenants=(
                TenantChoice(name="Carthage Arena", slug="carthage", note=_("Owner")),
                TenantChoice(name="Pulse Fitness", slug="pulse", note=_("Viewer")),
            ),
        ),
    }


ALONE = frozenset({"sign-in", "sign-in-failed", "welcome", "tenants"})
"""Pages of people who are not in an organisation yet."""

_CURRENT = {
    "dashboard": "dashboard",
    "first-day": "dashboard",
    "plugins": "plugins",
    "members": "members",
    "keys": "keys",
    "settings": "settings",
}


def frame_of(env: Environment, name: str, language: str = "en", mode: Mode = "light") -> Frame:
    """The frame that goes with a sample page."""
    around = frame(env, language, mode, _CURRENT.get(name, "athletes"))
    if name in ALONE:
        return replace(around, tenant=None, tenants=(), person=None, nav=(), usage=None)
    if name == "list-filtered":
        return replace(around, toasts=(Toast(text=_("3 athletes archived")),))
    return around
