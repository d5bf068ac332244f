"""Statistics of each series over the counted time: the repeats of a run without their warm-up."""

from __future__ import annotations

import math
import sys
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence

from profileapp.model.run import Repeat, SeriesSummary
from profileapp.model.series import MARKS, Series
from profileapp.model.vector import ranked
from profileapp.record.series_data import SeriesData

LARGE = 1e150
"""Numbers beyond it have no finite square."""
FEW_SPANS = 8

Span = tuple[int, int | None]
"""From and to in UTC nanoseconds since 1970, both included; None: without an end."""


def measured_spans(repeats: Sequence[Repeat]) -> list[Span]:
    """From and to (UTC ns, both included; None: no end on record) of what counts in each repeat."""
    return [(repeat.measured_from_ns, repeat.ended_ns or None) for repeat in repeats if not repeat.traced]


def summarise(series: Mapping[Series, SeriesData], repeats: Sequence[Repeat]) -> tuple[SeriesSummary, ...]:
    """A summary of every series that has a sample that counts, ordered by name and labels.

    Where no repeat is on record (a crash before the first) every sample counts.
    """
    return summarise_in(series, measured_spans(repeats) or [(0, None)])


def summarise_in(series: Mapping[Series, SeriesData], spans: Sequence[Span]) -> tuple[SeriesSummary, ...]:
    """A summary of every series that has a sample in one of `spans`, which are in order.

    Phases and events have none: they measure nothing.
    """
    summaries = []
    measuring = [one for one in series if one.kind not in MARKS]
    for one in sorted(measuring, key=lambda each: (each.name, each.labels)):
        values = values_in(series[one], spans)
        if len(values):
            summaries.append(summary_of(one, values))
    return tuple(summaries)


def values_in(data: SeriesData, spans: Sequence[Span]) -> array[float]:
    """The values whose times lie in one of `spans`, which are in order, in file order."""
    # Many spans are searched in memory, a few in the file that may contain the samples.
    is_short = len(spans) < FEW_SPANS
    times, values = (data.times_ns, data.values) if is_short else (data.times_ns[:], data.values[:])
    kept: array[float] = array("d")
    if data.is_in_order:
        for from_ns, to_ns in spans:
            end = len(times) if to_ns is None else bisect_right(times, to_ns)
            kept.extend(values[bisect_left(times, from_ns) : end])
        return kept
    starts = [from_ns for from_ns, _ in spans]
    for at_ns, value in zip(times, values, strict=True):
        place = bisect_right(starts, at_ns) - 1
        if place >= 0 and ((to_ns := spans[place][1]) is None or at_ns <= to_ns):
            kept.append(value)
    return kept


def summary_of(series: Series, values: array[float]) -> SeriesSummary:
    """Statistics of at least one finite value."""
    in_order = ranked(values)
    count = len(in_order)
    # An app may send numbers whose sum or square no float holds; they are then worked on as parts of the largest.
    largest = max(-in_order[0], in_order[-1])
    scale = largest if largest > LARGE else 1.0
    scaled = [value / scale for value in in_order] if scale != 1.0 else in_order
    mean = math.fsum(scaled) / count
    stddev = math.hypot(*[value - mean for value in scaled]) / math.sqrt(count - 1) if count > 1 else 0.0
    return SeriesSummary(
        name=series.name,
        unit=series.unit,
        metric=series.metric,
        labels=dict(series.labels),
        kind=series.kind,
        count=count,
        mean=mean * scale,
        stddev=min(stddev * scale, sys.float_info.max),
        min=in_order[0],
        p50=percentile(in_order, 50),
        p90=percentile(in_order, 90),
        p95=percentile(in_order, 95),
        p99=percentile(in_order, 99),
        max=in_order[-1],
        last=values[-1],
    )


def percentile(in_order: Sequence[float], percent: float) -> float:
    """Percentile of ascending values, by linear interpolation between the closest ranks.

    Type 7 of Hyndman and Fan, "Sample Quantiles in Statistical Packages" (1996); NumPy's default.
    """
    position = (len(in_order) - 1) * percent / 100
    below = math.floor(position)
    above = min(below + 1, len(in_order) - 1)
    low, high = in_order[below], in_order[above]
    if low == high:
        return low
    share = position - below
    return low + (high - low) * share if high - low < math.inf else low * (1 - share) + high * share
