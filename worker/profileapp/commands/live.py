"""`profileapp live`: watches apps that run already."""

from __future__ import annotations

import os
import sys
from contextlib import ExitStack
from functools import partial

import click

from profileapp.collect.registry import sources
from profileapp.commands.environment import LinesOption
from profileapp.commands.outcome import stop_code
from profileapp.errors import AgentError, ConfigError
from profileapp.live.change import ContainerFeed, Report
from profileapp.live.leftovers import LIVE_RUNTIME, remove_dead
from profileapp.live.lines import JsonLines, Once, PlainLines
from profileapp.live.selection import Selection, make_selection
from profileapp.live.sources import METRICS
from profileapp.live.watch import Setup, View, Watch
from profileapp.model.quantity import parse_duration_s
from profileapp.run.agent.state import open_state
from profileapp.run.agent.watchers import is_measuring, watching
from profileapp.run.stop import Stop, Wake, stop_on_signals

SHORTEST_INTERVAL_S = 0.1
LONGEST_INTERVAL_S = 3600.0

_EPILOG = """\b
Examples:
  profileapp live object-counter
  profileapp live 'cam-*' --label app=counter --json
  profileapp live --pod default/counter-0 --once
  profileapp live --pid 1234 --interval 200ms --for 1m
  profileapp live --all

\b
Exit codes: 0 watched, 3 the options are wrong or there is no such container or process,
4 nothing could be measured, 130/143 stopped by a signal.
"""


@click.command("live", epilog=_EPILOG)
@click.argument("names", nargs=-1, metavar="[NAME|ID|PATTERN]...")
@click.option(
    "--label",
    "labels",
    multiple=True,
    cls=LinesOption,
    metavar="KEY=VALUE",
    help="Containers with this label, whatever its value without =VALUE; repeatable.",
)
@click.option(
    "--pod",
    "pods",
    multiple=True,
    cls=LinesOption,
    metavar="NAMESPACE/NAME",
    help="The containers of a Kubernetes pod, where Docker runs them; repeatable.",
)
@click.option(
    "--pid",
    "pids",
    multiple=True,
    cls=LinesOption,
    type=click.IntRange(1, 2**31 - 1),
    metavar="PID",
    help="A process and its descendants; repeatable.",
)
@click.option("--all", "every", is_flag=True, help="Every container.")
@click.option(
    "--metric",
    "metrics",
    multiple=True,
    cls=LinesOption,
    type=click.Choice(list(METRICS)),
    help="Only this metric; repeatable. Default: every one that this agent can measure.",
)
@click.option("--interval", default="1s", show_default=True, metavar="TIME", help="Time between two samples.")
@click.option("--for", "limit", default="", metavar="TIME", help="End after this time. Default: at Ctrl-C.")
@click.option("--once", is_flag=True, help="Measure one interval, print one table (or line of JSON), and end.")
@click.option("--json", "as_json", is_flag=True, help="Print one line of JSON each interval.")
def command(
    names: tuple[str, ...],
    labels: tuple[str, ...],
    pods: tuple[str, ...],
    pids: tuple[int, ...],
    every: bool,
    metrics: tuple[str, ...],
    interval: str,
    limit: str,
    once: bool,
    as_json: bool,
) -> int:
    """Watch what apps cost that run already: containers by name, id, pattern or label, and processes.

    Nothing is started, restarted, or put into them. A container that matches is watched as soon as it starts.
    """
    selection = make_selection(names, labels, pods, pids, every=every)
    interval_s = _duration_s("--interval", interval)
    if not SHORTEST_INTERVAL_S <= interval_s <= LONGEST_INTERVAL_S:
        raise ConfigError(f"--interval {interval}: must be between {SHORTEST_INTERVAL_S:g}s and 1h")
    limit_s = _duration_s("--for", limit) if limit else 0.0
    if limit and limit_s <= 0:
        raise ConfigError(f"--for {limit}: must be more than none")
    wake = Wake()
    stop = Stop(wake)
    with ExitStack() as stack:
        stack.enter_context(stop_on_signals(stop))
        state = open_state(os.environ)
        remove_dead(state)
        stack.enter_context(watching(state.lock_path))
        live = state.begin_run(LIVE_RUNTIME)
        stack.callback(live.end)
        setup = Setup(
            run_id=live.id,
            scratch=live.scratch,
            interval_s=interval_s,
            find=sources,
            is_measuring=partial(is_measuring, state.lock_path),
            metrics=metrics or METRICS,
            limit_s=limit_s,
        )
        view = _view(once=once, as_json=as_json)
        watch = Watch(selection, setup, stop, wake, view)
        if isinstance(view, Once):
            view.on_shown = watch.end
        try:
            watch.run(_feeds(selection, watch.report))
        except BrokenPipeError:
            # The reader of the output is gone (`profileapp live … | head`), which is a normal end.
            sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115, PTH123  (closed with the process)
    if not watch.has_attached and not stop.signal:
        raise AgentError("nothing was measured: no container that matches ran meanwhile")
    return stop_code(stop.signal)


def _view(*, once: bool, as_json: bool) -> View:
    if once:
        return Once(sys.stdout, sys.stderr, as_json=as_json)
    return JsonLines(sys.stdout, sys.stderr) if as_json else PlainLines(sys.stdout, sys.stderr)


def _feeds(selection: Selection, report: Report) -> list[ContainerFeed]:
    if not selection.has_containers:
        return []
    # docker takes longer to import than all the rest together.
    from profileapp.live.docker_feed import DockerFeed  # noqa: PLC0415

    return [DockerFeed(selection.matches, report)]


def _duration_s(option: str, text: str) -> float:
    try:
        return parse_duration_s(text)
    except ValueError as error:
        raise ConfigError(f"{option} {text!r}: must be a duration such as 500ms, 10s or 5m") from error
