"""The effect of judged runs on a build. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from profileapp.errors import ExitCode, worst
from profileapp.judge.verdict import codes_of
from profileapp.model.outcome import BuildResult, Effect, Outcome, Policy, TargetOutcome
from profileapp.model.run import BudgetResult, Run
from profileapp.model.text import printable

TARGET_LETTERS = 400
LETTERS = 1000

_RESULTS: tuple[BuildResult, ...] = ("SUCCESS", "UNSTABLE", "FAILURE")
_OF_EFFECT: dict[Effect, BuildResult] = {"ignore": "SUCCESS", "unstable": "UNSTABLE", "fail": "FAILURE"}


class Cause(msgspec.Struct, frozen=True):
    """One reason why a run did not pass, with its exit code."""

    code: ExitCode
    text: str


def causes_of(run: Run) -> tuple[Cause, ...]:
    """Every reason why a judged run did not pass; () if it passed."""
    words = {
        ExitCode.INTERRUPTED: "aborted (SIGINT)",
        ExitCode.TERMINATED: "aborted (SIGTERM)",
        ExitCode.APP_FAILED: f"the app failed: {run.message or run.exit_reason}",
        ExitCode.NOT_MEASURED: f"the agent could not measure: {_why_not_measured(run)}",
    }
    found = [Cause(code, words[code]) for code in codes_of(run) if code in words]
    violated = [_budget_text(each) for each in run.budgets if each.state != "met"]
    if violated:
        found.append(Cause(ExitCode.BUDGET_VIOLATED, f"budget violated: {', '.join(violated)}"))
    if worse := worse_text(run):
        found.append(Cause(ExitCode.BUDGET_VIOLATED, worse))
    return tuple(found)


def worse_text(run: Run) -> str:
    """`worse than on main: fps mean -12 %`; "" if nothing is worse."""
    baseline = run.baseline
    worse = [each for each in baseline.numbers if each.state == "worse"] if baseline else []
    if baseline is None or not worse:
        return ""
    numbers = ", ".join(
        f"{each.title} {each.statistic}" + ("" if each.change is None else f" {100 * each.change:+.3g} %")
        for each in worse
    )
    return f"worse than {f'on {baseline.branch}' if baseline.branch else 'earlier runs'}: {numbers}"


def target_outcome(causes: Sequence[Cause], policy: Policy) -> TargetOutcome:
    """The outcome of one target: the worst effect of its causes."""
    result = _worst_result(_result_of(each.code, policy) for each in causes)
    message = "; ".join(each.text for each in causes)
    return TargetOutcome(result, worst([each.code for each in causes]), _line(message, TARGET_LETTERS))


def outcome_of(
    judged: Iterable[Run],
    failures: Mapping[str, Cause],
    policy: Policy,
    planned: Sequence[str] = (),
    stop: ExitCode = ExitCode.OK,
) -> Outcome:
    """The outcome of all targets, from judged runs, errors that prevented targets (by name), and the stop signal.

    A planned target that is in neither `judged` nor `failures` was not measured.
    """
    causes: dict[str, list[Cause]] = {name: [] for name in planned}
    known = set()
    for run in judged:
        causes.setdefault(run.target.name, []).extend(causes_of(run))
        known.add(run.target.name)
    for name, cause in failures.items():
        causes.setdefault(name, []).append(cause)
        known.add(name)
    for name in causes.keys() - known:
        causes[name].append(
            Cause(stop, "not run: aborted before") if stop else Cause(ExitCode.NOT_MEASURED, "not measured")
        )
    if not causes and not stop:
        return failed_outcome(ExitCode.NOT_MEASURED, "nothing was measured", (), policy)
    found = _of_all({name: target_outcome(each, policy) for name, each in causes.items()})
    if not stop:
        return found
    return Outcome("FAILURE", found.message or "aborted", worst([ExitCode(found.exit_code), stop]), found.targets)


def baseline_outcome(judged: Sequence[Run], failures: Mapping[str, Cause], policy: Policy) -> Outcome:
    """The outcome of a comparison alone: other problems of a run are reported elsewhere."""
    causes: dict[str, list[Cause]] = {}
    for run in judged:
        text = worse_text(run)
        causes[run.target.name] = [Cause(ExitCode.BUDGET_VIOLATED, text)] if text else []
    for name, cause in failures.items():
        causes.setdefault(name, []).append(cause)
    return _of_all({name: target_outcome(found, policy) for name, found in causes.items()})


def not_compared(code: ExitCode, message: str, planned: Sequence[str], policy: Policy) -> Outcome:
    """The outcome if there is no comparison: measurements remain valid if earlier runs cannot be read."""
    outcome = failed_outcome(code, f"the numbers could not be compared with earlier runs: {message}", planned, policy)
    if code == ExitCode.CONFIG_WRONG:
        return outcome
    targets = {name: msgspec.structs.replace(each, result="UNSTABLE") for name, each in outcome.targets.items()}
    return msgspec.structs.replace(outcome, result="UNSTABLE", targets=targets)


def failed_outcome(code: ExitCode, message: str, planned: Sequence[str], policy: Policy) -> Outcome:
    """The outcome of a command that failed before its first target: the message applies to all of them."""
    one = target_outcome([Cause(code, message)], policy)
    return Outcome(one.result, _line(message, LETTERS), code, dict.fromkeys(planned, one))


def _of_all(targets: dict[str, TargetOutcome]) -> Outcome:
    return Outcome(
        result=_worst_result(each.result for each in targets.values()),
        message=_line("; ".join(f"{name}: {each.message}" for name, each in targets.items() if each.message), LETTERS),
        exit_code=worst([ExitCode(each.exit_code) for each in targets.values()]),
        targets=targets,
    )


def _result_of(code: ExitCode, policy: Policy) -> BuildResult:
    if code == ExitCode.OK:
        return "SUCCESS"
    if code == ExitCode.BUDGET_VIOLATED:
        return _OF_EFFECT[policy.on_budget]
    if code == ExitCode.APP_FAILED:
        return _OF_EFFECT[policy.on_app_failure]
    return "FAILURE"


def _worst_result(results: Iterable[BuildResult]) -> BuildResult:
    return max(results, key=_RESULTS.index, default="SUCCESS")


def _budget_text(budget: BudgetResult) -> str:
    if budget.measured is None:
        return f"{budget.key} {budget.condition} ({budget.message})"
    return f"{budget.key} {budget.condition} ({budget.measured:.6g} {budget.unit})".replace(" )", ")")


def _why_not_measured(run: Run) -> str:
    failed = [f"{each.title}: {each.reason}" for each in run.metrics if each.state == "failed"]
    return run.message or "; ".join(failed) or "the run did not finish"


def _line(text: str, limit: int) -> str:
    return printable(" ".join(text.split()), limit)
