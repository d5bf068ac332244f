"""Fewer points, with every peak kept."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from profileapp.report.plot.decimate import decimate


@given(st.lists(st.floats(allow_nan=False), max_size=400), st.integers(4, 50))
def test_the_result_is_short_sorted_and_has_the_extremes(values: list[float], limit: int) -> None:
    indices = decimate(values, limit)
    assert len(indices) <= max(limit, 0)
    assert indices == sorted(set(indices))
    if values:
        shown = [values[index] for index in indices]
        assert (min(shown), max(shown)) == (min(values), max(values))


def test_a_single_peak_in_many_samples_survives() -> None:
    values = [0.0] * 100_000
    values[61_803] = 1.0
    indices = decimate(values, 1600)
    assert 61_803 in indices
    assert len(indices) <= 1600


def test_few_points_are_unchanged() -> None:
    assert decimate([3.0, 1.0, 2.0], 4) == [0, 1, 2]
    assert decimate([], 4) == []
