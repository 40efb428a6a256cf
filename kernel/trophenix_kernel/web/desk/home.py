"""The dashboard: figures and drawings of every module, each on its own, so that one that fails leaves the others standing."""

from __future__ import annotations

import logging
from typing import Any, Final

from litestar import Response, get
from litestar.params import FromPath

from trophenix_kernel.panels import (
    Button,
    EmptyState,
    KpiCard,
    WidgetCard,
    chart_card,
    dashboard,
    failed_card,
    fragment_card,
    kpi_card,
    latest_card,
)
from trophenix_kernel.web.desk.entry import Asking
from trophenix_kernel.web.desk.face import Contributed
from trophenix_kernel.web.desk.visit import Visit
from trophenix_sdk.errors import TrophenixError
from trophenix_sdk.i18n import gettext_lazy
from trophenix_sdk.panels import Chart, ChartData, Fragment, Kpi, KpiValue, Latest, Series

_ = gettext_lazy("kernel")
_log: Final = logging.getLogger("trophenix.desk")

MEMBERS: Final = Kpi(slug="members", label=_("Members"), operation="", icon="users-round")
CALLS: Final = Kpi(slug="calls", label=_("Calls today"), operation="", icon="activity")
MODULES: Final = Kpi(slug="modules", label=_("Modules switched on"), operation="", icon="puzzle")
USAGE: Final = Chart(
    slug="usage", label=_("Calls"), operation="", description=_("API and pages, by day"), span=3
)


@get("/admin/{slug:str}")
async def home(request: Asking, slug: FromPath[str]) -> Response[Any]:
    """The organisation's first page."""
    visit = await Visit.open(request, slug)
    kpis: list[KpiCard] = []
    widgets: list[WidgetCard] = []
    for one in visit.enabled():
        for widget in sorted(one.widgets, key=lambda widget: widget.order):
            card = await _card(visit, one, widget)
            if isinstance(card, KpiCard):
                kpis.append(card)
            elif card is not None:
                widgets.append(card)
    stats = await visit.call("kernel:tenant.stats")
    language = visit.language
    kpis += [
        kpi_card(MEMBERS, KpiValue(value=stats.members), language, href=f"{visit.base}/members"),
        kpi_card(
            MODULES,
            KpiValue(value=len(stats.plugins_enabled)),
            language,
            href=f"{visit.base}/modules",
        ),
        kpi_card(
            CALLS,
            KpiValue(
                value=stats.requests_today,
                recent=tuple(float(day.requests) for day in stats.last_days),
            ),
            language,
        ),
    ]
    if len(stats.last_days) > 1:
        data = ChartData(
            labels=tuple(day.day for day in stats.last_days),
            series=(Series(_("Calls"), tuple(float(day.requests) for day in stats.last_days)),),
            axis=_("Day"),
        )
        widgets.append(chart_card(USAGE, data, language))
    identity = visit.caller.identity
    first = identity.name.partition(" ")[0] if identity else ""
    buttons: tuple[Button, ...] = ()
    empty = EmptyState(
        title=_("Nothing to show yet"),
        text=_("Switch a module on and its figures appear here."),
        icon="puzzle",
        buttons=(Button(label=_("See the modules"), href=f"{visit.base}/modules", tone="primary"),),
    )
    title = language.message("Hello %(name)s") % {"name": first}
    return visit.page(
        dashboard(
            title, _("What happens in your modules."), kpis, widgets, buttons=buttons, empty=empty
        )
    )


async def _card(visit: Visit, one: Contributed, widget: Any) -> KpiCard | WidgetCard | None:
    """One widget's card; nothing for those who may not call its operation."""
    panel = one.panel(widget.panel) if isinstance(widget, Latest) else None
    name = f"{one.plugin_id}:{_operation(widget, panel)}"
    if not visit.can(name):
        return None
    try:
        if isinstance(widget, Latest):
            assert panel is not None  # noqa: S101 - a widget without its panel has no operation
            page = await visit.call(
                name, {"limit": str(widget.limit), **({"sort": widget.sort} if widget.sort else {})}
            )
            return latest_card(widget, panel, page, visit.place(one, panel.slug))
        value = await visit.call(name)
        if isinstance(widget, Kpi):
            return kpi_card(widget, value, visit.language, href=_inside(visit, one, widget.href))
        if isinstance(widget, Chart):
            return chart_card(widget, value, visit.language)
        return fragment_card(widget, value)
    except TrophenixError as error:
        _log.info("widget %s of %s: %s", widget.slug, one.plugin_id, error)
    except Exception:  # noqa: BLE001 - logged; the rest goes on
        _log.exception("widget %s of %s failed", widget.slug, one.plugin_id)
    return failed_card(widget) if not isinstance(widget, Kpi) else None


def _operation(widget: Any, panel: Any) -> str:
    if isinstance(widget, Latest):
        return panel.list if panel else ""
    return widget.load if isinstance(widget, Fragment) else widget.operation


def _inside(visit: Visit, one: Contributed, href: str) -> str:
    """A module's own address, such as ``athletes``, below its place in this organisation."""
    return (
        f"{visit.base}/{one.plugin_id}/{href}"
        if href and not href.startswith(("/", "http"))
        else href
    )


HANDLERS: Final = [home]
