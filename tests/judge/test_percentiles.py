"""Percentiles and their intervals from order statistics, compared with SciPy and with simulations."""

from __future__ import annotations

import random
from array import array

import pytest
from hypothesis import given
from hypothesis import strategies as st

from profileapp.judge.budget import judge_budget
from profileapp.judge.percentiles import P99_MIN_COUNT, PERCENTS, Ranked, bounding_ranks, percentile_interval
from profileapp.judge.summary import summary_of, weighted_summary
from profileapp.judge.weights import Weighted
from profileapp.model.budget import parse_budget
from profileapp.model.series import Series

LATENCY = Series("latency", "s", "custom")


def test_the_minimum_number_of_values_for_each_bound() -> None:
    assert bounding_ranks(P99_MIN_COUNT, 99)[1] == P99_MIN_COUNT
    assert bounding_ranks(P99_MIN_COUNT - 1, 99)[1] is None
    assert bounding_ranks(59, 95)[1] == 59 and bounding_ranks(58, 95)[1] is None
    assert bounding_ranks(5, 50) == (1, 5) and bounding_ranks(4, 50) == (None, None)
    assert bounding_ranks(1, 50) == (None, None)


@given(st.integers(1, 200_000), st.sampled_from(PERCENTS))
def test_ranks_agree_with_the_binomial_distribution(count: int, percent: int) -> None:
    binom = pytest.importorskip("scipy.stats").binom
    lower, upper = bounding_ranks(count, percent)
    expected_upper = int(binom.ppf(0.95, count, percent / 100)) + 1
    expected_lower = count - int(binom.ppf(0.95, count, 1 - percent / 100))
    # With the normal approximation, one rank is a thousandth of the interval.
    slack = 0 if count * percent * (100 - percent) / 1e4 <= 400 else 1
    assert upper is None or abs(upper - expected_upper) <= slack
    assert lower is None or abs(lower - expected_lower) <= slack
    assert (upper is None) == (expected_upper > count) and (lower is None) == (expected_lower < 1)


@pytest.mark.parametrize(("count", "percent"), [(60, 50), (300, 95), (600, 99)])
def test_nine_in_ten_intervals_contain_the_true_value(count: int, percent: int) -> None:
    draw = random.Random(count)  # noqa: S311
    truth, rounds, inside = percent / 100, 600, 0
    for _ in range(rounds):
        low, high = percentile_interval(Ranked(sorted(draw.random() for _ in range(count)), (), count), percent)
        inside += (low is None or low <= truth) and (high is None or truth <= high)
    assert 0.87 <= inside / rounds <= 0.96


def test_p99_is_withheld_with_too_few_values() -> None:
    values = array("d", range(P99_MIN_COUNT))
    known, withheld = summary_of(LATENCY, values), summary_of(LATENCY, values[:-1])
    assert known.p99 is not None and known.intervals["p99"][1] == known.max
    assert withheld.p99 is None and set(withheld.intervals) == {"p50", "p90", "p95"}
    # Values with a small weight carry little information.
    weights = array("q", [10**9] + [1] * (P99_MIN_COUNT - 1))
    assert weighted_summary(LATENCY, Weighted(values, weights, 1)).p99 is None


def test_a_budget_on_a_withheld_percentile_is_not_measured() -> None:
    budget = parse_budget("latency.p99", "< 1 s")
    result = judge_budget(budget, [summary_of(LATENCY, array("d", range(110)))])
    assert (result.state, result.message) == ("not-measured", "p99 needs at least 299 values; 110 were measured")


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=400))
def test_a_percentile_lies_in_its_interval(values: list[float]) -> None:
    summary = summary_of(LATENCY, array("d", values))
    for name, (low, high) in summary.intervals.items():
        value = summary.statistic(name)
        assert value is not None
        assert (low is None or low <= value) and (high is None or value <= high)
