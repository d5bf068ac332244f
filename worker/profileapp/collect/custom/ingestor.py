"""Processes all values that an app sends: records, aggregates or refuses them."""

from __future__ import annotations

import math
import threading
from collections import Counter
from collections.abc import Sequence
from itertools import accumulate, zip_longest

from profileapp.collect.api import Emit
from profileapp.collect.custom.batch import SeriesValues
from profileapp.collect.custom.line import CustomSample, InvalidSample, all_wall_ns_of, sample_of
from profileapp.collect.custom.quantile_sketch import QuantileSketch
from profileapp.collect.custom.statsd_line import StatsdSample
from profileapp.model.clock import Clock
from profileapp.model.series import Series

SERIES_LIMIT = 1000
RATE_LIMIT_PER_S = 50_000
"""Values per second that are recorded individually; any more are aggregated by the second."""
SET_LIMIT = 10_000
"""Limit of distinct members of a set per second."""
MARK_LIMIT = 10_000
"""Limit of phase beginnings, phase ends and events."""
CLOCK_TOLERANCE_NS = 2_000_000_000
"""Offset of the app's clock above which it is reported. A timestamp that far before the run or in the future is not
used: it would place the value outside of the run, where it counts for nothing.
"""

_SECOND_NS = 1_000_000_000
_QUANTILES = (("p50", 0.5), ("p95", 0.95), ("p99", 0.99))
_CLOCK_SAMPLES = 10
_REASONS_LIMIT = 100


