"""Charts drawn on the server as HTML and SVG in the theme's colours: no script, printable, and each with its table of figures."""

from __future__ import annotations

import datetime as dt
import itertools
import math
from collections.abc import Sequence

from markupsafe import Markup, escape

from trophenix_kernel.panels.language import Language
from trophenix_sdk.i18n import gettext_lazy
from trophenix_sdk.panels import ChartData

_ = gettext_lazy("kernel")

WIDTH, HEIGHT = 1000, 300
MOST_SERIES = 6
MOST_NAMES = 12

Point = tuple[float, float]


def sparkline(values: Sequence[float]) -> Markup:
    """The recent course of a figure as a small line; empty when two points do not exist."""
    if len(values) < 2:
        return Markup("")
    low, high = min(values), max(values)
    spread = (high - low) or 1.0
    points = _points(values, low - spread * 0.15, high + spread * 0.1, 120, 32)
    line = _curve(points)
    return Markup(  # noqa: S704 - only numbers stand in it
        '<svg class="tx-spark" viewBox="0 0 120 32" preserveAspectRatio="none" aria-hidden="true" focusable="false">'
        f'<path class="tx-spark-fill" d="{line}L120,32L0,32Z"/>'
        f'<path class="tx-spark-line" d="{line}" vector-effect="non-scaling-stroke"/></svg>'
    )


def draw(kind: str, data: ChartData, caption: str, language: Language) -> Markup:
    """The chart with its legend and its table; a sentence when there is nothing to draw."""
    if not data.labels or not any(series.values for series in data.series):
        return Markup('<p class="tx-chart-none">{}</p>').format(
            language.text(_("Nothing to draw yet."))
        )
    if kind == "split":
        return _split(data, caption, language)
    return _plot(kind, data, caption, language)


def ticks(highest: float) -> list[float]:
    """Round values from zero to at least *highest*, three to six of them."""
    if highest < 1e-12 or not math.isfinite(highest):
        return [0.0, 1.0]
    base = 10.0 ** math.floor(math.log10(highest / 5))
    step = next(times * base for times in (1, 2, 2.5, 5, 10) if times * base * 5 >= highest)
    return [step * index for index in range(math.ceil(round(highest / step, 9)) + 1)]


def _plot(kind: str, data: ChartData, caption: str, language: Language) -> Markup:
    series = data.series[:MOST_SERIES]
    scale = ticks(max(max(line.values, default=0.0) for line in series))
    top = scale[-1]
    labels = [_label(label, language) for label in data.labels]
    if kind == "bars":
        drawn = _bars(data, top)
    else:
        drawn = _area([line.values for line in series], top)
    levels = Markup("").join(
        Markup("<span>{}</span>").format(_short(value, data, language)) for value in reversed(scale)
    )
    columns = Markup("").join(
        Markup('<i data-label="{}" {}></i>').format(
            label,
            Markup(" ").join(
                Markup('data-v{}="{}"').format(number, _value(line.values[index], data, language))
                for number, line in enumerate(series, 1)
                if index < len(line.values)
            ),
        )
        for index, label in enumerate(labels)
    )
    return Markup(
        '<figure class="tx-chart"><figcaption class="tx-sr-only">{caption}</figcaption>'
        "{legend}"
        '<div class="tx-chart-grid" aria-hidden="true"><div class="tx-chart-y">{levels}</div>'
        '<div class="tx-chart-plot"><div class="tx-chart-rules">{rules}</div>'
        '<svg viewBox="0 0 {width} {height}" preserveAspectRatio="none" focusable="false">{drawn}</svg>'
        '<div class="tx-chart-hit">{columns}</div><div class="tx-chart-tip" hidden></div></div>'
        '<div class="tx-chart-corner"></div><div class="tx-chart-x{even}">{below}</div></div>{table}</figure>'
    ).format(
        caption=caption,
        legend=_legend([language.text(line.label) for line in series]) if len(series) > 1 else "",
        levels=levels,
        rules=Markup("<b></b>") * len(scale),
        width=WIDTH,
        height=HEIGHT,
        drawn=drawn,
        columns=columns,
        even=_even(labels) if kind == "bars" else "",
        below=_below(labels, every=_every(data), all_places=kind == "bars"),
        table=_table(data, labels, caption, language),
    )


def _area(lines: Sequence[Sequence[float]], top: float) -> Markup:
    drawn = ""
    for number, values in reversed(list(enumerate(lines, 1))):
        if len(values) < 2:
            continue
        path = _curve(_points(values, 0.0, top, WIDTH, HEIGHT))
        if number == 1:
            drawn += f'<path class="tx-chart-fill" d="{path}L{WIDTH},{HEIGHT}L0,{HEIGHT}Z"/>'
        drawn += f'<path class="tx-chart-line tx-s{number}" d="{path}" vector-effect="non-scaling-stroke"/>'
    return Markup(drawn)  # noqa: S704 - only numbers stand in it


def _bars(data: ChartData, top: float) -> Markup:
    count, sets = len(data.labels), len(data.series)
    slot = WIDTH / count
    width = slot * 0.68 / sets
    drawn = ""
    for number, series in enumerate(data.series, 1):
        for index, value in enumerate(series.values[:count]):
            height = max(0.0, value) / top * HEIGHT
            left = index * slot + slot * 0.16 + (number - 1) * width
            now = " tx-now" if index == data.mark else ""
            drawn += (
                f'<rect class="tx-chart-bar tx-s{number}{now}" x="{left:.1f}" y="{HEIGHT - height:.1f}" '
                f'width="{width:.1f}" height="{height:.1f}"/>'
            )
    return Markup(drawn)  # noqa: S704 - only numbers stand in it


