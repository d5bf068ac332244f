"""Known signals, sampled at arbitrary times: means, percentiles and rates are exact."""

from __future__ import annotations

import math
from array import array
from itertools import accumulate
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from profileapp.judge.derived import derived
from profileapp.judge.percentiles import percentile, weighted_percentile
from profileapp.judge.summary import summarise, summarise_in, weighted_summary
from profileapp.judge.weights import GAP_LIMIT, Weighted, standing_of, weighted_in
from profileapp.model import vector
from profileapp.model.run import Repeat
from profileapp.model.series import Series, series
from tests.helpers.samples import series_data

S = 1_000_000_000
MEMORY = series("container.memory.used", "bytes", "container")
CPU = series("container.cpu.util", "%", "container")
FPS = series("fps", "", "custom")
STEP = series("step", "s", "custom", "timer")

GAPS = st.integers(S // 10, S // 2)
"""Times between two samples, the longest of them well below GAP_LIMIT times the shortest."""
PIECES = st.lists(st.tuples(GAPS, st.floats(0, 1e9)), min_size=1, max_size=40)


@given(PIECES)
def test_a_level_held_until_the_next_sample_has_its_exact_mean(pieces: list[tuple[int, float]]) -> None:
    starts = list(accumulate((lasts for lasts, _ in pieces), initial=100 * S))
    data = series_data((at, value) for at, (_, value) in zip(starts, pieces, strict=False))
    [summary] = summarise({MEMORY: data}, (Repeat(1, 100 * S, 100 * S, starts[-1]),))
    truth = math.fsum(lasts * value for lasts, value in pieces) / (starts[-1] - starts[0])
    assert summary.mean == pytest.approx(truth, rel=1e-12, abs=1e-9)
    assert (summary.min, summary.max) == (min(value for _, value in pieces), max(value for _, value in pieces))
    assert (
        summary.min
        <= summary.p50
        <= summary.p90
        <= summary.p95
        <= (summary.p95 if summary.p99 is None else summary.p99)
        <= summary.max
    )


@given(PIECES, st.sampled_from([CPU, FPS]))
def test_a_rate_over_any_intervals_has_the_mean_of_the_whole(pieces: list[tuple[int, float]], one: Series) -> None:
    ends = list(accumulate((lasts for lasts, _ in pieces), initial=100 * S))
    in_warm_up = (100 * S, 7.0)
    data = series_data([in_warm_up, *zip(ends[1:], (value for _, value in pieces), strict=True)])
    [summary] = summarise({one: data}, (Repeat(1, 99 * S, 100 * S + 1, ends[-1]),))
    truth = math.fsum(lasts * value for lasts, value in pieces) / (ends[-1] - ends[0])
    assert summary.mean == pytest.approx(truth, rel=1e-6, abs=1e-6)
    assert (summary.min, summary.max) == (min(value for _, value in pieces), max(value for _, value in pieces))
    assert (
        summary.min
        <= summary.p50
        <= summary.p90
        <= summary.p95
        <= (summary.p95 if summary.p99 is None else summary.p99)
        <= summary.max
    )


def test_a_frame_rate_is_frames_over_time_however_it_is_reported() -> None:
    # 100 frames in one second, one report for each; then one frame that takes ten seconds.
    at_ns = [S + frame * S // 100 for frame in range(101)] + [12 * S]
    values = [100.0] * 101 + [0.1]
    [summary] = summarise({FPS: series_data(zip(at_ns, values, strict=True))}, (Repeat(1, S, S, 12 * S),))
    assert summary.mean == pytest.approx(101 / 11, rel=0.01)


def test_durations_count_one_event_each() -> None:
    # Ten slow steps take one second, a hundred fast steps another.
    slow = [(S * n // 10, 0.1) for n in range(1, 11)]
    fast = [(S + S * n // 100, 0.01) for n in range(1, 101)]
    [summary] = summarise({STEP: series_data(slow + fast)}, (Repeat(1, 0, 0, 2 * S),))
    assert summary.mean == pytest.approx((10 * 0.1 + 100 * 0.01) / 110)


@pytest.mark.parametrize(
    ("one", "standing"),
    [
        (MEMORY, "until next"),
        (series("system.power", "W", "system", rail="vdd_in"), "until next"),
        (series("system.fan.drive", "%", "system"), "until next"),
        (series("system.throttled", "", "system", reason="heat"), "until next"),
        (CPU, "since last"),
        (series("service.cpu.util", "%", "container", service="db"), "since last"),
        (series("container.pressure.io", "%", "container"), "since last"),
        (series("container.network.sent", "bytes/s", "container"), "since last"),
        (series("system.cpu.util", "%", "system", core="0"), "since last"),
        (series("camera_fps", "", "custom"), "since last"),
        (series("throughput", "images/s", "custom"), "since last"),
        (series("accuracy", "%", "custom"), "event"),
        (series("latency", "ms", "custom"), "event"),
        (STEP, "event"),
        (series("frames", "", "custom", "counter"), "event"),
    ],
    ids=lambda each: each.title if isinstance(each, Series) else each,
)
def test_the_weight_of_a_value(one: Series, standing: str) -> None:
    assert standing_of(one) == standing


def test_a_silent_source_is_not_extrapolated() -> None:
    # 1 GB in every second of the first part; then no samples for an hour, and 2 GB in the last second.
    points = [(n * S, 1e9) for n in range(10)] + [(3600 * S, 2e9)]
    found = weighted_in(MEMORY, series_data(points), [(0, 3601 * S)])
    assert found.weights is not None
    assert list(found.weights)[8:] == [S, GAP_LIMIT * S, S]
    [rate] = summarise({CPU: series_data(points)}, (Repeat(1, 0, 0, 3601 * S),))
    assert rate.mean == pytest.approx(2e9, rel=0.01), "a rate knows the whole time since the sample before"


def test_no_value_counts_beyond_its_repeat_and_the_next_starts_fresh() -> None:
    repeats = (Repeat(1, 0, 0, 10 * S), Repeat(2, 100 * S, 100 * S, 104 * S))
    points = [(0, 1.0), (1 * S, 1.0), (9 * S, 5.0), (101 * S, 3.0), (102 * S, 3.0)]
    spans = [(each.measured_from_ns, each.ended_ns) for each in repeats]
    levels = weighted_in(MEMORY, series_data(points), spans)
    assert levels.weights is not None and list(levels.weights) == [S, 8 * S, S, S, 2 * S]
    rates = weighted_in(CPU, series_data(points), spans)
    assert rates.weights is not None and list(rates.weights) == [0, S, 8 * S, S, S]


def test_the_order_in_the_file_does_not_matter() -> None:
    points = [(0, 1.0), (1 * S, 2.0), (4 * S, 5.0), (6 * S, 3.0)]
    repeats = (Repeat(1, 0, 0, 7 * S),)
    [ordered], [shuffled] = (summarise({MEMORY: series_data(each)}, repeats) for each in (points, points[::-1]))
    assert ordered == shuffled


def test_a_tiny_weight_at_the_end_is_no_maximum() -> None:
    points = [(n * S, 50.0) for n in range(1, 6)] + [(5 * S + S // 100, 400.0)]
    [summary] = summarise({CPU: series_data(points)}, (Repeat(1, 0, 0, 5 * S + S // 100),))
    assert (summary.max, summary.p95, summary.p99) == (50.0, 50.0, None)
    assert summary.mean == pytest.approx((5 * 50 + 0.01 * 400) / 5.01)
    assert summary.count == 6


def test_a_run_shorter_than_an_interval_has_values() -> None:
    frames = Series("frames", "", "custom", (), "counter")
    counted = series_data((n * S // 1000, float(n)) for n in range(1, 31))
    repeats = (Repeat(1, 0, 0, 30 * S // 1000),)
    made = derived({frames: counted}, repeats, 1.0)
    [rate] = summarise(made, repeats)
    assert (rate.name, rate.count) == ("frames.rate", 1) and rate.mean == pytest.approx(1000)
    [memory] = summarise({MEMORY: series_data([(S // 100, 5.0)])}, repeats)
    assert (memory.mean, memory.count) == (5.0, 1)


@given(st.lists(st.tuples(st.integers(1, 900), st.integers(1, 50)), min_size=1, max_size=30), st.integers(S, 9 * S))
def test_a_derived_rate_is_the_total_count_over_the_total_time(bursts: list[tuple[int, int]], rest: int) -> None:
    frames = Series("frames", "", "custom", (), "counter")
    at_ns, total, points = 0, 0, []
    for gap_ms, counts in bursts:
        at_ns += gap_ms * 1_000_000
        total += counts
        points.append((at_ns, float(total)))
    repeats = (Repeat(1, 0, 0, at_ns + rest),)
    made = derived({frames: series_data(points)}, repeats, 1.0)
    [rate] = summarise(made, repeats)
    assert rate.mean * (at_ns + rest) / S == pytest.approx(total, rel=1e-6)


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=40), st.integers(1, 10**9), st.integers(0, 100))
def test_percentiles_of_equal_weights_are_type_7(values: list[float], weight: int, percent: int) -> None:
    in_order = sorted(values)
    sums = list(accumulate([weight] * len(values)))
    found = weighted_percentile(in_order, sums, len(values), percent)
    assert found == pytest.approx(percentile(in_order, percent), rel=1e-6, abs=1e-3)


def test_a_value_that_lasts_most_of_the_time_is_most_percentiles() -> None:
    weighted = Weighted(array("d", [1.0, 9.0] * 20), array("q", [S // 100, S] * 20), S)
    summary = weighted_summary(MEMORY, weighted)
    assert (summary.p50, summary.p90, summary.min) == (9.0, 9.0, 1.0)
    assert summary.stddev == pytest.approx(0.8, rel=0.1)


@given(PIECES)
def test_results_with_and_without_numpy_are_equal(pieces: list[tuple[int, float]]) -> None:
    starts = accumulate((lasts for lasts, _ in pieces), initial=100 * S)
    data = series_data((at, value) for at, (_, value) in zip(starts, pieces, strict=False))
    spans = [(100 * S, 130 * S)]
    for one in (MEMORY, CPU):
        plain = summarise_in({one: data}, spans)
        with mock.patch.object(vector, "LONG", 1):
            assert summarise_in({one: series_data(zip(data.times_ns, data.values, strict=True))}, spans) == plain


def test_phases_share_the_time_between_them() -> None:
    points = [(n * S, float(n)) for n in range(10)]
    inside = summarise_in({MEMORY: series_data(points)}, [(2 * S, 5 * S - 1), (7 * S, 8 * S - 1)])
    assert inside[0].mean == pytest.approx((2 + 3 + 4 + 7) / 4)


@given(
    st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=20),
    st.lists(st.integers(0, 10**15), min_size=20, max_size=20),
)
def test_no_value_is_too_large_with_weights(values: list[float], weights: list[int]) -> None:
    own = array("q", weights[: len(values)])
    own[0] += 1
    summary = weighted_summary(FPS, Weighted(array("d", values), own, S))
    numbers = (summary.mean, summary.stddev, summary.p50, summary.p90, summary.p95)
    assert all(math.isfinite(number) for number in numbers)
    assert summary.min <= summary.p50 <= summary.p90 <= summary.p95 <= summary.max
