"""The newest value of each series of a target, and the recent history of a few."""

from __future__ import annotations

import math
from collections import deque

from profileapp.model.series import MARKS, Series

SERIES_LIMIT = 2000
"""Limit of the series of a target; further ones are not shown."""
HISTORY_LENGTH = 120
CPU, MEMORY, QUOTA = "container.cpu.util", "container.memory.used", "container.cpu.throttled"
HISTORY_NAMES = frozenset({CPU, MEMORY, QUOTA})


class Values:
    """The latest samples of a target. `emit` is thread-safe, never blocks and never raises."""

    def __init__(self) -> None:
        self._newest: dict[Series, tuple[float, int]] = {}
        self._history: dict[str, deque[float]] = {}

    def emit(self, series: Series, value: float, at_ns: int) -> None:
        """Stores one value; the `Emit` of the collector API."""
        if not math.isfinite(value) or series.kind in MARKS:
            return
        if series not in self._newest and len(self._newest) >= SERIES_LIMIT:
            return
        self._newest[series] = value, at_ns
        if series.name in HISTORY_NAMES and not series.labels:
            history = self._history.get(series.name)
            if history is None:
                history = self._history[series.name] = deque(maxlen=HISTORY_LENGTH)
            history.append(value)

    def newest(self, since_ns: int = 0) -> dict[Series, float]:
        """The newest value of each series that is not older than `since_ns` of the monotonic clock."""
        return {series: value for series, (value, at_ns) in list(self._newest.items()) if at_ns >= since_ns}

    def history(self, name: str) -> tuple[float, ...]:
        """The last values of a series, the oldest first; () if it has no history."""
        found = self._history.get(name)
        return tuple(found.copy()) if found else ()

    def has_grown(self, name: str) -> bool:
        """Whether a series grew between its last two values."""
        last = self.history(name)[-2:]
        return len(last) == 2 and last[1] > last[0]

    def clear(self) -> None:
        """Forgets the values, but not the history: the app has ended."""
        self._newest = {}
