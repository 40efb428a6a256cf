"""From a declared panel and an operation's answer to the view of a page.

The web door reads a request into a `ListQuery`, calls the operations, and gives their answers to the functions here. ``can`` says
whether the person may call an operation; what they may not call leaves no button behind.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, cast
from urllib.parse import urlencode

import msgspec

from trophenix_kernel.panels import charts, forms
from trophenix_kernel.panels.cells import NUMERIC, cell, label_of, pick, spell
from trophenix_kernel.panels.cells import parts as many
from trophenix_kernel.panels.language import Language
from trophenix_kernel.panels.views import (
    Button,
    Cell,
    Chip,
    Crumb,
    Dashboard,
    DetailPage,
    EmptyState,
    FactGroup,
    FilterControl,
    FormPage,
    Heading,
    KpiCard,
    ListPage,
    Notice,
    Option,
    Pager,
    Row,
    Tab,
    Table,
    TimelineEntry,
    WidgetCard,
)
from trophenix_sdk.errors import FieldProblem
from trophenix_sdk.i18n import Text, gettext_lazy, ngettext_lazy
from trophenix_sdk.paging import Page
from trophenix_sdk.panels import (
    Action,
    Chart,
    ChartData,
    Col,
    Fragment,
    Kpi,
    KpiValue,
    Latest,
    Panel,
    Related,
)

_ = gettext_lazy("kernel")
_n = ngettext_lazy("kernel")

Can = Callable[[str], bool]
Posted = Mapping[str, Sequence[str]]

TRAIL: int = 12
"""How many pages back a list remembers; further back one starts again."""


def everything(_operation: str) -> bool:
    """A `Can` that says yes, for previews and for people who may do all."""
    return True


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Where a panel stands and who looks at it.

    Attributes:
        base: the panel's address, such as ``/admin/recruitment/athletes``.
        language: who reads.
        now: for ages.
        domain: the plugin's message catalogue.
        can: whether the person may call an operation of the panel's plugin.
    """

    base: str
    language: Language
    now: dt.datetime
    domain: str = "kernel"
    can: Can = everything


class ListQuery(msgspec.Struct, frozen=True, kw_only=True):
    """What a list's address asks for, reduced to what the panel declares.

    Attributes:
        start: the number of the first row shown, counted from 1; only for people.
        trail: the cursors of the pages before this one, so that one can go back.
    """

    q: str = ""
    sort: str = ""
    filters: Mapping[str, str] = {}
    cursor: str = ""
    start: int = 1
    trail: tuple[str, ...] = ()

    def input(self, panel: Panel) -> dict[str, Any]:
        """The list operation's input as plain values; what is empty is left out."""
        given: dict[str, Any] = {
            "q": self.q,
            "sort": self.sort,
            "cursor": self.cursor,
            "limit": panel.limit,
            **self.filters,
        }
        return {key: value for key, value in given.items() if value not in ("", None)}


def list_query(panel: Panel, asked: Posted) -> ListQuery:
    """What *asked*, a parsed query string, may ask of *panel*: only declared orders and filters get through."""

    def one(name: str) -> str:
        values = asked.get(name, ())
        return values[0].strip() if values else ""

    sort = one("sort")
    orders = {col.sort for col in panel.columns if col.sort}
    start = one("start")
    return ListQuery(
        q=one("q")[:200] if panel.search else "",
        sort=sort if sort.removeprefix("-") in orders else panel.sort,
        filters={given.key: value for given in panel.filters if (value := one(given.key)[:200])},
        cursor=one("cursor"),
        start=int(start) if start.isdecimal() and len(start) < 10 and int(start) > 0 else 1,
        trail=tuple(asked.get("trail", ()))[-TRAIL:],
    )


