"""Attributes the variance of a number to builds, starts of the app, or the time within a run. Pure.

There are three levels, as in Kalibera and Jones, "Rigorous Benchmarking in Reasonable Time" (ISMM 2013). The variance
of a level includes that of the levels below it, divided by how many of them were averaged.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from itertools import pairwise
from statistics import fmean, variance

from profileapp.judge.weights import Weighted
from profileapp.model.run import Scatter
from profileapp.model.vector import extremes

_BATCHES = 10
_LARGE = 1e140
_FEWEST_VALUES = 2 * _BATCHES


def standard_error(weighted: Weighted) -> float | None:
    """The standard error of the mean of a repeat, by batch means; None if there are too few values.

    Batches allow for autocorrelation (Law and Kelton, "Simulation Modeling and Analysis", 9.5.3).
    """
    values, weights = weighted.values, weighted.weights
    # The square of a larger number, times nanoseconds, would overflow.
    if len(values) < _FEWEST_VALUES or max(map(abs, extremes(values))) > _LARGE:
        return None
    edges = [round(batch * len(values) / _BATCHES) for batch in range(_BATCHES + 1)]
    means = []
    for start, end in pairwise(edges):
        if weights is None:
            means.append(fmean(values[start:end]))
        elif total := sum(weights[start:end]):
            means.append(math.fsum(map(operator.mul, values[start:end], weights[start:end])) / total)
    if len(means) < _BATCHES:
        return None
    return math.sqrt(variance(means) / _BATCHES)


def scatter(builds: Sequence[Sequence[float]], errors: Sequence[float]) -> Scatter:
    """The standard deviation that each level adds, from the repeats of several builds.

    `errors` are standard errors of repeats. A level without data is None: starts need a build with two repeats, builds
    need two builds. If the starts are unknown, the part of the builds includes theirs.
    """
    if any(abs(value) > _LARGE for each in builds for value in each):
        return Scatter()
    within = fmean(error * error for error in errors) if errors else None
    degrees = sum(len(each) - 1 for each in builds if each)
    between_starts = (
        math.fsum((len(each) - 1) * variance(each) for each in builds if len(each) > 1) / degrees if degrees else None
    )
    counts = [len(each) for each in builds if each]
    between_builds = variance([fmean(each) for each in builds if each]) if len(counts) > 1 else None
    if between_builds is not None and between_starts is not None:
        between_builds -= between_starts * fmean(1 / count for count in counts)
    starts = None if between_starts is None else between_starts - (within or 0.0)
    return Scatter(_root(between_builds), _root(starts), _root(within))


def _root(part: float | None) -> float | None:
    """The square root of a variance, whose estimate may be slightly negative."""
    return None if part is None else math.sqrt(max(0.0, part))
