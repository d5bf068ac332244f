"""Worse, better, same, or inconclusive."""

from __future__ import annotations

import math
import random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import t as student

from profileapp.judge.baseline import ALPHA_PER_BUILD, LAST_RUNS, MIN_EFFECT, alpha_of, compare, is_worse
from profileapp.judge.noise import HISTORY_RUNS, Expected, expect, share, t_quantile, t_two_sided, weigh
from profileapp.model.run import (
    Agent,
    Baseline,
    BaselineComparison,
    BudgetResult,
    ComparisonState,
    HeadlineValue,
    Jetson,
    Run,
)
from tests.store.runs import START_NS, a_run

FPS = ("fps", "mean", "frames/s")
CPU = ("container.cpu.util", "mean", "%")
OTHER = ("objects", "mean", "")
REPEATS = 5


def noise(count: int, seed: int, spread: float = 0.02, mean: float = 10.0) -> list[float]:
    chance = random.Random(seed)  # noqa: S311
    return [chance.gauss(mean, mean * spread) for _ in range(count)]


def run_of(key: tuple[str, str, str], values: list[float], number: int = 0, **changes: object) -> Run:
    """A run whose repeats have these values."""
    one = HeadlineValue(*key, math.fsum(values) / len(values), tuple(values))
    return a_run(f"r{number}", started_ns=START_NS + number, **({"numbers": (one,)} | changes))


def history(key: tuple[str, str, str], runs: int, spread: float = 0.02, **changes: object) -> list[Run]:
    return [run_of(key, noise(REPEATS, number, spread), number, **changes) for number in range(runs)]


def compared(
    key: tuple[str, str, str], values: list[float], earlier: list[Run], numbers_in_build: int = 1, **changes: object
) -> BaselineComparison:
    alpha = ALPHA_PER_BUILD / numbers_in_build
    (one,) = compare(run_of(key, values, 1000, **changes), earlier, "main", alpha).numbers
    return one


@pytest.mark.parametrize(
    ("t", "degrees", "p_value"),
    # Table of Student's t: two-sided 5 %, 1 % and 0.1 %.
    [(12.706, 1, 0.05), (4.303, 2, 0.05), (3.182, 3, 0.05), (2.776, 4, 0.05), (2.086, 20, 0.05), (1.960, 100_000, 0.05),
     (2.845, 20, 0.01), (3.659, 29, 0.001), (4.604, 4, 0.01)],
)  # fmt: skip
def test_p_values_agree_with_students_table(t: float, degrees: int, p_value: float) -> None:
    assert t_two_sided(t, degrees) == pytest.approx(p_value, rel=0.003)
    assert t_two_sided(-t, degrees) == t_two_sided(t, degrees)
    assert t_quantile(p_value, degrees) == pytest.approx(t, rel=0.003)


@given(st.floats(-1e6, 1e6), st.integers(1, 60))
def test_p_values_agree_with_scipy(t: float, degrees: int) -> None:
    assert t_two_sided(t, degrees) == pytest.approx(2 * student.sf(abs(t), degrees), rel=1e-6, abs=1e-12)


@pytest.mark.parametrize("runs", [HISTORY_RUNS, 20])
def test_a_change_of_a_tenth_is_worse_or_better(runs: int) -> None:
    low, high = noise(REPEATS, 77, mean=8.6), noise(REPEATS, 78, mean=11.4)
    assert compared(FPS, low, history(FPS, runs)).state == "worse"
    assert compared(FPS, high, history(FPS, runs)).state == "better"
    assert compared(CPU, high, history(CPU, runs)).state == "worse"
    assert compared(CPU, low, history(CPU, runs)).state == "better"
    assert compared(OTHER, high, history(OTHER, runs)).state == "changed"


