"""Reduces the points of a plot, keeping every peak."""

from __future__ import annotations

from collections.abc import Sequence

import numpy


def decimate(values: Sequence[float], limit: int) -> list[int]:
    """Indices of at most `limit` (>= 4) points: of each bucket the smallest and the largest, in order."""
    count = len(values)
    if count <= limit:
        return list(range(count))
    column = numpy.asarray(values)
    buckets = limit // 2
    indices: list[int] = []
    for bucket in range(buckets):
        start = bucket * count // buckets
        part = column[start : (bucket + 1) * count // buckets]
        low, high = start + int(part.argmin()), start + int(part.argmax())
        indices.extend((low,) if low == high else (min(low, high), max(low, high)))
    return indices
