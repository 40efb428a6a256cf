"""What a plugin declares to get its pages in the admin shell; everything here is data, the kernel draws it.

A panel names *operations*, it never reads a table: the list, the record, the forms and the buttons pass the same pipeline as the
API, so permissions, tenant scope, validation and audit cannot differ between the two.

```python
from trophenix_sdk.i18n import gettext_lazy
from trophenix_sdk.panels import Action, Col, F, Filter, Panel, Section, nav

_ = gettext_lazy("recruitment")

athletes = Panel(
    slug="athletes",
    label=_("Athlete"),
    label_plural=_("Athletes"),
    label_new=_("New athlete"),
    icon="users",
    group=nav.PEOPLE,
    list="athlete.search",
    read="athlete.read",
    create="athlete.create",
    update="athlete.update",
    delete="athlete.delete",
    columns=(
        Col("name", _("Athlete"), kind="person", sub="club"),
        Col("born_on", _("Born"), kind="date", sort="born_on"),
        Col("status", _("Status"), kind="badge", tones={"active": "ok"}),
    ),
    filters=(Filter("status", _("Status")),),
    sections=(Section(_("Identity"), _("Who the athlete is."), ("name", "born_on")),),
    actions=(Action("archive", _("Archive"), operation="athlete.archive", icon="archive", bulk="ids"),),
)
```

The list operation's input struct decides what can be filtered and sorted: a `Filter` names one of its fields, ``q`` is the search
box, ``sort`` the order (a leading ``-`` reverses it), ``cursor`` and ``limit`` the page. Its output is a `trophenix_sdk.paging.Page`.
The form is derived from the create or update operation's input struct; `F` only says how a field is presented.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Final, Literal, TypeAlias

import msgspec

from trophenix_sdk.i18n import Text, gettext_lazy

_ = gettext_lazy("kernel")

Tone: TypeAlias = Literal["neutral", "brand", "ok", "warn", "bad", "info"]
"""What a colour means; themes decide the colour, always together with its text colour."""

Kind: TypeAlias = Literal[
    "text",
    "person",
    "number",
    "percent",
    "money",
    "date",
    "datetime",
    "ago",
    "badge",
    "progress",
    "yesno",
    "tags",
    "link",
    "email",
    "code",
]
"""How a value is shown. ``money`` takes integer minor units, or a struct with ``minor`` and ``currency``."""

Width: TypeAlias = Literal["full", "half", "third"]


class NavGroup(msgspec.Struct, frozen=True):
    """A heading of the side bar; panels of several plugins may share one.

    Attributes:
        slug: what identifies it; two groups with one slug are the same group.
        label: the heading.
        order: smaller comes first.
    """

    slug: str
    label: Text
    order: int = 500


class nav:  # noqa: N801 - reads as a namespace of constants: group=nav.SALES
    """The headings every plugin may use; a plugin may also make a `NavGroup` of its own."""

    WORK: Final = NavGroup("work", _("Work"), 100)
    PEOPLE: Final = NavGroup("people", _("People"), 200)
    SALES: Final = NavGroup("sales", _("Sales"), 300)
    OPERATIONS: Final = NavGroup("operations", _("Operations"), 400)
    INSIGHT: Final = NavGroup("insight", _("Insight"), 500)
    ORGANISATION: Final = NavGroup("organisation", _("Organisation"), 900)


class _Named(msgspec.Struct, frozen=True):
    """The two things every declaration begins with, so they need no keyword."""

    key: str
    label: Text = ""


class Col(_Named, frozen=True, kw_only=True):
    """One column of a list, one fact of a record.

    Attributes:
        key: the item's field; a dotted path reaches inside (``club.name``).
        label: the heading; derived from the key when empty.
        kind: how the value is shown.
        sort: the word sent as ``sort`` when the heading is clicked; ``""`` when the list cannot be ordered by it.
        sub: a field shown small under the value.
        of: for ``progress``, the field that holds the whole.
        tones: for ``badge``, the tone of each value.
        labels: what to show instead of a value, for values that are codes.
        currency: for ``money`` given as a bare integer, its ISO 4217 code.
        href: for ``link``, the field that holds the address.
        hide: the column is left out on screens narrower than this.
    """

    kind: Kind = "text"
    sort: str = ""
    sub: str = ""
    of: str = ""
    tones: Mapping[str, Tone] = {}
    labels: Mapping[str, Text] = {}
    currency: str = ""
    href: str = ""
    hide: Literal["", "phone", "tablet", "laptop"] = ""


class Filter(_Named, frozen=True, kw_only=True):
    """A choice above the list; *key* is a field of the list operation's input.

    Attributes:
        key: the input field it sets.
        label: what is asked.
        choices: the values offered; taken from the field's type when empty.
        labels: what to show instead of a value.
        placeholder: for filters that are typed, an example.
    """

    choices: tuple[str, ...] = ()
    labels: Mapping[str, Text] = {}
    placeholder: Text = ""


class F(msgspec.Struct, frozen=True):
    """How one field of a form is presented; its rules come from the operation's input struct.

    Attributes:
        label: the question, in a few words.
        help: what to know before answering.
        widget: another control than the type suggests.
        placeholder: an example of a good answer.
        prefix: what stands fixed before the value, such as a currency.
        suffix: what stands fixed after it, such as a unit.
        width: how much of the row it takes.
        autocomplete: the browser's autofill word, ``off`` to refuse it.
        labels: what to show instead of a value, for choices that are codes.
    """

    label: Text = ""
    help: Text = ""
    widget: Literal[
        "", "textarea", "radio", "password", "email", "tel", "url", "hidden", "file"
    ] = ""
    placeholder: Text = ""
    prefix: Text = ""
    suffix: Text = ""
    width: Width = "full"
    autocomplete: str = ""
    labels: Mapping[str, Text] = {}


class Section(msgspec.Struct, frozen=True):
    """Fields that belong together, on the form and on the record's page.

    Attributes:
        title: the heading.
        hint: one sentence that says what the section is about.
        fields: names, in order. Fields named in no section follow at the end.
    """

    title: Text
    hint: Text = ""
    fields: tuple[str, ...] = ()


class Action(msgspec.Struct, frozen=True, kw_only=True):
    """A button that calls an operation on one record, or on every ticked row of the list.

    Attributes:
        slug: the last word of its address.
        label: the button's text, a verb.
        operation: what is called. Its permission decides who sees the button.
        icon: a Lucide icon name.
        tone: ``bad`` for what destroys.
        confirm: asked before calling; always give one when the effect cannot be undone.
        key: the operation's input field that takes the record's id.
        bulk: the input field that takes many ids; ``""`` keeps the action off the list.
        when: ``{field: values}``; the button is shown only where the record has one of these values.
    """

    slug: str
    label: Text
    operation: str
    icon: str = "play"
    tone: Tone = "neutral"
    confirm: Text = ""
    key: str = "id"
    bulk: str = ""
    when: Mapping[str, tuple[str, ...]] = {}


class Related(msgspec.Struct, frozen=True, kw_only=True):
    """Another list shown on a record's page, narrowed to that record.

    Attributes:
        slug: the last word of the tab's address.
        label: the tab's name.
        operation: the list that is called.
        by: its input field that takes the record's id.
        columns: what is shown of each item.
        panel: the panel whose record an item links to.
        limit: how many at most.
    """

    slug: str
    label: Text
    operation: str
    by: str
    columns: tuple[Col, ...]
    panel: str = ""
    limit: int = 20


class Empty(msgspec.Struct, frozen=True):
    """What an empty list says: what will stand here, and how to get it there.

    Attributes:
        title: what is missing.
        text: why one wants it, and what to do.
        steps: at most three things to do first.
    """

    title: Text
    text: Text = ""
    steps: tuple[Text, ...] = ()


class Panel(msgspec.Struct, frozen=True, kw_only=True):
    """A kind of thing with a list, a page for each, and forms.

    Operations are named as their own plugin names them (``athlete.search``). An operation that is not given, or that the
    person may not call, leaves its button out.

    Attributes:
        slug: the word in the address.
        label: one of them.
        label_plural: many of them; the list's heading and the side bar's entry.
        label_new: the button that makes one.
        description: one sentence under the heading.
        icon: a Lucide icon name.
        group: the side bar's heading it stands under.
        list: searches; output `trophenix_sdk.paging.Page`.
        read: gives one by id.
        create: makes one.
        update: changes one.
        delete: removes one.
        export: writes the whole list, as a file.
        export_formats: what it can write.
        id: the item's field that identifies it.
        title: the item's field people call it by.
        subtitle: a field shown under the title on its page.
        version: the field that changes with every update; sent back on saving, so that nobody overwrites another's work.
        columns: the list.
        facts: what stands at the head of the record's page; the first columns when empty.
        filters: the choices above the list.
        search: what the search box looks in, said to people; ``""`` leaves the box out.
        sort: the order at first.
        limit: rows on a page.
        fields: how form fields are presented.
        sections: how they are grouped.
        actions: buttons.
        related: other lists on the record's page.
        empty: what an empty list says.
        badge: an operation that answers how many wait to be handled, shown in the side bar.
    """

    slug: str
    label: Text
    label_plural: Text
    list: str
    columns: tuple[Col, ...]
    label_new: Text = ""
    description: Text = ""
    icon: str = "box"
    group: NavGroup = nav.WORK
    read: str = ""
    create: str = ""
    update: str = ""
    delete: str = ""
    export: str = ""
    export_formats: tuple[Literal["csv", "xlsx", "json"], ...] = ("csv",)
    id: str = "id"
    title: str = "name"
    subtitle: str = ""
    version: str = ""
    facts: tuple[Col, ...] = ()
    filters: tuple[Filter, ...] = ()
    search: Text = ""
    sort: str = ""
    limit: int = 25
    fields: Mapping[str, F] = {}
    sections: tuple[Section, ...] = ()
    actions: tuple[Action, ...] = ()
    related: tuple[Related, ...] = ()
    empty: Empty | None = None
    badge: str = ""


class Screen(msgspec.Struct, frozen=True, kw_only=True):
    """A page of the plugin's own, drawn by its own template from what one operation answers.

    The template extends ``kernel/screen.html``, fills its blocks, and writes parts with the ``ui`` macros only.

    Attributes:
        slug: the word in the address.
        label: the heading and the side bar's entry.
        template: the file inside the plugin's ``templates`` folder.
        load: the operation whose output the template gets as ``data``.
        panel: the panel it belongs to; it then stands on that panel's page, not in the side bar.
    """

    slug: str
    label: Text
    template: str
    load: str
    icon: str = "box"
    description: Text = ""
    group: NavGroup = nav.WORK
    panel: str = ""


class ImportScreen(msgspec.Struct, frozen=True, kw_only=True):
    """The standard page for bringing a file in: choose, check the mapping, watch it run, see what failed, undo.

    The operations answer with the structs of this module, or with any struct that has the same fields.

    Attributes:
        slug: the word in the address.
        label: the heading.
        panel: the panel whose list it fills.
        preview: takes the file; answers an `ImportPreview`.
        apply: takes the preview's id and the mapping; answers an `ImportStatus`.
        status: takes the id; answers an `ImportStatus`.
        problems: takes the id; answers a page of `ImportProblem`.
        revert: takes the id; takes back every row that was written.
        accepts: file name endings.
        template_href: where an empty example file is found.
        limit_mebibytes: the largest file taken.
    """

    slug: str
    label: Text
    panel: str
    preview: str
    apply: str
    status: str
    problems: str
    revert: str = ""
    description: Text = ""
    accepts: tuple[str, ...] = (".csv",)
    template_href: str = ""
    limit_mebibytes: int = 50


class ImportColumn(msgspec.Struct, frozen=True, kw_only=True):
    """One column of the file, and the field it was taken for."""

    heading: str
    samples: tuple[str, ...] = ()
    target: str = ""
    certain: bool = True


class ImportPreview(msgspec.Struct, frozen=True, kw_only=True):
    """What was understood of a file before anything was written.

    Attributes:
        id: names the waiting import.
        file_name: as it came.
        rows: data rows found.
        format: how the file was read, for people: ``CSV, semicolon, UTF-8``.
        columns: in the file's order.
        targets: every field a column may be taken for, with its label.
        required: the targets that must be given.
    """

    id: str
    file_name: str
    rows: int
    columns: tuple[ImportColumn, ...]
    targets: Mapping[str, Text]
    format: str = ""
    required: tuple[str, ...] = ()


ImportState: TypeAlias = Literal[
    "waiting", "running", "finished", "failed", "reverting", "reverted"
]


class ImportStatus(msgspec.Struct, frozen=True, kw_only=True):
    """How far an import is; the counters add up to ``done``.

    Attributes:
        id: names the import.
        state: ``waiting`` and ``running`` are asked again, the others are final.
        total: rows in the file, ``0`` while unknown.
        done: rows looked at.
        created: rows that made a record.
        updated: rows that changed one.
        unchanged: rows that said what was known.
        review: rows a person must decide on.
        rejected: rows that were not taken.
        seconds: how long it has run.
        message: what to know, when it failed.
        revertible: whether it can still be taken back.
    """

    id: str
    state: ImportState
    file_name: str = ""
    total: int = 0
    done: int = 0
    created: int = 0
    updated: int = 0
    unchanged: int = 0
    review: int = 0
    rejected: int = 0
    seconds: float = 0.0
    message: Text = ""
    revertible: bool = False


class ImportProblem(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is wrong with one line of the file.

    Attributes:
        line: the line's number in the file, headings being line 1.
        column: the heading it is about, ``""`` for the whole line.
        code: a stable word.
        message: what was found and what was expected.
        value: what stood there.
    """

    line: int
    code: str
    message: Text
    column: str = ""
    value: str = ""