def list_page(
    panel: Panel,
    query: ListQuery,
    page: Page[Any] | None,
    place: Place,
    *,
    input_struct: type[msgspec.Struct] | None = None,
    error: Notice | None = None,
    extra: tuple[Button, ...] = (),
) -> ListPage:
    """A panel's list.

    Args:
        panel: what was declared.
        query: what was asked.
        page: what the list operation answered; ``None`` when it failed, with *error* saying why.
        place: where and for whom.
        input_struct: the list operation's input, which knows the choices of filters that name none.
        error: shown in place of the rows.
        extra: further buttons, such as Import.
    """
    can = place.can
    items = page.data if page is not None else []
    reads = bool(panel.read) and can(panel.read)
    rows = tuple(_row(panel, item, place, link=reads) for item in items)
    narrowed = bool(query.q or query.filters)
    new = _new_button(panel, place)
    actions = tuple(action for action in panel.actions if action.bulk and can(action.operation))
    return ListPage(
        title=panel.label_plural,
        description=panel.description,
        label=panel.label_plural,
        path=place.base,
        headings=tuple(_heading(col, query, place.base) for col in panel.columns),
        rows=rows,
        pager=_pager(query, page, place.base, len(rows)) if page is not None and rows else None,
        searchable=bool(panel.search),
        search_hint=panel.search,
        q=query.q,
        filters=_filters(panel, query, input_struct, place),
        chips=_chips(panel, query, place),
        clear_href=place.base if narrowed else "",
        sort=query.sort if query.sort != panel.sort else "",
        buttons=(*extra, *((new,) if new else ())),
        exports=_exports(panel, query, place),
        bulk=tuple(_bulk(action, place.base) for action in actions),
        return_to=_address(
            place.base, query, cursor=query.cursor, start=query.start, trail=query.trail
        ),
        empty=None if rows or error else _empty(panel, new, place, narrowed=narrowed),
        error=error,
    )


def detail_page(
    panel: Panel,
    item: object,
    place: Place,
    *,
    tab: str = "",
    related: Page[Any] | None = None,
    counts: Mapping[str, int] | None = None,
    timeline: Sequence[TimelineEntry] | None = None,
    notice: Notice | None = None,
) -> DetailPage:
    """A record's page.

    Args:
        panel: what was declared.
        item: what the read operation answered.
        place: where and for whom.
        tab: the slug of the related list that is open, ``history``, or ``""`` for the record itself.
        related: what the open tab's operation answered.
        counts: how many each related list holds, where known.
        timeline: what happened to the record, newest first; ``None`` leaves the place out.
        notice: something to say above.
    """
    language, can = place.language, place.can
    id_, title = _text(item, panel.id), _text(item, panel.title)
    path = f"{place.base}/{id_}"
    shown = [_cell(col, item, place) for col in panel.columns if col.key != panel.title]
    facts = [_cell(col, item, place) for col in panel.facts] or shown[:4]
    badges = tuple(fact for fact in (*shown, *facts) if fact.kind == "badge" and not fact.empty)[:1]
    title_col = next((col for col in panel.columns if col.key == panel.title), None)
    opened = next((one for one in panel.related if one.slug == tab), None)
    allowed = [one for one in panel.related if can(one.operation)]
    tabs: list[Tab] = []
    if allowed:
        tabs.append(Tab(label=_("Overview"), href=path, current=not tab))
        tabs += [
            Tab(
                label=one.label,
                href=f"{path}?tab={one.slug}",
                current=one.slug == tab,
                count=(counts or {}).get(one.slug),
            )
            for one in allowed
        ]
    actions = [
        action for action in panel.actions if can(action.operation) and _applies(action, item)
    ]
    buttons = [_act(action, path) for action in actions[:2]]
    more = [_act(action, path) for action in actions[2:]]
    if panel.update and can(panel.update):
        buttons.insert(0, Button(label=_("Edit"), href=f"{path}/edit", icon="pencil"))
    if panel.delete and can(panel.delete):
        more.append(
            Button(
                label=_("Delete"),
                post=f"{path}/delete",
                icon="trash",
                tone="bad",
                confirm=_("Delete “%(name)s”? This cannot be undone.") % {"name": title},
            )
        )
    return DetailPage(
        title=title,
        subtitle=_text(item, panel.subtitle) if panel.subtitle else panel.label,
        crumbs=(Crumb(label=panel.label_plural, href=place.base),),
        path=path,
        icon=panel.icon,
        person=title_col is not None and title_col.kind == "person",
        badges=badges,
        facts=tuple(fact for fact in facts if fact not in badges),
        groups=() if opened else _groups(panel, item, place),
        tabs=tuple(tabs),
        table=_related_table(opened, related, place) if opened else None,
        timeline=tuple(timeline) if timeline is not None and not opened else None,
        buttons=tuple(buttons),
        more=tuple(more),
        reference=id_,
        notice=notice,
        description=language.text(panel.description),
    )


