"""Quantiles of any number of values in bounded memory.

C. Masson, J. E. Rim and H. K. Lee, "DDSketch: A fast and fully-mergeable quantile sketch with relative-error
guarantees" (VLDB 2019): values are counted in buckets whose bounds grow by a constant factor.
"""

from __future__ import annotations

import math

RELATIVE_ERROR = 0.02
BUCKET_LIMIT = 256
"""Buckets of each sign: a range of 1 to 28,000. Beyond, those nearest to 0 are counted as one."""

_GAMMA = (1 + RELATIVE_ERROR) / (1 - RELATIVE_ERROR)
_LOG_GAMMA = math.log(_GAMMA)
_SMALLEST = 1e-300


class QuantileSketch:
    """Count, sum, least, greatest and quantiles of finite values; quantiles within RELATIVE_ERROR."""

    __slots__ = ("_above", "_below", "count", "max", "min", "sum", "zeros")

    def __init__(self) -> None:
        self.count = 0
        self.zeros = 0
        self.sum = 0.0
        self.min = math.inf
        self.max = -math.inf
        self._above: dict[int, int] = {}
        self._below: dict[int, int] = {}

    def add(self, value: float) -> None:
        """Takes one finite value."""
        self.count += 1
        self.sum += value
        # No calls of min() and max(): it is called for each value that comes beyond the rate.
        if value < self.min:  # noqa: PLR1730
            self.min = value
        if value > self.max:  # noqa: PLR1730
            self.max = value
        size = abs(value)
        if size < _SMALLEST:
            self.zeros += 1
            return
        buckets = self._above if value > 0 else self._below
        key = math.ceil(math.log(size) / _LOG_GAMMA)
        if key in buckets:
            buckets[key] += 1
            return
        buckets[key] = 1
        if len(buckets) > BUCKET_LIMIT:
            lowest = min(buckets)
            count = buckets.pop(lowest)
            buckets[min(buckets)] += count

    @property
    def mean(self) -> float:
        """Of at least one value; within the range of a float whatever their sum."""
        return min(max(self.sum / self.count, self.min), self.max)

    def quantile(self, share: float) -> float:
        """The value below which `share` (0 to 1) of all lie; of at least one value."""
        rank = share * (self.count - 1)
        for representative, count in self._ascending():
            rank -= count
            if rank < 0:
                return min(max(representative, self.min), self.max)
        return self.max

    def _ascending(self) -> list[tuple[float, int]]:
        below = [(-_middle(key), self._below[key]) for key in sorted(self._below, reverse=True)]
        above = [(_middle(key), self._above[key]) for key in sorted(self._above)]
        return [*below, (0.0, self.zeros), *above]


def _middle(key: int) -> float:
    """The value within RELATIVE_ERROR of all of a bucket."""
    exponent = key * _LOG_GAMMA
    return 2 * math.exp(min(exponent, 709.0)) / (_GAMMA + 1)
