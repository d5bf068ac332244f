"""Energy from a counter and from power."""

from __future__ import annotations

import math
from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from profileapp.collect.energy.account import CountedEnergy, IntegratedEnergy

SECOND = 1_000_000_000
POWERS = st.floats(0, 2000)
STEPS = st.integers(1, 100 * SECOND)
READINGS = st.lists(st.tuples(POWERS, STEPS), min_size=1, max_size=50)


def times(steps: list[int]) -> list[int]:
    return list(accumulate(steps))


@given(POWERS, st.lists(STEPS, min_size=1, max_size=50))
def test_constant_power_is_power_times_time_for_any_interval(power_w: float, steps: list[int]) -> None:
    energy = IntegratedEnergy()
    at = times(steps)
    totals = [energy.update(power_w, at_ns) for at_ns in at]
    assert totals[0] == 0
    assert totals[-1] == pytest.approx(power_w * (at[-1] - at[0]) / 1e9, rel=1e-9)


@given(READINGS)
def test_integrated_energy_is_monotonic_and_between_minimum_and_maximum_power(
    readings: list[tuple[float, int]],
) -> None:
    energy = IntegratedEnergy()
    at = times([step for _, step in readings])
    powers = [power for power, _ in readings]
    totals = [energy.update(power, at_ns) for power, at_ns in zip(powers, at, strict=True)]
    assert totals == sorted(totals)
    span_s = (at[-1] - at[0]) / 1e9
    assert min(powers) * span_s * (1 - 1e-9) <= totals[-1] <= max(powers) * span_s * (1 + 1e-9)


@given(st.floats(0, 1000), st.floats(0, 10), st.lists(STEPS, min_size=2, max_size=20), st.data())
def test_missing_readings_on_a_straight_line_change_nothing(
    start_w: float, watts_per_s: float, steps: list[int], data: st.DataObject
) -> None:
    at = times(steps)
    missing = data.draw(st.sets(st.integers(1, len(at) - 2))) if len(at) > 2 else set()

    def total(readings_ns: list[int]) -> float:
        energy = IntegratedEnergy()
        return [energy.update(start_w + watts_per_s * at_ns / 1e9, at_ns) for at_ns in readings_ns][-1]

    assert total([at_ns for i, at_ns in enumerate(at) if i not in missing]) == pytest.approx(total(at), rel=1e-9)


def test_a_trapezoid() -> None:
    energy = IntegratedEnergy()
    assert [energy.update(10, 0), energy.update(20, SECOND), energy.update(20, 4 * SECOND)] == [0, 15, 75]


@pytest.mark.parametrize("power_w", [math.nan, math.inf, -math.inf])
def test_an_invalid_power_is_a_missing_reading(power_w: float) -> None:
    energy = IntegratedEnergy()
    assert energy.update(power_w, 0) == 0
    energy.update(10, SECOND)
    assert energy.update(power_w, 2 * SECOND) == 0
    assert energy.update(10, 3 * SECOND) == 20


def test_an_offset_of_the_monitor_at_zero_power() -> None:
    energy = IntegratedEnergy()
    powers = [0.0, *[-0.392] * 59, 30.0, 30.0, 30.0]
    totals = [energy.update(power, second * SECOND) for second, power in enumerate(powers)]
    assert totals == sorted(totals), "what is counted up never falls"
    assert totals[59] == 0
    assert totals[-1] == pytest.approx(-0.392 * 59 + 30 / 2 + 60), "not 960 J: no reading is bridged"


@given(st.lists(st.tuples(st.floats(-10, 2000), STEPS), min_size=1, max_size=50))
def test_energy_never_falls_for_any_readings(readings: list[tuple[float, int]]) -> None:
    energy = IntegratedEnergy()
    at = times([step for _, step in readings])
    totals = [energy.update(power, at_ns) for (power, _), at_ns in zip(readings, at, strict=True)]
    assert totals == sorted(totals)


def test_time_that_does_not_advance_adds_nothing() -> None:
    energy = IntegratedEnergy()
    energy.update(10, SECOND)
    assert energy.update(1000, SECOND) == energy.update(1000, 0) == 0
    assert energy.update(10, 2 * SECOND) == 10


def test_a_counter_starts_at_its_first_reading_and_survives_a_reset() -> None:
    energy = CountedEnergy()
    assert [energy.update(each, 0) for each in (5000.0, 5010.0, 5010.0, 2.0, 5.0)] == [0, 10, 10, 10, 13]


@given(st.lists(st.floats(0, 1e12), min_size=1))
def test_counted_energy_never_falls(readings: list[float]) -> None:
    energy = CountedEnergy()
    totals = [energy.update(each, 0) for each in readings]
    assert totals == sorted(totals)
