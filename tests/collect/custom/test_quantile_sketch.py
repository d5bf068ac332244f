"""Quantiles in bounded memory."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from profileapp.collect.custom.quantile_sketch import BUCKET_LIMIT, RELATIVE_ERROR, QuantileSketch


@given(st.lists(st.floats(0.01, 100) | st.floats(-100, -0.01) | st.just(0.0), min_size=1, max_size=300))
def test_quantiles_are_within_the_relative_error(values: list[float]) -> None:
    sketch = QuantileSketch()
    for value in values:
        sketch.add_all([value])
    ranked = sorted(values)
    assert (sketch.count, sketch.min, sketch.max) == (len(values), ranked[0], ranked[-1])
    for share in (0.0, 0.25, 0.5, 0.95, 0.99, 1.0):
        true = ranked[int(share * (len(ranked) - 1))]
        assert abs(sketch.quantile(share) - true) <= RELATIVE_ERROR * abs(true) * 1.0001


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=50))
def test_any_finite_values_are_accepted(values: list[float]) -> None:
    sketch = QuantileSketch()
    for value in values:
        sketch.add_all([value])
    assert min(values) <= sketch.quantile(0.5) <= max(values)
    assert min(values) <= sketch.mean <= max(values)


def test_buckets_are_bounded_and_count_all() -> None:
    sketch = QuantileSketch()
    for exponent in range(-290, 300):
        sketch.add_all([10.0**exponent])
        sketch.add_all([-(10.0**exponent)])
    assert sketch.count == 1180
    assert max(len(sketch._above), len(sketch._below)) <= BUCKET_LIMIT
    assert sum(sketch._above.values()) + sum(sketch._below.values()) == 1180
