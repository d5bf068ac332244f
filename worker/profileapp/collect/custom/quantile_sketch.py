"""Quantiles of any number of values in bounded memory.

C. Masson, J. E. Rim and H. K. Lee, "DDSketch: A fast and fully-mergeable quantile sketch with relative-error
guarantees" (VLDB 2019): values are counted in buckets whose bounds increase by a constant factor.
"""

from __future__ import annotations

import math
import sys
from collections import Counter
from collections.abc import Sequence

RELATIVE_ERROR = 0.02
BUCKET_LIMIT = 256
"""Limit of buckets of each sign: a range of 1 to 28,000. With more, the buckets nearest to 0 are merged."""

_GAMMA = (1 + RELATIVE_ERROR) / (1 - RELATIVE_ERROR)
_LOG_GAMMA = math.log(_GAMMA)
_SMALLEST = 1e-300
_COUNTED_AT_ONCE = 256


class QuantileSketch:
    """Count, minimum, maximum, mean and quantiles of finite values; quantiles within RELATIVE_ERROR.

    All but the count require at least one value. Values are added to buckets many at a time.
    """

    __slots__ = ("_above", "_below", "_count", "_max", "_min", "_sum", "_uncounted", "_zeros")

    def __init__(self) -> None:
        self._uncounted: list[float] = []
        self._count = 0
        self._zeros = 0
        self._sum = 0.0
        self._min = math.inf
        self._max = -math.inf
        self._above: Counter[int] = Counter()
        self._below: Counter[int] = Counter()

    def add_all(self, values: Sequence[float]) -> None:
        """Adds any number of finite values."""
        self._uncounted.extend(values)
        if len(self._uncounted) >= _COUNTED_AT_ONCE:
            self._settle()

    @property
    def count(self) -> int:
        self._settle()
        return self._count

    @property
    def min(self) -> float:
        self._settle()
        return self._min

    @property
    def max(self) -> float:
        self._settle()
        return self._max

    @property
    def mean(self) -> float:
        """The mean; finite even if the sum is not."""
        self._settle()
        return min(max(self._sum / self._count, self._min), self._max)

    def quantile(self, share: float) -> float:
        """The value below which a fraction `share` (0 to 1) of all values lies."""
        self._settle()
        rank = share * (self._count - 1)
        for representative, count in self._ascending():
            rank -= count
            if rank < 0:
                return min(max(representative, self._min), self._max)
        return self._max

    def _settle(self) -> None:
        values, self._uncounted = self._uncounted, []
        if not values:
            return
        self._count += len(values)
        # Limited to the range of a float, so that it never becomes infinite and then NaN.
        self._sum = _bounded(self._sum + _bounded(sum(values)))
        least = min(values)
        self._min = min(self._min, least)
        self._max = max(self._max, max(values))  # noqa: PLW3301 (a tuple of all of them would be made)
        if least >= _SMALLEST:
            _count(self._above, values)
            return
        above = [value for value in values if value >= _SMALLEST]
        below = [-value for value in values if value <= -_SMALLEST]
        self._zeros += len(values) - len(above) - len(below)
        _count(self._above, above)
        _count(self._below, below)

    def _ascending(self) -> list[tuple[float, int]]:
        below = [(-_middle(key), self._below[key]) for key in sorted(self._below, reverse=True)]
        above = [(_middle(key), self._above[key]) for key in sorted(self._above)]
        return [*below, (0.0, self._zeros), *above]


def _bounded(number: float) -> float:
    return min(max(number, -sys.float_info.max), sys.float_info.max)


def _count(buckets: Counter[int], sizes: Sequence[float]) -> None:
    """Adds each size, above 0, to its bucket; leaves at most BUCKET_LIMIT buckets."""
    log, ceil, scale = math.log, math.ceil, 1 / _LOG_GAMMA
    buckets.update([ceil(log(size) * scale) for size in sizes])
    while len(buckets) > BUCKET_LIMIT:
        count = buckets.pop(min(buckets))
        buckets[min(buckets)] += count


def _middle(key: int) -> float:
    """The value within RELATIVE_ERROR of every value in a bucket."""
    exponent = key * _LOG_GAMMA
    return 2 * math.exp(min(exponent, 709.0)) / (_GAMMA + 1)
