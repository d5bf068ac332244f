"""Judges a recorded run: its summary, its budgets, and its verdict."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Literal

import msgspec

from profileapp.errors import AgentError, ExitCode, worst
from profileapp.judge.baseline import is_worse
from profileapp.judge.budget import judge_budget
from profileapp.judge.cold_start import cold_start
from profileapp.judge.cpu import cpu_per_unit
from profileapp.judge.derived import derived
from profileapp.judge.disturbed import counted, without_disturbed
from profileapp.judge.energy import energy_per_unit
from profileapp.judge.events import device_events
from profileapp.judge.growing_series import growing_series
from profileapp.judge.headline import Headline, headlines
from profileapp.judge.numbers import numbers_of
from profileapp.judge.phases import Phases, app_events
from profileapp.judge.running_totals import completed
from profileapp.judge.steady_state import steady_states, without_start_up
from profileapp.judge.summary import summarise
from profileapp.model.budget import parse_budget
from profileapp.model.clock import Clock
from profileapp.model.run import APP_FAILURES, BudgetResult, Run, SeriesSummary
from profileapp.model.series import Series
from profileapp.model.table import FunctionRow, KernelRow
from profileapp.model.target import App, Target
from profileapp.model.text import printable
from profileapp.record.artifacts import COMPRESSED_METRICS_FILE, METRICS_FILE
from profileapp.record.digest import Ranked, distributions_of, has_samples, read_digest, series_of
from profileapp.record.reader import Recording, read_log_tail, read_recording, read_run
from profileapp.record.series_data import SeriesData
from profileapp.record.table_files import read_functions, read_kernels

Verdict = Literal["passed", "over budget", "worse", "app failed", "not measured", "aborted", "incomplete"]


class JudgedRun(msgspec.Struct, frozen=True):
    """A run with its judgement. `run` has summary and budgets; `problems` lists unreadable parts of its files.

    Where a digest replaces its samples, `series` are those of the digest, `distributions` what it has of them, and
    `left_out` the files that have all samples. `judge_error` is the reason why it could not be judged, else ""; then
    the recorded run.json must not be replaced by `run`.
    """

    run: Run
    verdict: Verdict
    exit_code: ExitCode
    headline: tuple[Headline, ...]
    folder: Path
    series: dict[Series, SeriesData]
    app_log_tail: str
    functions: tuple[FunctionRow, ...]
    kernels: tuple[KernelRow, ...]
    problems: tuple[str, ...]
    judge_error: str = ""
    from_digest: bool = False
    distributions: dict[Series, Ranked] = {}
    left_out: tuple[str, ...] = ()


def judge_folder(folder: Path) -> JudgedRun:
    """Judges a target's folder; never raises because of its content, which an app or a crash may have damaged.

    If it has a digest and no samples, the numbers are those of `run.json`.
    """
    recorded: Run | None = None
    try:
        digested = _judged_by_digest(folder)
        if digested:
            return digested
        recording = read_recording(folder)
        recorded = recording.run
        return _judge_recording(folder, recording)
    except Exception as error:
        # A bug triggered by one target's numbers must not prevent the report of the others.
        return _unjudged(folder, recorded or _unknown(folder), error)


def judged_before(folder: Path) -> JudgedRun:
    """The judged run of a folder's `run.json`: no sample is read, and `series` is empty.

    If it has not been judged, as after a crash, it is judged now.
    """
    try:
        run = read_run(folder)
    except (FileNotFoundError, AgentError):
        return judge_folder(folder)
    if run.state == "finished" and not run.summary:
        return judge_folder(folder)
    return JudgedRun(
        run=run,
        verdict=verdict_of(run),
        exit_code=exit_code_of(run),
        headline=headlines(run.summary),
        folder=folder,
        series={},
        app_log_tail="",
        functions=(),
        kernels=(),
        problems=(),
    )


def _judged_by_digest(folder: Path) -> JudgedRun | None:
    """The run of a folder that has a digest in place of the samples; None if it has not, or was never judged."""
    if has_samples(folder):
        return None
    try:
        digest, run = read_digest(folder), read_run(folder)
        series, known = series_of(digest), distributions_of(digest)
    except (OSError, AgentError):
        # What is missing is reported as of any folder.
        return None
    if run.state != "finished":
        return None
    problems: list[str] = []
    return JudgedRun(
        run=run,
        verdict=verdict_of(run),
        exit_code=exit_code_of(run),
        headline=headlines(run.summary),
        folder=folder,
        series=series,
        app_log_tail=read_log_tail(folder),
        functions=read_functions(folder, problems),
        kernels=read_kernels(folder, problems),
        problems=(*digest.problems, *problems),
        from_digest=True,
        distributions=known,
        left_out=tuple(name for name in digest.left_out if name in (METRICS_FILE, COMPRESSED_METRICS_FILE)),
    )


def without_judgement(judged: JudgedRun, error: Exception) -> JudgedRun:
    """The run marked as not judged because of `error`, without its numbers."""
    return _unjudged(judged.folder, judged.run, error)


def _unknown(folder: Path) -> Run:
    return Run(id="", app=App(""), target=Target(folder.name), clock=Clock(0, 0), started_ns=0)


def _unjudged(folder: Path, recorded: Run, error: Exception) -> JudgedRun:
    reason = printable(f"{type(error).__name__}: {error}", 200)
    text = f"could not be judged ({reason}), an error of profileapp itself: please report it; the measurements are kept"
    run = msgspec.structs.replace(
        recorded,
        state="finished",
        exit_reason="not-measured",
        message=text,
        summary=(),
        events=(),
        phases=(),
        marks=(),
        steady=(),
        growth=(),
        budgets=(),
        numbers=(),
        baseline=None,
    )
    return JudgedRun(
        run=run,
        verdict=verdict_of(run),
        exit_code=exit_code_of(run),
        headline=(),
        folder=folder,
        series={},
        app_log_tail="",
        functions=(),
        kernels=(),
        problems=(text,),
        judge_error=text,
    )


def _judge_recording(folder: Path, recording: Recording) -> JudgedRun:
    table_problems: list[str] = []
    functions, kernels = read_functions(folder, table_problems), read_kernels(folder, table_problems)
    recorded = recording.run or _unknown(folder)
    found = recording.series | completed(recording.series, recorded.repeats)
    series = found | derived(recording.series, recorded.repeats, recorded.target.interval_s)
    steady = steady_states(series, recorded.repeats)
    settled = without_start_up(recorded.repeats, steady) if recorded.target.warmup_auto else recorded.repeats
    all_repeats = without_disturbed(series, settled)
    repeats = counted(all_repeats)
    summary = (
        *summarise(series, repeats),
        *energy_per_unit(series, repeats),
        *cpu_per_unit(series, repeats),
        *cold_start(series, repeats),
    )
    phases = Phases(series, repeats)
    headline = headlines(summary)
    run = msgspec.structs.replace(
        recorded,
        summary=summary,
        budgets=tuple(_judge(key, text, summary, phases) for key, text in recorded.target.budgets.items()),
        repeats=all_repeats,
        events=device_events(series, settled),
        phases=phases.all(),
        marks=app_events(series),
        steady=steady,
        growth=growing_series(series, repeats),
        numbers=numbers_of(headline, series, repeats),
    )
    return JudgedRun(
        run=run,
        verdict=verdict_of(run),
        exit_code=exit_code_of(run),
        headline=headline,
        folder=folder,
        series=series,
        app_log_tail=read_log_tail(folder),
        functions=functions,
        kernels=kernels,
        problems=(*recording.problems, *table_problems),
    )


def verdict_of(run: Run) -> Verdict:
    """The verdict of a run: the worst one that applies."""
    if run.state != "finished" or run.exit_reason is None:
        return "incomplete"
    if run.exit_reason == "aborted":
        return "aborted"
    if run.exit_reason in APP_FAILURES:
        return "app failed"
    if run.exit_reason == "not-measured" or any(metric.state == "failed" for metric in run.metrics):
        return "not measured"
    if any(budget.state != "met" for budget in run.budgets):
        return "over budget"
    return "worse" if is_worse(run.baseline) else "passed"


def exit_code_of(run: Run) -> ExitCode:
    """The documented exit code for one run."""
    return worst(codes_of(run))


def codes_of(run: Run) -> list[ExitCode]:
    """The exit codes of all problems of a run; [] if there are none."""
    codes = []
    if run.exit_reason == "aborted":
        codes.append(ExitCode.INTERRUPTED if run.stop_signal == signal.SIGINT else ExitCode.TERMINATED)
    if run.exit_reason in APP_FAILURES:
        codes.append(ExitCode.APP_FAILED)
    elif verdict_of(run) in ("incomplete", "not measured"):
        codes.append(ExitCode.NOT_MEASURED)
    if is_worse(run.baseline) or any(budget.state != "met" for budget in run.budgets):
        codes.append(ExitCode.BUDGET_VIOLATED)
    return codes


def _judge(key: str, condition: str, summary: tuple[SeriesSummary, ...], phases: Phases) -> BudgetResult:
    try:
        budget = parse_budget(key, condition)
        return judge_budget(budget, phases.summary(budget.phase) if budget.phase else summary)
    except ValueError as error:
        return BudgetResult(key=key, condition=condition, state="not-measured", message=str(error))
