"""Energy up to the very end of a repeat."""

from __future__ import annotations

import pytest

from profileapp.judge.running_totals import completed
from profileapp.model.run import Repeat
from profileapp.model.series import series
from tests.helpers.samples import series_data

S = 1_000_000_000
TOTAL = series("energy.total", "J", "energy")
POWER = series("energy.idle.power", "W", "energy")
REPEATS = [Repeat(1, 0, 0, round(4.5 * S)), Repeat(2, 10 * S, 10 * S, 12 * S)]


def test_the_last_interval_counts_in_proportion() -> None:
    data = series_data([(1 * S, 0.0), (4 * S, 30.0), (5 * S, 40.0), (10 * S, 0.0), (12 * S, 20.0)])
    found = completed({TOTAL: data, POWER: data}, REPEATS)
    assert list(found) == [TOTAL]
    assert list(zip(found[TOTAL].times_ns, found[TOTAL].values, strict=True))[1:4] == [
        (4 * S, 30.0),
        (round(4.5 * S), pytest.approx(35.0)),
        (5 * S, 40.0),
    ]
    # The second repeat has a sample at its end.
    assert len(found[TOTAL]) == 6


def test_totals_of_another_repeat_are_ignored() -> None:
    data = series_data([(1 * S, 0.0), (4 * S, 30.0), (10 * S, 0.0)])
    assert list(completed({TOTAL: data}, REPEATS)[TOTAL].values) == [0.0, 30.0, 0.0]


def test_a_gap_is_not_bridged() -> None:
    data = series_data([(1 * S, 0.0), (4 * S, 30.0), (40 * S, 400.0)])
    assert len(completed({TOTAL: data}, REPEATS[:1])[TOTAL]) == 3