def test_a_comparison_has_mean_change_margin_and_p_value() -> None:
    one = compared(FPS, noise(REPEATS, 77, mean=8.6), history(FPS, 20))
    assert one.mean == pytest.approx(10, rel=0.02) and one.change == pytest.approx(-0.14, abs=0.03)
    assert one.margin is not None and one.margin >= MIN_EFFECT * one.mean * 0.999
    assert one.p_value is not None and one.p_value < 0.001 and not one.note


@pytest.mark.parametrize("runs", [HISTORY_RUNS, 20])
def test_noise_is_the_same(runs: int) -> None:
    assert compared(FPS, noise(REPEATS, 99), history(FPS, runs)).state == "same"
    assert compared(FPS, noise(REPEATS, 98, spread=0.15, mean=9.2), history(FPS, runs, spread=0.15)).state == "same"


def test_a_significant_but_small_change_is_the_same() -> None:
    steady = history(FPS, 20, spread=0.0)
    assert compared(FPS, [9.7] * REPEATS, steady).state == "same"
    assert compared(FPS, [9.3] * REPEATS, steady).state == "worse"


def test_too_few_runs_are_reported_as_inconclusive() -> None:
    few = compared(FPS, [5.0] * REPEATS, history(FPS, HISTORY_RUNS - 1))
    assert few.state == "not enough data" and few.note.startswith("7 comparable earlier runs; 8 are needed")
    assert compared(FPS, [5.0], []).state == "not enough data"
    assert compared(FPS, [5.0], history(CPU, 20)).state == "not enough data"


def test_more_values_require_more_evidence() -> None:
    earlier = history(FPS, 10, spread=0.03)
    values = [9.0] * REPEATS
    alone, among = (compared(FPS, values, earlier, count) for count in (1, 1000))
    assert alone.state == "worse" and among.state == "same"
    assert among.margin is not None and alone.margin is not None and among.margin > alone.margin


def test_a_budget_defines_which_direction_is_worse() -> None:
    budget = BudgetResult(key="objects.mean", condition=">= 1", state="met")
    low = noise(REPEATS, 77, mean=8.0)
    assert compared(OTHER, low, history(OTHER, 20), budgets=(budget,)).state == "worse"


def board(power_mode: str, hostname: str = "orin-1") -> Agent:
    return Agent(hostname=hostname, board="Orin", jetson=Jetson(module="Orin", jetpack="6.0", power_mode=power_mode))


def test_an_incomparable_device_is_skipped_and_reported() -> None:
    earlier = history(FPS, 8, agent=board("MAXN")) + history(FPS, 12, agent=board("MODE_15W"))
    found = compare(
        run_of(FPS, [3.0] * REPEATS, 1000, agent=board("MODE_15W", "orin-2")), earlier, "main", ALPHA_PER_BUILD
    )
    assert found.numbers[0].runs == 12
    assert "8 runs excluded: power mode was 'MAXN', is 'MODE_15W'" in found.remarks
    assert "host was 'orin-1', is 'orin-2'" in found.remarks
    nothing = compare(run_of(FPS, [3.0] * REPEATS, 1000), earlier, "main", ALPHA_PER_BUILD)
    assert nothing.numbers[0].state == "not enough data" and not nothing.run_id and nothing.remarks


def test_it_names_the_last_earlier_run_and_never_itself() -> None:
    earlier = history(FPS, 8)
    now = run_of(FPS, [10.0] * REPEATS, 1000)
    found = compare(now, [now, *reversed(earlier)], "main", ALPHA_PER_BUILD)
    assert (found.run_id, found.build, found.branch) == ("r7", "objcounter/main#7", "main")
    assert found.numbers[0].runs == 8 and not is_worse(found) and not is_worse(None)
    assert msgspec.json.decode(msgspec.json.encode(found), type=Baseline) == found


