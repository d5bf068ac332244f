"""Plots of series over time, as SVG for light and dark pages."""

from __future__ import annotations

import io
import math
import warnings
from array import array
from collections.abc import Mapping, Sequence

import matplotlib
import msgspec
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from profileapp.model.run import BudgetResult, Repeat
from profileapp.model.series import MARKS, Series
from profileapp.model.vector import extremes
from profileapp.record.series_data import SeriesData
from profileapp.report.clean import one_line
from profileapp.report.format import quantity, scale_of
from profileapp.report.plot.annotations import Annotations, Colours, draw_annotations, reserve_phase_rows
from profileapp.report.plot.decimate import decimate
from profileapp.report.plot.families import Family, families
from profileapp.report.plot.limits import mark_limits
from profileapp.report.plot.svg import inline_svg_styles, recoloured

POINT_LIMIT = 1600
"""Limit of points of one line; several lines of a plot share twice as many."""
DENSE = 600
"""Lines with more points than this are drawn thin."""
SAFE_MAGNITUDE = 1e150
"""Limit of values for which an axis can be computed."""

# Maps each colour on a white page to the one on a dark page. Lines use the hues of Okabe and Ito, "Color Universal
# Design" (2008), safe for colour blindness; each has a contrast of at least 3:1 with its page (WCAG).
_DARK = {
    "#0072b2": "#62b5ec",
    "#c95500": "#ff9352",
    "#00855f": "#33cda0",
    "#b04f8b": "#e59cc9",
    "#8f6b00": "#e8bd3f",
    "#2a8fc4": "#a8daf7",
    "#3b4046": "#d5d9de",
    "#8a5a44": "#d9aa93",
    "#59616a": "#a9b1ba",
    "#8b939c": "#6d7681",
    "#e3e6ea": "#30363c",
    "#edeff2": "#252a2f",
    "#b3261e": "#ff9b8e",
    # Not pure white or black, but close to the background of a page and of a card on it.
    "#fcfcfd": "#171a1e",
}
LINES = tuple(_DARK)[:8]
_TEXT, _AXIS, _GRID, _SHADE, _VIOLATED, PAGE = tuple(_DARK)[8:]
_DASHES = ("solid", (0, (5, 1.5)), (0, (1, 1.2)), (0, (6, 1.5, 1, 1.5)))

_WIDTH_PT, _PLOT_PT, _LEFT_PT, _RIGHT_PT, _BOTTOM_PT, _ROW_PT = 360.0, 96.0, 34.0, 20.0, 15.0, 12.0
_LETTER_PT, _HANDLE_PT, _UNIT_PT = 4.4, 24.0, 50.0


_UNITS_OF_TIME = ((3600.0, "h"), (60.0, "min"))


class Plot(msgspec.Struct, frozen=True):
    """One plot. `light` and `dark` are the same SVG in the colours of such a page; `description` is its alt text."""

    key: str
    title: str
    metric: str
    description: str
    light: bytes
    dark: bytes


class _Time(msgspec.Struct, frozen=True):
    """The time axis that all plots of a target share: UTC ns of both ends, and the unit of its numbers."""

    start_ns: int
    end_ns: int
    unit_s: float
    unit: str

    def at(self, time_ns: int) -> float:
        return (time_ns - self.start_ns) / 1e9 / self.unit_s


def dark(svg: str) -> str:
    """The same SVG in the colours of a dark page."""
    return recoloured(svg, _DARK)


