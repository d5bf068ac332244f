"""Series derived from app-reported metrics: the rate of each counter, the percentiles of each timer over time."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence

from profileapp.judge.percentiles import percentile
from profileapp.judge.weights import in_order
from profileapp.model.run import Repeat
from profileapp.model.series import Series
from profileapp.model.vector import ranked
from profileapp.record.series_data import SeriesData

SHORTEST_INTERVAL_S = 1.0
"""Shorter intervals would make the rate depend on how counts happen to fall into them."""
INTERVALS_LIMIT = 10_000
SERIES_LIMIT = 100
"""Limit of counters, and of timers, from which series are derived."""
PERCENTILES = (50, 95, 99)


def derived(
    series: Mapping[Series, SeriesData], repeats: Sequence[Repeat], interval_s: float
) -> dict[Series, SeriesData]:
    """`frames.rate`, per second, of each app-reported counter; `inference.percentile` of each app-reported timer.

    One value per interval, at the interval's end, from the first sample to the end of a repeat. A last interval shorter
    than half is merged into the one before. An interval without a value of the timer has no percentile.
    """
    names = {one.name for one in series}
    found: dict[Series, SeriesData] = {}
    own = sorted((one for one in series if one.metric == "custom"), key=lambda one: (one.name, one.labels))
    for one in [each for each in own if each.kind == "counter"][:SERIES_LIMIT]:
        if f"{one.name}.rate" not in names:
            rate = Series(f"{one.name}.rate", f"{one.unit or '1'}/s", "custom", one.labels)
            found[rate] = _rates(series[one], repeats, interval_s)
    for one in [each for each in own if each.kind == "timer"][:SERIES_LIMIT]:
        if f"{one.name}.percentile" not in names and "percentile" not in dict(one.labels):
            found |= _percentiles(one, series[one], repeats, interval_s)
    return {one: data for one, data in found.items() if len(data)}


def _rates(data: SeriesData, repeats: Sequence[Repeat], interval_s: float) -> SeriesData:
    times, totals = in_order(data)
    ends_ns, rates = array("q"), array("d")
    for from_ns, to_ns, first, last in _intervals(times, repeats, interval_s):
        # The total continues from one repeat to the next; before its first sample it is 0.
        before = totals[first - 1] if first else 0.0
        after = totals[last - 1] if last else 0.0
        ends_ns.append(to_ns)
        rates.append((after - before) / ((to_ns - from_ns) / 1e9))
    return SeriesData(ends_ns, rates)


def _percentiles(
    one: Series, data: SeriesData, repeats: Sequence[Repeat], interval_s: float
) -> dict[Series, SeriesData]:
    times, values = in_order(data)
    ends_ns = array("q")
    made = {percent: array("d") for percent in PERCENTILES}
    for _, to_ns, first, last in _intervals(times, repeats, interval_s):
        if first == last:
            continue
        ascending = ranked(values[first:last])
        ends_ns.append(to_ns)
        for percent, percentiles in made.items():
            percentiles.append(percentile(ascending, percent))
    return {_percentile_of(one, percent): SeriesData(ends_ns, percentiles) for percent, percentiles in made.items()}


def _percentile_of(one: Series, percent: int) -> Series:
    labels = tuple(sorted((*one.labels, ("percentile", f"p{percent}"))))
    return Series(f"{one.name}.percentile", one.unit, one.metric, labels, "timer")


def _intervals(
    times: Sequence[int], repeats: Sequence[Repeat], interval_s: float
) -> Iterator[tuple[int, int, int, int]]:
    """Start and end (UTC ns) of each interval, and the range of indices of its samples."""
    for repeat in repeats:
        if repeat.traced or not times:
            continue
        started_ns, ended_ns = repeat.started_ns, repeat.ended_ns or times[-1]
        length_ns = round(max(interval_s, SHORTEST_INTERVAL_S, (ended_ns - started_ns) / 1e9 / INTERVALS_LIMIT) * 1e9)
        first = bisect_left(times, started_ns)
        if first == len(times) or times[first] > ended_ns:
            continue
        from_ns = started_ns + (times[first] - started_ns) // length_ns * length_ns
        first = bisect_left(times, from_ns)
        while from_ns < ended_ns:
            to_ns = from_ns + length_ns
            # The remainder counts too, but a rate over too short a time would be arbitrary.
            if ended_ns - to_ns < length_ns / 2:
                to_ns = ended_ns
            last = bisect_right(times, to_ns)
            yield from_ns, to_ns, first, last
            from_ns, first = to_ns, last