def form_page(
    panel: Panel,
    struct: type[msgspec.Struct],
    place: Place,
    *,
    item: object = None,
    bound: forms.Bound | None = None,
    problems: Iterable[FieldProblem] = (),
    notice: Notice | None = None,
) -> FormPage:
    """The form to make one, or to change *item*.

    Args:
        panel: what was declared.
        struct: the input of the create or update operation.
        place: where and for whom.
        item: what is being changed, ``None`` for a new one.
        bound: what was sent, shown again with its faults.
        problems: faults the pipeline found after binding.
        notice: something to say above.
    """
    faults = [*(bound.problems if bound else ()), *problems]
    without = (
        {"id", panel.id, *({panel.version} if panel.version else ())}
        if item is not None
        else set[str]()
    )
    fields = forms.describe(
        struct,
        place.language,
        fields=panel.fields,
        answers=bound.answers if bound else None,
        record=item,
        leave_out=without,
        domain=place.domain,
    )
    fields, others = forms.place(fields, faults, place.language, domain=place.domain)
    crumbs = [Crumb(label=panel.label_plural, href=place.base)]
    action, cancel = f"{place.base}/new", place.base
    title: Text = panel.label_new or panel.label
    hidden: list[tuple[str, str]] = []
    if item is not None:
        path = f"{place.base}/{_text(item, panel.id)}"
        name = _text(item, panel.title)
        crumbs.append(Crumb(label=name, href=path))
        action, cancel = f"{path}/edit", path
        title = _("Edit %(name)s") % {"name": name}
        if panel.version:
            hidden.append((panel.version, _text(item, panel.version)))
    return FormPage(
        title=title,
        description="" if item is not None else panel.description,
        crumbs=tuple(crumbs),
        action=action,
        cancel_href=cancel,
        sections=forms.arrange(fields, panel.sections),
        submit=_("Save") if item is not None else _("Create"),
        hidden=tuple(hidden),
        errors=others,
        status=422 if faults else 200,
        multipart=any(field.control == "file" for field in fields),
        notice=notice,
    )


def kpi_card(kpi: Kpi, value: KpiValue, language: Language, *, href: str = "") -> KpiCard:
    """A figure of the dashboard."""
    if value.kind == "money":
        shown = language.money(round(value.value), value.currency)
    elif value.kind == "percent":
        shown = language.percent(float(value.value))
    else:
        shown = language.number(value.value)
    change = value.change or 0.0
    sign = "+" if change > 0 else ""
    return KpiCard(
        label=kpi.label,
        value=shown,
        icon=kpi.icon,
        change="" if value.change is None else sign + language.percent(change),
        rising=change >= 0,
        better=(change >= 0) == (value.good == "up"),
        versus="" if value.change is None else value.versus,
        spark=charts.sparkline(value.recent),
        href=href or kpi.href,
    )


def chart_card(chart: Chart, data: ChartData, language: Language) -> WidgetCard:
    """A drawing of the dashboard."""
    return WidgetCard(
        title=chart.label,
        description=chart.description,
        href=chart.href,
        span=chart.span,
        chart=charts.draw(chart.kind, data, language.text(chart.label), language),
    )


