"""The trade-off of speed and cost: a point per target and device, and the Pareto front."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from profileapp.judge.energy import mean_power_w
from profileapp.judge.verdict import JudgedRun
from profileapp.report.clean import one_line
from profileapp.report.devices import Placed, device_names
from profileapp.report.format import number
from profileapp.report.plot.labels import Box, freest
from profileapp.report.plot.plain import TEXT, Style, dress, finished, plot_style, safe, style_of
from profileapp.report.plot.series import Plot

_RATE_UNITS = ("frames/s", "fps")
_NAME_LETTERS = 22
_DEVICE_LETTERS = 34
_WIDTH_PT, _AXES_PT = 360.0, (302.0, 112.0)
_LETTER_PT, _LINE_PT, _OFFSET_PT = 3.9, 8.0, 5.0


class Point(msgspec.Struct, frozen=True):
    """A target on a device ("" if there is only one), its cost in watts or per cent, its speed in frames/s."""

    target: str
    device: str
    cost: float
    speed: float

    @property
    def title(self) -> str:
        """The target with its device."""
        return f"{self.target} on {self.device}" if self.device else self.target


def trade_off(runs: Sequence[Placed]) -> list[Plot]:
    """Frames per second against watts, or against CPU if power is unknown; empty for fewer than two points."""
    for title, unit, cost_of in (("power", "W", _watts), ("CPU", "%", _cpu)):
        found = [
            Point(each.target, each.device, safe(cost), safe(speed))
            for each in runs
            for cost, speed in [(cost_of(each.judged), _speed(each.judged))]
            if cost is not None and speed is not None
        ]
        if len(found) > 1:
            return [_plot(title, unit, found, device_names(runs))]
    return []


def pareto(points: Sequence[Point]) -> list[Point]:
    """The Pareto-optimal points: no other is as cheap and as fast, and better in one; cheapest first."""
    best: list[Point] = []
    for point in sorted(points, key=lambda each: (each.cost, -each.speed)):
        if not best or point.speed > best[-1].speed:
            best.append(point)
    return best


def _watts(judged: JudgedRun) -> float | None:
    return mean_power_w(judged.series, judged.run.repeats)


def _cpu(judged: JudgedRun) -> float | None:
    return next((one.value for one in judged.run.numbers if one.title == "container.cpu.util"), None)


def _speed(judged: JudgedRun) -> float | None:
    numbers = judged.run.numbers
    return next((one.value for one in numbers if one.unit in _RATE_UNITS or "fps" in one.title.lower()), None)


def _plot(cost: str, unit: str, points: Sequence[Point], devices: Sequence[str]) -> Plot:
    styles = {device: style_of(index) for index, device in enumerate(devices or [""])}
    best = pareto(points)
    entries = len(devices) + 2 if devices else 2
    rows = -(-entries // 2)
    height_pt = _AXES_PT[1] + 40.0 + 12.0 * rows
    figure = Figure(figsize=(_WIDTH_PT / 72, height_pt / 72))
    with plot_style():
        axes = figure.add_axes((0.11, 28.0 / height_pt, _AXES_PT[0] / _WIDTH_PT, _AXES_PT[1] / height_pt))
        axes.plot(
            [each.cost for each in best], [each.speed for each in best],
            color=TEXT, linewidth=1.0, linestyle=(0, (5, 1.5)), zorder=1,
        )  # fmt: skip
        for each in points:
            _mark(axes, [each.cost], [each.speed], styles[each.device], is_best=each in best)
        low, high = min(0.0, *(each.cost for each in points)), max(each.cost for each in points)
        axes.set_xlim(low, high + 0.06 * (high - low) or 1.0)
        low, high = min(0.0, *(each.speed for each in points)), max(each.speed for each in points)
        axes.set_ylim(low, high + 0.15 * (high - low) or 1.0)
        _names(axes, points, best)
        dress(axes, "frames/s")
        axes.set_xlabel(f"{cost} [{unit}]", fontsize=8, color=TEXT, labelpad=1)
        _legend(axes, styles, cost, some_beaten=len(best) < len(points))
        alt_text = "; ".join(
            f"{each.title} {number(each.speed)} frames/s for {number(each.cost)} {unit}" for each in points
        )
        title = f"Frames per second against {cost}"
        names = ", ".join(each.title for each in best)
        return finished(figure, "trade-off", title, one_line(f"{alt_text}. None is better than: {names}", 600))


def _mark(axes: Axes, xs: list[float], ys: list[float], style: Style, *, is_best: bool, label: str = "") -> None:
    axes.plot(
        xs, ys, linestyle="", marker=style.marker, markersize=6.5, markeredgewidth=1.3, markeredgecolor=style.colour,
        markerfacecolor=style.colour if is_best else "none", label=label or "_", zorder=3,
    )  # fmt: skip


def _names(axes: Axes, points: Sequence[Point], best: Sequence[Point]) -> None:
    """Writes the target's name next to each point, where it hides no other point, no name and no line."""
    width, height = _AXES_PT
    shown, line = (
        axes.transAxes.inverted().transform(axes.transData.transform([(each.cost, each.speed) for each in some]))
        for some in (points, best)
    )
    marks: list[Box] = [(x - 4 / width, y - 4 / height, x + 4 / width, y + 4 / height) for x, y in shown]
    taken: list[Box] = []
    for each, (x, y) in zip(points, shown, strict=True):
        name = one_line(each.target, _NAME_LETTERS)
        box = freest(_places(float(x), float(y), len(name)), [line], [*marks, *taken])
        taken.append(box)
        axes.annotate(
            name, (box[0], (box[1] + box[3]) / 2), xycoords="axes fraction", ha="left", va="center", fontsize=7,
            color=TEXT,
        )  # fmt: skip


