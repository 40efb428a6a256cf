"""The athletes in numbers, for charts and for programs."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

import msgspec

from trophenix_recruitment.ages import born_by
from trophenix_recruitment.store import statistics
from trophenix_recruitment.store.statistics import Bands, Counted, Share
from trophenix_sdk.clock import today
from trophenix_sdk.context import Context
from trophenix_sdk.i18n import LazyText, gettext_lazy
from trophenix_sdk.operations import GET, Operation, operation
from trophenix_sdk.panels import ChartData, KpiValue, Series

_ = gettext_lazy("recruitment")

_MOST: Final = 20
_DRAWN: Final = 8
_NEW: Final = timedelta(days=30)


class Statistics(msgspec.Struct, frozen=True, kw_only=True):
    """The tenant's athletes in numbers.

    Attributes:
        ranked: those with a ranking.
        added_last_30_days: those added since then.
        by_sport, by_country: the most frequent 20; ``value`` is null where it is not known.
        by_age: completed years on the tenant's present day.
        duplicates_open: pairs that wait for a decision.
        imports: applied and not taken back.
    """

    total: int
    ranked: int
    added_last_30_days: int
    by_sport: list[Share]
    by_country: list[Share]
    by_age: Bands
    by_sex: list[Share]
    by_visibility: list[Share]
    duplicates_open: int
    imports: int


@operation(
    name="athlete.stats",
    title=_("Athletes in numbers"),
    http=GET("/athletes/stats"),
    permission="athlete.read",
)
async def athlete_stats(ctx: Context) -> Statistics:
    """How many athletes there are, by sport, country, age and visibility; one round trip."""
    found = await _counted(ctx)
    return Statistics(
        total=found.total,
        ranked=found.ranked,
        added_last_30_days=found.added_since,
        by_sport=found.sports,
        by_country=found.countries,
        by_age=_bands(found),
        by_sex=found.sexes,
        by_visibility=found.visibilities,
        duplicates_open=found.duplicates_open,
        imports=found.imports,
    )


@operation(name="kpi.athletes", title=_("Athletes"), permission="athlete.read", effect="read")
async def kpi_athletes(ctx: Context) -> KpiValue:
    """How many athletes there are, and by how much they grew in 30 days."""
    found = await _counted(ctx)
    before = found.total - found.added_since
    return KpiValue(
        value=found.total,
        change=found.added_since / before if before else None,
        versus=_("30 days ago"),
    )


@operation(
    name="kpi.duplicates", title=_("Possible duplicates"), permission="athlete.read", effect="read"
)
async def kpi_duplicates(ctx: Context) -> KpiValue:
    """How many pairs wait for a decision."""
    return KpiValue(value=(await _counted(ctx)).duplicates_open, good="down")


@operation(
    name="chart.sports", title=_("Athletes by sport"), permission="athlete.read", effect="read"
)
async def chart_sports(ctx: Context) -> ChartData:
    """The most frequent sports."""
    return _chart((await _counted(ctx)).sports, _("Sport"))


@operation(
    name="chart.countries",
    title=_("Athletes by nationality"),
    permission="athlete.read",
    effect="read",
)
async def chart_countries(ctx: Context) -> ChartData:
    """The most frequent nationalities."""
    return _chart((await _counted(ctx)).countries, _("Nationality"))


@operation(name="chart.ages", title=_("Athletes by age"), permission="athlete.read", effect="read")
async def chart_ages(ctx: Context) -> ChartData:
    """How old the athletes are."""
    bands = _bands(await _counted(ctx))
    shown = (
        (_("under 18"), bands.under_18),
        ("18–20", bands.from_18_to_20),
        ("21–23", bands.from_21_to_23),
        ("24–29", bands.from_24_to_29),
        (_("30 and over"), bands.from_30),
        (_("not known"), bands.not_known),
    )
    return ChartData(
        labels=tuple(label for label, _count in shown),
        series=(Series(_("Athletes"), tuple(float(count) for _label, count in shown)),),
        axis=_("Age"),
    )


async def _counted(ctx: Context) -> Counted:
    day = today(ctx.clock, ctx.tenant.time_zone)
    births = {years: born_by(day, years) for years in (18, 21, 24, 30)}
    return await statistics.count(ctx.db, since=ctx.now - _NEW, births=births, most=_MOST)


def _bands(found: Counted) -> Bands:
    known = (
        found.under_18,
        found.from_18_to_20,
        found.from_21_to_23,
        found.from_24_to_29,
        found.from_30,
    )
    return Bands(*known, found.total - sum(known))


def _chart(shares: list[Share], axis: LazyText) -> ChartData:
    drawn = shares[:_DRAWN]
    return ChartData(
        labels=tuple(one.value if one.value is not None else _("not known") for one in drawn),
        series=(Series(_("Athletes"), tuple(float(one.count) for one in drawn)),),
        axis=axis,
    )


OPERATIONS: Final[tuple[Operation, ...]] = (
    athlete_stats,
    kpi_athletes,
    kpi_duplicates,
    chart_sports,
    chart_countries,
    chart_ages,
)