def _split(data: ChartData, caption: str, language: Language) -> Markup:
    values = [max(0.0, value) for value in data.series[0].values]
    labels = [_label(label, language) for label in data.labels]
    if (
        len(values) > MOST_SERIES
    ):  # colours past the sixth are not told apart: the small ones become one
        rest = sum(values[MOST_SERIES - 1 :])
        values = [*values[: MOST_SERIES - 1], rest]
        labels = [*labels[: MOST_SERIES - 1], language.text(_("Others"))]
    whole = sum(values) or 1.0
    left, drawn, rows = 0.0, "", Markup("")
    for number, (label, value) in enumerate(zip(labels, values, strict=False), 1):
        width = value / whole * WIDTH
        drawn += f'<rect class="tx-s{number}" x="{left:.1f}" y="0" width="{max(0.0, width - 3):.1f}" height="20"/>'
        left += width
        rows += Markup(
            '<li><span class="tx-key tx-s{}">{}</span><b>{}</b><span>{}</span></li>'
        ).format(number, label, _value(value, data, language), language.percent(value / whole))
    return Markup(
        '<figure class="tx-chart tx-split"><figcaption class="tx-sr-only">{}</figcaption>'
        '<svg viewBox="0 0 {} 20" preserveAspectRatio="none" aria-hidden="true" focusable="false">{}</svg>'
        "<ul>{}</ul></figure>"
    ).format(caption, WIDTH, Markup(drawn), rows)  # noqa: S704 - only numbers stand in it


def _legend(names: Sequence[str]) -> Markup:
    return Markup('<div class="tx-chart-legend" aria-hidden="true">{}</div>').format(_keys(names))


def _keys(names: Sequence[str]) -> Markup:
    return Markup("").join(
        Markup('<span class="tx-key tx-s{}">{}</span>').format(number, name)
        for number, name in enumerate(names, 1)
    )


def _even(labels: Sequence[str]) -> str:
    """The classes of names that stand under their bars; long ones stand on end where there is little room."""
    return " tx-chart-even" + (" tx-chart-long" if max(map(len, labels)) > 4 else "")


def _every(data: ChartData) -> int:
    """Days stand in a row, so some may go without their name; a sport or a country without its name says nothing."""
    if len(data.labels) <= MOST_NAMES and isinstance(data.labels[0], str):
        return 1
    return max(1, math.ceil(len(data.labels) / 7))


def _below(labels: Sequence[str], every: int, *, all_places: bool) -> Markup:
    last = len(labels) - 1
    shown = Markup("")
    for index, label in enumerate(labels):
        on = index % every == 0
        if all_places:
            shown += Markup("<span>{}</span>").format(label if on else "")
        elif on or (index == last and last % every > every / 2):
            shown += Markup("<span>{}</span>").format(label)
    return shown


def _table(data: ChartData, labels: Sequence[str], caption: str, language: Language) -> Markup:
    names = Markup("").join(
        Markup('<th scope="col">{}</th>').format(language.text(series.label))
        for series in data.series
    )
    rows = Markup("").join(
        Markup('<tr><th scope="row">{}</th>{}</tr>').format(
            label,
            Markup("").join(
                Markup("<td>{}</td>").format(
                    _value(series.values[index], data, language)
                    if index < len(series.values)
                    else "–"
                )
                for series in data.series
            ),
        )
        for index, label in enumerate(labels)
    )
    return Markup(
        '<details class="tx-chart-data"><summary>{}</summary>'
        '<div class="tx-chart-scroll" tabindex="0" role="region" aria-label="{}"><table><thead><tr>'
        '<th scope="col">{}</th>{}</tr></thead><tbody>{}</tbody></table></div></details>'
    ).format(
        language.text(_("Show the figures")),
        caption,
        language.text(data.axis) or language.text(_("Label")),
        names,
        rows,
    )


def _label(label: dt.date | str, language: Language) -> str:
    if isinstance(label, dt.date):
        return language.date(label, "day")
    return language.text(label)


def _short(value: float, data: ChartData, language: Language) -> str:
    """A level of the axis; money without its currency, which the legend or the title says."""
    if data.kind == "money":
        return language.compact(value / 10 ** language.digits(data.currency))
    if data.kind == "percent":
        return language.percent(value)
    return language.compact(value)


def _value(value: float, data: ChartData, language: Language) -> str:
    if data.kind == "money":
        return language.money(round(value), data.currency)
    if data.kind == "percent":
        return language.percent(value)
    return language.number(value)


def _points(
    values: Sequence[float], low: float, high: float, width: int, height: int
) -> list[Point]:
    step = width / max(1, len(values) - 1)
    spread = (high - low) or 1.0
    return [
        (index * step, height - (value - low) / spread * height)
        for index, value in enumerate(values)
    ]


def _curve(points: Sequence[Point]) -> str:
    """A smooth line through the points that never overshoots them.

    Source: Fritsch and Carlson, "Monotone piecewise cubic interpolation", 1980.
    """
    slopes = [
        (after[1] - before[1]) / (after[0] - before[0])
        for before, after in itertools.pairwise(points)
    ]
    tangents = [slopes[0]]
    for before, after in itertools.pairwise(slopes):
        same_way = before * after > 0
        tangents.append(2 * before * after / (before + after) if same_way else 0.0)
    tangents.append(slopes[-1])
    path = f"M{points[0][0]:.1f},{points[0][1]:.1f}"
    for index, ((x0, y0), (x1, y1)) in enumerate(itertools.pairwise(points)):
        third = (x1 - x0) / 3
        path += (
            f"C{x0 + third:.1f},{y0 + tangents[index] * third:.1f} "
            f"{x1 - third:.1f},{y1 - tangents[index + 1] * third:.1f} {x1:.1f},{y1:.1f}"
        )
    return str(escape(path))
