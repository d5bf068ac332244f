"""`profileapp live`: watches running apps, and records their resource use."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Annotated

import click
import msgspec

from profileapp.collect.registry import sources
from profileapp.commands.environment import LinesOption
from profileapp.commands.live_record import LiveRecord, early_stop, load_triggers
from profileapp.commands.options import on_app_failure_option, on_budget_option, takes
from profileapp.commands.outcome import stop_code
from profileapp.commands.written_folder import WrittenFolder
from profileapp.errors import AgentError, ConfigError
from profileapp.live.change import ContainerFeed, Report
from profileapp.live.leftovers import LIVE_RUNTIME, remove_dead
from profileapp.live.lines import JsonLines, Once, PlainLines, Quiet
from profileapp.live.screen import Screen, is_terminal
from profileapp.live.selection import Selection, make_selection
from profileapp.live.sources import METRICS
from profileapp.live.watch import OutputGone, Setup, View, Watch
from profileapp.model.outcome import Effect
from profileapp.model.quantity import parse_duration_s
from profileapp.run.agent.state import open_state
from profileapp.run.agent.watchers import is_measuring, watching
from profileapp.run.stop import Stop, Wake, stop_on_signals

SHORTEST_INTERVAL_S = 0.1
LONGEST_INTERVAL_S = 3600.0
RECORDING_LINES_EVERY_S = 10.0

_EPILOG = """\b
Examples:
  profileapp live object-counter
  profileapp live 'cam-*' --label app=counter --json
  profileapp live --pod default/counter-0 --once
  profileapp live --pid 1234 --interval 200ms --for 1m
  profileapp live --all --serve 9105
  profileapp live --all --record kept --rules rules.yaml
  profileapp live object-counter --record profile --for 10m --config sage.yaml

