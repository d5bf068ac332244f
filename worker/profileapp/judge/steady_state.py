"""Finds where each repeat of a run settles, by the series closest to its work. Pure."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence

import msgspec

from profileapp.judge.settling import Settling, settling
from profileapp.judge.weights import in_order, standing_of
from profileapp.model.run import Repeat, SteadyState
from profileapp.model.series import Series
from profileapp.record.series_data import SeriesData

_CPU = "container.cpu.util"
_SERIES_LIMIT = 10


def steady_states(series: Mapping[Series, SeriesData], repeats: Sequence[Repeat]) -> tuple[SteadyState, ...]:
    """One per counted repeat, by the first series that has enough samples; empty if there is no such series.

    `series` includes the derived ones.
    """
    counted = [repeat for repeat in repeats if not repeat.traced]
    found = [
        tuple(_steady_state(one, series[one], repeat) for repeat in counted) for one in _series_of_progress(series)
    ]
    known = (states for states in found if all(each.state != "too few samples" for each in states))
    return next(known, found[0] if found else ())


def without_start_up(repeats: Sequence[Repeat], states: Sequence[SteadyState]) -> tuple[Repeat, ...]:
    """The repeats, each measured from where it settled. One that never settled is measured as a whole."""
    settled = {each.repeat: each.after_s for each in states if each.after_s is not None}
    return tuple(
        msgspec.structs.replace(each, measured_from_ns=each.started_ns + round(settled[each.index] * 1e9))
        if settled.get(each.index)
        else each
        for each in repeats
    )


def _series_of_progress(series: Mapping[Series, SeriesData]) -> list[Series]:
    """The series to try, in order: app-reported frame rates, rates of counters, durations, then CPU load."""

    def rank(one: Series) -> int | None:
        if one.metric == "custom" and one.kind == "gauge" and standing_of(one) == "since last":
            return 1 if one.name.endswith(".rate") else 0
        if one.metric == "custom" and one.kind == "timer" and "percentile" not in dict(one.labels):
            return 2
        return 3 if one.name == _CPU and not one.labels else None

    ranked = [(place, one.name, one.labels, one) for one in series if (place := rank(one)) is not None]
    return [one for *_, one in sorted(ranked, key=lambda each: each[:3])][:_SERIES_LIMIT]


def _steady_state(one: Series, data: SeriesData, repeat: Repeat) -> SteadyState:
    times_ns, values = in_order(data, is_whole=False)
    first = bisect_left(times_ns, repeat.started_ns)
    end = bisect_right(times_ns, repeat.ended_ns) if repeat.ended_ns else len(times_ns)
    found: Settling = settling(values[first:end])
    if found.state != "settled":
        return SteadyState(repeat.index, one.title, found.state)
    # A rate covers the time since the previous sample.
    place = first + found.first - (1 if standing_of(one) == "since last" else 0)
    from_ns = times_ns[place] if found.first else repeat.started_ns
    return SteadyState(repeat.index, one.title, "settled", max(0.0, (from_ns - repeat.started_ns) / 1e9))
