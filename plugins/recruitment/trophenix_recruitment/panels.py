"""The module's pages in the admin."""

from typing import Final

from trophenix_sdk.i18n import gettext_lazy
from trophenix_sdk.panels import (
    Action,
    Chart,
    Col,
    Contribution,
    Empty,
    F,
    Filter,
    ImportScreen,
    Kpi,
    Latest,
    Panel,
    Related,
    Section,
    Widget,
    nav,
)

_ = gettext_lazy("recruitment")

_VISIBILITY: Final = {
    "recruiter_only": _("Recruiters only"),
    "public_free": _("Public"),
    "public_premium": _("Public, premium"),
}
_SEX: Final = {"F": _("Woman"), "M": _("Man"), "X": _("Other")}
_KIND: Final = {
    "certain": _("Same identifier"),
    "probable": _("Probable"),
    "possible": _("Possible"),
    "possible_relatives": _("Possible relatives"),
}
_DECISION: Final = {
    "open": _("Waits for a decision"),
    "same": _("Same person"),
    "different": _("Different people"),
    "relatives": _("Relatives"),
    "any": _("All"),
}
_STATUS: Final = {
    "queued": _("Waiting"),
    "running": _("Running"),
    "previewed": _("Looked at"),
    "applied": _("Applied"),
    "applied_with_errors": _("Applied, with rejected rows"),
    "reverting": _("Being taken back"),
    "reverted": _("Taken back"),
    "failed": _("Failed"),
}

_REASONS: Final = {
    "same_birth_day": _("Same day of birth"),
    "same_name": _("Same name"),
    "similar_name": _("Similar name"),
    "swapped_name": _("Given and family name exchanged"),
    "same_family_name": _("Same family name"),
    "other_given_name": _("Other given name"),
    "birth_unknown": _("Birth not known"),
    "birth_compatible": _("Birth fits"),
    "birth_nearly_same": _("Birth differs by one slip"),
}
_CONFLICTS: Final = {
    "sex": _("Sex"),
    "nationality": _("Nationality"),
    "position": _("Position"),
    "name": _("Name"),
    "birth": _("Birth date"),
}
_ROW: Final = {
    "imported": _("New"),
    "updated": _("Changed"),
    "unchanged": _("Unchanged"),
    "repeated": _("Repeated"),
    "rejected": _("Rejected"),
    "reverted": _("Taken back"),
    "kept": _("Kept"),
}

_PAIR: Final = (
    Col("name", _("Athletes")),
    Col(
        "kind",
        _("How sure"),
        kind="badge",
        labels=_KIND,
        tones={
            "certain": "bad",
            "probable": "warn",
            "possible": "info",
            "possible_relatives": "neutral",
        },
    ),
    Col("score", _("Likeness"), kind="percent", hide="phone"),
    Col("decision", _("Decision"), kind="badge", labels=_DECISION, hide="tablet"),
    Col("created_at", _("Since"), kind="ago", hide="laptop"),
)