def _places(x: float, y: float, letters: int) -> list[Box]:
    """Boxes right, left, above and below a point that are inside the plot."""
    width, height = letters * _LETTER_PT / _AXES_PT[0], _LINE_PT / _AXES_PT[1]
    right, up = _OFFSET_PT / _AXES_PT[0], _OFFSET_PT / _AXES_PT[1]
    corners = [
        (x + right, y - height / 2), (x - right - width, y - height / 2),
        (x + right, y + up / 2), (x - right - width, y + up / 2),
        (x - width / 2, y + up), (x - width / 2, y - up - height),
        (x + right, y - up / 2 - height), (x - right - width, y - up / 2 - height),
        # Farther away, for points with lines on every side.
        (x - right, y + 2 * up + height), (x - right, y + 3 * up + 2 * height), (x + 6 * right, y - height / 2),
    ]  # fmt: skip
    boxes = [(left, bottom, left + width, bottom + height) for left, bottom in corners]
    return [each for each in boxes if each[0] >= 0 and each[1] >= 0 and each[2] <= 1.06 and each[3] <= 1.04] or boxes


def _legend(axes: Axes, styles: dict[str, Style], cost: str, *, some_beaten: bool) -> None:
    if "" not in styles:
        for device, style in styles.items():
            _mark(axes, [], [], style, is_best=True, label=f" {one_line(device, _DEVICE_LETTERS)}")
    first = next(iter(styles.values()))
    if some_beaten:
        _mark(axes, [], [], first, is_best=False, label=f"hollow: another is faster for no more {cost}")
    axes.plot([], [], color=TEXT, linewidth=1.0, linestyle=(0, (5, 1.5)), label=f"no other is faster for less {cost}")
    axes.legend(
        loc="lower left", bbox_to_anchor=(-0.09, 1.03), ncols=2, fontsize=7, frameon=False, labelcolor=TEXT,
        handlelength=1.8, handletextpad=0.5, columnspacing=1.2, borderpad=0, borderaxespad=0.3, labelspacing=0.35,
    )  # fmt: skip