def latest_card(latest: Latest, panel: Panel, page: Page[Any], place: Place) -> WidgetCard:
    """The first rows of a panel's list."""
    wanted = latest.columns or tuple(col.key for col in panel.columns)
    columns = tuple(col for col in panel.columns if col.key in wanted)
    narrow = msgspec.structs.replace(panel, columns=columns)
    return WidgetCard(
        title=latest.label,
        href=place.base,
        span=latest.span,
        table=Table(
            label=latest.label,
            headings=tuple(_plain_heading(col) for col in columns),
            rows=tuple(
                _row(narrow, item, place, link=bool(panel.read))
                for item in page.data[: latest.limit]
            ),
            empty=_("Nothing here yet."),
        ),
    )


def fragment_card(fragment: Fragment, data: object) -> WidgetCard:
    """A plugin's own part of the dashboard."""
    return WidgetCard(
        title=fragment.label,
        href=fragment.href,
        span=fragment.span,
        include=fragment.template,
        data=data,
    )


def failed_card(widget: Chart | Latest | Fragment) -> WidgetCard:
    """What stands in the place of a widget whose operation failed: the page lives on without it."""
    return WidgetCard(title=widget.label, span=widget.span, failed=True)


def dashboard(
    title: Text,
    description: Text,
    kpis: Sequence[KpiCard],
    widgets: Sequence[WidgetCard],
    *,
    buttons: tuple[Button, ...] = (),
    empty: EmptyState | None = None,
) -> Dashboard:
    """The first page, its widgets arranged so that no row has a hole."""
    spans = pack([widget.span for widget in widgets])
    placed = [msgspec.structs.replace(widgets[index], span=span) for index, span in spans]
    return Dashboard(
        title=title,
        name=_("Dashboard"),
        description=description,
        kpis=tuple(kpis),
        widgets=tuple(placed),
        buttons=buttons,
        empty=None if kpis or widgets else empty,
    )


def pack(spans: Sequence[int], width: int = 3) -> list[tuple[int, int]]:
    """The order and the widths in which cards fill rows of *width* without a hole.

    A card that fits is taken forward to fill a row; the last of a row that nothing fills grows. Every card appears once, and the
    widths of every row add up to *width*.
    """
    waiting = [(index, min(width, max(1, span))) for index, span in enumerate(spans)]
    placed: list[tuple[int, int]] = []
    while waiting:
        room = width
        while room:
            fit = next((card for card in waiting if card[1] <= room), None)
            if fit is None:
                last = placed.pop()
                placed.append((last[0], last[1] + room))
                break
            waiting.remove(fit)
            placed.append(fit)
            room -= fit[1]
    return placed


# --- parts ----------------------------------------------------------------------------------------


def _cell(col: Col, item: object, place: Place, href: str = "") -> Cell:
    return cell(col, item, place.language, place.now, href=href, domain=place.domain)


def _text(item: object, key: str) -> str:
    value = pick(item, key)
    return "" if value is None else str(value)


def _row(panel: Panel, item: object, place: Place, *, link: bool) -> Row:
    id_ = _text(item, panel.id)
    href = f"{place.base}/{id_}" if link else ""
    columns = panel.columns
    linked = panel.title if any(col.key == panel.title for col in columns) else columns[0].key
    return Row(
        id=id_,
        title=_text(item, panel.title) or id_,
        href=href,
        cells=tuple(_cell(col, item, place, href if col.key == linked else "") for col in columns),
    )


def _plain_heading(col: Col) -> Heading:
    return Heading(label=col.label or spell(col.key), numeric=col.kind in NUMERIC, hide=col.hide)


def _heading(col: Col, query: ListQuery, base: str) -> Heading:
    plain = _plain_heading(col)
    if not col.sort:
        return plain
    current = query.sort.removeprefix("-") == col.sort
    falling = query.sort.startswith("-")
    turned = f"-{col.sort}" if current and not falling else col.sort
    href = _address(base, msgspec.structs.replace(query, sort=turned))
    direction = ("descending" if falling else "ascending") if current else ""
    return msgspec.structs.replace(plain, href=href, direction=direction)


