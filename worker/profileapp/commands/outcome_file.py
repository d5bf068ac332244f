"""`outcome.json`: what came out, as Jenkins is to show it. Without it nobody can say what was measured.

An exit code alone may be somebody else's: a shell that cannot open a file ends with 2, a Python that cannot import
with 1.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Literal, TypeVar

import click
import msgspec

from profileapp.errors import ExitCode, ProfileappError, worst
from profileapp.judge.verdict import JudgedRun
from profileapp.model.text import printable
from profileapp.plan.names import OUTCOME_FILE
from profileapp.record.files import write_atomic

Result = Literal["SUCCESS", "UNSTABLE", "FAILURE"]
"""Results of a Jenkins build."""
_CHOICES: dict[str, Result] = {"ignore": "SUCCESS", "unstable": "UNSTABLE", "fail": "FAILURE"}
_ORDER: tuple[Result, ...] = ("SUCCESS", "UNSTABLE", "FAILURE")
_MEANINGS = {
    ExitCode.OK: "",
    ExitCode.BUDGET_VIOLATED: "a budget is violated",
    ExitCode.APP_FAILED: "the app failed",
    ExitCode.CONFIG_WRONG: "the configuration is wrong",
    ExitCode.NOT_MEASURED: "the agent could not measure",
    ExitCode.INTERRUPTED: "the run was aborted",
    ExitCode.TERMINATED: "the run was aborted",
}
_MESSAGE_LIMIT = 2000

Command = TypeVar("Command", bound=Callable[..., Any])


class Rules(msgspec.Struct, frozen=True):
    """What a violated budget, or a number that is worse than its baseline, and an app that fails make of a build."""

    on_budget: str = "unstable"
    on_app_failure: str = "fail"

    def result_of(self, code: ExitCode) -> Result:
        """What an exit code of the contract makes of a build."""
        if code == ExitCode.OK:
            return "SUCCESS"
        if code == ExitCode.BUDGET_VIOLATED:
            return _CHOICES[self.on_budget]
        return _CHOICES[self.on_app_failure] if code == ExitCode.APP_FAILED else "FAILURE"


class TargetResult(msgspec.Struct, frozen=True):
    """Of one target. `message` is one line, "" where all is well."""

    result: Result
    message: str
    exit_code: int


class BuildOutcome(msgspec.Struct, frozen=True):
    """`outcome.json`. `result` is the worst of all targets' and of what went wrong beside them."""

    result: Result
    message: str
    exit_code: int
    targets: dict[str, TargetResult] = {}
    version: int = 1


def outcome_options(command: Command) -> Command:
    """The options that say what `outcome.json` makes of a violated budget and of an app that fails."""
    choice = click.Choice(list(_CHOICES))
    on_budget = click.option(
        "--on-budget",
        type=choice,
        default="unstable",
        show_default=True,
        envvar="PROFILEAPP_ON_BUDGET",
        help=f"What a violated budget or a worse number makes of the result in {OUTCOME_FILE}.",
    )
    on_app_failure = click.option(
        "--on-app-failure",
        type=choice,
        default="fail",
        show_default=True,
        envvar="PROFILEAPP_ON_APP_FAILURE",
        help="What an app that fails makes of it.",
    )
    return on_budget(on_app_failure(command))


class OutcomeFile:
    """Writes `outcome.json` into a folder, once it is known what came out."""

    def __init__(self, folder: Path, rules: Rules) -> None:
        self._path = folder / OUTCOME_FILE
        self._rules = rules

    def write(self, judged: Sequence[JudgedRun], errors: Sequence[ProfileappError], stopped: ExitCode | None) -> None:
        """Of what was measured, what went wrong beside it, and a signal that ended it."""
        self._write(outcome_of(judged, errors, stopped, self._rules))

    def write_error(self, error: ProfileappError) -> None:
        """Of an error that came before anything was measured."""
        self._write(outcome_of((), (error,), None, self._rules))

    def _write(self, outcome: BuildOutcome) -> None:
        # Where no folder is yet, nobody asked for results; a full disk leaves none, which is an outcome as well.
        if self._path.parent.is_dir():
            with suppress(OSError):
                write_atomic(self._path, msgspec.json.format(msgspec.json.encode(outcome), indent=1) + b"\n")


@contextmanager
def outcome_file(folder: Path, rules: Rules) -> Iterator[OutcomeFile]:
    """The file of a command, that of an earlier one removed; an error of the contract that ends the block is in it."""
    with suppress(OSError):
        (folder / OUTCOME_FILE).unlink()
    outcome = OutcomeFile(folder, rules)
    try:
        yield outcome
    except ProfileappError as error:
        outcome.write_error(error)
        raise


def outcome_of(
    judged: Sequence[JudgedRun], errors: Sequence[ProfileappError], stopped: ExitCode | None, rules: Rules
) -> BuildOutcome:
    """What all of it together makes of a build."""
    targets = {each.run.target.name: _target_result(each, rules) for each in judged}
    parts = [(each.result, f"{name}: {each.message}") for name, each in targets.items() if each.message]
    parts += [(rules.result_of(error.exit_code), printable(str(error), _MESSAGE_LIMIT)) for error in errors]
    parts += [("FAILURE", _MEANINGS[stopped])] if stopped else []
    codes = [*(each.exit_code for each in judged), *(error.exit_code for error in errors)]
    exit_code = worst([*codes, *([stopped] if stopped else [])])
    if not (judged or parts):
        parts, exit_code = [("FAILURE", "nothing was measured")], ExitCode.NOT_MEASURED
    results = [
        rules.result_of(exit_code),
        *(result for result, _ in parts),
        *(each.result for each in targets.values()),
    ]
    message = printable("; ".join(text for _, text in parts), _MESSAGE_LIMIT)
    return BuildOutcome(max(results, key=_ORDER.index), message, exit_code, targets)


def _target_result(judged: JudgedRun, rules: Rules) -> TargetResult:
    code = judged.exit_code
    meaning = _MEANINGS[code]
    if judged.verdict == "worse":
        meaning = f"a number is worse than {_baseline_title(judged)}"
    # A normal end has a message too, such as that the time was over.
    why = judged.run.message if code not in (ExitCode.OK, ExitCode.BUDGET_VIOLATED) else ""
    return TargetResult(rules.result_of(code), printable(f"{meaning}: {why}" if why else meaning, 400), code)


def _baseline_title(judged: JudgedRun) -> str:
    branch = judged.run.baseline.branch if judged.run.baseline else ""
    return f"on {branch}" if branch else "before"
