"""Column arithmetic gives the same results with and without NumPy."""

from __future__ import annotations

from array import array

import pytest
from hypothesis import given
from hypothesis import strategies as st

from profileapp.model import vector


@given(st.lists(st.floats(allow_nan=False)), st.lists(st.integers(0, 5)))
def test_long_columns_equal_short_ones(values: list[float], times: list[int]) -> None:
    short = list(vector.ranked(array("d", values))), vector.is_ascending(array("q", times))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(vector, "LONG", 0)
        assert (list(vector.ranked(array("d", values))), vector.is_ascending(array("q", times))) == short
    assert short == (sorted(values), times == sorted(times))
