"""Sparklines of values."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from profileapp.report.sparkline import WIDTH, marks, sparkline


def test_low_to_high() -> None:
    assert sparkline([0, 1, 2, 3, 4, 5, 6, 7]) == "▁▂▃▄▅▆▇█"
    assert sparkline([3, 3]) == "▁▁" and sparkline([]) == ""
    assert marks([0, 7], 8) == "▲      ▲" and marks([], 8) == ""


@given(st.lists(st.floats(-1e9, 1e9), max_size=300))
def test_never_wider_than_requested(values: list[float]) -> None:
    assert len(sparkline(values)) == min(len(values), WIDTH)
    assert len(marks(range(len(values)), len(values))) == min(len(values), WIDTH)
