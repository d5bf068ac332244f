"""`profileapp run`: runs and measures the targets of a sage.yaml."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, get_args

import click
import msgspec

from profileapp.collect.board_heat import hottest_c
from profileapp.collect.registry import sources
from profileapp.commands.first_look import Asked, DashesCommand, FirstLookOptions, asked, refuse_target_options
from profileapp.commands.options import (
    json_option,
    on_app_failure_option,
    on_budget_option,
    takes,
)
from profileapp.commands.outcome import finish, stop_code
from profileapp.commands.outcome_file import OutcomeFile
from profileapp.commands.pages import make_report
from profileapp.commands.plan import load_plan, refuse_both
from profileapp.commands.progress import make_progress
from profileapp.commands.report import write_target
from profileapp.commands.runtime import docker_runtime, image_source, process_runtime, runtime_to_sweep
from profileapp.commands.written_folder import WrittenFolder
from profileapp.errors import ConfigError, ImageError, ProfileappError
from profileapp.judge.outcome import Cause, outcome_of
from profileapp.judge.verdict import judge_folder
from profileapp.model.outcome import Effect, Policy
from profileapp.model.quantity import parse_duration_s, parse_quantity
from profileapp.model.target import Plan, Target
from profileapp.plan.names import OUTCOME_FILE
from profileapp.record.folder import RunFolder
from profileapp.run.agent.facts import build_facts
from profileapp.run.agent.lock import Holder, agent_lock
from profileapp.run.agent.state import State, open_state
from profileapp.run.agent.watchers import is_watched
from profileapp.run.dataset.ready import ready_datasets
from profileapp.run.docker.registry_login import RegistryLogin, take_login
from profileapp.run.interleave import interleaved_with, measure_interleaved
from profileapp.run.launch import BuildNetwork, Limits
from profileapp.run.limits import default_memory_bytes
from profileapp.run.progress import Progress
from profileapp.run.runtime import Runtime
from profileapp.run.secrets import take_secrets
from profileapp.run.service.playback import check_recordings
from profileapp.run.session import Session
from profileapp.run.stop import Stop, StoppedError, Wake, stop_on_signals
from profileapp.run.sweep import Sweeper
from profileapp.run.target_run import TargetRun

if TYPE_CHECKING:
    from profileapp.run.dataset.cache import DatasetCache

_EPILOG = """\b
Examples:
  profileapp run sage.yaml --image waggle/object-counter:0.5.1
  profileapp run sage.yaml --target use-gpu --out profile
  profileapp run sage.yaml --runtime process --command "python3 app.py"

\b
Without a sage.yaml:
  profileapp run waggle/object-counter:0.5.1 -- --use-gpu --frames 100
  profileapp run --timeout 30s --repeat 3 my/app -- -interval 1
  profileapp run --runtime process -- python3 app.py --use-cpu
