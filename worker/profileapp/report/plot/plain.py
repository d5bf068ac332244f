"""Helpers for plots other than series over time."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import matplotlib
import msgspec
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from profileapp.report.plot.series import LINES, PAGE, SAFE_MAGNITUDE, Plot, dark
from profileapp.report.plot.svg import inline_svg_styles

BLUE, ORANGE, TEXT = "#0072b2", "#c95500", "#3b4046"
__all__ = ["BLUE", "ORANGE", "PAGE", "TEXT", "Style", "dress", "finished", "plot_style", "safe", "style_of"]

_HATCHES = ("", "////", "....", "xxxx", "----", "\\\\\\\\", "||||")
_MARKERS = ("o", "s", "^", "D", "v", "P", "p")


class Style(msgspec.Struct, frozen=True):
    """Distinguishes one of several devices: by colour, and by pattern and shape, which work without colour."""

    colour: str
    hatch: str
    marker: str


def style_of(index: int) -> Style:
    """The style of the device with this index; 56 are distinct."""
    return Style(LINES[index % len(LINES)], _HATCHES[index % len(_HATCHES)], _MARKERS[index % len(_MARKERS)])


def safe(value: float) -> float:
    """Clamps a value to the range for which an axis can be computed."""
    return max(-SAFE_MAGNITUDE, min(SAFE_MAGNITUDE, value))


@contextmanager
def plot_style() -> Iterator[None]:
    """Settings of matplotlib for a plot. The app's text is never a formula; the font may lack its letters."""
    with (
        matplotlib.rc_context(
            {"text.parse_math": False, "svg.fonttype": "none", "svg.hashsalt": "profileapp", "font.size": 8.0}
        ),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore")
        yield


def dress(axes: Axes, unit: str) -> None:
    """Minimal axes; `unit` labels the vertical one."""
    axes.set_ylabel(unit, fontsize=8, color=TEXT)
    axes.tick_params(labelsize=7, colors=TEXT)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(TEXT)


def finished(figure: Figure, key: str, title: str, description: str) -> Plot:
    """The figure as SVG for light and dark pages; `description` is its alternative text."""
    stream = io.StringIO()
    nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    figure.savefig(stream, format="svg", transparent=True, metadata=nothing)
    svg = inline_svg_styles(stream.getvalue(), title, description)
    return Plot(key, title, "", description, svg.encode(), dark(svg).encode())
