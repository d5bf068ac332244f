"""What the app told of its phases and events, drawn into a plot."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec
from matplotlib.axes import Axes

from profileapp.model.run import Mark, Phase
from profileapp.report.clean import one_line

PHASES_LIMIT = 6
"""Phases drawn: more would have no room for their names."""
SPANS_LIMIT = 200
"""Spans of a phase, and events, that are drawn."""
LABELS_LIMIT = 4
"""Events whose name stands beside their line."""
_STRIP = 0.05
_LABEL_LETTERS = 20


class Told(msgspec.Struct, frozen=True):
    """What the app told of."""

    phases: tuple[Phase, ...] = ()
    marks: tuple[Mark, ...] = ()


def draw_told(
    axes: Axes,
    told: Told,
    at: Callable[[int], float],
    end_ns: int,
    colours: Sequence[str],
    line_colour: str,
    text_colour: str,
) -> None:
    """A strip at the top for each phase, with its name; a line for each event.

    `at` gives the place on the axis of a time (UTC ns since 1970); `end_ns` is where a phase without an end is cut.
    """
    for number, phase in enumerate(told.phases[:PHASES_LIMIT]):
        top = 1 - number * 2 * _STRIP
        # From the last colour on, as the lines begin with the first.
        colour = colours[-1 - number % len(colours)]
        for from_ns, to_ns in phase.spans[:SPANS_LIMIT]:
            axes.axvspan(at(from_ns), at(to_ns or end_ns), ymin=top - _STRIP, ymax=top, color=colour, linewidth=0)
        _write(axes, phase.name, at(phase.spans[0][0]), top - _STRIP / 2, colour)
    for number, mark in enumerate(told.marks[:SPANS_LIMIT]):
        axes.axvline(at(mark.at_ns), color=line_colour, linewidth=0.7, linestyle=(0, (1, 2)))
        if number < LABELS_LIMIT:
            _write(axes, mark.name, at(mark.at_ns), 0.06 + number * 2 * _STRIP, text_colour)


def _write(axes: Axes, name: str, at: float, height: float, colour: str) -> None:
    axes.annotate(
        one_line(name, _LABEL_LETTERS),
        (at, height),
        (2, 0),
        xycoords=("data", "axes fraction"),
        textcoords="offset points",
        va="top" if height > 0.5 else "center",
        color=colour,
        fontsize=6,
        annotation_clip=True,
    )
