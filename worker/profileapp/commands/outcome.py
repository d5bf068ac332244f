"""Ends `run` and `report`: prints one table for users or one line of JSON for programs; returns the exit code."""

from __future__ import annotations

import signal
from collections.abc import Sequence
from pathlib import Path

import click
import msgspec

from profileapp.errors import ExitCode, ProfileappError, worst
from profileapp.judge.verdict import JudgedRun
from profileapp.report.jenkins.badge import badge_verdict, description_html
from profileapp.report.one_line import summary_line
from profileapp.report.terminal import print_table


class TargetOutcome(msgspec.Struct, frozen=True):
    """One target in the JSON."""

    name: str
    verdict: str
    exit_code: int
    message: str


class Outcome(msgspec.Struct, frozen=True):
    """The last line of `run --json` and `report --json`. `report` is the path of the page, null without one.

    `description` is a line of HTML for a build's description, `verdict` the worst of all.
    """

    summary: str
    exit_code: int
    targets: tuple[TargetOutcome, ...]
    report: str | None
    errors: tuple[str, ...] = ()
    verdict: str = ""
    description: str = ""
    version: int = 1


def stop_code(stop_signal: int) -> ExitCode:
    """The exit code after a stop by a signal; OK for 0."""
    if not stop_signal:
        return ExitCode.OK
    return ExitCode.INTERRUPTED if stop_signal == signal.SIGINT else ExitCode.TERMINATED


def finish(
    judged: Sequence[JudgedRun],
    errors: Sequence[ProfileappError],
    stop_signal: int,
    index: Path | None,
    as_json: bool,
) -> int:
    """Prints the result. Returns the exit code for all targets together."""
    codes = [*(each.exit_code for each in judged), *(error.exit_code for error in errors)]
    exit_code = worst([*codes, stop_code(stop_signal)])
    if as_json:
        click.echo(msgspec.json.encode(_outcome(judged, errors, exit_code, index)))
    else:
        print_table(judged)
        click.echo(summary_line(judged))
        if index:
            click.echo(f"report: {index}")
    return exit_code


def _outcome(
    judged: Sequence[JudgedRun], errors: Sequence[ProfileappError], exit_code: ExitCode, index: Path | None
) -> Outcome:
    targets = tuple(
        TargetOutcome(each.run.target.name, each.verdict, each.exit_code, each.run.message) for each in judged
    )
    return Outcome(
        summary=summary_line(judged),
        exit_code=exit_code,
        targets=targets,
        report=str(index) if index else None,
        errors=tuple(map(str, errors)),
        verdict=badge_verdict(judged),
        description=description_html(judged),
    )
