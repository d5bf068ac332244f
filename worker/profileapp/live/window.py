"""The last values of a rule's series, and whether the rule holds."""

from __future__ import annotations

from array import array
from collections import deque

from profileapp.judge.budget import judge_budget
from profileapp.judge.summary import summary_of
from profileapp.live.rules import Rule
from profileapp.model.series import MARKS, Series

VALUES_LIMIT = 100_000


class Window:
    """The values of one target for one rule. `emit` is thread-safe."""

    def __init__(self, rule: Rule) -> None:
        self.rule = rule
        self._path = rule.budget.path
        self._values: deque[tuple[int, Series, float]] = deque(maxlen=VALUES_LIMIT)
        self._since_ns = 0

    def emit(self, series: Series, value: float, at_ns: int) -> None:
        """Stores one value if it belongs to the rule's series; the `Emit` of the collector API."""
        if (series.name == self._path or self._path.startswith(f"{series.name}.")) and series.kind not in MARKS:
            self._since_ns = self._since_ns or at_ns
            self._values.append((at_ns, series, value))

    def holds(self, now_ns: int) -> bool:
        """Whether the condition holds over the window that ends now; False until the window is full."""
        start_ns = now_ns - round(self.rule.window_s * 1e9)
        values = self._values
        while values and values[0][0] < start_ns:
            values.popleft()
        if not values or not 0 < self._since_ns <= start_ns:
            return False
        by_series: dict[Series, array[float]] = {}
        for _, series, value in values.copy():
            by_series.setdefault(series, array("d")).append(value)
        summaries = [summary_of(series, found) for series, found in by_series.items()]
        return judge_budget(self.rule.budget, summaries).state == "met"

    def clear(self) -> None:
        """Discards the values: the app restarted."""
        self._values.clear()
        self._since_ns = 0
