"""Input that is ingested in one step: values of known series together, or one line by itself."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

import msgspec

from profileapp.model.series import Series


class SeriesValues:
    """Values of one series received since the last ingestion, in the order of arrival; not checked yet.

    `timestamps` has the length of `values`, as the app wrote them, or is empty. Each value as sent is to be multiplied
    by `factor`.
    """

    __slots__ = ("allow_negative", "factor", "series", "timestamps", "values")

    def __init__(self, series: Series, factor: float = 1.0, *, allow_negative: bool = False) -> None:
        self.series = series
        self.factor = factor
        self.allow_negative = allow_negative or series.kind == "gauge"
        self.values: list[float] = []
        self.timestamps: list[object] = []

    @property
    def is_valid(self) -> bool:
        """Whether every value is valid: finite, and not below 0 unless that is allowed."""
        if not self.allow_negative and min(self.values) < 0:
            return False
        return math.isfinite(sum(self.values)) or all(map(math.isfinite, self.values))


class Batch(msgspec.Struct, gc=False):
    """The next part of a block: values of known series, or a line that is not parsed yet."""

    waiting: list[SeriesValues] = []
    """Valid until the parser is asked for the next batch; empty if there is a line."""
    line: bytes = b""


def lines_by_themselves(lines: Iterable[bytes]) -> Iterator[Batch]:
    """A batch for each line."""
    return (Batch(line=line) for line in lines)


def clear(waiting: list[SeriesValues]) -> None:
    """Empties the values and the list, after their ingestion."""
    for collected in waiting:
        collected.values, collected.timestamps = [], []
    waiting.clear()