def _address_parts(query: ListQuery, **more: Any) -> list[tuple[str, str]]:
    parts = [("q", query.q), ("sort", query.sort), *query.filters.items()]
    for name, value in more.items():
        if isinstance(value, tuple):
            parts += [(name, str(one)) for one in cast("tuple[object, ...]", value)]
        elif value not in ("", 1):
            parts.append((name, str(value)))
    return [(name, value) for name, value in parts if value]


def _address(base: str, query: ListQuery, **more: Any) -> str:
    parts = _address_parts(query, **more)
    return base + ("?" + urlencode(parts) if parts else "")


def _pager(query: ListQuery, page: Page[Any], base: str, shown: int) -> Pager:
    first = query.start
    last = first + shown - 1
    previous = ""
    if query.cursor:
        # the trail's last word is the page before this one; "" stands for the first page
        *earlier, before = query.trail or ("-",)
        cursor = "" if before == "-" else before
        start = max(1, first - _page_size(query, shown, first))
        previous = _address(base, query, cursor=cursor, start=start, trail=tuple(earlier))
    following = ""
    if page.next_cursor:
        trail = (*query.trail, query.cursor or "-")[-TRAIL:]
        following = _address(base, query, cursor=page.next_cursor, start=last + 1, trail=trail)
    return Pager(
        first=first,
        last=last,
        total=page.total,
        start_href=_address(base, query) if query.cursor else "",
        previous_href=previous,
        next_href=following,
    )


def _page_size(query: ListQuery, shown: int, first: int) -> int:
    """How many rows the page before this one held: all pages but the last are equally long."""
    before = len(query.trail)
    return (first - 1) // before if before and (first - 1) % before == 0 else shown


def _filters(
    panel: Panel, query: ListQuery, struct: type[msgspec.Struct] | None, place: Place
) -> tuple[FilterControl, ...]:
    known = {rule.name: rule for rule in forms.rules(struct)} if struct is not None else {}
    controls: list[FilterControl] = []
    for given in panel.filters:
        rule = known.get(given.key)
        value = query.filters.get(given.key, "")
        choices = given.choices or (rule.choices if rule else ())
        shape = rule.shape if rule else "text"
        label = given.label or spell(given.key)
        if shape == "yesno" and not choices:
            options = tuple(
                Option(value=word, label=text, chosen=value == word)
                for word, text in (("true", _("Yes")), ("false", _("No")))
            )
        else:
            options = tuple(
                Option(
                    value=choice,
                    label=label_of(choice, given.labels, place.domain, place.language),
                    chosen=choice == value,
                )
                for choice in choices
            )
        kind: Any = (
            "select" if options else {"date": "date", "integer": "number"}.get(shape, "text")
        )
        controls.append(
            FilterControl(
                name=given.key,
                label=label,
                kind=kind,
                options=options,
                # Browsers throw away what is no number; the notice above and the chip still say what was asked.
                value=value if kind != "number" or value.lstrip("-").isdecimal() else "",
                placeholder=given.placeholder,
            )
        )
    return tuple(controls)


def _chips(panel: Panel, query: ListQuery, place: Place) -> tuple[Chip, ...]:
    chips: list[Chip] = []
    for given in panel.filters:
        if value := query.filters.get(given.key):
            rest = {key: kept for key, kept in query.filters.items() if key != given.key}
            shown = {"true": _("Yes"), "false": _("No")}.get(value) or (
                label_of(value, given.labels, place.domain, place.language)
                if given.choices or given.labels
                else place.language.word(value, place.domain)
            )
            chips.append(
                Chip(
                    label=given.label or spell(given.key),
                    value=shown,
                    href=_address(place.base, msgspec.structs.replace(query, filters=rest)),
                )
            )
    return tuple(chips)


def _new_button(panel: Panel, place: Place) -> Button | None:
    if not panel.create or not place.can(panel.create):
        return None
    return Button(
        label=panel.label_new or _("New"), href=f"{place.base}/new", icon="plus", tone="primary"
    )


