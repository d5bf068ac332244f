"""The schedule of samples, and one collector on it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from profileapp.collect import schedule
from profileapp.collect.schedule import FAILURES_IN_A_ROW, Sampler, Schedule


@given(
    interval=st.integers(10_000_000, 300_000_000_000),
    delays=st.lists(st.floats(-0.01, 5.0, allow_nan=False), max_size=50),
)
def test_ticks_stay_in_place_for_any_delays(interval: int, delays: list[float]) -> None:
    plan = Schedule(1000, interval)
    served = 0
    for delay in delays:
        now = plan.next_ns + int(delay * interval)
        plan.advance(now)
        served += 1
        assert (plan.next_ns - 1000) % interval == 0
        assert plan.next_ns > now
        # Every tick until now was served or counted as missed.
        assert (plan.next_ns - 1000) // interval == served + plan.missed
    assert plan.late <= served


@pytest.mark.parametrize(
    ("after", "late", "missed"),
    [(-1, 0, 0), (0, 0, 0), (50, 0, 0), (51, 1, 0), (99, 1, 0), (100, 0, 1), (149, 0, 1), (160, 1, 1), (1030, 0, 10)],
)
def test_late_after_half_an_interval_and_missed_after_a_full_one(after: int, late: int, missed: int) -> None:
    plan = Schedule(500, 100)
    plan.advance(500 + after)
    assert (plan.late, plan.missed) == (late, missed)


@pytest.mark.parametrize(("after", "missed"), [(-70, 0), (0, 0), (49, 0), (50, 1), (260, 3)])
def test_ticks_due_at_the_end_are_missed(after: int, missed: int) -> None:
    plan = Schedule(500, 100)
    plan.end(500 + after)
    plan.end(500 + after)
    assert plan.missed == missed


class Fake:
    """A collector that calls `act` and records when it was called."""

    metric, source, preference = "system", "fake", 0

    def __init__(self, act: Callable[[int], None] = lambda count: None, until: int = 3) -> None:
        self.moments: list[int] = []
        self.done = threading.Event()
        self._act = act
        self._until = until

    def sample(self, now_ns: int) -> None:
        self.moments.append(now_ns)
        if len(self.moments) >= self._until:
            self.done.set()
        self._act(len(self.moments))

    def open(self, run: Any, emit: Any) -> Any: ...
    def attach(self, app: Any) -> None: ...
    def detach(self) -> None: ...
    def close(self) -> None: ...


def no_failure(collector: Any, error: Exception) -> None:
    raise AssertionError(error)


def test_samples_until_stopped_once_in_each_slot() -> None:
    collector = Fake(until=10)
    sampler = Sampler(collector, 0.01, no_failure)
    sampler.start()
    assert collector.done.wait(30)
    sampler.stop()
    taken = len(collector.moments)
    time.sleep(0.05)
    assert len(collector.moments) == taken
    assert not sampler.hangs
    assert sampler.failures == 0
    # However late a loaded machine calls it, no two samples share a slot, and every slot is sampled or missed.
    interval_ns = 10_000_000
    phase_ns = sampler._schedule.next_ns % interval_ns
    slots = [(moment - phase_ns) // interval_ns for moment in collector.moments]
    assert all(later > earlier for earlier, later in pairwise(slots))
    assert taken + sampler.missed >= slots[-1] - slots[0] + 1


def test_a_failed_sample_is_reported_and_sampling_continues() -> None:
    def fail_first(count: int) -> None:
        if count == 1:
            raise ValueError("once")

    message: list[tuple[object, str]] = []
    collector = Fake(fail_first)
    sampler = Sampler(collector, 0.01, lambda source, error: message.append((source, str(error))))
    sampler.start()
    assert collector.done.wait(30)
    sampler.stop()
    assert message == [(collector, "once")]
    assert (sampler.failures, sampler.ended_by) == (1, None)


def test_a_running_total_is_read_once_more_at_the_end() -> None:
    collector = Fake()
    collector.samples_end = True  # type: ignore[attr-defined]
    sampler = Sampler(collector, 3600, no_failure)
    sampler.start()
    sampler.stop()
    assert len(collector.moments) == 1


def test_five_consecutive_failures_stop_it() -> None:
    # Two failures, a success, then only failures: the success resets the count.
    ended = threading.Event()
    message: list[Exception] = []

    def fail(count: int) -> None:
        if count != 3:
            raise OSError(f"number {count}")

    def on_failure(collector: Any, error: Exception) -> None:
        message.append(error)
        if len(message) == 2 + FAILURES_IN_A_ROW:
            ended.set()

    collector = Fake(fail)
    sampler = Sampler(collector, 0.01, on_failure)
    sampler.start()
    assert ended.wait(30)
    sampler.stop()
    assert len(collector.moments) == 3 + FAILURES_IN_A_ROW
    assert sampler.failures == 2 + FAILURES_IN_A_ROW
    assert str(sampler.ended_by) == "number 8"


def test_a_hanging_collector_is_abandoned_and_its_samples_are_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schedule, "JOIN_TIMEOUT_S", 0.05)
    release = threading.Event()
    collector = Fake(lambda count: release.wait(60) and None, until=1)
    sampler = Sampler(collector, 0.01, no_failure)
    sampler.start()
    assert collector.done.wait(30)
    time.sleep(0.1)
    sampler.stop()
    release.set()
    assert sampler.hangs
    assert sampler.missed >= 5


def test_a_slow_collector_misses_samples_and_stays_on_schedule() -> None:
    collector = Fake(lambda count: time.sleep(0.025), until=4)
    sampler = Sampler(collector, 0.01, no_failure)
    sampler.start()
    assert collector.done.wait(30)
    sampler.stop()
    # At least 75 ms pass from the first sample's start to the fourth's: seven ticks, of which three were sampled.
    assert sampler.missed >= 3


def test_a_collector_that_never_started_can_be_stopped() -> None:
    sampler = Sampler(Fake(), 1.0, no_failure)
    sampler.stop()
    assert (sampler.hangs, sampler.missed) == (False, 0)