@given(
    st.floats(-1e12, 1e12),
    st.lists(st.floats(-1e12, 1e12), max_size=8),
    st.lists(st.tuples(st.floats(-1e12, 1e12), st.lists(st.floats(-1e12, 1e12), max_size=6)), max_size=20),
    st.sampled_from([0.01, 1e-4]),
)
def test_any_values_have_a_verdict(
    value: float, repeats: list[float], earlier: list[tuple[float, list[float]]], alpha: float
) -> None:
    expected = expect(repeats, earlier)
    if expected is not None:
        evidence = weigh(value, expected, alpha)
        assert 0 <= evidence.p_value <= 1 and math.isfinite(evidence.mean) and evidence.margin >= 0


def test_noisy_values_use_the_alpha_that_steady_ones_do_not_need() -> None:
    noisy, steady = Expected(10.0, 0.4, 14), Expected(10.0, 0.01, 14)
    assert share([noisy] * 8, MIN_EFFECT, 0.005) == pytest.approx(0.005 / 8)
    assert share([noisy, *[steady] * 7], MIN_EFFECT, 0.005) == pytest.approx(0.005, rel=1e-3)
    assert share([noisy, noisy, steady, Expected(10.0, 0.0, 14)], MIN_EFFECT, 0.005) == pytest.approx(0.0025, rel=1e-3)
    assert share([], MIN_EFFECT, 0.005) == share([steady] * 100, MIN_EFFECT, 0.005) == 0.005


@given(st.lists(st.tuples(st.floats(1e-6, 10), st.integers(5, 30)), max_size=20))
def test_the_family_wise_error_rate_is_bounded(spreads: list[tuple[float, int]]) -> None:
    expected = [Expected(10.0, error, degrees) for error, degrees in spreads]
    alpha = share(expected, MIN_EFFECT, 0.005)
    needs = [t_two_sided(MIN_EFFECT * 10 / each.error, each.degrees) for each in expected]
    assert sum(min(alpha, need) for need in needs) <= 0.005 * (1 + 1e-9)
    assert alpha >= 0.005 / max(1, len(expected)) * (1 - 1e-9)


def test_values_of_a_build_share_one_alpha_and_those_without_history_use_none() -> None:
    noisy = [(run_of(FPS, [10.0] * REPEATS, 1000), history(FPS, 15, spread=0.1))] * 4
    assert alpha_of(noisy) == pytest.approx(ALPHA_PER_BUILD / 4)
    few = (run_of(FPS, [10.0] * REPEATS, 1000), history(FPS, HISTORY_RUNS - 1, spread=0.1))
    assert alpha_of([*noisy, few, few]) == pytest.approx(ALPHA_PER_BUILD / 4)
    assert alpha_of([]) == ALPHA_PER_BUILD


def moved(run: Run, state: ComparisonState) -> Run:
    """The run as if its value had been judged as `state`."""
    (one,) = run.numbers
    found = BaselineComparison(one.title, one.statistic, one.unit, state, one.value, 20)
    return msgspec.structs.replace(run, baseline=Baseline("main", (found,)))


def test_runs_before_a_gain_are_dropped_once_there_are_enough_after_it() -> None:
    old = history(FPS, 20)
    gained = [run_of(FPS, noise(REPEATS, 500 + number, mean=20.0), 100 + number) for number in range(8)]
    known = [moved(each, "better") if number < 3 else each for number, each in enumerate(gained)]
    lost = noise(REPEATS, 77, mean=17.0)
    assert compared(FPS, lost, [*old, *gained]).state == "same", "two levels in one history hide it"
    one = compared(FPS, lost, [*old, *known])
    assert (one.state, one.runs) == ("worse", 8)
    # Until enough runs have the new level, the old level counts.
    assert compared(FPS, lost, [*old, *known[:5]]).runs == 25
    assert compared(FPS, lost, [*old, *(moved(each, "same") for each in gained)]).runs == 28


def test_the_number_of_runs_compared_is_bounded() -> None:
    assert compared(FPS, [10.0] * REPEATS, history(FPS, LAST_RUNS + 20)).runs == LAST_RUNS
