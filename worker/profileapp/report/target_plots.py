"""Plots of all targets beside each other: a bar for each headline number, and what speed costs."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from matplotlib.figure import Figure

from profileapp.judge.energy import mean_power_w
from profileapp.judge.verdict import JudgedRun
from profileapp.model.run import Number
from profileapp.report.clean import one_line
from profileapp.report.format import quantity, scale_of
from profileapp.report.plain_plot import BLUE, ORANGE, TEXT, dress, finished, plot_style
from profileapp.report.plots import SAFE_MAGNITUDE, Plot

TARGETS_LIMIT = 20
"""Targets that are drawn, the first ones."""
BARS_LIMIT = 6
"""Headline numbers that are drawn."""
_NAME_LETTERS = 22
_RATE_UNITS = ("frames/s", "fps")


class _Point(msgspec.Struct, frozen=True):
    target: str
    cost: float
    speed: float


def target_plots(judged: Sequence[JudgedRun]) -> list[Plot]:
    """Plots of numbers that at least two targets have; none for one target."""
    shown = judged[:TARGETS_LIMIT]
    keys = dict.fromkeys((one.title, one.statistic, one.unit) for each in shown for one in each.run.numbers)
    plots: list[Plot] = []
    for key in keys:
        bars = [(each.run.target.name, one) for each in shown for one in each.run.numbers if _key(one) == key]
        if len(bars) > 1 and len(plots) < BARS_LIMIT:
            plots.append(_bars(f"bars-{len(plots) + 1}", bars))
    return [*_trade_off(shown), *plots]


def pareto(points: Sequence[_Point]) -> list[_Point]:
    """Those of which no other is as cheap and as fast, and better in one; cheapest first."""
    best: list[_Point] = []
    for point in sorted(points, key=lambda each: (each.cost, -each.speed)):
        if not best or point.speed > best[-1].speed:
            best.append(point)
    return best


def _key(number: Number) -> tuple[str, str, str]:
    return number.title, number.statistic, number.unit


def _bars(key: str, bars: Sequence[tuple[str, Number]]) -> Plot:
    """A bar for each target, with a line from the least to the greatest of its repeats."""
    values = [_safe(one.value) for _, one in bars]
    spreads = [_spread(one) for _, one in bars]
    factor, unit = scale_of(bars[0][1].unit, max(abs(value) for value in (*values, *sum(spreads, ()))))
    height = 0.55 + 0.26 * len(bars)
    figure = Figure(figsize=(5.0, height))
    with plot_style():
        axes = figure.add_axes((0.3, 0.34 / height, 0.64, 1 - 0.42 / height))
        places = range(len(bars))
        axes.barh(places, [value / factor for value in values], color=BLUE, height=0.55)
        for place, (low, high) in zip(places, spreads, strict=True):
            if low < high:
                axes.plot([low / factor, high / factor], [place, place], color=TEXT, linewidth=1.4, marker="|")
        axes.set_yticks(places, [one_line(name, _NAME_LETTERS) for name, _ in bars])
        axes.invert_yaxis()
        dress(axes, "")
        axes.set_xlabel(one_line(unit, 24), fontsize=8, color=TEXT, labelpad=1)
        number = bars[0][1]
        title = one_line(f"{number.title} {number.statistic}", 80)
        told = "; ".join(f"{name} {quantity(one.value, one.unit)}" for name, one in bars)
        return finished(figure, key, title, one_line(f"{title} by target: {told}", 300))


def _spread(number: Number) -> tuple[float, float]:
    repeats = [_safe(value) for value in number.repeats]
    return (min(repeats), max(repeats)) if repeats else (_safe(number.value), _safe(number.value))


def _safe(value: float) -> float:
    return max(-SAFE_MAGNITUDE, min(SAFE_MAGNITUDE, value))


def _trade_off(judged: Sequence[JudgedRun]) -> list[Plot]:
    """Speed against cost, a point a target: frames a second against watts, or against CPU where there are none."""
    points = {each.run.target.name: (_watts(each), _cpu(each), _speed(each)) for each in judged}
    for title, unit, column in (("power", "W", 0), ("CPU", "%", 1)):
        found = [
            _Point(name, _safe(cost), _safe(speed))
            for name, values in points.items()
            for cost, speed in [(values[column], values[2])]
            if cost is not None and speed is not None
        ]
        if len(found) > 1:
            return [_points(title, unit, found)]
    return []


def _watts(judged: JudgedRun) -> float | None:
    return mean_power_w(judged.series, judged.run.repeats)


def _cpu(judged: JudgedRun) -> float | None:
    return next((one.value for one in judged.run.numbers if one.title == "container.cpu.util"), None)


def _speed(judged: JudgedRun) -> float | None:
    numbers = judged.run.numbers
    return next((one.value for one in numbers if one.unit in _RATE_UNITS or "fps" in one.title.lower()), None)


def _points(cost: str, unit: str, points: Sequence[_Point]) -> Plot:
    figure = Figure(figsize=(5.0, 2.1))
    with plot_style():
        axes = figure.add_axes((0.12, 0.19, 0.84, 0.74))
        best = pareto(points)
        costs, speeds = [each.cost for each in best], [each.speed for each in best]
        axes.plot(costs, speeds, color=ORANGE, linewidth=1.0, linestyle=(0, (5, 1.5)))
        for each in points:
            marker, colour = ("o", ORANGE) if each in best else ("x", BLUE)
            axes.plot([each.cost], [each.speed], linestyle="", marker=marker, color=colour)
            axes.annotate(
                one_line(each.target, _NAME_LETTERS), (each.cost, each.speed), (5, 3), textcoords="offset points",
                fontsize=7, color=TEXT,
            )  # fmt: skip
        # Room for the names, on the right and above.
        axes.set_xlim(min(0.0, *(each.cost for each in points)), 1.25 * max(each.cost for each in points) or 1.0)
        axes.set_ylim(min(0.0, *(each.speed for each in points)), 1.2 * max(each.speed for each in points) or 1.0)
        dress(axes, "frames/s")
        axes.set_xlabel(f"{cost} [{unit}]", fontsize=8, color=TEXT, labelpad=1)
        told = "; ".join(f"{each.target} {each.speed:.4g} frames/s for {each.cost:.4g} {unit}" for each in points)
        names = ", ".join(each.target for each in best)
        return finished(
            figure,
            "trade-off",
            f"Frames per second against {cost}",
            one_line(f"{told}. None is better than: {names}", 400),
        )
