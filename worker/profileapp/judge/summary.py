"""Statistics of each series over the measured time: the repeats of a run without their warm-up."""

from __future__ import annotations

import math
import operator
import sys
from array import array
from collections.abc import Mapping, Sequence
from itertools import accumulate

from profileapp.judge.percentiles import (
    P99_MIN_COUNT,
    PERCENTS,
    Ranked,
    percentile,
    percentile_interval,
    weighted_percentile,
)
from profileapp.judge.weights import Span, Weighted, standing_of, weighted_in
from profileapp.model.run import Repeat, SeriesSummary
from profileapp.model.series import MARKS, Series
from profileapp.model.vector import extremes, ranked, ranked_with
from profileapp.record.series_data import SeriesData

LARGE = 1e140
"""Larger numbers have no finite square when multiplied by nanoseconds."""

SLIVER = 0.1


def measured_spans(repeats: Sequence[Repeat]) -> list[Span]:
    """Start and end (UTC ns, inclusive; None: no recorded end) of the measured time of each repeat."""
    return [(repeat.measured_from_ns, repeat.ended_ns or None) for repeat in repeats if not repeat.traced]


def summarise(series: Mapping[Series, SeriesData], repeats: Sequence[Repeat]) -> tuple[SeriesSummary, ...]:
    """A summary of every series with a measured sample, ordered by name and labels.

    If no repeat is recorded (a crash before the first one), every sample counts.
    """
    return summarise_in(series, measured_spans(repeats) or [(0, None)])


def summarise_in(series: Mapping[Series, SeriesData], spans: Sequence[Span]) -> tuple[SeriesSummary, ...]:
    """A summary of every series with a sample in one of `spans`, which must be in order.

    Phases and events have none, since they are not measurements.
    """
    summaries = []
    measuring = [one for one in series if one.kind not in MARKS]
    for one in sorted(measuring, key=lambda each: (each.name, each.labels)):
        weighted = weighted_in(one, series[one], spans)
        if len(weighted.values):
            summaries.append(weighted_summary(one, weighted))
    return tuple(summaries)


def summary_of(series: Series, values: array[float]) -> SeriesSummary:
    """Statistics of at least one finite value, with equal weights."""
    return weighted_summary(series, Weighted(values))


def weighted_summary(series: Series, weighted: Weighted) -> SeriesSummary:
    """Statistics of at least one finite value, weighted by time."""
    values, weights = weighted.values, weighted.weights
    sums: Sequence[int] = ()
    if weights is None:
        in_order, effective = ranked(values), float(len(values))
    else:
        (in_order, sums), effective = ranked_with(values, weights), _effective_count(weights)
    # The sum or square of numbers from an app may overflow a float; then they are scaled by the largest one.
    largest = max(-in_order[0], in_order[-1])
    scale = largest if largest > LARGE else 1.0
    mean, stddev = _moments([value / scale for value in values] if scale != 1.0 else values, weights, effective)
    low, high = _extremes(series, weighted)
    scaled = [value / scale for value in in_order] if weights is not None and scale != 1.0 else in_order
    percentiles = [
        percentile(in_order, percent)
        if weights is None
        else weighted_percentile(scaled, sums, effective, percent) * scale
        for percent in PERCENTS
    ]
    # Rounding must not move a value across a boundary.
    p50, p90, p95, p99 = accumulate((min(high, max(low, each)) for each in percentiles), max)
    ranks = Ranked(in_order, sums, effective)
    is_p99_known = effective >= P99_MIN_COUNT
    return SeriesSummary(
        name=series.name,
        unit=series.unit,
        metric=series.metric,
        labels=dict(series.labels),
        kind=series.kind,
        count=len(in_order),
        mean=min(in_order[-1], max(in_order[0], mean * scale)),
        stddev=min(stddev * scale, sys.float_info.max),
        min=low,
        p50=p50,
        p90=p90,
        p95=p95,
        p99=p99 if is_p99_known else None,
        max=high,
        last=values[-1],
        intervals={
            f"p{percent}": percentile_interval(ranks, percent) for percent in PERCENTS if percent < 99 or is_p99_known
        },
    )


def _moments(values: Sequence[float], weights: Sequence[int] | None, effective: float) -> tuple[float, float]:
    """Mean and sample standard deviation for an effective number of values."""
    count = len(values)
    if weights is None:
        mean = math.fsum(values) / count
        stddev = math.hypot(*[value - mean for value in values]) / math.sqrt(count - 1) if count > 1 else 0.0
        return mean, stddev
    total = sum(weights)
    mean = math.fsum(map(operator.mul, values, weights)) / total
    freedom = 1 - 1 / effective
    squares = math.fsum([weight * (value - mean) ** 2 for value, weight in zip(values, weights, strict=True)])
    return mean, math.sqrt(squares / total / freedom) if freedom > 0 else 0.0


def _extremes(series: Series, weighted: Weighted) -> tuple[float, float]:
    """The values without rates of our own that cover less than SLIVER of the usual time.

    A rate over a very short time at the end of a repeat is arbitrary.
    """
    values, weights = weighted.values, weighted.weights
    if weights is not None and series.metric != "custom" and standing_of(series) == "since last":
        least_ns = weighted.typical_ns * SLIVER
        whole = [value for value, weight in zip(values, weights, strict=True) if weight >= least_ns]
        if whole:
            return extremes(whole)
    return extremes(values)


def _effective_count(weights: Sequence[int]) -> float:
    """The effective sample size of weighted values (Kish, "Survey Sampling", 1965)."""
    total, squares = sum(weights), sum(weight * weight for weight in weights)
    return total * total / squares
