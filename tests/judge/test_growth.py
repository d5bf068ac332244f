"""Leaks and drift in series of known truth."""

from __future__ import annotations

import math
import random
from array import array
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from profileapp.judge.growing_series import growing_series
from profileapp.judge.growth import growth
from profileapp.model.run import Repeat
from profileapp.model.series import Series
from profileapp.record.series_data import SeriesData

S = 10**9
MIB = 2.0**20
MEMORY = Series("container.memory.used", "bytes", "container")
Shape = Callable[[float], float]


def samples(hours: float, shape: Shape, seed: int = 1, count: int = 1500, noise: float = MIB) -> SeriesData:
    """`shape` takes the elapsed fraction of the run."""
    draw = random.Random(seed)  # noqa: S311
    times = [round(hours * 3600 * S * place / count) for place in range(count)]
    return SeriesData(
        array("q", times),
        array("d", (500 * MIB + shape(place / count) + abs(draw.gauss(0, noise)) for place in range(count))),
    )


@pytest.mark.parametrize("seed", range(20))
def test_a_leak_of_a_mebibyte_an_hour_is_found_in_six_hours(seed: int) -> None:
    data = samples(6, lambda passed: 6 * MIB * passed, seed)
    found = growth(data.times_ns, data.values)
    assert found is not None and found.low < found.per_hour < found.high
    assert found.per_hour == pytest.approx(MIB, rel=0.1)


def saw(teeth: float, phase: float) -> Shape:
    return lambda passed: 64 * MIB * ((passed * teeth + phase) % 1)


@pytest.mark.parametrize("teeth", [1.3, 1.7, 2, 3.4, 7, 30, 110])
@pytest.mark.parametrize("phase", [0, 0.3, 0.7])
def test_a_sawtooth_never_grows(teeth: float, phase: float) -> None:
    data = samples(6, saw(teeth, phase))
    assert growth(data.times_ns, data.values) is None


@pytest.mark.parametrize(
    "shape",
    [
        lambda passed: -50 * MIB * math.exp(-20 * passed),
        lambda passed: 30 * MIB if passed > 0.5 else 0,
        lambda passed: 20 * MIB * math.sin(9 * passed),
        lambda passed: -20 * MIB * passed,
    ],
    ids=["warm-up", "step", "wave", "fall"],
)
def test_unsteady_growth_is_none(shape: Shape) -> None:
    data = samples(2, shape)
    assert growth(data.times_ns, data.values) is None


def test_five_hundred_steady_runs_have_at_most_five_false_alarms() -> None:
    alarms = 0
    for seed in range(500):
        draw = random.Random(seed)  # noqa: S311
        walk, keep = 0.0, draw.choice([0.0, 0.9, 0.98])
        values = array("d")
        for _ in range(400):
            walk = keep * walk + draw.gauss(0, MIB) * math.sqrt(1 - keep * keep)
            values.append(500 * MIB + walk)
        alarms += growth(range(0, 400 * S, S), values) is not None
    assert alarms <= 5


def test_the_longest_repeat_is_judged_without_its_warm_up() -> None:
    # In the warm-up, a third of the time, it grows ten times as fast.
    data = samples(0.5, lambda passed: 100 * MIB * (passed + 9 * min(passed, 1 / 3)), noise=0.1 * MIB)
    end_ns = 1800 * S
    [grown] = growing_series({MEMORY: data}, (Repeat(1, 0, 600 * S, end_ns),))
    assert (grown.title, grown.unit) == ("container.memory.used", "bytes")
    assert grown.per_hour == pytest.approx(200 * MIB, rel=0.1)
    assert growing_series({MEMORY: data}, (Repeat(1, 0, 0, 100 * S),)) == ()
    assert growing_series({MEMORY: data}, (Repeat(1, 0, 0, end_ns, traced=True),)) == ()
    assert growing_series({Series("system.cpu.util", "%", "system"): data}, (Repeat(1, 0, 0, end_ns),)) == ()


@given(st.lists(st.tuples(st.integers(0, 10**18), st.floats(-1e300, 1e300)), max_size=400))
def test_any_samples_have_a_result(points: list[tuple[int, float]]) -> None:
    in_order = sorted(points)
    found = growth([at for at, _ in in_order], [value for _, value in in_order])
    assert found is None or found.low <= found.per_hour <= found.high
