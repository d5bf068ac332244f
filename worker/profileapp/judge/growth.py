"""Leaks and drift: whether a series grows over the time of a run, by how much an hour. Pure.

What a garbage collector, a cache or a sawtooth takes and gives back is no growth. So the lower envelope is judged: the
level below which the series never falls again.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import accumulate, combinations, pairwise
from statistics import median

import msgspec

WINDOWS = 36
"""The run is divided into so many stretches of equal time; the lowest value of each is judged."""
FEWEST_SAMPLES = 120
_PARTS = 4
_LEAST_PART = 0.4
"""Of an even share: how much each quarter of the time must take part in the growth."""
_Z_INTERVAL = 1.96
_LEAST_GROWTH = 0.002
"""A growth over the run that is smaller than this part of the level is not reported."""
_NS_PER_H = 3600e9


class Growth(msgspec.Struct, frozen=True):
    """Growth an hour, in the series' unit, with its 95 % interval."""

    per_hour: float
    low: float
    high: float


def growth(times_ns: Sequence[int], values: Sequence[float]) -> Growth | None:
    """The growth of samples in the order of their times, UTC ns since 1970; None where there is no sign of any.

    The slope is that of Theil and Sen, its interval that of Sen ("Estimates of the Regression Coefficient Based on
    Kendall's Tau", 1968), over the lowest values of WINDOWS stretches of time. It counts as growth where the interval
    is above 0 and each quarter of the time takes part in it.
    """
    if len(values) < FEWEST_SAMPLES or times_ns[-1] <= times_ns[0]:
        return None
    at_h, lowest = _lowest(times_ns, values)
    if len(lowest) < WINDOWS // 2:
        return None
    envelope = list(accumulate(reversed(lowest), min))[::-1]
    grown = envelope[-1] - envelope[0]
    if grown <= _LEAST_GROWTH * abs(median(lowest)) or not _is_throughout(envelope):
        return None
    slopes = sorted((b - a) / (t - s) for (s, a), (t, b) in combinations(zip(at_h, lowest, strict=True), 2))
    reach = _Z_INTERVAL * _kendall_deviation(len(lowest))
    low = slopes[max(0, math.floor((len(slopes) - reach) / 2))]
    high = slopes[min(len(slopes) - 1, math.ceil((len(slopes) + reach) / 2))]
    return Growth(median(slopes), low, high) if low > 0 else None


def _lowest(times_ns: Sequence[int], values: Sequence[float]) -> tuple[list[float], list[float]]:
    """The lowest value of each stretch of time that has any, and when that was, in hours from the first sample."""
    start_ns = times_ns[0]
    length_ns = (times_ns[-1] - start_ns) / WINDOWS
    found: dict[int, tuple[float, int]] = {}
    for at_ns, value in zip(times_ns, values, strict=True):
        window = min(WINDOWS - 1, int((at_ns - start_ns) / length_ns))
        if window not in found or value < found[window][0]:
            found[window] = (value, at_ns)
    lowest = [found[window] for window in sorted(found)]
    return [(at_ns - start_ns) / _NS_PER_H for _, at_ns in lowest], [value for value, _ in lowest]


def _is_throughout(envelope: Sequence[float]) -> bool:
    """Whether each part of the time has some of the growth: a start-up, or one big tooth of a saw, is none."""
    edges = [round(part * (len(envelope) - 1) / _PARTS) for part in range(_PARTS + 1)]
    grown = envelope[-1] - envelope[0]
    return all(envelope[end] - envelope[start] >= _LEAST_PART * grown / _PARTS for start, end in pairwise(edges))


def _kendall_deviation(count: int) -> float:
    """The standard deviation of Kendall's S among so many values without a trend."""
    return math.sqrt(count * (count - 1) * (2 * count + 5) / 18)