class Kpi(msgspec.Struct, frozen=True, kw_only=True):
    """A figure on the dashboard; its operation answers a `KpiValue`."""

    slug: str
    label: Text
    operation: str
    icon: str = "activity"
    href: str = ""
    order: int = 500


class KpiValue(msgspec.Struct, frozen=True, kw_only=True):
    """A figure, how it moved, and its recent course.

    Attributes:
        value: the figure; minor units for ``money``, a ratio for ``percent``.
        kind: how it is shown.
        currency: for ``money``.
        change: the ratio it moved by, ``0.12`` for 12 % more; ``None`` when there is nothing to compare with.
        versus: what it is compared with.
        good: whether more is better.
        recent: the last values, oldest first; at least two draw a line.
    """

    value: int | float
    kind: Literal["number", "percent", "money"] = "number"
    currency: str = ""
    change: float | None = None
    versus: Text = ""
    good: Literal["up", "down"] = "up"
    recent: tuple[float, ...] = ()


class Chart(msgspec.Struct, frozen=True, kw_only=True):
    """A drawing on the dashboard; its operation answers a `ChartData`.

    Attributes:
        kind: ``area`` for a course over time, ``bars`` for amounts side by side, ``split`` for parts of a whole.
        span: how many thirds of the row it takes.
    """

    slug: str
    label: Text
    operation: str
    kind: Literal["area", "bars", "split"] = "area"
    description: Text = ""
    href: str = ""
    span: Literal[1, 2, 3] = 2
    order: int = 500


