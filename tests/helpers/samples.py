"""Builds samples of a series for tests."""

from __future__ import annotations

from array import array
from collections.abc import Iterable

from profileapp.record.series_data import SeriesData


def series_data(samples: Iterable[tuple[int, float]]) -> SeriesData:
    """Series data from pairs of UTC nanoseconds and a value."""
    pairs = list(samples)
    return SeriesData(array("q", [at_ns for at_ns, _ in pairs]), array("d", [value for _, value in pairs]))
