"""`profileapp baseline`: decides whether a run is worse than earlier ones, or differs only by noise."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

import click
import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from profileapp.commands.database import open_store
from profileapp.commands.environment import LinesOption
from profileapp.commands.options import db_option, json_option, on_budget_option
from profileapp.commands.outcome_file import OutcomeFile
from profileapp.commands.selection import moment_ns
from profileapp.commands.store import run_folders
from profileapp.commands.written_folder import WrittenFolder
from profileapp.errors import AgentError, ConfigError, EmptyDatabaseError
from profileapp.judge.baseline import GOOD, alpha_of, compare, is_worse
from profileapp.judge.outcome import Cause, baseline_outcome, not_compared
from profileapp.judge.verdict import JudgedRun, judged_before, without_judgement
from profileapp.model.clock import format_utc
from profileapp.model.outcome import Effect, Policy
from profileapp.model.run import Baseline, Run
from profileapp.model.text import printable
from profileapp.plan.names import BASELINE_OUTCOME_FILE
from profileapp.record.artifacts import RUN_FILE
from profileapp.record.files import is_folder, write_atomic
from profileapp.record.folder import RunFolder
from profileapp.report.baseline_text import detectable_text, earlier_text
from profileapp.report.format import ABSENT, quantity
from profileapp.report.jenkins.junit import baseline_xml

BASELINE_FILE = "baseline.xml"
DEPTH = 4
"""Depth to which a folder of `--against` is searched for runs."""
_EPILOG = """\b
Examples:
  profileapp baseline profile/ --branch main
  profileapp baseline profile/ --branch main --db postgresql://ann@db.example/profiles
  profileapp baseline profile/ --against builds/
  profileapp baseline profile/ --branch main --since 2026-11-24    # since an intended change