class Series(msgspec.Struct, frozen=True):
    """One line or set of bars: a name, and one value per label."""

    label: Text
    values: tuple[float, ...]


class ChartData(msgspec.Struct, frozen=True, kw_only=True):
    """What a chart shows.

    Attributes:
        labels: one per value; dates are written in the reader's way.
        series: the first is the subject, a second is drawn behind it for comparison.
        axis: what the labels are, for the table of figures.
        kind: how values are written.
        currency: for ``money``.
        mark: the index of the label that is now.
    """

    labels: tuple[dt.date | str, ...]
    series: tuple[Series, ...]
    axis: Text = ""
    kind: Literal["number", "percent", "money"] = "number"
    currency: str = ""
    mark: int | None = None


class Latest(msgspec.Struct, frozen=True, kw_only=True):
    """The first rows of a panel's list, on the dashboard."""

    slug: str
    label: Text
    panel: str
    columns: tuple[str, ...] = ()
    sort: str = ""
    limit: int = 5
    span: Literal[1, 2, 3] = 3
    order: int = 500


class Fragment(msgspec.Struct, frozen=True, kw_only=True):
    """A part of the dashboard drawn by the plugin's own template from what one operation answers."""

    slug: str
    label: Text
    template: str
    load: str
    href: str = ""
    span: Literal[1, 2, 3] = 1
    order: int = 500


Widget: TypeAlias = Kpi | Chart | Latest | Fragment
Contribution: TypeAlias = Panel | Screen | ImportScreen | Kpi | Chart | Latest | Fragment
"""Everything a plugin's ``panels`` hook may return."""