ATHLETES: Final = Panel(
    slug="athletes",
    label=_("Athlete"),
    label_plural=_("Athletes"),
    label_new=_("New athlete"),
    description=_("Everybody you follow, recruit or look after."),
    icon="users",
    group=nav.PEOPLE,
    list="athlete.search",
    read="athlete.read",
    create="profile.create",
    update="profile.update",
    delete="athlete.delete",
    export="athlete.export",
    export_formats=("csv", "xlsx", "json"),
    version="version",
    columns=(
        Col("name", _("Name"), kind="person", sub="club", sort="name"),
        Col("sport", _("Sport"), sort="sport"),
        Col("position", _("Position"), hide="tablet"),
        Col("nationality", _("Nationality"), kind="code", sort="country", hide="phone"),
        Col("birth_date", _("Born"), sort="birth_date", hide="phone"),
        Col("ranking", _("Ranking"), kind="number", sort="ranking"),
        Col(
            "visibility",
            _("Visibility"),
            kind="badge",
            labels=_VISIBILITY,
            tones={"recruiter_only": "neutral", "public_free": "ok", "public_premium": "brand"},
            hide="laptop",
        ),
        Col("updated_at", _("Changed"), kind="ago", sort="updated_at", hide="laptop"),
    ),
    facts=(
        Col("sport", _("Sport")),
        Col("position", _("Position")),
        Col("club", _("Club")),
        Col("ranking", _("Ranking"), kind="number"),
        Col("birth_date", _("Born")),
        Col("nationality", _("Nationality"), kind="code"),
    ),
    filters=(
        Filter("sport", _("Sport"), placeholder=_("Tennis")),
        Filter("country", _("Nationality"), placeholder="FR"),
        Filter("position", _("Position"), placeholder=_("Goalkeeper")),
        Filter("club", _("Club")),
        Filter("age_min", _("Age from")),
        Filter("age_max", _("Age to")),
        Filter("ranking_min", _("Ranking from")),
        Filter("ranking_max", _("Ranking to")),
        Filter("visibility", _("Visibility"), labels=_VISIBILITY),
    ),
    search=_("Search by name"),
    sort="name",
    fields={
        "last_name": F(_("Family name"), width="half", autocomplete="off"),
        "first_name": F(_("Given name"), width="half", autocomplete="off"),
        "sex": F(_("Sex"), widget="radio", labels=_SEX, width="half"),
        "birth_date": F(
            _("Birth date"),
            _("As exact as it is known: 1998, 1998-05 or 1998-05-12."),
            placeholder="1998-05-12",
            width="half",
        ),
        "nationality": F(
            _("Nationality"),
            _("A country's code or name: FRA, GER, Tunisie."),
            placeholder="FRA",
            width="half",
        ),
        "sport": F(_("Sport"), width="half"),
        "position": F(_("Position"), width="half"),
        "ranking": F(_("Ranking"), width="half"),
        "club": F(_("Club"), width="half"),
        "height_cm": F(_("Height"), suffix="cm", width="half"),
        "weight_kg": F(_("Weight"), suffix="kg", width="half"),
        "visibility": F(
            _("Visibility"),
            _("Profiles of people under 18 are never public."),
            widget="radio",
            labels=_VISIBILITY,
        ),
    },
    sections=(
        Section(
            _("Identity"),
            _("Who the athlete is."),
            ("last_name", "first_name", "sex", "birth_date", "nationality"),
        ),
        Section(_("Sport"), _("What the athlete does."), ("sport", "position", "ranking", "club")),
        Section(_("Measures"), "", ("height_cm", "weight_kg")),
        Section(_("Visibility"), _("Who may see the profile."), ("visibility",)),
    ),
    related=(
        Related(
            slug="duplicates",
            label=_("Possible duplicates"),
            operation="duplicate.list",
            by="athlete_id",
            columns=_PAIR,
            panel="duplicates",
        ),
    ),
    empty=Empty(
        _("No athletes yet"),
        _("Bring a list in, or add the first one by hand."),
        (
            _("Export your list as CSV or XLSX"),
            _("Import it here"),
            _("Look at what was not taken"),
        ),
    ),
)

IMPORT: Final = ImportScreen(
    slug="import",
    label=_("Import athletes"),
    description=_("CSV, XLSX or JSON; columns, dates and countries are recognised."),
    panel="athletes",
    preview="import.preview",
    apply="import.begin",
    status="import.status",
    problems="import.problems",
    revert="import.revert",
    accepts=(".csv", ".xlsx", ".json", ".jsonl"),
    limit_mebibytes=200,
)

