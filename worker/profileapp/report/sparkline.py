"""A row of numbers as one line of a terminal."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import pairwise

_BLOCKS = "▁▂▃▄▅▆▇█"
WIDTH = 60


def sparkline(values: Sequence[float], width: int = WIDTH, low: float | None = None) -> str:
    """At most `width` blocks, each the mean of its part of `values`.

    The lowest block is `low` (None: the minimum of these means).
    """
    means = [math.fsum(part) / len(part) for part in _parts(values, width)]
    if not means:
        return ""
    low, high = min(means) if low is None else low, max(means)
    if not high > low:
        return _BLOCKS[0] * len(means)
    return "".join(_BLOCKS[max(0, min(7, int(8 * (mean - low) / (high - low))))] for mean in means)


def marks(indexes: Iterable[int], count: int, width: int = WIDTH) -> str:
    """A line below the sparkline of `count` values, with ▲ below each of `indexes`; "" for none."""
    columns = min(count, width)
    places = {min(columns - 1, index * columns // count) for index in indexes} if count else set()
    return "".join("▲" if column in places else " " for column in range(columns)).rstrip()


def _parts(values: Sequence[float], width: int) -> list[Sequence[float]]:
    columns = min(len(values), width)
    edges = [column * len(values) // columns for column in range(columns + 1)] if columns else []
    return [values[start:end] for start, end in pairwise(edges)]
