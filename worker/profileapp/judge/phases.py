"""Phases and events that the app reports, and the statistics within a phase."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches

from profileapp.judge.summary import measured_spans, summarise_in
from profileapp.judge.weights import Span
from profileapp.model.run import Mark, Phase, Repeat, SeriesSummary
from profileapp.model.series import Series
from profileapp.record.series_data import SeriesData

PHASES_LIMIT = 20
"""Limit of phases that are reported, in the order of their beginnings."""
MARKS_LIMIT = 200
OUTSIDE = "!"
"""Prefix of a phase's name that selects all time outside that phase."""


class NoSuchPhase(ValueError):
    """The app reported no such phase; the text suggests one that it did report."""


class Phases:
    """The phases of a run, with the statistics of each, computed on demand."""

    def __init__(self, series: Mapping[Series, SeriesData], repeats: Sequence[Repeat]) -> None:
        self._series = series
        # If no repeat is recorded, every sample counts.
        self._measured: list[Span] = measured_spans(repeats) or [(0, None)]
        self._spans = phase_spans(series, repeats)
        self._summaries: dict[str, tuple[SeriesSummary, ...]] = {}

    def all(self) -> tuple[Phase, ...]:
        """The first PHASES_LIMIT phases, in the order of their beginnings."""
        order = sorted(self._spans, key=lambda name: (self._spans[name][0], name))[:PHASES_LIMIT]
        return tuple(
            Phase(name, tuple((start, end or 0) for start, end in self._spans[name]), self.summary(name))
            for name in order
        )

    def summary(self, selector: str) -> tuple[SeriesSummary, ...]:
        """Statistics within a phase, or outside it (`!start-up`). Raises NoSuchPhase.

        A phase whose name itself begins with `!` takes precedence.
        """
        if selector not in self._summaries:
            self._summaries[selector] = summarise_in(self._series, _both(self._measured, self._selected(selector)))
        return self._summaries[selector]

    def _selected(self, selector: str) -> list[Span]:
        if selector in self._spans:
            return self._spans[selector]
        name = selector.removeprefix(OUTSIDE)
        if name != selector and name in self._spans:
            return _outside(self._spans[name])
        near = get_close_matches(name, self._spans, n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise NoSuchPhase(f"the app reported no phase {name}{hint}")


def phase_spans(series: Mapping[Series, SeriesData], repeats: Sequence[Repeat]) -> dict[str, list[Span]]:
    """Start and end of each span of a phase, by its name, in order and without overlaps.

    If a phase begins again before it has ended (in another thread), it lasts until all have ended, at most until the
    app ends. An end without a beginning is ignored.
    """
    ends = sorted(each.ended_ns for each in repeats if each.ended_ns)
    found: dict[str, list[Span]] = {}
    for one, data in series.items():
        if one.kind != "phase":
            continue
        # A span that begins when another ends continues it, so that spans never overlap.
        moments = [
            (at_ns, 0 if value > 0 else 1, value) for at_ns, value in zip(data.times_ns, data.values, strict=True)
        ]
        moments += [(end_ns, 2, 0.0) for end_ns in ends]
        spans = _spans(sorted(moments))
        if spans:
            found[one.name] = spans
    return found


def app_events(series: Mapping[Series, SeriesData]) -> tuple[Mark, ...]:
    """The first MARKS_LIMIT app-reported events, in the order of their times."""
    marks = [Mark(one.name, at_ns) for one, data in series.items() if one.kind == "event" for at_ns in data.times_ns]
    return tuple(sorted(marks, key=lambda mark: (mark.at_ns, mark.name))[:MARKS_LIMIT])


def _spans(moments: list[tuple[int, int, float]]) -> list[Span]:
    spans: list[Span] = []
    started_ns, depth = 0, 0
    for at_ns, order, value in moments:
        if value > 0:
            if depth == 0:
                started_ns = at_ns
            depth += 1
        elif depth:
            depth = 0 if order == 2 else depth - 1
            if depth == 0:
                spans.append((started_ns, at_ns))
    if depth:
        spans.append((started_ns, None))
    return spans


def _outside(spans: Sequence[Span]) -> list[Span]:
    outside: list[Span] = []
    from_ns: int | None = 0
    for start, end in spans:
        if from_ns is not None and start > from_ns:
            outside.append((from_ns, start - 1))
        from_ns = None if end is None else end + 1
    if from_ns is not None:
        outside.append((from_ns, None))
    return outside


def _both(some: Sequence[Span], others: Sequence[Span]) -> list[Span]:
    """The intersection of both."""
    common: list[Span] = []
    for some_from, some_to in some:
        for other_from, other_to in others:
            start = max(some_from, other_from)
            ends = [end for end in (some_to, other_to) if end is not None]
            end = min(ends) if ends else None
            if end is None or start <= end:
                common.append((start, end))
    return common
