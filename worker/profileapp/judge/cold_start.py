"""Time from the start of an app to its first unit of work. Pure.

An app that is scheduled in windows, such as a cron job of a Waggle node, takes this time at each start.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence

from profileapp.judge.summary import summary_of
from profileapp.judge.weights import in_order, standing_of
from profileapp.model.run import Repeat, SeriesSummary
from profileapp.model.series import Series
from profileapp.record.series_data import SeriesData

COLD_START = "container.cold-start"
# Parts of names in pywaggle's convention: `with plugin.timeit("plugin.duration.inference")`.
_DURATION, _WORK, _PREPARATIONS = "duration", "inference", ("loadmodel", "input")


def cold_start(series: Mapping[Series, SeriesData], repeats: Sequence[Repeat]) -> tuple[SeriesSummary, ...]:
    """`container.cold-start`, in s: one value for each repeat in which the app reported work.

    The first unit of work is done at the first increment of a counter, the first duration, or the first frame rate
    above 0 that the app reports. If it reports durations of inference, only these count; durations of loading a model
    or an input never do.
    """
    work = _series_of_work(series)
    values = [value for repeat in repeats if not repeat.traced and (value := _value(work, repeat)) is not None]
    return (summary_of(Series(COLD_START, "s", "container"), array("d", values)),) if values else ()


def _series_of_work(series: Mapping[Series, SeriesData]) -> dict[Series, SeriesData]:
    own = [one for one in series if one.metric == "custom"]
    inference = [one for one in own if one.kind == "timer" and _part(one) == _WORK]
    if inference:
        return {one: series[one] for one in inference}
    return {
        one: series[one]
        for one in own
        if one.kind == "counter"
        or (one.kind == "timer" and _part(one) not in _PREPARATIONS and "percentile" not in dict(one.labels))
        or (one.kind == "gauge" and standing_of(one) == "since last" and not one.name.endswith(".rate"))
    }


def _part(one: Series) -> str:
    """The part of a name after `duration`, such as `inference`; the whole name if there is none."""
    parts = one.name.split(".")
    return parts[parts.index(_DURATION) + 1] if _DURATION in parts[:-1] else one.name


def _value(work: Mapping[Series, SeriesData], repeat: Repeat) -> float | None:
    firsts = [first_ns for one, data in work.items() if (first_ns := _first_ns(one, data, repeat)) is not None]
    return (min(firsts) - repeat.started_ns) / 1e9 if firsts else None


def _first_ns(one: Series, data: SeriesData, repeat: Repeat) -> int | None:
    times_ns, values = in_order(data, is_whole=False)
    start = bisect_left(times_ns, repeat.started_ns)
    end = bisect_right(times_ns, repeat.ended_ns) if repeat.ended_ns else len(times_ns)
    # A counter continues from the previous repeat.
    before = values[start - 1] if start and one.kind == "counter" else 0.0
    return next((times_ns[place] for place in range(start, end) if values[place] > before), None)
