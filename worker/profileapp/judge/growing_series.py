"""Selects the growing series of a run: memory, temperatures, durations. Pure."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence

from profileapp.judge.growth import growth
from profileapp.judge.weights import in_order
from profileapp.model.run import Repeat, SeriesGrowth
from profileapp.model.series import Series
from profileapp.record.series_data import SeriesData

LEAST_NS = 120 * 10**9
"""An hourly rate from a shorter time is meaningless."""
SERIES_LIMIT = 20

_LEVELS = ("container.memory.used", "gpu.memory.allocated", "system.temperature")


def growing_series(series: Mapping[Series, SeriesData], repeats: Sequence[Repeat]) -> tuple[SeriesGrowth, ...]:
    """The series that grew in the longest counted repeat, without its warm-up; at most SERIES_LIMIT."""
    longest = max(
        (each for each in repeats if not each.traced and each.ended_ns),
        key=lambda each: each.ended_ns - each.measured_from_ns,
        default=None,
    )
    if longest is None or longest.ended_ns - longest.measured_from_ns < LEAST_NS:
        return ()
    found = []
    for one in sorted(filter(_may_grow, series), key=lambda each: (each.name, each.labels)):
        times_ns, values = in_order(series[one], is_whole=False)
        first, end = bisect_left(times_ns, longest.measured_from_ns), bisect_right(times_ns, longest.ended_ns)
        grown = growth(times_ns[first:end], values[first:end])
        if grown:
            found.append(SeriesGrowth(one.title, one.unit, grown.per_hour, grown.low, grown.high))
    return tuple(found[:SERIES_LIMIT])


def _may_grow(one: Series) -> bool:
    return one.name in _LEVELS or (
        one.metric == "custom" and one.kind == "timer" and "percentile" not in dict(one.labels)
    )
