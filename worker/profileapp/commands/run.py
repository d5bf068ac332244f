"""`profileapp run`: runs and measures the targets of a sage.yaml."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, get_args

import click
import msgspec

from profileapp.commands.first_look import Asked, DashesCommand, FirstLookOptions, asked, refuse_target_options
from profileapp.commands.measuring import Means, measure, size_bytes
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
from profileapp.commands.runtime import docker_runtime, image_source, process_runtime
from profileapp.commands.written_folder import WrittenFolder
from profileapp.errors import ConfigError
from profileapp.judge.outcome import Cause, outcome_of
from profileapp.model.outcome import Effect, Policy
from profileapp.model.target import Plan
from profileapp.plan.names import OUTCOME_FILE
from profileapp.run.launch import BuildNetwork, Limits
from profileapp.run.limits import default_memory_bytes
from profileapp.run.runtime import Runtime

if TYPE_CHECKING:
    pass

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
            default_memory_bytes() if self.memory_limit is None else size_bytes("--memory-limit", self.memory_limit)
        )
        return Limits(memory_bytes, self.pids_limit, size_bytes("--disk-limit", self.disk_limit))


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
        parsed = asked(click.get_current_context(), options.config, options.runtime, has_image=has_image)
        if parsed.is_first_look:
            return _run(*_first_look(options, parsed), Path.cwd(), outcome_file)
        refuse_target_options(options.timeout, options.repeat)
        if parsed.argv is not None:
            options = msgspec.structs.replace(options, line=shlex.join(parsed.argv))
        return _run(options, load_plan(options), options.config.resolve().parent, outcome_file)


def _first_look(options: _Options, parsed: Asked) -> tuple[_Options, Plan]:
    """Measures one target, and prints a table; pages would take longer than most apps."""
    argv = parsed.argv or ()
    line = shlex.join(argv) if options.runtime == "process" else options.line
    options = msgspec.structs.replace(options, image=parsed.first or options.image, line=line, no_report=True)
    return options, options.first_plan(argv)


def _run(options: _Options, plan: Plan, config_folder: Path, outcome_file: OutcomeFile) -> int:
    outcome_file.planned = [target.name for target in plan.targets]

    def runtime(means: Means) -> Runtime:
        return _runtime(options, plan.image or "", config_folder, means)

    measured = measure(plan, config_folder, options.out, options.limits(), runtime, with_digest=options.no_report)
    judged, failures = measured.judged, measured.failures
    index = None
    if judged and not options.no_report and not measured.stop_signal:
        index = make_report(options.out)
    causes = {name: Cause(error.exit_code, str(error)) for name, error in failures.items()}
    stopped = stop_code(measured.stop_signal)
    outcome_file.write(
        outcome_of((each.run for each in judged), causes, outcome_file.policy, outcome_file.planned, stopped)
    )
    errors = list({str(error): error for error in failures.values()}.values())
    return finish(judged, errors, measured.stop_signal, index, options.as_json)


def _runtime(options: _Options, image: str, folder: Path, means: Means) -> Runtime:
    """The runtime that the options choose. Raises ConfigError for options of the other one."""
    if options.runtime == "process":
        if options.image_archive or options.build:
            raise ConfigError("--image-archive and --build need the docker runtime; the process runtime runs --command")
        return process_runtime(options.line, folder, means.state, means.progress.note)
    if options.line is not None:
        raise ConfigError("--command needs --runtime process; the docker runtime runs the image's own entrypoint")
    source = image_source(
        image,
        options.image is not None,
        options.image_archive,
        options.build,
        options.out,
        means.login,
        means.stop,
        options.build_network,
    )
    return docker_runtime(source, means.state, means.login, means.stop)