\b
Exit codes: 0 watched (and budgets met), 1 a budget is violated, 2 a recorded app failed,
3 the options are wrong or there is no such container or process, 4 nothing could be measured,
130/143 stopped by a signal before its time.
"""


class _Options(msgspec.Struct, frozen=True, kw_only=True):
    """The values of the options."""

    names: Annotated[tuple[str, ...], click.argument("names", nargs=-1, metavar="[NAME|ID|PATTERN]...")]
    labels: Annotated[
        tuple[str, ...],
        click.option(
            "--label",
            "labels",
            multiple=True,
            cls=LinesOption,
            metavar="KEY=VALUE",
            help="Containers with this label, whatever its value without =VALUE; repeatable.",
        ),
    ]
    pods: Annotated[
        tuple[str, ...],
        click.option(
            "--pod",
            "pods",
            multiple=True,
            cls=LinesOption,
            metavar="NAMESPACE/NAME",
            help="The containers of a Kubernetes pod, where Docker runs them; repeatable.",
        ),
    ]
    pids: Annotated[
        tuple[int, ...],
        click.option(
            "--pid",
            "pids",
            multiple=True,
            cls=LinesOption,
            type=click.IntRange(1, 2**31 - 1),
            metavar="PID",
            help="A process and its descendants; repeatable.",
        ),
    ]
    every: Annotated[bool, click.option("--all", "every", is_flag=True, help="Every container.")]
    metrics: Annotated[
        tuple[str, ...],
        click.option(
            "--metric",
            "metrics",
            multiple=True,
            cls=LinesOption,
            type=click.Choice(list(METRICS)),
            help="Only this metric; repeatable. Default: every one that this agent can measure.",
        ),
    ]
    interval: Annotated[
        str, click.option("--interval", default="", metavar="TIME", help="Time between two samples. Default: 1s.")
    ]
    limit: Annotated[
        str, click.option("--for", "limit", default="", metavar="TIME", help="End after this time. Default: at Ctrl-C.")
    ]
    once: Annotated[
        bool, click.option("--once", is_flag=True, help="Measure one interval, print one table (or line of JSON), end.")
    ]
    as_json: Annotated[
        bool, click.option("--json", "as_json", is_flag=True, help="Print one line of JSON each interval.")
    ]
    record: Annotated[
        Path | None,
        click.option(
            "--record",
            type=WrittenFolder(),
            metavar="FOLDER",
            help="Record every target, and make the folder that a run would: files, pages, test results.",
        ),
    ]
    config: Annotated[
        Path | None,
        click.option(
            "--config",
            type=click.Path(path_type=Path, dir_okay=False),
            metavar="FILE",
            help="With --record: a sage.yaml whose target has the budgets, the metrics and the interval.",
        ),
    ]
    target: Annotated[
        str,
        click.option("--target", default="", metavar="NAME", help="The target of the sage.yaml, if it has several."),
    ]
    rules: Annotated[
        Path | None,
        click.option(
            "--rules",
            type=click.Path(path_type=Path, dir_okay=False),
            metavar="FILE",
            help="With --record: keep only the time around each hit of a rule of this YAML file.",
        ),
    ]
    keep: Annotated[
        str,
        click.option(
            "--keep", default="64MB", show_default=True, metavar="SIZE", help="With --rules: memory for what was seen."
        ),
    ]
    disk: Annotated[
        str,
        click.option(
            "--disk",
            default="1GiB",
            show_default=True,
            metavar="SIZE",
            help="With --rules: disk for what is kept; the oldest hits are removed first.",
        ),
    ]
    serve: Annotated[
        str,
        click.option(
            "--serve",
            default="",
            metavar="[HOST:]PORT",
            help="Serve /metrics for Prometheus, and /healthz; on 127.0.0.1 unless a host is given.",
        ),
    ]
    on_budget: Annotated[Effect, on_budget_option]
    on_app_failure: Annotated[Effect, on_app_failure_option]


@click.command("live", epilog=_EPILOG)
@takes(_Options)
def command(options: _Options) -> int:
    """Watch running apps: containers by name, id, pattern or label, and processes.

    Starts and changes none. A container that matches is watched as soon as it starts.
    """
    if options.record is None:
        if options.config or options.target or options.rules:
            raise ConfigError("--config, --target and --rules go with --record")
        return _watch(options, None)
    if options.once:
        raise ConfigError("--record goes with --for, not with --once")
    if options.rules and options.config:
        raise ConfigError("--rules goes without --config: what a rule keeps is not judged by budgets")
    record = LiveRecord(
        options.record,
        options.config,
        options.target,
        options.metrics,
        options.on_budget,
        options.on_app_failure,
        load_triggers(options.rules, options.keep, options.disk) if options.rules else None,
    )
    with record.outcome_file.records_failures():
        return _watch(options, record)


def _watch(options: _Options, record: LiveRecord | None) -> int:
    selection = make_selection(options.names, options.labels, options.pods, options.pids, every=options.every)
    limit_s = _limit_s(options)
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
            interval_s=_interval_s(options, record),
            find=sources,
            is_measuring=partial(is_measuring, state.lock_path),
            metrics=record.metrics if record else options.metrics or METRICS,
            limit_s=limit_s,
        )
        view = _view(options, wake, stack)
        watch = Watch(selection, setup, stop, wake, view)
        if isinstance(view, Once | Screen):
            view.on_end = watch.end
        if record:
            record.begin(watch, setup, stop, view.note)
        if options.serve:
            stack.callback(_serve(options.serve, watch))
        try:
            watch.run(_feeds(selection, watch.report))
        except OutputGone:
            # The output is closed (`profileapp live … | head`), which is a normal end.
            sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115, PTH123  (closed with the process)
        early_signal = early_stop(stop.signal, limit_s)
        if record:
            return record.finish(early_signal)
    if not watch.has_attached and not stop.signal:
        raise AgentError("nothing was measured: no container that matches ran meanwhile")
    return stop_code(early_signal)


def _view(options: _Options, wake: Wake, stack: ExitStack) -> View:
    if options.once:
        return Once(sys.stdout, sys.stderr, as_json=options.as_json)
    if options.as_json:
        return JsonLines(sys.stdout, sys.stderr)
    if is_terminal():
        return stack.enter_context(Screen(wake))
    if options.serve:
        return Quiet(sys.stderr)
    return PlainLines(sys.stdout, sys.stderr, every_s=RECORDING_LINES_EVERY_S if options.record else 0.0)


def _serve(address: str, watch: Watch) -> Callable[[], None]:
    """Serves the metrics. Returns a function that stops it. Raises ConfigError."""
    from profileapp.live.exposition import Exposition  # noqa: PLC0415
    from profileapp.live.serve import MetricsServer, parse_address  # noqa: PLC0415  (imports an HTTP server)

    host, port = parse_address(address)
    try:
        server = MetricsServer(Exposition(watch.exposed), watch.is_healthy)
    except ImportError:
        raise ConfigError("--serve needs prometheus-client; install the worker with profileapp[live]") from None
    server.start(host, port)
    click.echo(f"profileapp: serving /metrics on {host}:{server.port}", err=True)
    return server.close


def _feeds(selection: Selection, report: Report) -> list[ContainerFeed]:
    if not selection.has_containers:
        return []
    # Importing docker is slow.
    from profileapp.live.docker_feed import DockerFeed  # noqa: PLC0415

    return [DockerFeed(selection.matches, report)]


def _interval_s(options: _Options, record: LiveRecord | None) -> float:
    if not options.interval:
        return record.interval_s if record else 1.0
    interval_s = _duration_s("--interval", options.interval)
    if not SHORTEST_INTERVAL_S <= interval_s <= LONGEST_INTERVAL_S:
        raise ConfigError(f"--interval {options.interval}: must be between {SHORTEST_INTERVAL_S:g}s and 1h")
    return interval_s


def _limit_s(options: _Options) -> float:
    limit_s = _duration_s("--for", options.limit) if options.limit else 0.0
    if options.limit and limit_s <= 0:
        raise ConfigError(f"--for {options.limit}: must be more than none")
    return limit_s


def _duration_s(option: str, text: str) -> float:
    try:
        return parse_duration_s(text)
    except ValueError as error:
        raise ConfigError(f"{option} {text!r}: must be a duration such as 500ms, 10s or 5m") from error
