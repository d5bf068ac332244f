"""The limits of budgets in a plot: a line across it, with a label that overlaps no line if possible."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from profileapp.report.clean import one_line
from profileapp.report.plot.families import Limit
from profileapp.report.plot.labels import Box, Points, freest

_FONT_PT, _LETTER_PT, _GAP_PT = 7.0, 3.9, 2.0
_LETTERS = 60
_PLACES = 12
"""Number of candidate positions along a limit."""


def mark_limits(
    axes: Axes, limits: Sequence[Limit], factor: float, size_pt: tuple[float, float], colours: tuple[str, str, str]
) -> None:
    """Draws each limit within the axis. `factor` is the divisor of values; `size_pt` the size of the axes.

    `colours` are those of a met limit, of a violated one, and of the page. Call it after all lines are drawn and the
    axis has its final range.
    """
    bottom, top = axes.get_ylim()
    lines = [_in_axes(axes, line) for line in axes.lines]
    taken: list[Box] = []
    for limit in limits:
        at = limit.value / factor
        if not bottom <= at <= top:
            continue
        colour = colours[0 if limit.is_met else 1]
        axes.axhline(at, color=colour, linewidth=0.9, linestyle=(0, (4, 2)))
        label = one_line(limit.label, _LETTERS)
        box = freest(_places(label, (at - bottom) / (top - bottom), size_pt), lines, taken)
        taken.append(box)
        axes.annotate(
            label,
            (box[0], (box[1] + box[3]) / 2),
            xycoords="axes fraction",
            ha="left",
            va="center",
            color=colour,
            fontsize=_FONT_PT,
            bbox=backing(colours[2]),
        )


def backing(page: str) -> dict[str, object]:
    """The background of labels, which keeps them readable if a line crosses them."""
    return {"facecolor": page, "edgecolor": "none", "alpha": 0.8, "pad": 0.6}


def _places(label: str, at: float, size_pt: tuple[float, float]) -> list[Box]:
    """Boxes above and below a limit that are inside the plot, those at the right end first."""
    width = min(1.0, (len(label) * _LETTER_PT + _GAP_PT) / size_pt[0])
    height, gap = (_FONT_PT + 2.0) / size_pt[1], 1.0 / size_pt[1]
    rows = [at + gap, at - gap - height]
    inside = [row for row in rows if 0 <= row <= 1 - height] or rows
    lefts = [(1 - width) * (1 - step / (_PLACES - 1)) for step in range(_PLACES)]
    return [(left, row, left + width, row + height) for left in lefts for row in inside]


def _in_axes(axes: Axes, line: Line2D) -> Points:
    shown = line.get_transform().transform(np.column_stack((line.get_xdata(), line.get_ydata())).astype(float))
    return np.asarray(axes.transAxes.inverted().transform(shown))