"""


class _Options(FirstLookOptions, frozen=True, kw_only=True):
    build_network: Annotated[
        BuildNetwork,
        click.option(
            "--build-network",
            envvar="PROFILEAPP_BUILD_NETWORK",
            type=click.Choice(get_args(BuildNetwork)),
            default="default",
            show_default=True,
            help="The network of the Dockerfile's RUN steps: Docker's default bridge, or none.",
        ),
    ]
    out: Annotated[
        Path,
        click.option(
            "--out",
            envvar="PROFILEAPP_OUT",
            type=WrittenFolder(),
            default=Path("profile"),
            help="The folder for artifacts, build.log of --build among them.",
            show_default=True,
        ),
    ]
    line: Annotated[
        str | None,
        click.option(
            "--command",
            "line",
            envvar="PROFILEAPP_COMMAND",
            help="The command for the process runtime, split as a shell would split it.",
        ),
    ]
    memory_limit: Annotated[
        str | None,
        click.option(
            "--memory-limit",
            envvar="PROFILEAPP_MEMORY_LIMIT",
            metavar="SIZE",
            help="The app's memory limit, such as 2GiB. Default: nearly all of the agent's memory.",
        ),
    ]
    pids_limit: Annotated[
        int,
        click.option(
            "--pids-limit",
            envvar="PROFILEAPP_PIDS_LIMIT",
            type=click.IntRange(1, 4_000_000),
            default=1024,
            show_default=True,
            help="The app's limit of processes and threads.",
        ),
    ]
    on_budget: Annotated[Effect, on_budget_option]
    on_app_failure: Annotated[Effect, on_app_failure_option]
    disk_limit: Annotated[
        str,
        click.option(
            "--disk-limit",
            envvar="PROFILEAPP_DISK_LIMIT",
            metavar="SIZE",
            default="4GiB",
            show_default=True,
            help="The limit of what the app and its services write to the agent's disk in each repeat.",
        ),
    ]
    no_report: Annotated[
        bool,
        click.option(
            "--no-report",
            envvar="PROFILEAPP_NO_REPORT",
            is_flag=True,
            help="Only measure; generate the pages later with `profileapp report`.",
        ),
    ]
    as_json: Annotated[bool, json_option]

    def limits(self) -> Limits:
        """Raises ConfigError."""
        memory_bytes = (
            default_memory_bytes() if self.memory_limit is None else _size_bytes("--memory-limit", self.memory_limit)
        )
        return Limits(memory_bytes, self.pids_limit, _size_bytes("--disk-limit", self.disk_limit))


@click.command("run", cls=DashesCommand, epilog=_EPILOG)
@takes(_Options)
def command(options: _Options) -> int:
    """Run and measure the targets of CONFIG, a sage.yaml with a profiling: section.

    Default: the sage.yaml of the current folder. The section may be in profiling.yaml beside it. Or, for a first look,
    run IMAGE with ARGS; `profileapp report OUT` makes its pages.

    OUT/outcome.json describes the effect of the results on a build.
    """
    outcome_file = OutcomeFile(options.out / OUTCOME_FILE, Policy(options.on_budget, options.on_app_failure))
    with outcome_file.records_failures():
        refuse_both(options)
        has_image = bool(options.image or options.image_archive or options.build)
        words = asked(click.get_current_context(), options.config, options.runtime, has_image=has_image)
        if words.is_first_look:
            return _run(*_first_look(options, words), Path.cwd(), outcome_file)
        refuse_target_options(options.timeout, options.repeat)
        if words.argv is not None:
            options = msgspec.structs.replace(options, line=shlex.join(words.argv))
        return _run(options, load_plan(options), options.config.resolve().parent, outcome_file)


def _first_look(options: _Options, words: Asked) -> tuple[_Options, Plan]:
    """Measures one target, and prints a table; pages would take longer than most apps."""
    argv = words.argv or ()
    line = shlex.join(argv) if options.runtime == "process" else options.line
    options = msgspec.structs.replace(options, image=words.first or options.image, line=line, no_report=True)
    return options, options.first_plan(argv)


def _run(options: _Options, plan: Plan, config_folder: Path, outcome_file: OutcomeFile) -> int:
    outcome_file.planned = [target.name for target in plan.targets]
    limits = options.limits()
    state = open_state(os.environ)
    progress = make_progress(sys.stderr)
    wake = Wake()
    stop = Stop(wake)
    login = take_login(os.environ)
    chosen = _runtime(options, plan.image or "", config_folder, state, login, stop, progress)
    session = Session(
        app=plan.app,
        runtime=chosen,
        limits=limits,
        build=build_facts(os.environ, config_folder),
        find_sources=sources,
        secrets=take_secrets(plan.targets, os.environ, login.secrets if login else ()),
        hottest_c=hottest_c,
        progress=progress,
        is_watched=partial(is_watched, state.lock_path),
        stop=stop,
        wake=wake,
    )
    folders: dict[str, RunFolder] = {}
    failures: dict[str, ProfileappError] = {}
    measuring = _Measuring(session, plan.targets, config_folder, options.out, state, folders)

    def failed(target: Target, error: ProfileappError) -> None:
        # An error of the first target usually affects all: stopping here loses no measurement.
        if isinstance(error, ConfigError | ImageError) and not folders:
            raise error
        error.args = (session.secrets.mask.text(str(error)),)
        is_new = str(error) not in map(str, failures.values())
        failures[target.name] = error
        if is_new:
            click.echo(f"profileapp: {target.name}: {error}", err=True)

    with stop_on_signals(stop), progress:
        try:
            measuring.measure(failed)
        except StoppedError:
            pass
        except ProfileappError as error:
            error.args = (session.secrets.mask.text(str(error)),)
            if session.secrets.mask:
                # --debug would show its cause, whose message comes from other programs and may contain a secret.
                raise error from None
            raise
        judged = [write_target(judge_folder(folder.path), failures) for folder in folders.values()]
    index = None
    if judged and not options.no_report and not stop.signal:
        index = make_report(options.out)
    causes = {name: Cause(error.exit_code, str(error)) for name, error in failures.items()}
    stopped = stop_code(stop.signal)
    outcome_file.write(
        outcome_of((each.run for each in judged), causes, outcome_file.policy, outcome_file.planned, stopped)
    )
    errors = list({str(error): error for error in failures.values()}.values())
    return finish(judged, errors, stop.signal, index, options.as_json)


def _runtime(
    options: _Options,
    image: str,
    folder: Path,
    state: State,
    login: RegistryLogin | None,
    stop: Stop,
    progress: Progress,
) -> Runtime:
    """The runtime that the options choose. Raises ConfigError for options of the other one."""
    if options.runtime == "process":
        if options.image_archive or options.build:
            raise ConfigError("--image-archive and --build need the docker runtime; the process runtime runs --command")
        return process_runtime(options.line, folder, state, progress.note)
    if options.line is not None:
        raise ConfigError("--command needs --runtime process; the docker runtime runs the image's own entrypoint")
    source = image_source(
        image,
        options.image is not None,
        options.image_archive,
        options.build,
        options.out,
        login,
        stop,
        options.build_network,
    )
    return docker_runtime(source, state, login, stop)


class _Measuring:
    """Runs targets while holding the agent's lock; `folders` maps target names to artifact folders."""

    def __init__(
        self,
        session: Session,
        targets: Sequence[Target],
        config_folder: Path,
        out: Path,
        state: State,
        folders: dict[str, RunFolder],
    ) -> None:
        self._session = session
        self._targets = targets
        self._config_folder = config_folder
        self._out = out
        self._state = state
        self._folders = folders
        self._sweeper = Sweeper(
            state, session.runtime, session.progress, lambda name: runtime_to_sweep(name, state), session.stop
        )

    def measure(self, failed: Callable[[Target, ProfileappError], None]) -> None:
        """Waits for the agent's lock, sweeps the agent, and runs the targets interleaved."""
        session, state = self._session, self._state
        live = state.begin_run(session.runtime.name)
        holder = Holder(live.id, session.build.job, os.getpid(), live.started_ns)
        try:
            with agent_lock(
                state.lock_path, holder, session.progress.waiting, lambda: bool(session.stop.signal)
            ) as acquired:
                if not acquired:
                    raise StoppedError
                self._sweeper.sweep()
                session.runtime.prepare(live, session.progress)
                measure_interleaved(self._targets, self._begin, failed, lambda: bool(session.stop.signal))
        finally:
            self._sweeper.end(live)

    def _begin(self, target: Target) -> TargetRun:
        session, progress = self._session, self._session.progress
        release = ExitStack()
        try:
            live = self._state.begin_run(session.runtime.name)
            release.callback(self._sweeper.end, live)
            service_host = session.runtime.service_host(session.limits)
            for service in target.services:
                service_host.prepare(service, progress)
            on_progress = _progress_reporter(session.stop, progress)
            datasets = release.enter_context(ready_datasets(target, self._config_folder, _dataset_cache, on_progress))
            check_recordings(target, datasets)
            folder = RunFolder.create(self._out, target.name)
            others = interleaved_with(target, self._targets)
            run = TargetRun(session, target, datasets, folder, live, others, release.close)
        except BaseException:
            release.close()
            raise
        self._folders[target.name] = folder
        return run


