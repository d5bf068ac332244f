"""Rates and percentiles derived from app-reported metrics."""

from __future__ import annotations

import pytest

from profileapp.judge.derived import INTERVALS_LIMIT, derived
from profileapp.model.run import Repeat
from profileapp.model.series import Series
from profileapp.record.series_data import SeriesData
from tests.helpers.samples import series_data

FRAMES = Series("frames", "frames", "custom", (("camera", "left"),), "counter")
STEP = Series("step", "s", "custom", (), "timer")
S = 1_000_000_000


def data(*points: tuple[float, float]) -> SeriesData:
    return series_data((round(at_s * S), value) for at_s, value in points)


def test_a_counter_has_a_rate_for_each_interval() -> None:
    message = data(*((100 + at / 10, float(at)) for at in range(1, 41)))
    made = derived({FRAMES: message}, (Repeat(1, 100 * S, 100 * S, 104 * S + S // 2),), 0.1)
    [(rate, rates)] = made.items()
    assert (rate.name, rate.unit, rate.labels, rate.kind) == ("frames.rate", "frames/s", FRAMES.labels, "gauge")
    assert list(rates.times_ns) == [101 * S, 102 * S, 103 * S, 104 * S, 104 * S + S // 2]
    assert list(rates.values) == [10, 10, 10, 10, 0]


def test_a_rate_begins_with_the_first_count_of_each_repeat() -> None:
    message = data((102.5, 4), (110.5, 6), (112.5, 10))
    repeats = (Repeat(1, 100 * S, 100 * S, 104 * S), Repeat(2, 110 * S, 110 * S, 113 * S))
    traced = Repeat(3, 120 * S, 120 * S, 130 * S, traced=True)
    [rates] = derived({FRAMES: message}, (*repeats, traced), 1).values()
    assert [at // S for at in rates.times_ns] == [103, 104, 111, 112, 113]
    assert list(rates.values) == [4, 0, 2, 0, 4]


def test_a_timer_has_percentiles_per_interval() -> None:
    message = data(*((at / 100, at / 100) for at in range(100)), (3.5, 7))
    made = derived({STEP: message}, (Repeat(1, 0, 0, 4 * S),), 1)
    by_label = {dict(one.labels)["percentile"]: values for one, values in made.items()}
    assert by_label["p50"].values.tolist() == pytest.approx([0.495, 7])
    assert by_label["p99"].values.tolist() == pytest.approx([0.9801, 7])
    assert {one.unit for one in made} == {"s"}
    assert [at // S for at in by_label["p95"].times_ns] == [1, 4]


def test_app_reported_rates_are_unchanged_and_intervals_are_bounded() -> None:
    own = Series("frames.rate", "", "custom")
    counter = Series("frames", "", "custom", (), "counter")
    assert derived({own: data((1, 1)), counter: data((1, 1))}, (Repeat(1, 0, 0, 9 * S),), 1) == {}
    assert derived({counter: data((1, 1))}, (), 1) == {}
    [long] = derived({counter: data((1, 1))}, (Repeat(1, 0, 0, 10**6 * S),), 0.01).values()
    assert len(long) <= INTERVALS_LIMIT
