"""Energy per unit of an app-reported counter: joules per frame."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence

from profileapp.judge.summary import measured_spans, summary_of
from profileapp.model.run import Repeat, SeriesSummary
from profileapp.model.series import Series
from profileapp.record.series_data import SeriesData

_ENERGIES = ("energy.total", "energy.above-idle")


def energy_per_unit(series: Mapping[Series, SeriesData], repeats: Sequence[Repeat]) -> tuple[SeriesSummary, ...]:
    """`energy.total.per.frames`, in J, for each energy series and each app-reported counter: one value per repeat.

    The energy between its first and last measured sample, divided by the counter's increase between these two times; a
    repeat in which nothing was counted has no value.
    """
    counters = [one for one in series if one.metric == "custom" and one.kind == "counter"]
    energies = [one for one in series if one.name in _ENERGIES]
    found = []
    for energy in sorted(energies, key=lambda each: (each.name, each.labels)):
        for counter in sorted(counters, key=lambda each: (each.name, each.labels)):
            values = _values(series[energy], series[counter], repeats)
            if values:
                labels = tuple(sorted({**dict(counter.labels), **dict(energy.labels)}.items()))
                per = Series(f"{energy.name}.per.{counter.name}", "J", "energy", labels)
                found.append(summary_of(per, array("d", values)))
    return tuple(found)


def mean_power_w(series: Mapping[Series, SeriesData], repeats: Sequence[Repeat]) -> float | None:
    """Mean power, in W, while the app was measured, summed over GPUs; None if no energy was measured."""
    totals = {one: data for one, data in series.items() if one.name == "energy.total"}
    # The total without a label already includes the GPUs.
    totals = {one: data for one, data in totals.items() if not one.labels} or totals
    used_j, lasted_s = 0.0, 0.0
    for data in totals.values():
        for from_ns, to_ns in measured_spans(repeats):
            first = bisect_left(data.times_ns, from_ns)
            last = (len(data.times_ns) if to_ns is None else bisect_right(data.times_ns, to_ns)) - 1
            if last > first:
                used_j += data.values[last] - data.values[first]
                lasted_s += (data.times_ns[last] - data.times_ns[first]) / 1e9
    return used_j / lasted_s * len(totals) if lasted_s > 0 else None


def _values(energy: SeriesData, counter: SeriesData, repeats: Sequence[Repeat]) -> list[float]:
    values = []
    for from_ns, to_ns in measured_spans(repeats):
        first = bisect_left(energy.times_ns, from_ns)
        last = (len(energy.times_ns) if to_ns is None else bisect_right(energy.times_ns, to_ns)) - 1
        if last <= first:
            continue
        used_j = energy.values[last] - energy.values[first]
        counted = _total_at(counter, energy.times_ns[last]) - _total_at(counter, energy.times_ns[first])
        if counted > 0:
            values.append(used_j / counted)
    return values


def _total_at(counter: SeriesData, at_ns: int) -> float:
    """The running total at a time: the value of the last sample up to then."""
    index = bisect_right(counter.times_ns, at_ns) - 1
    return counter.values[index] if index >= 0 else 0.0
