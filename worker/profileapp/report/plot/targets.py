"""Plots of all targets on all devices: a bar per headline number, and the trade-off of speed and cost."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from profileapp.model.run import HeadlineValue
from profileapp.report.clean import one_line
from profileapp.report.devices import Placed, device_names
from profileapp.report.format import quantity, scale_of
from profileapp.report.plot.plain import PAGE, TEXT, Style, dress, finished, plot_style, safe, style_of
from profileapp.report.plot.series import Plot
from profileapp.report.plot.trade_off import trade_off

BARS_OF_A_PLOT = 20
"""Limit of runs that are drawn, the first ones."""
PLOTS_LIMIT = 6
"""Limit of headline numbers that are drawn."""
_NAME_LETTERS = 24
_ROW_PT, _TOP_PT, _BOTTOM_PT, _WIDTH_PT = 18.0, 16.0, 26.0, 360.0
_LEFT = 0.3


class _Bar(msgspec.Struct, frozen=True):
    placed: Placed
    number: HeadlineValue

    @property
    def low(self) -> float:
        return min(map(safe, self.number.repeats), default=self.value)

    @property
    def high(self) -> float:
        return max(map(safe, self.number.repeats), default=self.value)

    @property
    def value(self) -> float:
        return safe(self.number.value)


def target_plots(runs: Sequence[Placed]) -> list[Plot]:
    """Plots of numbers that at least two runs have; empty for one run."""
    shown = runs[:BARS_OF_A_PLOT]
    keys = dict.fromkeys(_key(one) for each in shown for one in each.judged.run.numbers)
    styles = {device: style_of(index) for index, device in enumerate(device_names(runs) or [""])}
    plots: list[Plot] = []
    for key in keys:
        bars = [_Bar(each, one) for each in shown for one in each.judged.run.numbers if _key(one) == key]
        if len(bars) > 1 and len(plots) < PLOTS_LIMIT:
            plots.append(_bars(f"bars-{len(plots) + 1}", bars, styles))
    return [*trade_off(shown), *plots]


def _key(number: HeadlineValue) -> tuple[str, str, str]:
    return number.title, number.statistic, number.unit


def _bars(key: str, bars: Sequence[_Bar], styles: dict[str, Style]) -> Plot:
    """One bar per run, with its value, and a line from the minimum to the maximum of its repeats."""
    number = bars[0].number
    factor, unit = scale_of(number.unit, max(abs(end) for bar in bars for end in (bar.low, bar.value, bar.high)))
    rows = _rows(bars)
    height_pt = _TOP_PT + _BOTTOM_PT + _ROW_PT * len(rows)
    figure = Figure(figsize=(_WIDTH_PT / 72, height_pt / 72))
    with plot_style():
        axes = figure.add_axes((_LEFT, _BOTTOM_PT / height_pt, 0.97 - _LEFT, _ROW_PT * len(rows) / height_pt))
        for place, (heading, bar) in enumerate(rows):
            if bar is None:
                axes.annotate(
                    one_line(heading, 2 * _NAME_LETTERS), (-_LEFT / (0.97 - _LEFT) + 0.01, place),
                    xycoords=("axes fraction", "data"), va="center", fontsize=7.5, weight="bold", color=TEXT,
                    annotation_clip=False,
                )  # fmt: skip
            else:
                _bar(axes, place, bar, factor, styles[bar.placed.device])
        named = [(place, name) for place, (name, bar) in enumerate(rows) if bar is not None]
        axes.set_yticks([place for place, _ in named], [one_line(name, _NAME_LETTERS) for _, name in named])
        axes.set_ylim(len(rows) - 0.5, -0.5)
        _fit_axis_to_values(axes, bars, factor)
        dress(axes, "")
        axes.tick_params(axis="y", length=0)
        axes.set_xlabel(one_line(unit, 24), fontsize=8, color=TEXT, labelpad=1)
        if any(bar.low < bar.high for bar in bars):
            _legend(axes)
        title = one_line(f"{number.title} {number.statistic}", 80)
        alt_text = "; ".join(f"{bar.placed.title} {quantity(bar.number.value, bar.number.unit)}" for bar in bars)
        return finished(figure, key, title, one_line(f"{title} by target: {alt_text}", 600))


def _rows(bars: Sequence[_Bar]) -> list[tuple[str, _Bar | None]]:
    """From the top: the bars of each target's devices below its name; one row per target if there is one device."""
    rows: list[tuple[str, _Bar | None]] = []
    for target in dict.fromkeys(bar.placed.target for bar in bars):
        own = [bar for bar in bars if bar.placed.target == target]
        if own[0].placed.device:
            rows.append((target, None))
        rows += [(bar.placed.device or target, bar) for bar in own]
    return rows


def _bar(axes: Axes, place: int, bar: _Bar, factor: float, style: Style) -> None:
    axes.barh(place, bar.value / factor, color=style.colour, height=0.62)
    if style.hatch:
        axes.barh(
            place, bar.value / factor, facecolor="none", edgecolor=PAGE, hatch=style.hatch, linewidth=0, height=0.62
        )
    if bar.low < bar.high:
        ends = [bar.low / factor, bar.high / factor]
        axes.plot(ends, [place, place], color=TEXT, linewidth=1.4, marker="|", markersize=6)
    axes.annotate(
        quantity(bar.number.value, bar.number.unit), (max(0.0, bar.value, bar.high) / factor, place), (6, 0),
        textcoords="offset points", va="center", fontsize=7, color=TEXT,
    )  # fmt: skip


def _fit_axis_to_values(axes: Axes, bars: Sequence[_Bar], factor: float) -> None:
    low = min(0.0, *(end for bar in bars for end in (bar.low, bar.value))) / factor
    high = max(0.0, *(end for bar in bars for end in (bar.high, bar.value))) / factor
    axes.set_xlim(low, high + 0.3 * (high - low) if high > low else 1.0)


def _legend(axes: Axes) -> None:
    axes.plot([], [], color=TEXT, linewidth=1.4, marker="|", markersize=6, label="least to greatest of the repeats")
    axes.legend(
        loc="lower right", bbox_to_anchor=(1.0, 1.0), fontsize=7, frameon=False, labelcolor=TEXT, handlelength=1.8,
        handletextpad=0.5, borderpad=0, borderaxespad=0.2,
    )  # fmt: skip
