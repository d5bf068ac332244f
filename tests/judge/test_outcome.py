"""Build results of runs."""

from __future__ import annotations

import pytest

from profileapp.errors import ExitCode
from profileapp.judge.outcome import Cause, failed_outcome, outcome_of
from profileapp.model.outcome import Effect, Outcome, Policy
from profileapp.model.run import Baseline, BaselineComparison, BudgetResult, MetricStatus, Run
from tests.store.runs import a_run

BUDGET = BudgetResult("fps.mean", "> 10", "violated", measured=3.25, limit=10, margin=-6.75, unit="frames/s")
WORSE = Baseline("main", (BaselineComparison("fps", "mean", "frames/s", "worse", 3.25, 12, change=-0.125),))
EFFECTS: tuple[tuple[Effect, str], ...] = (("unstable", "UNSTABLE"), ("fail", "FAILURE"), ("ignore", "SUCCESS"))


DEFAULT = Policy()


def of(*runs: Run, policy: Policy = DEFAULT) -> Outcome:
    return outcome_of(runs, {}, policy)


def test_a_passed_run_is_a_success() -> None:
    outcome = of(a_run(target="gpu"))
    assert (outcome.result, outcome.exit_code, outcome.message) == ("SUCCESS", 0, "")
    assert outcome.targets["gpu"].result == "SUCCESS"


@pytest.mark.parametrize(("effect", "result"), EFFECTS)
def test_a_violated_budget_has_the_result_of_the_policy(effect: Effect, result: str) -> None:
    outcome = of(a_run(budgets=(BUDGET,)), policy=Policy(on_budget=effect))
    assert (outcome.result, outcome.exit_code) == (result, 1)
    assert outcome.message == "gpu: budget violated: fps.mean > 10 (3.25 frames/s)"


@pytest.mark.parametrize(("effect", "result"), EFFECTS)
def test_a_worse_value_counts_as_a_violated_budget(effect: Effect, result: str) -> None:
    outcome = of(a_run(baseline=WORSE), policy=Policy(on_budget=effect))
    assert (outcome.result, outcome.exit_code) == (result, 1)
    assert outcome.message == "gpu: worse than on main: fps mean -12.5 %"


@pytest.mark.parametrize(("effect", "result"), EFFECTS)
def test_a_failed_app_has_the_result_of_the_policy(effect: Effect, result: str) -> None:
    outcome = of(a_run(exit_reason="failed", message="exit code 3"), policy=Policy(on_app_failure=effect))
    assert (outcome.result, outcome.exit_code) == (result, 2)
    assert outcome.message == "gpu: the app failed: exit code 3"


def test_an_ignored_failure_does_not_hide_a_violated_budget() -> None:
    run = a_run(exit_reason="failed", message="exit code 3", budgets=(BUDGET,))
    outcome = of(run, policy=Policy(on_budget="fail", on_app_failure="ignore"))
    assert (outcome.result, outcome.exit_code) == ("FAILURE", 2)
    assert "the app failed" in outcome.message and "budget violated" in outcome.message


@pytest.mark.parametrize(
    ("changes", "code", "message"),
    [
        ({"exit_reason": "aborted", "stop_signal": 15}, 143, "aborted (SIGTERM)"),
        ({"exit_reason": "aborted", "stop_signal": 2}, 130, "aborted (SIGINT)"),
        (
            {"exit_reason": "not-measured", "message": "the disk is full"},
            4,
            "the agent could not measure: the disk is full",
        ),
        ({"state": "running", "exit_reason": None}, 4, "the agent could not measure: the run did not finish"),
        (
            {"metrics": (MetricStatus("energy", "failed", reason="the rail is gone"),)},
            4,
            "the agent could not measure: energy: the rail is gone",
        ),
    ],
)
def test_errors_that_no_policy_can_ignore(changes: dict[str, object], code: int, message: str) -> None:
    outcome = of(a_run(**changes), policy=Policy("ignore", "ignore"))  # type: ignore[arg-type]
    assert (outcome.result, outcome.exit_code, outcome.message) == ("FAILURE", code, f"gpu: {message}")


def test_the_worst_of_several_targets_wins() -> None:
    runs = (
        a_run(target="a"),
        a_run(target="b", budgets=(BUDGET,)),
        a_run(target="c", exit_reason="failed", message="x"),
    )
    outcome = of(*runs)
    assert (outcome.result, outcome.exit_code) == ("FAILURE", 2)
    assert [each.result for each in outcome.targets.values()] == ["SUCCESS", "UNSTABLE", "FAILURE"]
    assert outcome.message.startswith("b: budget violated") and "; c: the app failed: x" in outcome.message


def test_a_planned_but_missing_target_was_not_measured() -> None:
    failures = {"b": Cause(ExitCode.CONFIG_WRONG, "no such image")}
    outcome = outcome_of([a_run(target="a")], failures, Policy(), ["a", "b", "c"])
    assert {name: each.exit_code for name, each in outcome.targets.items()} == {"a": 0, "b": 3, "c": 4}
    assert (outcome.result, outcome.exit_code) == ("FAILURE", 3)


def test_without_targets_nothing_was_measured() -> None:
    outcome = outcome_of([], {}, Policy("ignore", "ignore"))
    assert (outcome.result, outcome.exit_code, outcome.message) == ("FAILURE", 4, "nothing was measured")


def test_a_stop_before_the_first_target_is_a_failure() -> None:
    outcome = outcome_of([], {}, Policy("ignore", "ignore"), ["a"], ExitCode.TERMINATED)
    assert (outcome.result, outcome.exit_code, outcome.targets["a"].exit_code) == ("FAILURE", 143, 143)


def test_an_error_for_all_planned_targets_is_one_line() -> None:
    outcome = failed_outcome(
        ExitCode.CONFIG_WRONG, "sage.yaml:3: bad\nsage.yaml:4: \x1b[31mworse", ["a", "b"], Policy()
    )
    assert outcome.message == "sage.yaml:3: bad sage.yaml:4: \\x1b[31mworse"
    assert {each.exit_code for each in outcome.targets.values()} == {3}


def test_app_output_in_messages_is_bounded() -> None:
    outcome = of(*(a_run(target=f"t{number}", exit_reason="failed", message="x\n" * 9000) for number in range(9)))
    assert len(outcome.message) <= 1000
    assert all(len(each.message) <= 400 and each.message.isprintable() for each in outcome.targets.values())
