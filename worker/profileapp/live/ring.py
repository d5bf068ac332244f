"""Everything seen lately, bounded in memory: the oldest sample of any target goes first."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from profileapp.collect.api import Emit
from profileapp.model.series import Series

SAMPLE_BYTES = 160
"""What a sample takes in memory: a tuple of four, a float and an int (CPython 3.10 to 3.14, 64 bit), rounded up."""


class Ring:
    """Samples of all targets, at most `limit_bytes`. May be written to by any thread."""

    def __init__(self, limit_bytes: int) -> None:
        self._samples: deque[tuple[str, Series, float, int]] = deque(maxlen=max(1, limit_bytes // SAMPLE_BYTES))

    def emit_for(self, target: str) -> Emit:
        """Keeps the samples of one target; "" is the device."""
        append = self._samples.append

        def emit(series: Series, value: float, at_ns: int) -> None:
            append((target, series, value, at_ns))

        return emit

    def between(self, start_ns: int, end_ns: int, targets: frozenset[str]) -> Iterator[tuple[Series, float, int]]:
        """The samples of some targets from a time to another, of the monotonic clock."""
        # A copy is one step for other threads, so the ring does not change under the loop.
        for target, series, value, at_ns in self._samples.copy():
            if start_ns <= at_ns <= end_ns and target in targets:
                yield series, value, at_ns

    def oldest_ns(self) -> int:
        """The time of the oldest sample, 0 without any."""
        try:
            return self._samples[0][3]
        except IndexError:
            return 0
