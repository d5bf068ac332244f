"""`profileapp doctor`: reports what this agent can measure, and what to install or allow for the rest."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click
import msgspec
from rich.console import Console
from rich.markup import escape

from profileapp.collect.api import HelperProgram
from profileapp.collect.custom.socket_buffer import queue_datagrams
from profileapp.collect.registry import sources
from profileapp.commands.environment import LinesOption
from profileapp.commands.options import json_option
from profileapp.commands.progress import make_progress
from profileapp.commands.runtime import agent_helpers
from profileapp.errors import ExitCode, Unavailable
from profileapp.model.run import Agent, Network
from profileapp.model.series import METRICS
from profileapp.model.text import printable
from profileapp.report.write import report_extra_is_installed
from profileapp.run.agent.checkup import Checkup, MetricCheck, check_metrics, check_prerequisites
from profileapp.run.agent.facts import agent_facts
from profileapp.run.agent.ownership import owner
from profileapp.run.agent.state import new_run_id, open_state

_SIGNS = {"used": ("✔", "green"), "fallback": ("·", "dim"), "unavailable": ("✘", "red")}


@click.command(
    "doctor",
    epilog="\b\nExamples:\n  profileapp doctor\n  profileapp doctor --metric system --metric energy\n"
    "  profileapp doctor --json\n\n\b\n"
    "Exit codes: 0 everything requested is available, 4 no container can run, or a requested metric\n"
    "is unavailable.",
)
@click.option(
    "--metric",
    "metrics",
    multiple=True,
    cls=LinesOption,
    type=click.Choice(list(METRICS)),
    help="Only this metric; repeatable. Default: every metric.",
)
@json_option
def command(metrics: tuple[str, ...], as_json: bool) -> int:
    """Report which metrics this agent supports, from which source and how fast, and what is missing for the others."""
    with make_progress(sys.stderr) as progress:
        looking = progress.waiting if sys.stderr.isatty() else _ignore
        found = check_metrics(metrics or tuple(METRICS), sources, looking, agent_helpers())
    checkup = Checkup(
        agent=agent_facts("docker"),
        prerequisites=check_prerequisites(
            _docker_version,
            report_extra_is_installed(),
            queue_datagrams,
            _network,
            lambda: open_state(os.environ).folder,
            _helper,
        ),
        metrics=found,
    )
    if as_json:
        click.echo(msgspec.json.encode(checkup))
    else:
        _show(checkup)
    runs = all(prerequisite.available for prerequisite in checkup.prerequisites if prerequisite.name == "docker")
    has_all = all(each.available for each in found if not each.part) or not metrics
    return ExitCode.OK if runs and has_all else ExitCode.NOT_MEASURED


def _ignore(_: str) -> None:
    """Shows no progress: a build's log needs only the table."""


def _docker_version() -> str:
    from profileapp.run.docker.runtime import connect, daemon_version  # noqa: PLC0415  (docker takes long to import)

    return daemon_version(connect()[1])


def _network() -> Network:
    """Creates a network like a run's, checks it, and removes it."""
    from profileapp.run.docker.marks import Marks  # noqa: PLC0415
    from profileapp.run.docker.network import close_network, open_network  # noqa: PLC0415
    from profileapp.run.docker.runtime import connect  # noqa: PLC0415

    api = connect()[0]
    run_id = new_run_id()
    # No agent lock is needed, since nothing is measured.
    labels = Marks(owner(), Path("/nonexistent"), Path("/nonexistent")).labels(run_id)
    made, network = open_network(api, run_id, labels, internet=False)
    close_network(api, made)
    return network


def _helper() -> str:
    """Starts a helper container with a program that does nothing. Raises Unavailable."""
    if os.geteuid() == 0:
        return "not needed: this worker is root"
    helpers = agent_helpers()
    if helpers is None:
        raise Unavailable("no Docker daemon responds")
    try:
        problem = helpers.start(HelperProgram("profileapp.run.cgroup_removal"), lambda _: None).stop()
    finally:
        helpers.remove()
    if problem:
        raise Unavailable(problem)
    return "reads what only root may: the app's Python functions, its totals, and root's files of the kernel"


def _show(checkup: Checkup) -> None:
    """One line per prerequisite and source: reasons are long, and a table would wrap them."""
    console = Console(highlight=False, soft_wrap=True)
    console.print(escape(printable(_board(checkup.agent), 300)))
    console.print()
    rows = [
        ("", prerequisite.name, "used" if prerequisite.available else "unavailable", prerequisite.text)
        for prerequisite in checkup.prerequisites
    ]
    for metric in checkup.metrics:
        rows += _rows(metric)
    widths = [max(len(row[column]) for row in rows) for column in (0, 1)]
    for number, (title, name, state, text) in enumerate(rows):
        if title and number:
            console.print()
        sign, style = _SIGNS[state]
        before = f"{title.ljust(widths[0])}  [{style}]{sign}[/] {escape(name.ljust(widths[1]))}"
        console.print(f"{before}  {escape(printable(text, 400))}".rstrip())
    missing = [each.title for each in checkup.metrics if not each.available]
    console.print()
    console.print(f"unavailable here: {', '.join(missing)}" if missing else "every metric is available here")


def _rows(metric: MetricCheck) -> list[tuple[str, str, str, str]]:
    """Metric, source, state and remark of each source; the metric is on the first row only."""
    if not metric.sources:
        return [(metric.title, "–", "unavailable", metric.reason)]
    rows = []
    for number, source in enumerate(metric.sources):
        rate = "in a separate repeat" if source.traces else f"interval {source.min_interval_s * 1000:g} ms or longer"
        text = source.reason or f"{source.state}, {rate}"
        rows.append(("" if number else metric.title, source.source, str(source.state), text))
    return rows


def _board(agent: Agent) -> str:
    jetson = agent.jetson
    about = [agent.board or agent.cpu, jetson.module if jetson else "", f"{agent.cpu_count} cores", agent.os]
    if jetson:
        about += [f"JetPack {jetson.jetpack}" if jetson.jetpack else "", jetson.power_mode]
    return f"{agent.hostname}: " + " · ".join(each for each in about if each)
