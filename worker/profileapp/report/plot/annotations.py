"""Draws phases and events of the app, and events of the device, into a plot."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Literal

import msgspec
from matplotlib.axes import Axes

from profileapp.model.run import Event, Mark, Phase
from profileapp.report.clean import one_line
from profileapp.report.plot.limits import backing

PHASES_LIMIT = 6
"""Limit of phases drawn: the names of more would not fit."""
SPANS_LIMIT = 200
"""Limit of drawn spans per phase, and of events."""
LABELS_LIMIT = 4
"""Limit of events with a name next to their line."""
_STRIP = 0.03
_ROW = 0.12
_SHADE = 0.12
_LABEL_LETTERS = 40


class Annotations(msgspec.Struct, frozen=True):
    """Phases and events that the app reported, and events that slowed the device down."""

    phases: tuple[Phase, ...] = ()
    marks: tuple[Mark, ...] = ()
    events: tuple[Event, ...] = ()


class Colours(msgspec.Struct, frozen=True):
    """`lines` are used from the last one on, as the lines of a plot begin with the first."""

    lines: Sequence[str]
    mark: str
    text: str
    event: str
    page: str


def reserve_phase_rows(axes: Axes, annotations: Annotations) -> None:
    """Raises the upper end of the axis, so that the strips of the phases are above all lines."""
    rows = max(_rows(annotations.phases[:PHASES_LIMIT]), default=-1) + 1
    bottom, top = axes.get_ylim()
    axes.set_ylim(bottom, bottom + (top - bottom) / (1 - rows * _ROW))


def draw_annotations(
    axes: Axes, annotations: Annotations, at: Callable[[int], float], end_ns: int, colours: Colours
) -> None:
    """Draws a strip at the top for each phase, with its name; a line for each event; shade while the device was slow.

    `at` returns the position on the axis of a time (UTC ns since 1970); `end_ns` is the end of unfinished phases.
    """
    phases = annotations.phases[:PHASES_LIMIT]
    for number, (phase, row) in enumerate(zip(phases, _rows(phases), strict=True)):
        top = 1 - row * _ROW
        colour = colours.lines[-1 - number % len(colours.lines)]
        for from_ns, to_ns in phase.spans[:SPANS_LIMIT]:
            axes.axvspan(at(from_ns), at(to_ns or end_ns), ymin=top - _STRIP, ymax=top, color=colour, linewidth=0)
        _write(axes, phase.name, at(phase.spans[0][0]), top - _STRIP, colour, "top")
    for event in annotations.events[:SPANS_LIMIT]:
        begin, end = at(event.started_ns), at(event.ended_ns or end_ns)
        if begin < end:
            axes.axvspan(begin, end, color=colours.event, alpha=_SHADE, linewidth=0, zorder=0)
        axes.axvline(begin, color=colours.event, linewidth=0.7, linestyle=(0, (4, 1, 1, 1)))
    for number, (name, at_ns) in enumerate(_labels(annotations)):
        _write(axes, name, at(at_ns), 0.06 + number * _ROW, colours.text, "center", colours.page)
    for mark in annotations.marks[:SPANS_LIMIT]:
        axes.axvline(at(mark.at_ns), color=colours.mark, linewidth=0.7, linestyle=(0, (1, 2)))


def _labels(annotations: Annotations) -> list[tuple[str, int]]:
    """Labels of the first lines: the device's event once, then the app's own events."""
    of_device = {event.text: event.started_ns for event in reversed(annotations.events)}
    labels = [*of_device.items(), *((mark.name, mark.at_ns) for mark in annotations.marks)]
    return labels[:LABELS_LIMIT]


def _rows(phases: Sequence[Phase]) -> list[int]:
    """For each phase the first row, from the top, in which it overlaps no other."""
    rows: list[list[tuple[int, float]]] = []
    places = []
    for phase in phases:
        first_ns, last_ns = phase.spans[0][0], phase.spans[-1][1] or math.inf
        place = next(
            (
                number
                for number, taken in enumerate(rows)
                if all(first_ns >= end or last_ns <= start for start, end in taken)
            ),
            len(rows),
        )
        if place == len(rows):
            rows.append([])
        rows[place].append((first_ns, last_ns))
        places.append(place)
    return places


def _write(
    axes: Axes, name: str, at: float, height: float, colour: str, below: Literal["top", "center"], page: str = ""
) -> None:
    axes.annotate(
        one_line(name, _LABEL_LETTERS),
        (at, height),
        (2, 0),
        xycoords=("data", "axes fraction"),
        textcoords="offset points",
        va=below,
        color=colour,
        fontsize=6,
        annotation_clip=True,
        bbox=backing(page) if page else None,
    )