\b
Exit codes: 0 nothing is worse, 1 something is worse.
"""
JUDGED = (*GOOD, "worse")
"""Verdicts of runs whose numbers are compared with earlier ones: those that ran to completion."""
_STYLES = {"worse": "red", "better": "green", "changed": "yellow", "not enough data": "dim"}

Find = Callable[[Run], Sequence[Run]]
"""Returns good earlier runs of the same app and target as a run."""


class BaselineReport(msgspec.Struct, frozen=True):
    """The JSON of `baseline --json`."""

    targets: dict[str, Baseline]
    exit_code: int
    version: int = 1


@click.command("baseline", epilog=_EPILOG)
@click.argument("folder", metavar="DIR", type=WrittenFolder(file_okay=True))
@click.option(
    "--branch",
    envvar="PROFILEAPP_BASELINE",
    default="",
    help="Compare with runs of this branch. Default: of all branches.",
)
@click.option(
    "--against",
    envvar="PROFILEAPP_AGAINST",
    multiple=True,
    cls=LinesOption,
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="Compare with the runs in this folder, such as archived build artifacts, instead of the database.",
)
@click.option(
    "--since",
    envvar="PROFILEAPP_SINCE",
    default="",
    metavar="WHEN",
    help="Compare only with runs since then, after an intended change: 2026-11-24, 30d.",
)
@on_budget_option
@db_option
@json_option
def command(
    folder: Path, branch: str, against: tuple[Path, ...], since: str, on_budget: Effect, db: str, as_json: bool
) -> int:
    """Compare the headline numbers of the runs in DIR with earlier good runs of the same app, target and device.

    Writes what it finds into each run.json, from which `profileapp report` shows it, DIR/baseline.xml for Jenkins, and
    DIR/baseline-outcome.json: what it means for a build.
    """
    outcome_file = OutcomeFile(folder / BASELINE_OUTCOME_FILE, Policy(on_budget))
    with outcome_file.records_failures(not_compared):
        folders = run_folders(folder)
        outcome_file.planned = [each.name for each in folders]
        judged = [judged_before(each) for each in folders]
        since_ns = moment_ns("--since", since)
        find = _in_folders(against, branch, since_ns) if against else _in_database(db, branch, since_ns)
        earlier = [find(each.run) if each.verdict in JUDGED else () for each in judged]
        try:
            compared = _compare_all(judged, earlier, branch, since_ns)
        except Exception:
            # One target's numbers trigger a bug in this code: it is skipped, and the others are compared.
            judged = [_without_bad_numbers(each, before) for each, before in zip(judged, earlier, strict=True)]
            compared = _compare_all(judged, earlier, branch, since_ns)
        errors = {each.run.target.name: error for each in compared if (error := _write(each))}
        for error in errors.values():
            click.echo(f"profileapp: {error}", err=True)
        _write_cases(folder, compared)
        causes = {name: Cause(error.exit_code, str(error)) for name, error in errors.items()}
        outcome = baseline_outcome([each.run for each in compared], causes, outcome_file.policy)
        outcome_file.write(outcome)
    found = {each.run.target.name: each.run.baseline for each in compared if each.run.baseline}
    if as_json:
        click.echo(msgspec.json.encode(BaselineReport(found, outcome.exit_code)))
    else:
        _print(found)
        worse = [each.run for each in compared if is_worse(each.run.baseline)]
        if worse:
            began = _shown(min(run.started_ns for run in worse))
            own = f"baselineSince: '{began}'" if os.environ.get("BUILD_URL") else f"--since {began}"
            click.echo(f"if this change is intended, exclude earlier runs with {own}")
    return outcome.exit_code


def _compare_all(
    judged: Sequence[JudgedRun], earlier: Sequence[Sequence[Run]], branch: str, since_ns: int
) -> list[JudgedRun]:
    alpha = alpha_of([(each.run, before) for each, before in zip(judged, earlier, strict=True) if not each.judge_error])
    return [_compare(each, before, branch, alpha, since_ns) for each, before in zip(judged, earlier, strict=True)]


def _without_bad_numbers(judged: JudgedRun, earlier: Sequence[Run]) -> JudgedRun:
    try:
        compare(judged.run, earlier, "", alpha_of([(judged.run, earlier)]))
    except Exception as error:
        return without_judgement(judged, error)
    return judged


def _compare(judged: JudgedRun, earlier: Sequence[Run], branch: str, alpha: float, since_ns: int) -> JudgedRun:
    run = judged.run
    if judged.verdict not in JUDGED:
        baseline = Baseline(branch, (), remarks=("the run did not finish, so its numbers are not compared",))
    else:
        baseline = compare(run, earlier, branch, alpha)
        if since_ns:
            remark = f"earlier runs count from {_shown(since_ns)} on"
            baseline = msgspec.structs.replace(baseline, remarks=(remark, *baseline.remarks))
    return msgspec.structs.replace(judged, run=msgspec.structs.replace(run, baseline=baseline))


def _shown(wall_ns: int) -> str:
    return f"{format_utc(wall_ns)[:19]}Z"


def _in_database(db: str, branch: str, since_ns: int) -> Find:
    try:
        database = open_store(db, write=False)
    except EmptyDatabaseError as error:
        # No build has stored a run yet.
        click.echo(f"profileapp: nothing to compare with yet: {error}", err=True)
        return lambda _: ()
    from profileapp.store.earlier import earlier_runs  # noqa: PLC0415
    from profileapp.store.select import Selection  # noqa: PLC0415

    def find(run: Run) -> Sequence[Run]:
        selection = Selection(
            app=run.app.name,
            target=run.target.name,
            branch=branch,
            since_ns=since_ns,
            until_ns=max(1, run.started_ns),
        )
        return earlier_runs(database, selection, GOOD)

    return find


def _in_folders(folders: Sequence[Path], branch: str, since_ns: int) -> Find:
    judged = [judged_before(each) for folder in folders for each in _runs_below(folder)]
    good = [each.run for each in judged if each.verdict in GOOD]

    def find(run: Run) -> Sequence[Run]:
        return [
            each
            for each in good
            if (each.app.name, each.target.name) == (run.app.name, run.target.name)
            and since_ns <= each.started_ns < run.started_ns
            and branch in ("", each.build.branch)
        ]

    return find


def _runs_below(folder: Path) -> list[Path]:
    """The targets' folders in a folder and some levels below it; symbolic links are not followed."""
    if not is_folder(folder):
        raise ConfigError(f"{printable(str(folder), 200)}: no such folder; give one with earlier runs")
    found = []
    for place, names, files in os.walk(folder):
        if RUN_FILE in files:
            found.append(Path(place))
            names.clear()
        elif len(Path(place).relative_to(folder).parts) >= DEPTH:
            names.clear()
        names.sort()
    return found


def _write(judged: JudgedRun) -> AgentError | None:
    """Writes the comparison to run.json. Returns the error if that fails."""
    if judged.judge_error:
        return AgentError(f"{judged.folder}: {judged.judge_error}")
    try:
        RunFolder(judged.folder).write_run(judged.run)
    except OSError as error:
        return AgentError(f"{judged.folder}: cannot be written ({error.strerror}); earlier measurements are kept")
    return None


def _write_cases(folder: Path, compared: list[JudgedRun]) -> None:
    try:
        write_atomic(folder / BASELINE_FILE, baseline_xml(compared).encode())
    except OSError as error:
        raise AgentError(f"{folder / BASELINE_FILE}: cannot be written ({error.strerror})") from error


def _print(found: dict[str, Baseline]) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("target", "metric", "verdict", "now", "before", "change", "finds", "runs"):
        table.add_column(title, overflow="fold")
    for target, baseline in found.items():
        for one in baseline.numbers:
            table.add_row(
                Text(printable(target, 64)),
                Text(printable(f"{one.title} {one.statistic}", 60)),
                Text(one.state, style=_STYLES.get(one.state, "")),
                Text(printable(quantity(one.value, one.unit), 40)),
                Text(printable(earlier_text(one), 60)),
                ABSENT if one.change is None else f"{100 * one.change:+.3g} %",
                Text(detectable_text(one)),
                str(one.runs),
            )
    console = Console()
    (console if console.is_terminal else Console(width=160, color_system=None)).print(table)
    for target, baseline in found.items():
        for remark in dict.fromkeys((*baseline.remarks, *(one.note for one in baseline.numbers if one.note))):
            click.echo(f"{target}: {printable(remark, 400)}")
