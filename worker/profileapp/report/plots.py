"""Plots of series over time, as SVG that is right in a page, by itself, in light and in dark."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence

import matplotlib
import msgspec
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from profileapp.model.run import Repeat
from profileapp.model.series import Series
from profileapp.record.reader import SeriesData
from profileapp.report.clean import clean
from profileapp.report.decimate import decimate
from profileapp.report.format import scale_of

POINT_LIMIT = 1200
LINE_LIMIT = 10
"""Lines in one plot; of more, those with the largest values."""

# Okabe and Ito, "Color Universal Design" (2008): told apart without colour vision, visible on white and on black.
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
_DASHES = ("solid", "dashed", "dotted", "dashdot")
_GREY = "#767676"
"""Text and axes: readable on white and on black alike (WCAG contrast above 4:1 on both)."""

_STYLE_ATTRIBUTE = re.compile(r' style="([^"]*)"')
_STYLE_ELEMENT = re.compile(r"<style[^>]*>.*?</style>", re.DOTALL)


class Plot(msgspec.Struct, frozen=True):
    """One plot: all series of one name. `alt` says in words what it shows."""

    name: str
    unit: str
    svg: bytes
    alt: str


def plot_families(series: dict[Series, SeriesData], repeats: Sequence[Repeat], started_ns: int) -> list[Plot]:
    """One plot for each name: the app's own series first, then its container's, then the system's."""
    families: dict[str, list[Series]] = {}
    for one in series:
        families.setdefault(one.name, []).append(one)
    order = {"custom": 0, "container": 1, "system": 2}
    names = sorted(families, key=lambda name: (order.get(families[name][0].metric, 3), name))
    return [_plot(families[name], series, repeats, started_ns) for name in names]


def _plot(family: list[Series], series: dict[Series, SeriesData], repeats: Sequence[Repeat], started_ns: int) -> Plot:
    shown = sorted(family, key=lambda one: -max(series[one].values))[:LINE_LIMIT]
    shown.sort(key=lambda one: one.labels)
    largest = max(abs(value) for one in shown for value in series[one].values)
    factor, unit = scale_of(shown[0].unit, largest)
    figure = Figure(figsize=(7.2, 2.4), layout="constrained")
    axes = figure.add_subplot()
    for number, one in enumerate(shown):
        _draw(axes, one, series[one], repeats, started_ns, factor, number)
    _mark_repeats(axes, repeats, started_ns)
    _dress(axes, clean(unit), legend=len(shown) > 1)
    name = family[0].name
    more = f", the {LINE_LIMIT} largest of {len(family)}" if len(family) > LINE_LIMIT else ""
    return Plot(name, unit, _svg(figure), clean(f"{name} over time, up to {largest / factor:.3g} {unit}{more}"))


def _draw(
    axes: Axes,
    one: Series,
    data: SeriesData,
    repeats: Sequence[Repeat],
    started_ns: int,
    factor: float,
    number: int,
) -> None:
    """One line, broken between repeats, with a dot for each sample where they are few."""
    limit = max(4, POINT_LIMIT)
    indices = decimate(data.values, limit)
    starts = [repeat.started_ns for repeat in repeats[1:]]
    times: list[float] = []
    values: list[float] = []
    before_ns = 0
    for index in indices:
        at_ns = data.times_ns[index]
        if any(before_ns < start <= at_ns for start in starts) and times:
            times.append(times[-1])
            values.append(float("nan"))
        times.append((at_ns - started_ns) / 1e9)
        values.append(data.values[index] / factor)
        before_ns = at_ns
    axes.plot(
        times,
        values,
        color=_COLOURS[number % len(_COLOURS)],
        linestyle=_DASHES[number // len(_COLOURS) % len(_DASHES)],
        marker="." if len(indices) <= 60 else "",
        markersize=4,
        linewidth=1.4,
        label=clean(", ".join(value for _, value in one.labels))[:40] or "all",
    )


def _mark_repeats(axes: Axes, repeats: Sequence[Repeat], started_ns: int) -> None:
    """Warm-up shaded; a line where a further repeat begins."""
    for repeat in repeats:
        begin_s = (repeat.started_ns - started_ns) / 1e9
        warm_s = (repeat.measured_from_ns - started_ns) / 1e9
        if warm_s > begin_s:
            axes.axvspan(begin_s, warm_s, color=_GREY, alpha=0.2, linewidth=0)
        if repeat.index > 1:
            axes.axvline(begin_s, color=_GREY, linewidth=1, linestyle="dotted")


def _dress(axes: Axes, unit: str, legend: bool) -> None:
    axes.set_ylabel(unit or "value", color=_GREY)
    axes.set_xlabel("seconds since the start", color=_GREY)
    low, high = axes.get_ylim()
    if low > 0 and low < high * 0.7:
        axes.set_ylim(bottom=0)
    axes.tick_params(colors=_GREY, labelsize=8)
    axes.grid(visible=True, color=_GREY, alpha=0.25, linewidth=0.6)
    for side, spine in axes.spines.items():
        spine.set_visible(side in ("left", "bottom"))
        spine.set_color(_GREY)
    if legend:
        axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), fontsize=7, frameon=False, labelcolor=_GREY)


def _svg(figure: Figure) -> bytes:
    stream = io.StringIO()
    with matplotlib.rc_context({"svg.hashsalt": "profileapp", "svg.fonttype": "path"}):
        nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        figure.savefig(stream, format="svg", transparent=True, metadata=nothing)
    return without_styles(stream.getvalue()).encode()


def without_styles(svg: str) -> str:
    """The SVG with presentation attributes in place of styles, which Jenkins' artifact policy would not let it have.

    `style="fill: none; stroke: #000"` says the same as `fill="none" stroke="#000"` (SVG 1.1, "Styling").
    """
    plain = _STYLE_ELEMENT.sub("", svg)
    plain = plain.replace("<svg ", '<svg stroke-linejoin="round" stroke-linecap="butt" ', 1)
    return _STYLE_ATTRIBUTE.sub(lambda match: _attributes(match[1]), plain)


def _attributes(declarations: str) -> str:
    pairs = (declaration.partition(":") for declaration in declarations.split(";"))
    return "".join(f' {name.strip()}="{value.strip()}"' for name, colon, value in pairs if colon)
