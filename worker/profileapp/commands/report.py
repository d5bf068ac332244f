"""`profileapp report`: creates pages, test results and tables from recorded runs."""

from __future__ import annotations

from pathlib import Path

import click

from profileapp.commands.options import json_option, on_app_failure_option, on_budget_option
from profileapp.commands.outcome import finish
from profileapp.commands.outcome_file import OutcomeFile
from profileapp.commands.written_folder import WrittenFolder
from profileapp.errors import AgentError, ConfigError, ProfileappError, worst
from profileapp.judge.digest import digest_of
from profileapp.judge.outcome import Cause, outcome_of
from profileapp.judge.verdict import JudgedRun, judge_folder
from profileapp.model.outcome import Effect, Policy
from profileapp.model.text import printable
from profileapp.plan.names import OUTCOME_FILE
from profileapp.record.artifacts import COMPRESSED_METRICS_FILE, METRICS_FILE, RUN_FILE
from profileapp.record.digest import write_digest
from profileapp.record.folder import RunFolder
from profileapp.report.digest import digest_json
from profileapp.report.markdown import markdown
from profileapp.report.write import write_data, write_overview, write_pages

_EPILOG = """\b
Examples:
  profileapp report profile/
  profileapp report profile/ --format markdown > comment.md
  profileapp report profile/ --format json | jq '.targets[].headlines'
"""


@click.command("report", epilog=_EPILOG)
@click.argument("folder", type=WrittenFolder())
@click.option(
    "--format",
    "form",
    type=click.Choice(["html", "markdown", "json"]),
    default="html",
    show_default=True,
    help="Pages and files in FOLDER; or, on standard output, a pull request comment (markdown) or all numbers (json).",
)
@on_budget_option
@on_app_failure_option
@json_option
def command(folder: Path, form: str, on_budget: Effect, on_app_failure: Effect, as_json: bool) -> int:
    """Generate pages, junit.xml and CSV files for all targets in FOLDER, the --out folder of one or more runs.

    Needs only the recorded files, complete or truncated by a crash. The exit code is that of the measurements, and
    FOLDER/outcome.json describes the effect of all targets on a build.
    """
    if form != "html":
        judged = judge_all(folder)
        click.echo(markdown(judged) if form == "markdown" else digest_json(judged), nl=form == "json")
        return worst([each.exit_code for each in judged])
    failures: dict[str, ProfileappError] = {}
    outcome_file = OutcomeFile(folder / OUTCOME_FILE, Policy(on_budget, on_app_failure))
    with outcome_file.records_failures():
        judged = judge_all(folder)
        outcome_file.planned = [each.run.target.name for each in judged]
        judged = [write_target(each, failures) for each in judged]
        write_overview(folder, judged)
        index = write_pages(folder, judged)
        causes = {name: Cause(error.exit_code, str(error)) for name, error in failures.items()}
        outcome_file.write(outcome_of((each.run for each in judged), causes, outcome_file.policy))
    return finish(judged, tuple(failures.values()), 0, index, as_json)


def write_target(judged: JudgedRun, failures: dict[str, ProfileappError], *, with_digest: bool = False) -> JudgedRun:
    """Writes the files in a target's own folder. Adds errors to `failures`, by the target's name.

    `with_digest`: with a digest of the samples, for a report that is made elsewhere.
    Returns the run to report.
    """
    try:
        if judged.run.id and not judged.judge_error:
            RunFolder(judged.folder).write_run(judged.run)
            if with_digest:
                write_digest(judged.folder, digest_of(judged))
        return write_data(judged)
    except AgentError as refused:
        failure = refused
    except OSError as error:
        failure = AgentError(f"{judged.folder}: cannot be written ({error.strerror}); earlier measurements are kept")
    failures[judged.run.target.name] = failure
    click.echo(f"profileapp: {judged.folder.name}: {failure}", err=True)
    return judged


def judge_all(folder: Path) -> list[JudgedRun]:
    """Judges every target's folder below `folder`, in the order of their runs. Raises ConfigError if there is none."""
    names = (RUN_FILE, METRICS_FILE, COMPRESSED_METRICS_FILE)
    try:
        entries = sorted(folder.iterdir())
    except (OSError, ValueError) as error:
        # ValueError: a NUL in the name.
        reason = error.strerror if isinstance(error, OSError) else error
        shown = printable(str(folder), 200)
        raise ConfigError(f"{shown}: cannot be read ({reason}); give the --out folder of a run") from error
    found = [
        entry
        for entry in entries
        if entry.is_dir() and not entry.is_symlink() and any((entry / name).is_file() for name in names)
    ]
    if not found:
        raise ConfigError(f"{folder}: contains no {RUN_FILE} of a target; give the --out folder of a run")
    return sorted((judge_folder(each) for each in found), key=lambda each: (each.run.started_ns, each.folder.name))
