"""Where start-up ends and the steady state begins, found in the samples themselves. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import median

import msgspec

from profileapp.model.run import SettlingState

BATCHES_LIMIT = 200
"""More samples are replaced by medians of batches: an outlier is no change of level."""
FEWEST_SAMPLES = 20
"""Fewer show no level."""
_STEADY_SHARE = 0.05
"""A difference within the steady state that is smaller than this part of its level does not matter."""
_STEADY_ERRORS = 4.0
"""Standard errors beyond which a difference is no noise."""
_WINDOW = 3
"""Batches."""
_SETTLED_SHARE = 0.02
"""What is nearer to the steady level than this part of it has reached it."""


class Settling(msgspec.Struct, frozen=True):
    """Which sample is the first of the steady state (0: there was no start-up)."""

    state: SettlingState
    first: int = 0


def settling(values: Sequence[float]) -> Settling:
    """Cuts the start-up off a series of samples in the order of their times.

    The cut is the one that leaves the smallest standard error of the mean of what remains (MSER; White, "An Effective
    Truncation Heuristic for Bias Reduction in Simulation Output", 1997), at most half of the samples. Where what
    remains still drifts, the series has never settled.
    """
    if len(values) < FEWEST_SAMPLES:
        return Settling("too few samples")
    size = math.ceil(len(values) / BATCHES_LIMIT)
    batches = [median(values[at : at + size]) for at in range(0, len(values) - size + 1, size)]
    cut = _refined(batches, _cut(batches))
    steady = batches[cut:]
    middle = len(steady) // 2
    if cut >= len(batches) // 2 or _differ(steady[:middle], steady[middle:]):
        return Settling("never settled")
    return Settling("settled", cut * size)


def _cut(values: Sequence[float]) -> int:
    """The number of values to leave out, at most half of them."""
    best, best_score = 0, math.inf
    count, total, squares = 0, 0.0, 0.0
    # Numbers relative to the last one: sums of squares of large numbers that are nearly equal lose their digits.
    base = values[-1]
    scale = max((abs(value - base) for value in values), default=0.0) or 1.0
    for place in range(len(values) - 1, -1, -1):
        value = (values[place] - base) / scale
        count, total, squares = count + 1, total + value, squares + value * value
        if place <= len(values) // 2:
            score = max(0.0, squares - total * total / count) / (count * count)
            # Of equal scores the earliest cut: nothing is left out without a reason.
            if score <= best_score + 1e-15:
                best, best_score = place, score
    return best


def _refined(values: Sequence[float], cut: int) -> int:
    """The cut, moved to the front for as long as the values before it are at the level of the steady state.

    The smallest standard error alone leaves out steady values too, if by chance they are noisier than the rest.
    """
    level, spread = median(values[cut:]), _spread(values[cut:])
    near = max(_STEADY_ERRORS * spread / math.sqrt(_WINDOW), _SETTLED_SHARE * abs(level))
    while cut and abs(median(values[max(0, cut - _WINDOW) : cut]) - level) <= near:
        cut -= 1
    return cut


def _differ(some: Sequence[float], others: Sequence[float]) -> bool:
    """Whether two halves of a steady state have different levels, by more than noise and than what matters."""
    difference = abs(median(some) - median(others))
    # The standard error of a median.
    error = 1.2533 * math.hypot(_spread(some) / math.sqrt(len(some)), _spread(others) / math.sqrt(len(others)))
    return difference > _STEADY_SHARE * abs(median(others)) and difference > _STEADY_ERRORS * error


def _spread(values: Sequence[float]) -> float:
    """The standard deviation, by the median absolute deviation."""
    middle = median(values)
    return 1.4826 * median(abs(value - middle) for value in values)
