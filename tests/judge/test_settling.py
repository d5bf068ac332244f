"""Detection of start-up and steady state in samples of known truth, and its effect on a run."""

from __future__ import annotations

import math
import random
from array import array
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from profileapp.judge.cold_start import cold_start
from profileapp.judge.settling import FEWEST_SAMPLES, settling
from profileapp.judge.steady_state import steady_states, without_start_up
from profileapp.judge.summary import summarise
from profileapp.model.run import Repeat
from profileapp.model.series import Kind, Series
from profileapp.record.series_data import SeriesData

S = 10**9
FPS = Series("fps", "frames/s", "custom")


def step(at: float, amplitude: float) -> float:
    return amplitude if at < 1 else 0.0


def ramp(at: float, amplitude: float) -> float:
    return amplitude * max(0.0, 1 - at)


@pytest.mark.parametrize("shape", [step, ramp])
@pytest.mark.parametrize("seed", range(30))
def test_the_cut_is_within_five_percent_of_the_truth(shape: Callable[[float, float], float], seed: int) -> None:
    draw = random.Random(seed)  # noqa: S311
    count, truth = draw.choice([60, 120, 300, 1000, 5000]), draw.uniform(0.04, 0.42)
    noise, amplitude = draw.choice([0.005, 0.02, 0.05]), draw.choice([-0.9, -0.5, 0.3, 1, 3])
    values = [100 * (1 + shape(at / count / truth, amplitude) + draw.gauss(0, noise)) for at in range(count)]
    # A ramp has settled once its distance is within noise, or negligible.
    arrived = truth * (1 - max(0.02, noise) / abs(amplitude)) if shape is ramp else truth
    found = settling(values)
    assert found.state == "settled" and found.first / count == pytest.approx(arrived, abs=0.05)


def test_steady_runs_are_not_cut() -> None:
    draw = random.Random(7)  # noqa: S311
    cuts = [settling([30 + draw.gauss(0, 1) for _ in range(300)]) for _ in range(200)]
    assert sum(each.state != "settled" or each.first > 15 for each in cuts) <= 4


@pytest.mark.parametrize("grown", [0.3, 2.0, -0.5])
def test_a_drift_never_settles(grown: float) -> None:
    draw = random.Random(3)  # noqa: S311
    values = [100 * (1 + grown * at / 300 + draw.gauss(0, 0.02)) for at in range(300)]
    assert settling(values).state == "never settled"


@pytest.mark.parametrize("length", [104, 120])
def test_a_start_up_of_more_than_half_the_run_never_settles(length: int) -> None:
    assert settling([10.0 + at % 2 if at < length else 30.0 + at % 2 for at in range(200)]).state == "never settled"


def test_an_outlier_is_no_start_up() -> None:
    values = [30.0 + at % 3 for at in range(400)]
    values[150] = 9000.0
    assert settling(values).first == 0


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), max_size=300))
def test_any_values_have_a_result(values: list[float]) -> None:
    found = settling(values)
    assert 0 <= found.first <= len(values) / 2 + 1
    assert (found.state == "too few samples") == (len(values) < FEWEST_SAMPLES)


def data(*points: tuple[float, float]) -> SeriesData:
    return SeriesData(array("q", [round(at_s * S) for at_s, _ in points]), array("d", [value for _, value in points]))


def test_each_repeat_is_measured_from_where_it_settles() -> None:
    slow_start = [(10.0 + at, 5.0 if at < 12 else 30.0) for at in range(1, 61)]
    at_once = [(100.0 + at, 30.0) for at in range(1, 61)]
    repeats = (Repeat(1, 10 * S, 10 * S, 70 * S), Repeat(2, 100 * S, 100 * S, 160 * S))
    series = {FPS: data(*slow_start, *at_once)}
    states = steady_states(series, repeats)
    assert [(each.title, each.state, each.after_s) for each in states] == [
        ("fps", "settled", 11.0),
        ("fps", "settled", 0.0),
    ]
    measured = without_start_up(repeats, states)
    assert [each.measured_from_ns for each in measured] == [21 * S, 100 * S]
    [summary] = summarise(series, measured)
    assert summary.mean == pytest.approx(30, abs=0.3)


def test_the_series_closest_to_the_work_decides() -> None:
    cpu = Series("container.cpu.util", "%", "container")
    rate = Series("frames.rate", "1/s", "custom")
    points = data(*((float(at), 1.0) for at in range(1, 40)))
    repeats = (Repeat(1, 0, 0, 40 * S),)
    for present, expected in [([cpu], "container.cpu.util"), ([cpu, rate], "frames.rate"), ([cpu, rate, FPS], "fps")]:
        [state] = steady_states(dict.fromkeys(present, points), repeats)
        assert state.title == expected
    few = data(*((float(at), 1.0) for at in range(1, 12)))
    assert steady_states({rate: few, cpu: points}, repeats)[0].title == "container.cpu.util"
    assert steady_states({rate: few}, repeats)[0].state == "too few samples"
    assert steady_states({Series("system.cpu.util", "%", "system"): points}, repeats) == ()


def custom(name: str, kind: Kind = "gauge", unit: str = "") -> Series:
    return Series(name, unit, "custom", (), kind)


@pytest.mark.parametrize(
    ("series", "expected_s"),
    [
        ({custom("frames", "counter"): data((1.5, 0), (2.5, 1), (3, 2))}, 2.5),
        ({custom("fps"): data((1, 0), (4, 25))}, 4),
        ({custom("step", "timer", "s"): data((0.5, 0.2))}, 0.5),
        (
            {
                custom("plugin.duration.loadmodel", "timer", "s"): data((2, 2)),
                custom("plugin.duration.input", "timer", "s"): data((3, 1)),
                custom("plugin.duration.inference", "timer", "s"): data((3.5, 0.5)),
            },
            3.5,
        ),
        ({custom("duration.loadmodel", "timer", "s"): data((2, 2)), custom("n", "counter"): data((5, 1))}, 5),
        ({custom("queue"): data((1, 5))}, None),
        ({Series("container.cpu.util", "%", "container"): data((1, 5))}, None),
    ],
    ids=["counter", "fps", "timer", "pywaggle", "loading", "gauge", "none"],
)  # fmt: skip
def test_the_cold_start_ends_with_the_first_unit_of_work(
    series: dict[Series, SeriesData], expected_s: float | None
) -> None:
    found = cold_start(series, (Repeat(1, 0, 0, 9 * S),))
    assert [each.mean for each in found] == ([] if expected_s is None else [expected_s])


def test_a_counter_that_runs_on_is_no_work_of_the_next_repeat() -> None:
    counted = data((1, 1), (2, 2), (12, 2), (13, 3))
    [found] = cold_start({custom("frames", "counter"): counted}, (Repeat(1, 0, 0, 9 * S), Repeat(2, 10 * S, 0, 20 * S)))
    assert (found.min, found.max) == (1, 3) and math.isclose(found.mean, 2)