def _exports(panel: Panel, query: ListQuery, place: Place) -> tuple[Button, ...]:
    if not panel.export or not place.can(panel.export):
        return ()
    names: Mapping[str, tuple[Text, str]] = {
        "csv": (_("CSV, for any spreadsheet"), "file-text"),
        "xlsx": (_("Excel"), "file-spreadsheet"),
        "json": (_("JSON, for programs"), "braces"),
    }
    return tuple(
        Button(
            label=names[kind][0],
            icon=names[kind][1],
            href=_address(f"{place.base}/export.{kind}", query),
            download=True,
        )
        for kind in panel.export_formats
    )


def _bulk(action: Action, base: str) -> Button:
    return Button(
        label=action.label,
        post=f"{base}/do/{action.slug}",
        icon=action.icon,
        tone="bad" if action.tone == "bad" else "neutral",
        confirm=action.confirm,
    )


def _act(action: Action, path: str) -> Button:
    return Button(
        label=action.label,
        post=f"{path}/do/{action.slug}",
        icon=action.icon,
        tone="bad" if action.tone == "bad" else "primary" if action.tone == "brand" else "neutral",
        confirm=action.confirm,
    )


def _applies(action: Action, item: object) -> bool:
    return all(str(pick(item, key)) in values for key, values in action.when.items())


def _empty(panel: Panel, new: Button | None, place: Place, *, narrowed: bool) -> EmptyState:
    if narrowed:
        return EmptyState(
            title=_("Nothing found"),
            text=_("Try another word or remove a filter."),
            icon="search-x",
            buttons=(Button(label=_("Clear the search"), href=place.base, icon="x"),),
        )
    if panel.empty is not None:
        return EmptyState(
            title=panel.empty.title,
            text=panel.empty.text,
            steps=panel.empty.steps,
            icon=panel.icon,
            buttons=(new,) if new else (),
        )
    return EmptyState(
        title=_("Nothing here yet"),
        text=panel.description,
        icon=panel.icon,
        buttons=(new,) if new else (),
    )


def _groups(panel: Panel, item: object, place: Place) -> tuple[FactGroup, ...]:
    """All that is known of a record, under the headings of its form."""
    by_key = {col.key: col for col in (*panel.columns, *panel.facts)}
    said = {panel.id, panel.title, panel.version, *(col.key for col in panel.facts)}
    groups: list[FactGroup] = []
    for section in panel.sections:
        facts: list[Cell] = []
        for name in section.fields:
            if name != panel.title:  # it is the heading
                facts.append(_cell(_col_of(name, by_key, panel, item), item, place))
            said.add(name)
        groups.append(FactGroup(title=section.title, hint=section.hint, facts=tuple(facts)))
    rest = [col for key, col in by_key.items() if key not in said]
    if rest:
        title = _("More") if groups else _("Details")
        facts = [_cell(col, item, place) for col in rest]
        groups.append(FactGroup(title=title, facts=tuple(facts)))
    return tuple(groups)


def _col_of(name: str, known: Mapping[str, Col], panel: Panel, item: object) -> Col:
    if name in known:
        return known[name]
    face = panel.fields.get(name)
    value = pick(item, name)
    kind: Any = "text"
    if isinstance(value, bool):
        kind = "yesno"
    elif isinstance(value, dt.datetime):
        kind = "datetime"
    elif isinstance(value, dt.date):
        kind = "date"
    elif many(value) is not None:
        kind = "tags"
    elif face is not None and face.widget == "email":
        kind = "email"
    if face is None:
        return Col(name, kind=kind)
    return Col(name, face.label, kind=kind, labels=face.labels)


def _related_table(related: Related, page: Page[Any] | None, place: Place) -> Table:
    items = page.data if page is not None else []
    return Table(
        label=related.label,
        headings=tuple(_plain_heading(col) for col in related.columns),
        rows=tuple(
            Row(
                id=_text(item, "id"),
                title=_text(item, related.columns[0].key),
                cells=tuple(_cell(col, item, place) for col in related.columns),
            )
            for item in items
        ),
        empty=_("Nothing here yet."),
    )


def chosen(count: int) -> Text:
    """How many rows an action touched, for the message afterwards."""
    return _n("%(n)s row updated", "%(n)s rows updated", count)