def plot_target(
    series: Mapping[Series, SeriesData],
    repeats: Sequence[Repeat],
    budgets: Sequence[BudgetResult],
    annotations: Annotations | None = None,
) -> tuple[list[Plot], int]:
    """The plots of a target, the app's own first, and how many exceed the limit of a page.

    `annotations`: the phases and events of the app and of the device, which are drawn in each.
    """
    filled = {one: data for one, data in series.items() if one.kind not in MARKS and _has_course(one, data, repeats)}
    if not filled:
        return [], 0
    time = _time(filled, repeats)
    largest = {one: extremes(data.values[:])[1] for one, data in filled.items()}
    chosen, omitted = families(list(filled), largest, budgets)
    # The app's text is never a formula; matplotlib's font may lack its letters.
    with (
        matplotlib.rc_context(
            {"text.parse_math": False, "svg.fonttype": "none", "svg.hashsalt": "profileapp", "font.size": 8.0}
        ),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore", UserWarning)
        return [_plot(family, filled, repeats, time, annotations or Annotations()) for family in chosen], omitted


def _has_course(one: Series, data: SeriesData, repeats: Sequence[Repeat]) -> bool:
    """Whether a series changes over time. One value per repeat, such as a total, has no course."""
    return len(data) > (0 if one.metric == "custom" else len(repeats))


def _time(series: Mapping[Series, SeriesData], repeats: Sequence[Repeat]) -> _Time:
    """From the first start to the last end, or, if that is not recorded, to the last sample of this worker's clock."""
    ours = [data for one, data in series.items() if one.metric != "custom"] or list(series.values())
    start_ns = min((each.started_ns for each in repeats), default=0) or min(
        extremes(data.times_ns[:])[0] for data in ours
    )
    end_ns = max((each.ended_ns for each in repeats), default=0)
    if not repeats or not all(each.ended_ns for each in repeats):
        end_ns = max(end_ns, *(extremes(data.times_ns[:])[1] for data in ours))
    length_s = max(end_ns - start_ns, 1) / 1e9
    unit_s, unit = next((each for each in _UNITS_OF_TIME if length_s > 4 * each[0]), (1.0, "s"))
    return _Time(start_ns, max(end_ns, start_ns + 1), unit_s, unit)


def _plot(
    family: Family,
    series: Mapping[Series, SeriesData],
    repeats: Sequence[Repeat],
    time: _Time,
    annotations: Annotations,
) -> Plot:
    limit = POINT_LIMIT if len(family.lines) == 1 else max(4, POINT_LIMIT * 2 // len(family.lines))
    # The reduced points have the same extremes; lines are reduced one by one, as all of them may not fit in memory.
    shown = {line: _thinned(*_within(series[line.series], time), limit) for line in family.lines}
    values = [value for _, numbers in shown.values() for value in numbers]
    low, high = (min(values), max(values)) if values else (0.0, 0.0)
    factor, unit = scale_of(family.unit, max(abs(low), abs(high)))
    rows, columns = _legend_shape(family)
    height_pt = _BOTTOM_PT + _PLOT_PT + _ROW_PT * rows + 4
    figure = Figure(figsize=(_WIDTH_PT / 72, height_pt / 72))
    left, bottom = _LEFT_PT / _WIDTH_PT, _BOTTOM_PT / height_pt
    axes = figure.add_axes((left, bottom, 1 - left - _RIGHT_PT / _WIDTH_PT, _PLOT_PT / height_pt))
    # The first line is drawn last, on top of the others.
    for number, (line, (times_ns, numbers)) in reversed(list(enumerate(shown.items()))):
        _draw(axes, number, len(shown), line.label, *_points(times_ns, numbers, repeats, time, factor))
    _mark_repeats(axes, repeats, time)
    _dress(axes, one_line(unit, 24), time)
    _scale(axes, family, factor, low, high)
    reserve_phase_rows(axes, annotations)
    draw_annotations(axes, annotations, time.at, time.end_ns, Colours(LINES, _AXIS, _TEXT, _VIOLATED, PAGE))
    size_pt = (_WIDTH_PT - _LEFT_PT - _RIGHT_PT, _PLOT_PT)
    mark_limits(axes, family.limits, factor, size_pt, (_TEXT, _VIOLATED, PAGE))
    if len(shown) > 1:
        _legend(axes, columns)
    description = _describe(family, low, high, time)
    svg = inline_svg_styles(_svg(figure), family.title, description)
    return Plot(family.key, family.title, family.metric, description, svg.encode(), dark(svg).encode())


def _within(data: SeriesData, time: _Time) -> tuple[Sequence[int], Sequence[float]]:
    """Samples within the run, sorted by time; an app can send any timestamp."""
    times, values = data.times_ns[:], data.values[:]
    margin_ns = 1_000_000_000
    first_ns, last_ns = time.start_ns - margin_ns, time.end_ns + margin_ns
    if not data.is_in_order or times[0] < first_ns or times[-1] > last_ns:
        pairs = sorted(pair for pair in zip(times, values, strict=True) if first_ns <= pair[0] <= last_ns)
        times, values = array("q", (pair[0] for pair in pairs)), array("d", (pair[1] for pair in pairs))
    if len(values) and max(map(abs, extremes(values))) > SAFE_MAGNITUDE:
        values = array("d", (math.copysign(min(abs(value), SAFE_MAGNITUDE), value) for value in values))
    return times, values


def _thinned(times_ns: Sequence[int], values: Sequence[float], limit: int) -> tuple[list[int], list[float]]:
    indices = decimate(values, limit)
    return [times_ns[index] for index in indices], [values[index] for index in indices]


def _points(
    times_ns: Sequence[int],
    values: Sequence[float],
    repeats: Sequence[Repeat],
    time: _Time,
    factor: float,
) -> tuple[list[float], list[float]]:
    """The drawn points of a series, interrupted where a repeat begins."""
    starts = [repeat.started_ns for repeat in repeats if repeat.index > 1]
    xs: list[float] = []
    ys: list[float] = []
    before_ns = 0
    for at_ns, value in zip(times_ns, values, strict=True):
        if xs and any(before_ns < start <= at_ns for start in starts):
            xs.append(xs[-1])
            ys.append(math.nan)
        xs.append(time.at(at_ns))
        ys.append(value / factor)
        before_ns = at_ns
    return xs, ys


def _draw(axes: Axes, number: int, lines: int, label: str, xs: list[float], ys: list[float]) -> None:
    axes.plot(
        xs,
        ys,
        color=LINES[number % len(LINES)],
        linestyle=_DASHES[number % len(_DASHES)],
        linewidth=0.8 if len(xs) > DENSE or (number and lines > 4) else 1.1 if number else 1.6,
        # A leading underscore would keep it out of the legend.
        label=f" {label}" if label.startswith("_") else label,
        marker="." if len(xs) <= 3 else "",
        markersize=5,
    )


def _mark_repeats(axes: Axes, repeats: Sequence[Repeat], time: _Time) -> None:
    """Shades the warm-up; draws a line where a further repeat begins."""
    for repeat in repeats:
        begin, measured = time.at(repeat.started_ns), time.at(repeat.measured_from_ns)
        if measured > begin:
            axes.axvspan(begin, measured, color=_SHADE, linewidth=0, zorder=0)
        if repeat.index > 1:
            axes.axvline(begin, color=_AXIS, linewidth=0.8, linestyle="dotted")


def _scale(axes: Axes, family: Family, factor: float, low: float, high: float) -> None:
    """From 0 except for temperatures; up to the limits except those that would flatten the series."""
    axes.margins(y=0.12)
    if low >= 0 and family.unit != "°C":
        axes.set_ylim(0, high * 1.12 / factor or 1.0)
    for limit in family.limits:
        bottom, top = axes.get_ylim()
        if limit.value <= (4 if not limit.is_met else 1.5) * high and limit.value / factor > top:
            axes.set_ylim(bottom, limit.value * 1.12 / factor)


def _dress(axes: Axes, unit: str, time: _Time) -> None:
    axes.set_xlim(0, time.at(time.end_ns))
    axes.xaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 3, 5, 6, 10]))
    axes.yaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 2.5, 5, 10]))
    axes.tick_params(colors=_TEXT, length=0, pad=3)
    # With a fixed height matplotlib does not search for a free one, which takes a sixth of the total time.
    axes.set_title(unit, loc="left", y=1.0, fontsize=8, color=_TEXT, pad=4)
    axes.annotate(
        time.unit,
        (1, 0),
        (19, -3),
        xycoords="axes fraction",
        textcoords="offset points",
        ha="right",
        va="top",
        color=_TEXT,
        annotation_clip=False,
    )
    axes.grid(visible=True, axis="y", color=_GRID, linewidth=0.7)
    axes.set_axisbelow(True)
    for side, spine in axes.spines.items():
        spine.set_visible(side == "bottom")
        spine.set_color(_AXIS)
        spine.set_linewidth(0.8)


