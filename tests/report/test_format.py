"""Formatting of numbers for people."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from profileapp.report.format import ABSENT, duration, moment, number, quantity, scale_of


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (121 * 1024**2, "bytes", "121 MiB"),
        (1023, "bytes", "1023 B"),
        (1024, "bytes", "1 KiB"),
        (1024**2 - 1, "bytes", "1 MiB"),
        (0, "bytes", "0 B"),
        (-3 * 1024**3, "bytes", "-3 GiB"),
        (1.2 * 1024**3, "bytes/s", "1.2 GiB/s"),
        (93.27, "%", "93.3 %"),
        (397.4, "%", "397 %"),
        (12.5, "frames/s", "12.5 frames/s"),
        (48.04, "°C", "48 °C"),
        (1.9e9, "Hz", "1.9 GHz"),
        (999_999_999, "Hz", "1 GHz"),
        (4.25, "W", "4.25 W"),
        (0.0654, "s", "65.4 ms"),
        (0.00000123, "s", "1.23 µs"),
        (0.9999, "s", "1 s"),
        (75.0, "s", "75 s"),
        (725.0, "s", "12 min 5 s"),
        (-0.5, "s", "-500 ms"),
        (17, "", "17"),
        (123456.0, "", "123456"),
        (1.5e300, "", "1.50e+300"),
        (2.5e-7, "", "2.50e-07"),
        (None, "bytes", ABSENT),
        (math.nan, "%", ABSENT),
        (math.inf, "s", ABSENT),
    ],
)
def test_a_quantity_reads_well(value: float | None, unit: str, text: str) -> None:
    assert quantity(value, unit) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4, "0.4 s"), (29.25, "29.2 s"), (119.7, "2 min"), (120, "2 min"), (3600, "60 min"), (12_000, "3 h 20 min")],
)
def test_a_duration_reads_well(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_a_time_is_in_utc_and_absent_if_unknown_or_implausible() -> None:
    assert moment(1_795_000_000_000_000_000) == "2026-11-18 11:06:40 UTC"
    assert moment(0) == moment(-1) == moment(10**30) == ABSENT


@given(st.floats(-1e300, 1e300))
def test_a_number_keeps_three_digits(value: float) -> None:
    assert float(number(value)) == pytest.approx(value, rel=0.0051)


@given(st.floats(), st.sampled_from(["bytes", "bytes/s", "Hz", "W", "J", "s", "%", "", "frames/s"]))
def test_every_float_is_shown_on_one_short_line(value: float, unit: str) -> None:
    text = quantity(value, unit)
    assert "\n" not in text
    assert 1 <= len(text) <= 40


@given(st.floats(0, 1e18), st.sampled_from(["bytes", "Hz", "s", "%"]))
def test_an_axis_has_the_unit_of_its_largest_value(largest: float, unit: str) -> None:
    factor, shown = scale_of(unit, largest)
    assert factor > 0
    assert shown.endswith({"bytes": "B"}.get(unit, unit))
