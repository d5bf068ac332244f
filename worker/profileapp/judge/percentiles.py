"""Percentiles and their confidence intervals by order statistics. Pure.

The interval makes no assumption about the distribution. It takes values as independent: values that resemble the one
before (a temperature, say) know less than it claims.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from functools import lru_cache

import msgspec

PERCENTS = (50, 90, 95, 99)
CONFIDENCE = 0.95
"""Confidence of each bound, so that 90 % of the intervals contain the true percentile."""
P99_MIN_COUNT = 299
"""The fewest values of which the largest is above the true p99 with 95 % confidence: 1 - 0.99^299 > 0.95."""
_EXACT_VARIANCE = 400.0
"""Of a binomial distribution; beyond it, the normal approximation with its skewness is within one rank."""

Interval = tuple[float | None, float | None]
"""Lower and upper bound; None if there are too few values."""


class Ranked(msgspec.Struct, frozen=True):
    """Ascending values. `sums` has the weight up to and with each; it is empty where all count the same.

    `effective` is how many values of equal weight know as much.
    """

    values: Sequence[float]
    sums: Sequence[int]
    effective: float


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


def weighted_percentile(in_order: Sequence[float], sums: Sequence[int], effective: float, percent: float) -> float:
    """Percentile of ascending values of which each counts as much as its step in `sums`.

    Type 7 as above, where all count the same: the mean of the values over a window as wide as one of the `effective`
    many. Source: Akinshin, "Weighted quantile estimators" (2023).
    """
    total = sums[-1]
    width = total / effective
    at = (total - width) * percent / 100
    end = at + width
    index = min(bisect_right(sums, at), len(sums) - 1)
    # The mean of equal values must be exactly that value.
    lowest = in_order[index]
    above = []
    while index < len(sums) and at < end:
        until = min(end, sums[index])
        above.append((until - at) / width * (in_order[index] - lowest))
        at = until
        index += 1
    return lowest + math.fsum(above)


def percentile_interval(ranked: Ranked, percent: int) -> Interval:
    """The confidence interval of a percentile: the values of two ranks.

    Source: Hahn and Meeker, "Statistical Intervals" (1991), section 5.2.
    """
    count = math.floor(ranked.effective + 1e-9)
    lower, upper = bounding_ranks(count, percent)
    return (_value_at(ranked, lower, count), _value_at(ranked, upper, count))


@lru_cache(maxsize=4096)
def bounding_ranks(count: int, percent: int) -> tuple[int | None, int | None]:
    """The ranks (from 1) of the bounds among `count` values; None if no value can be the bound.

    The lower is the largest rank whose value is below the percentile with CONFIDENCE, the upper the smallest whose
    value is above it.
    """
    share = percent / 100
    # The value of rank r is above the percentile if fewer than r values are below it: P(Binomial < r) >= CONFIDENCE.
    upper = _binomial_quantile(count, share, CONFIDENCE) + 1
    # By symmetry: the same from the other end.
    lower = count - _binomial_quantile(count, 1 - share, CONFIDENCE)
    return (lower if lower >= 1 else None, upper if upper <= count else None)


def _value_at(ranked: Ranked, rank: int | None, count: int) -> float | None:
    if rank is None:
        return None
    if not ranked.sums:
        return ranked.values[rank - 1]
    return ranked.values[min(bisect_left(ranked.sums, ranked.sums[-1] * (rank - 0.5) / count), len(ranked.values) - 1)]


def _binomial_quantile(count: int, share: float, probability: float) -> int:
    """The smallest k with P(Binomial(count, share) <= k) >= probability."""
    variance = count * share * (1 - share)
    if variance > _EXACT_VARIANCE:
        deviation = math.sqrt(variance)
        z = 1.6448536269514722
        # Cornish and Fisher's first term.
        skewed = z + (1 - 2 * share) / deviation * (z * z - 1) / 6
        return max(0, math.ceil(count * share + skewed * deviation - 0.5))
    log_share, log_rest = math.log(share), math.log1p(-share)
    passed = 0.0
    for k in range(count + 1):
        log_choose = math.lgamma(count + 1) - math.lgamma(k + 1) - math.lgamma(count - k + 1)
        passed += math.exp(log_choose + k * log_share + (count - k) * log_rest)
        # Tolerates rounding, so that exactly 0.95 passes.
        if passed >= probability - 1e-12:
            return k
    return count