class Ingestor:
    """Thread-safe. Memory is bounded whatever the app sends.

    `kept` + `aggregated` + `refused` + `skipped` is the number of values that the app sent, as far as it is known.
    """

    def __init__(self, clock: Clock, emit: Emit) -> None:
        self.kept = 0
        self.aggregated = 0
        self.refused = 0
        self.skipped = 0
        self._skipped: dict[str, tuple[int, int]] = {}
        self._clock = clock
        self._emit = emit
        self._lock = threading.Lock()
        self._noted: Counter[str] = Counter()
        self._examples: dict[str, str] = {}
        self._known: set[Series] = set()
        self._totals: dict[Series, float] = {}
        self._levels: dict[Series, float] = {}
        self._sketches: dict[Series, QuantileSketch] = {}
        self._grown: set[Series] = set()
        self._sets: dict[Series, set[bytes]] = {}
        self._second_ends_ns = 0
        self._in_second = 0
        self._marks = 0
        self._own_times = 0
        self._least_lag_ns = 0
        self._earliest_ns = clock.anchor_monotonic_ns - CLOCK_TOLERANCE_NS

    def ingest(self, sample: CustomSample, now_ns: int) -> None:
        """Ingests one value that arrived at `now_ns` of the monotonic clock. Raises InvalidSample."""
        with self._lock:
            self._advance(now_ns)
            self._check_known(sample.series)
            self._ingest(sample, now_ns)

    def ingest_series(self, waiting: list[SeriesValues], now_ns: int) -> None:
        """Ingests values of several series that arrived at `now_ns` of the monotonic clock."""
        with self._lock:
            self._advance(now_ns)
            for collected in waiting:
                self._ingest_series_values(collected, now_ns)

    def ingest_statsd(self, sample: StatsdSample, now_ns: int) -> None:
        """Ingests all values of a line, or none. Raises InvalidSample."""
        with self._lock:
            self._advance(now_ns)
            series = sample.series
            self._check_known(series)
            at_ns = (
                now_ns if sample.wall_ns is None else self._at_ns(series, sample.wall_ns, now_ns, whole_seconds=True)
            )
            if sample.members:
                members = self._sets.setdefault(series, set())
                for member in sample.members:
                    if len(members) < SET_LIMIT:
                        members.add(member)
                self.aggregated += len(sample.members)
                return
            for number in sample.values:
                value = number + self._levels.get(series, 0.0) if sample.is_change else number
                if sample.is_level:
                    self._levels[series] = value
                self._value(series, value, at_ns)

    def ingest_mark(self, series: Series, value: float, wall_ns: int | None, now_ns: int) -> None:
        """Ingests the beginning (1) or end (0) of a phase, or an event. Raises InvalidSample."""
        with self._lock:
            self._check_known(series)
            self._marks += 1
            if self._marks > MARK_LIMIT:
                raise InvalidSample(f"more than {MARK_LIMIT} events and phases")
            self._emit(series, value, now_ns if wall_ns is None else self._at_ns(series, wall_ns, now_ns))
            self.kept += 1

    def refuse(self, reason: str, example: str, values: int = 1) -> None:
        """Counts refused values by reason, one of a few, with an example."""
        with self._lock:
            self._refuse(reason, example, values)

    def skip(self, reason: str, lines: int, size_bytes: int) -> None:
        """Counts lines that were never read by reason, one of a few."""
        with self._lock:
            self.skipped += lines
            lines_before, bytes_before = self._skipped.get(reason, (0, 0))
            self._skipped[reason] = lines_before + lines, bytes_before + size_bytes

    def note(self, reason: str, example: str) -> None:
        """Adds a finding to the report that is not the loss of a whole value."""
        with self._lock:
            self._note(reason, example)

    def advance(self, now_ns: int) -> None:
        """Emits the aggregates of a second that is over; call it regularly."""
        with self._lock:
            self._advance(now_ns)

    def close(self, now_ns: int) -> tuple[str, ...]:
        """Emits the remaining aggregates. Returns the lines for the report."""
        with self._lock:
            self._emit_aggregates(now_ns)
            lines = [self._line(reason, count) for reason, count in self._noted.most_common()]
            lines += [
                f"custom: {reason}: {count} lines of {size} bytes" for reason, (count, size) in self._skipped.items()
            ]
            if self.aggregated or self.refused or self._skipped:
                total = self.kept + self.aggregated + self.refused + self.skipped
                skipped = f", {self.skipped} not read" if self._skipped else ""
                lines.insert(
                    0,
                    f"custom: of {total} values {self.kept} were recorded individually, {self.aggregated} aggregated "
                    f"(by the second), {self.refused} refused{skipped}",
                )
            return (*lines, *self._clock_lines())

    def _ingest(self, sample: CustomSample, now_ns: int) -> None:
        if sample.timestamp_fault:
            self._note(f"{sample.timestamp_fault}; the time of arrival is used", repr(sample.series.name))
        at_ns = now_ns if sample.wall_ns is None else self._at_ns(sample.series, sample.wall_ns, now_ns)
        self._value(sample.series, sample.value, at_ns)

    def _ingest_series_values(self, collected: SeriesValues, now_ns: int) -> None:
        series, values, timestamps = collected.series, collected.values, collected.timestamps
        try:
            self._check_known(series)
        except InvalidSample as reason:
            self._refuse(str(reason), repr(series.name), len(values))
            return
        at_ns = self._all_at_ns(series, timestamps, len(values), now_ns)
        if at_ns is None or not collected.is_valid or not self._values(series, values, at_ns):
            for value, timestamp in zip_longest(values, timestamps):
                try:
                    sample = sample_of(series, value, timestamp, allow_negative=collected.allow_negative)
                    self._ingest(sample, now_ns)
                except InvalidSample as reason:
                    self._refuse(str(reason), repr(series.name), 1)

    def _refuse(self, reason: str, example: str, values: int) -> None:
        self.refused += values
        self._note(f"refused: {reason}", example, values)

    def _check_known(self, series: Series) -> None:
        if series not in self._known:
            if len(self._known) >= SERIES_LIMIT:
                raise InvalidSample(f"more than {SERIES_LIMIT} different series")
            self._known.add(series)

    def _value(self, series: Series, value: float, at_ns: int) -> None:
        """Records a value; of a counter the running total over all repeats. Raises InvalidSample."""
        if series.kind == "counter":
            value = self._totals.get(series, 0.0) + value
            if not math.isfinite(value):
                raise InvalidSample("a counter that became infinite")
            self._totals[series] = value
        self._keep_or_aggregate(series, (value,), (at_ns,))

    def _values(self, series: Series, values: list[float], at_ns: list[int]) -> bool:
        """Like `_value`, for several values with their times. Returns False and records none if one is invalid."""
        if series.kind == "counter":
            totals = list(accumulate(values, initial=self._totals.get(series, 0.0)))
            # A total that became infinite stays infinite.
            if not math.isfinite(totals[-1]):
                return False
            self._totals[series] = totals[-1]
            values = totals[1:]
        self._keep_or_aggregate(series, values, at_ns)
        return True

    def _keep_or_aggregate(self, series: Series, values: Sequence[float], at_ns: Sequence[int]) -> None:
        room = RATE_LIMIT_PER_S - self._in_second
        if room >= len(values):
            kept = len(values)
        else:
            kept = max(room, 0)
            self._aggregate(series, values[kept:])
        self._in_second += kept
        self.kept += kept
        emit = self._emit
        for value, at in zip(values[:kept], at_ns, strict=False):
            emit(series, value, at)

    def _aggregate(self, series: Series, values: Sequence[float]) -> None:
        self.aggregated += len(values)
        if series.kind == "counter":
            # A running total loses nothing by being emitted later.
            self._grown.add(series)
            return
        sketch = self._sketches.get(series)
        if sketch is None:
            sketch = self._sketches[series] = QuantileSketch()
        sketch.add_all(values)

    def _advance(self, now_ns: int) -> None:
        if now_ns >= self._second_ends_ns:
            if self._sketches or self._grown or self._sets:
                self._emit_aggregates(min(now_ns, self._second_ends_ns))
            self._second_ends_ns = (now_ns // _SECOND_NS + 1) * _SECOND_NS
            self._in_second = 0

    def _emit_aggregates(self, at_ns: int) -> None:
        for series in self._grown:
            self._emit(series, self._totals[series], at_ns)
        for series, members in self._sets.items():
            self._emit(series, float(len(members)), at_ns)
        for series, sketch in self._sketches.items():
            self._emit_sketch(series, sketch, at_ns)
        self._grown, self._sets, self._sketches = set(), {}, {}

    def _emit_sketch(self, series: Series, sketch: QuantileSketch, at_ns: int) -> None:
        self._emit(Series(f"{series.name}.aggregated.count", "", "custom", series.labels), sketch.count, at_ns)
        numbers = [("mean", sketch.mean), ("min", sketch.min), ("max", sketch.max)]
        for word, number in numbers + [(word, sketch.quantile(share)) for word, share in _QUANTILES]:
            labels = tuple(sorted((*series.labels, ("statistic", word))))
            self._emit(Series(f"{series.name}.aggregated", series.unit, "custom", labels), number, at_ns)

    def _at_ns(self, series: Series, wall_ns: int, now_ns: int, *, whole_seconds: bool = False) -> int:
        """The app's timestamp if plausible, else the time of arrival; both on the monotonic clock."""
        at_ns = self._clock.monotonic_ns(wall_ns)
        if not whole_seconds:
            self._update_lag(now_ns - at_ns, 1)
        if self._earliest_ns <= at_ns <= now_ns + CLOCK_TOLERANCE_NS:
            return at_ns
        self._note(
            "a timestamp from before the run or in the future; the time of arrival is used",
            f"{wall_ns} ns since 1970 for {series.name!r}",
        )
        return now_ns

    def _all_at_ns(self, series: Series, timestamps: list[object], count: int, now_ns: int) -> list[int] | None:
        """Like `_at_ns`, for several timestamps; None if one of them is not a number."""
        if timestamps.count(None) == len(timestamps):
            return [now_ns] * count
        wall_ns = all_wall_ns_of(timestamps)
        if wall_ns is None:
            return None
        offset_ns = self._clock.monotonic_ns(0)
        first_ns, last_ns = min(wall_ns) + offset_ns, max(wall_ns) + offset_ns
        if not self._earliest_ns <= first_ns <= last_ns <= now_ns + CLOCK_TOLERANCE_NS:
            return [self._at_ns(series, one_ns, now_ns) for one_ns in wall_ns]
        self._update_lag(now_ns - last_ns, len(wall_ns))
        return [one_ns + offset_ns for one_ns in wall_ns]

    def _update_lag(self, lag_ns: int, times: int) -> None:
        """Updates the smallest lag between timestamp and arrival, measured on `times` values."""
        if lag_ns < self._least_lag_ns or not self._own_times:
            self._least_lag_ns = lag_ns
        self._own_times += times

    def _clock_lines(self) -> tuple[str, ...]:
        """Reports a clock offset: a value may arrive late, but never early, so the smallest lag bounds the offset."""
        if self._own_times < _CLOCK_SAMPLES:
            return ()
        if self._least_lag_ns > CLOCK_TOLERANCE_NS:
            return (f"custom: all values arrived {self._least_lag_ns / 1e9:.3g} s or more after their timestamps: "
                    "the app's clock is behind the agent's, or the values were delayed",)  # fmt: skip
        if -self._least_lag_ns > CLOCK_TOLERANCE_NS:
            return (f"custom: values arrived up to {-self._least_lag_ns / 1e9:.3g} s before their timestamps: "
                    "the app's clock is ahead of the agent's",)  # fmt: skip
        return ()

    def _note(self, reason: str, example: str, times: int = 1) -> None:
        if reason not in self._noted and len(self._noted) >= _REASONS_LIMIT:
            return
        self._noted[reason] += times
        self._examples.setdefault(reason, example)

    def _line(self, reason: str, count: int) -> str:
        times = f"{count} times" if count > 1 else "once"
        example = f", such as {self._examples[reason]}" if self._examples[reason] else ""
        return f"custom: {reason} ({times}{example})"
