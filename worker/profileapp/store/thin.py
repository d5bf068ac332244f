"""Down-samples a series so that its peaks survive. Pure."""

from __future__ import annotations

from collections.abc import Sequence


def thin(times_ns: Sequence[int], values: Sequence[float], spacing_ns: int) -> list[int]:
    """Ascending indices of the first, minimum, maximum and last sample of each span of `spacing_ns`.

    The spans are aligned to 1970, so that a second call with the same spacing removes nothing more. This
    is M4 (Jugel et al., "M4: A Visualization-Oriented Time Series Data Aggregation", 2014). Samples need not be in
    order: a span ends when the next sample is in another one.
    """
    indices: list[int] = []
    start = 0
    count = len(times_ns)
    while start < count:
        span = times_ns[start] // spacing_ns
        end = start + 1
        while end < count and times_ns[end] // spacing_ns == span:
            end += 1
        inside = range(start, end)
        chosen = {start, min(inside, key=values.__getitem__), max(inside, key=values.__getitem__), end - 1}
        indices.extend(sorted(chosen))
        start = end
    return indices
