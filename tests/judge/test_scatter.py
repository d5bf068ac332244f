"""Sources of the variance of a number, on data of known truth."""

from __future__ import annotations

import random
from array import array

import pytest

from profileapp.judge.noise import expect, power_reach
from profileapp.judge.scatter import scatter, standard_error
from profileapp.judge.weights import Weighted
from profileapp.model.run import BaselineComparison, Scatter
from profileapp.report.baseline_text import detectable_text, scatter_text

BUILDS, STARTS, SAMPLES = 3.0, 3.0, 30.0
PER_REPEAT = 100


@pytest.mark.parametrize("seed", range(5))
def test_three_levels_are_distinguished_within_a_fifth(seed: int) -> None:
    draw = random.Random(seed)  # noqa: S311
    builds, errors = [], []
    for _ in range(300):
        level, repeats = draw.gauss(100, BUILDS), []
        for _ in range(4):
            start = draw.gauss(level, STARTS)
            values = array("d", (draw.gauss(start, SAMPLES) for _ in range(PER_REPEAT)))
            repeats.append(sum(values) / PER_REPEAT)
            error = standard_error(Weighted(values))
            assert error is not None
            errors.append(error)
        builds.append(repeats)
    found = scatter(builds, errors)
    assert found.builds == pytest.approx(BUILDS, rel=0.2)
    assert found.starts == pytest.approx(STARTS, rel=0.2)
    assert found.within == pytest.approx(SAMPLES / PER_REPEAT**0.5, rel=0.2)


def test_autocorrelated_values_carry_less_information() -> None:
    draw = random.Random(1)  # noqa: S311
    values, value = array("d"), 0.0
    for _ in range(2000):
        value = 0.9 * value + draw.gauss(0, 1)
        values.append(value)
    error = standard_error(Weighted(values))
    # Theory of an autoregressive process: 1 / (1 - 0.9) times the error of one sample, over the root of their number.
    assert error is not None and error == pytest.approx(10 / 2000**0.5, rel=0.5)


def test_weights_count() -> None:
    values = array("d", [1.0, 100.0] * 20)
    weights = array("q", [1_000_000, 1] * 20)
    error = standard_error(Weighted(values, weights, 1))
    assert error is not None and error < 0.01


@pytest.mark.parametrize("values", [[], [1.0] * 19, [1e308] * 10 + [-1e308] * 10])
def test_too_few_or_too_large_values_have_no_error(values: list[float]) -> None:
    assert standard_error(Weighted(array("d", values))) is None


def test_a_level_without_data_is_unknown() -> None:
    assert scatter([(1.0,)], ()) == Scatter()
    assert scatter([(1e308, -1e308), (1.0, 2.0)], ()) == Scatter()
    assert scatter([(1.0, 2.0)], ()).builds is None
    one_repeat = scatter([(1.0,), (2.0,), (3.0,)], (0.1,))
    assert (one_repeat.builds, one_repeat.starts, one_repeat.within) == (1.0, None, pytest.approx(0.1))


def test_a_detectable_change_is_found_nine_times_in_ten() -> None:
    draw = random.Random(5)  # noqa: S311
    margin, rounds, found = 3.0, 3000, 0
    for _ in range(rounds):
        earlier = [(draw.gauss(100, 1), ()) for _ in range(20)]
        expected = expect((), earlier)
        assert expected is not None
        found += draw.gauss(100 + margin + power_reach(expected), 1) - expected.mean > margin
    assert found / rounds == pytest.approx(0.9, abs=0.03)


@pytest.mark.parametrize(
    ("levels", "advice"),
    [
        (Scatter(5, 1, 1), "neither more nor longer repeats would help much, as builds differ by more"),
        (Scatter(1, 5, 1), "more repeats would help most"),
        (Scatter(1, 1, 5), "longer repeats would help most"),
        (Scatter(1, None, 5), "2 repeats or more would show whether the starts of the app differ"),
    ],
)
def test_the_advice_is_about_the_largest_level(levels: Scatter, advice: str) -> None:
    comparison = BaselineComparison("fps", "mean", "", "same", 100, 12, mean=100, detectable=0.0812, scatter=levels)
    assert scatter_text(comparison, 3).endswith(advice) and "builds ±" in scatter_text(comparison, 3)
    assert detectable_text(comparison) == "8.1 %"


def test_unknown_scatter_has_no_text() -> None:
    assert scatter_text(BaselineComparison("fps", "mean", "", "same", 100, 2), 3) == ""
    assert detectable_text(BaselineComparison("fps", "mean", "", "same", 100, 2)) == "–"
