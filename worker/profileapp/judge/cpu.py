"""CPU time per unit of an app-reported counter: CPU seconds per frame."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence

from profileapp.judge.summary import summary_of
from profileapp.model.run import Repeat, SeriesSummary
from profileapp.model.series import Series
from profileapp.record.series_data import SeriesData

_CPU_TIME = "container.cpu.time"


def cpu_per_unit(series: Mapping[Series, SeriesData], repeats: Sequence[Repeat]) -> tuple[SeriesSummary, ...]:
    """`container.cpu.time.per.frames`, in s, for each of the app's counters: one value per repeat.

    Both numbers cover the whole repeat with its warm-up; a repeat in which nothing was counted has no value.
    """
    used = next((data for one, data in series.items() if one.name == _CPU_TIME and not one.labels), None)
    if used is None:
        return ()
    counters = [one for one in series if one.metric == "custom" and one.kind == "counter"]
    found = []
    for counter in sorted(counters, key=lambda each: (each.name, each.labels)):
        values = [value for repeat in repeats if (value := _value(used, series[counter], repeat)) is not None]
        if values:
            per = Series(f"{_CPU_TIME}.per.{counter.name}", "s", "container", counter.labels)
            found.append(summary_of(per, array("d", values)))
    return tuple(found)


def _value(used: SeriesData, counter: SeriesData, repeat: Repeat) -> float | None:
    index = bisect_left(used.times_ns, repeat.started_ns)
    if repeat.traced or not repeat.ended_ns or index >= len(used.times_ns) or used.times_ns[index] > repeat.ended_ns:
        return None
    counted = _total_at(counter, repeat.ended_ns) - _total_at(counter, repeat.started_ns)
    return used.values[index] / counted if counted > 0 else None


def _total_at(counter: SeriesData, at_ns: int) -> float:
    """The running total at a time: the value of the last sample up to then."""
    index = bisect_right(counter.times_ns, at_ns) - 1
    return counter.values[index] if index >= 0 else 0.0