DUPLICATES: Final = Panel(
    slug="duplicates",
    label=_("Possible duplicate"),
    label_plural=_("Possible duplicates"),
    description=_("Pairs that may be one person. Nothing is ever merged by itself."),
    icon="copy",
    group=nav.PEOPLE,
    list="duplicate.list",
    read="duplicate.read",
    columns=_PAIR,
    facts=(
        Col("left.name", _("First athlete"), kind="person", sub="left.club"),
        Col("left.birth_date", _("Born")),
        Col("right.name", _("Second athlete"), kind="person", sub="right.club"),
        Col("right.birth_date", _("Born")),
        Col("reasons", _("Speaks for it"), kind="tags", labels=_REASONS),
        Col("conflicts", _("Speaks against it"), kind="tags", labels=_CONFLICTS),
        Col("decision", _("Decision"), kind="badge", labels=_DECISION),
        Col("decided_by", _("Decided by")),
    ),
    filters=(
        Filter("decision", _("Decision"), labels=_DECISION),
        Filter("kind", _("How sure"), labels=_KIND),
    ),
    actions=(
        Action(
            slug="same",
            label=_("Same person"),
            operation="duplicate.same",
            icon="user-check",
            bulk="ids",
        ),
        Action(
            slug="different",
            label=_("Different people"),
            operation="duplicate.different",
            icon="users",
            bulk="ids",
        ),
        Action(
            slug="relatives",
            label=_("Relatives"),
            operation="duplicate.relatives",
            icon="heart-handshake",
            bulk="ids",
        ),
    ),
    empty=Empty(
        _("No pair waits for a decision"),
        _("When two athletes may be one person, they stand here until somebody decides."),
    ),
)

IMPORTS: Final = Panel(
    slug="imports",
    label=_("Import"),
    label_plural=_("Imports"),
    description=_("What was brought in, and what can be taken back."),
    icon="history",
    group=nav.PEOPLE,
    list="import.list",
    read="import.read",
    id="batch_id",
    title="file_name",
    columns=(
        Col("file_name", _("File"), sub="created_by"),
        Col(
            "status",
            _("Status"),
            kind="badge",
            labels=_STATUS,
            tones={
                "applied": "ok",
                "applied_with_errors": "warn",
                "failed": "bad",
                "running": "brand",
            },
        ),
        Col("total", _("Rows"), kind="number"),
        Col("imported", _("New"), kind="number", hide="phone"),
        Col("updated", _("Changed"), kind="number", hide="tablet"),
        Col("unchanged", _("Unchanged"), kind="number", hide="tablet"),
        Col("rejected", _("Rejected"), kind="number", hide="phone"),
        Col("created_at", _("When"), kind="ago", hide="phone"),
    ),
    related=(
        Related(
            slug="rows",
            label=_("Rows"),
            operation="import.rows",
            by="id",
            columns=(
                Col("line", _("Line"), kind="number"),
                Col("status", _("Status"), kind="badge", labels=_ROW),
                Col("column", _("Column")),
                Col("message", _("Remark")),
                Col("value", _("Value")),
            ),
            limit=100,
        ),
    ),
    actions=(
        Action(
            slug="revert",
            label=_("Take it back"),
            operation="import.revert",
            icon="undo-2",
            tone="bad",
            confirm=_("Remove every athlete this import added, and undo its changes?"),
            when={"status": ("applied", "applied_with_errors")},
        ),
    ),
    empty=Empty(_("Nothing was imported yet")),
)

PANELS: Final[tuple[Contribution, ...]] = (ATHLETES, IMPORT, DUPLICATES, IMPORTS)

WIDGETS: Final[tuple[Widget, ...]] = (
    Kpi(
        slug="athletes",
        label=_("Athletes"),
        operation="kpi.athletes",
        icon="users",
        href="athletes",
        order=100,
    ),
    Kpi(
        slug="duplicates",
        label=_("Possible duplicates"),
        operation="kpi.duplicates",
        icon="copy",
        href="duplicates",
        order=110,
    ),
    Chart(
        slug="athletes-by-sport",
        label=_("Athletes by sport"),
        operation="chart.sports",
        kind="bars",
        href="athletes",
        span=2,
        order=120,
    ),
    Chart(
        slug="athletes-by-age",
        label=_("Athletes by age"),
        operation="chart.ages",
        kind="split",
        span=1,
        order=130,
    ),
    Chart(
        slug="athletes-by-nationality",
        label=_("Athletes by nationality"),
        operation="chart.countries",
        kind="bars",
        span=1,
        order=140,
    ),
    Latest(
        slug="latest-athletes",
        label=_("Latest athletes"),
        panel="athletes",
        columns=("name", "sport", "nationality", "ranking"),
        sort="-created_at",
        span=2,
        order=150,
    ),
)
