"""Calls a collector once an interval, on a schedule that does not drift."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from profileapp.collect.api import Collector

FAILURES_IN_A_ROW = 5
"""A collector is stopped after this many failed samples in a row."""
JOIN_TIMEOUT_S = 2.0


class Schedule:
    """Ticks at `start_ns`, `start_ns + interval_ns`, …; pure arithmetic on the monotonic clock.

    A tick served more than half an interval after its time is late. A tick whose whole interval has passed when the
    previous one is done is missed and skipped, so that the following ticks are on time again.
    """

    def __init__(self, start_ns: int, interval_ns: int) -> None:
        self.late = 0
        self.missed = 0
        self.next_ns = start_ns
        self._interval_ns = interval_ns

    def advance(self, now_ns: int) -> None:
        """Serves the tick due at `next_ns` at `now_ns`: counts lateness, and sets `next_ns` to the next tick."""
        skipped, late_ns = divmod(max(0, now_ns - self.next_ns), self._interval_ns)
        self.missed += skipped
        if late_ns * 2 > self._interval_ns:
            self.late += 1
        self.next_ns += (skipped + 1) * self._interval_ns

    def end(self, now_ns: int) -> None:
        """Ends the schedule at `now_ns`: ticks due more than half an interval earlier count as missed."""
        skipped = max(0, (now_ns - self.next_ns + self._interval_ns // 2) // self._interval_ns)
        self.missed += skipped
        self.next_ns += skipped * self._interval_ns


class Sampler:
    """One collector in a separate thread, until `stop`.

    A sample that raises is counted and passed to `on_failure`; after FAILURES_IN_A_ROW this collector alone is stopped,
    and `ended_by` is the reason. `hangs` is True after `stop` if the collector did not return.
    """

    def __init__(
        self,
        collector: Collector,
        interval_s: float,
        on_failure: Callable[[Collector, Exception], None],
    ) -> None:
        self.collector = collector
        self.failures = 0
        self.ended_by: Exception | None = None
        self.hangs = False
        self._interval_ns = round(interval_s * 1e9)
        self._on_failure = on_failure
        self._schedule = Schedule(0, self._interval_ns)
        # Waiting for a lock costs a third of waiting for an Event, which makes a lock for each wait.
        self._running = threading.Lock()
        self._running.acquire()
        self._thread = threading.Thread(target=self._run, name=f"sampler-{collector.source}", daemon=True)

    @property
    def late(self) -> int:
        """The number of samples that were more than half an interval late."""
        return self._schedule.late

    @property
    def missed(self) -> int:
        """The number of scheduled samples that were not taken."""
        return self._schedule.missed

    def start(self) -> None:
        """Starts the thread; it takes the first sample one interval from now."""
        self._schedule.next_ns = time.monotonic_ns() + self._interval_ns
        self._thread.start()

    def stop(self) -> None:
        """Takes no further sample; waits briefly for the one in progress, and abandons it if it hangs."""
        stopped_ns = time.monotonic_ns()
        if self._running.locked():
            self._running.release()
        if self._thread.ident is None:
            return
        self._thread.join(JOIN_TIMEOUT_S)
        self.hangs = self._thread.is_alive()
        if self.ended_by is None:
            self._schedule.end(stopped_ns)

    def _run(self) -> None:
        failures_in_a_row = 0
        while not self._running.acquire(timeout=max(0.0, (self._schedule.next_ns - time.monotonic_ns()) / 1e9)):
            now_ns = time.monotonic_ns()
            self._schedule.advance(now_ns)
            try:
                self.collector.sample(now_ns)
                failures_in_a_row = 0
            except Exception as error:
                self.failures += 1
                failures_in_a_row += 1
                self._on_failure(self.collector, error)
                if failures_in_a_row >= FAILURES_IN_A_ROW:
                    self.ended_by = error
                    return
        if getattr(self.collector, "samples_end", False):
            try:
                self.collector.sample(time.monotonic_ns())
            except Exception as error:
                self._on_failure(self.collector, error)
