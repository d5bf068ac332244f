"""Computes a rate from a total that only grows."""

from __future__ import annotations


class Rate:
    """The growth of a total per second between two samples."""

    __slots__ = ("_at_ns", "_total")

    def __init__(self) -> None:
        self._total: float | None = None
        self._at_ns = 0

    def update(self, total: float, at_ns: int) -> float | None:
        """Growth per second since the last sample; None for the first one, and if the total fell (it was reset)."""
        before, before_ns = self._total, self._at_ns
        self._total, self._at_ns = total, at_ns
        if before is None or at_ns <= before_ns or total < before:
            return None
        return (total - before) * 1e9 / (at_ns - before_ns)
