"""Values of one series that came together, gathered so that all are taken at once."""

from __future__ import annotations

import math

from profileapp.model.series import Series


class Batch:
    """What came of one series since it was last taken, in the order it came in; nothing of it is checked yet.

    `timestamps` are as many as `values`, as the app wrote them, or none at all. `factor` is what a value is multiplied
    by, as it was sent.
    """

    __slots__ = ("factor", "may_be_below_0", "series", "timestamps", "values")

    def __init__(self, series: Series, factor: float = 1.0, *, may_be_below_0: bool = False) -> None:
        self.series = series
        self.factor = factor
        self.may_be_below_0 = may_be_below_0 or series.kind == "gauge"
        self.values: list[float] = []
        self.timestamps: list[object] = []

    @property
    def is_sound(self) -> bool:
        """Whether each value may be taken: finite, and not below 0 where it may not be."""
        if not self.may_be_below_0 and min(self.values) < 0:
            return False
        return math.isfinite(sum(self.values)) or all(map(math.isfinite, self.values))


def clear(waiting: list[Batch]) -> None:
    """They were taken; the list is empty then."""
    for collected in waiting:
        collected.values, collected.timestamps = [], []
    waiting.clear()