def _dataset_cache() -> DatasetCache:
    # Only downloads of datasets need these imports.
    from profileapp.run.dataset.cache import (  # noqa: PLC0415
        DEFAULT_LIMIT_BYTES,
        LIMIT_VARIABLE,
        DatasetCache,
        cache_folder,
    )
    from profileapp.run.dataset.fetch import TIMEOUT_S, TIMEOUT_VARIABLE  # noqa: PLC0415
    from profileapp.run.net.reach import Reach  # noqa: PLC0415

    limit, timeout = os.environ.get(LIMIT_VARIABLE), os.environ.get(TIMEOUT_VARIABLE)
    return DatasetCache(
        cache_folder(os.environ),
        _size_bytes(LIMIT_VARIABLE, limit) if limit else DEFAULT_LIMIT_BYTES,
        Reach.of(os.environ),
        _duration_s(TIMEOUT_VARIABLE, timeout) if timeout else TIMEOUT_S,
    )


def _progress_reporter(stop: Stop, progress: Progress) -> Callable[[str, int, int], None]:
    def on_progress(name: str, done_bytes: int, total_bytes: int) -> None:
        if stop.signal:
            raise StoppedError
        progress.pulling(name, done_bytes, total_bytes)

    return on_progress


def _size_bytes(option: str, text: str) -> int:
    try:
        number, unit = parse_quantity(text)
    except ValueError as error:
        raise ConfigError(f"{option} {text!r}: {error}") from error
    if unit not in ("bytes", "") or number < 6 * 1024**2:
        raise ConfigError(f"{option} {text!r}: must be a size of at least 6MiB, such as 2GiB")
    return int(number)


def _duration_s(option: str, text: str) -> float:
    try:
        duration_s = parse_duration_s(text)
    except ValueError as error:
        raise ConfigError(f"{option} {text!r}: must be a duration such as 90m or 6h") from error
    if duration_s <= 0:
        raise ConfigError(f"{option} {text!r}: must be longer than 0")
    return duration_s