def _legend_shape(family: Family) -> tuple[int, int]:
    """Rows and columns of the legend, from the estimated size of its labels."""
    if len(family.lines) == 1:
        return 1, 1
    entry_pt = max(len(line.label) for line in family.lines) * _LETTER_PT + _HANDLE_PT
    columns = max(1, min(len(family.lines), int((_WIDTH_PT - _LEFT_PT - _UNIT_PT) / entry_pt)))
    return math.ceil(len(family.lines) / columns), columns


def _legend(axes: Axes, columns: int) -> None:
    handles, labels = axes.get_legend_handles_labels()
    axes.legend(
        handles[::-1],
        labels[::-1],
        loc="lower right",
        bbox_to_anchor=(1.0, 1.0),
        ncols=columns,
        fontsize=7.5,
        frameon=False,
        labelcolor=_TEXT,
        handlelength=1.8,
        handletextpad=0.4,
        columnspacing=1.0,
        borderpad=0,
        borderaxespad=0.3,
        labelspacing=0.25,
    )


def _describe(family: Family, low: float, high: float, time: _Time) -> str:
    length = f"{(time.end_ns - time.start_ns) / 1e9 / time.unit_s:.3g} {time.unit}"
    span = f"between {quantity(low, family.unit)} and {quantity(high, family.unit)}"
    lines = f" in {len(family.lines)} lines" if len(family.lines) > 1 else ""
    more = f", of {len(family.lines) + family.omitted} those with the largest values" if family.omitted else ""
    return f"{family.title} over {length}{lines}{more}: {one_line(span, 120)}"


def _svg(figure: Figure) -> str:
    stream = io.StringIO()
    figure.savefig(
        stream, format="svg", transparent=True, metadata=dict.fromkeys(("Date", "Creator", "Format", "Type"))
    )
    return stream.getvalue()
