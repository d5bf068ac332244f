"""A ring buffer of recent samples, bounded in memory: the oldest sample of any target is dropped first."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from profileapp.collect.api import Emit
from profileapp.model.series import Series

SAMPLE_BYTES = 160
"""Memory of a sample: a tuple of four, a float and an int (CPython 3.10 to 3.14, 64 bit), rounded up."""


class Ring:
    """Samples of all targets, at most `limit_bytes`. Thread-safe for writers."""

    def __init__(self, limit_bytes: int) -> None:
        self._samples: deque[tuple[str, Series, float, int]] = deque(maxlen=max(1, limit_bytes // SAMPLE_BYTES))

    def emit_for(self, target: str) -> Emit:
        """Returns the `Emit` that stores samples of one target; "" is the device."""
        append = self._samples.append

        def emit(series: Series, value: float, at_ns: int) -> None:
            append((target, series, value, at_ns))

        return emit

    def between(self, start_ns: int, end_ns: int, targets: frozenset[str]) -> Iterator[tuple[Series, float, int]]:
        """Samples of `targets` between two times of the monotonic clock."""
        # The copy is atomic, so other threads do not change it during the loop.
        for target, series, value, at_ns in self._samples.copy():
            if start_ns <= at_ns <= end_ns and target in targets:
                yield series, value, at_ns

    def oldest_ns(self) -> int:
        """The time of the oldest sample; 0 if there is none."""
        try:
            return self._samples[0][3]
        except IndexError:
            return 0
