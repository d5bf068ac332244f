"""Decides whether a number differs from earlier runs by more than noise. Pure.

Noise is the spread of earlier runs, which includes differences from build to build. The number is compared with the
prediction interval for one more observation of a normal sample (Montgomery and Runger, "Applied Statistics and
Probability for Engineers", section 8-6). The spread of the repeats within a run contributes if this run has fewer of
them. That spread alone would not suffice: it does not include differences from build to build, and on recorded noise it
raised a false alarm in one build of ten. `python -m tests.bench noise` measures the rate of false alarms.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec

HISTORY_RUNS = 8
"""With fewer earlier runs the noise cannot be estimated."""
LEAST_SPREAD = 0.005
"""The least relative spread that is assumed, however small that of a few runs is."""


class Expected(msgspec.Struct, frozen=True):
    """The prediction from earlier runs: mean, standard error of the prediction, and degrees of freedom."""

    mean: float
    error: float
    degrees: int


POWER = 0.9
"""The part of comparisons that finds what is called detectable."""


class Evidence(msgspec.Struct, frozen=True):
    """The earlier mean, the difference from it that would be significant, and the test's two-sided p-value."""

    mean: float
    margin: float
    p_value: float


def expect(repeats: Sequence[float], earlier: Sequence[tuple[float, Sequence[float]]]) -> Expected | None:
    """The prediction for a run with these repeats, from earlier runs; None if there are too few."""
    if len(earlier) < HISTORY_RUNS:
        return None
    values = [one for one, _ in earlier]
    count = len(values)
    mean = _mean(values)
    between = max(_variance(values), (LEAST_SPREAD * mean) ** 2)
    # A run with fewer repeats than the earlier ones has a larger variance.
    now = max(between, _within([repeats, *(each for _, each in earlier)]) / len(repeats)) if repeats else between
    return Expected(mean, math.sqrt(now + between / count), count - 1)


def weigh(value: float, expected: Expected, alpha: float) -> Evidence:
    """Tests a number against its prediction. `alpha` is the accepted rate of false alarms."""
    margin = expected.error * t_quantile(alpha, expected.degrees) if expected.error else 0.0
    return Evidence(expected.mean, margin, _farther(expected, abs(value - expected.mean)))


def power_reach(expected: Expected) -> float:
    """How far beyond a margin a true value must be for the measured one to exceed it with the probability POWER."""
    return expected.error * t_quantile(2 * (1 - POWER), expected.degrees) if expected.error else 0.0


def share(expected: Sequence[Expected], min_effect: float, alpha: float) -> float:
    """The alpha of each of several numbers, such that noise makes any of them significant with probability `alpha`.

    A significant number differs by more than noise explains, and by more than `min_effect` of its mean. Noise moves a
    steady number that far much less often than its share of alpha allows, so the rest of its share goes to the other
    numbers: the result is the largest `a` for which the sum of min(a, P(noise exceeds `min_effect`)) is at most
    `alpha`. Without steady numbers it equals Bonferroni's. It does not depend on the values that are judged.
    """
    needs = sorted(_farther(each, min_effect * abs(each.mean)) for each in expected)
    left = alpha
    for number, need in enumerate(needs):
        equal = left / (len(needs) - number)
        if equal <= need:
            return equal
        left -= need
    return alpha


def _farther(expected: Expected, difference: float) -> float:
    """The probability that noise causes such a difference from the mean or a larger one."""
    if not expected.error:
        return 0.0 if difference else 1.0
    return t_two_sided(difference / expected.error, expected.degrees)


def _within(groups: Sequence[Sequence[float]]) -> float:
    """The pooled variance of the repeats within runs; 0 if no run has two."""
    degrees = sum(len(each) - 1 for each in groups if each)
    squares = math.fsum((len(each) - 1) * _variance(each) for each in groups if len(each) > 1)
    return squares / degrees if degrees else 0.0


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)


def _variance(values: Sequence[float]) -> float:
    mean = _mean(values)
    return math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1)


def t_quantile(alpha: float, degrees: int) -> float:
    """The t that is exceeded in either direction with probability `alpha`; by bisection, to nine digits."""
    low, high = 0.0, 1.0
    while t_two_sided(high, degrees) > alpha and high < 1e12:
        low, high = high, 2 * high
    while high - low > 1e-9 * high:
        middle = (low + high) / 2
        low, high = (middle, high) if t_two_sided(middle, degrees) > alpha else (low, middle)
    return high


def t_two_sided(t: float, degrees: int) -> float:
    """The probability that Student's t with an integer number of degrees of freedom is farther from 0 than `t`.

    Abramowitz and Stegun, "Handbook of Mathematical Functions", 26.7.3 and 26.7.4: finite sums, exact except for
    rounding, so the result is 0 below about 1e-15.
    """
    theta = math.atan2(abs(t), math.sqrt(degrees))
    cosine, sine = math.cos(theta), math.sin(theta)
    odd = degrees % 2
    term = cosine if odd else 1.0
    total = 0.0
    for step in range(2 + odd, degrees + 1, 2):
        total += term
        term *= cosine * cosine * (step - 1) / step
    inside = 2 / math.pi * (theta + sine * total) if odd else sine * total
    return min(1.0, max(0.0, 1.0 - inside))
