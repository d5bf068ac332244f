"""`profileapp selftest`: verifies the measurements of known loads on this agent."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
import msgspec
from rich.console import Console
from rich.markup import escape
from rich.table import Table

import profileapp
from profileapp.commands.environment import LinesOption
from profileapp.commands.outcome import stop_code
from profileapp.commands.progress import make_progress
from profileapp.commands.runtime import docker_runtime, runtime_to_sweep
from profileapp.errors import AgentError, ExitCode
from profileapp.model.text import printable
from profileapp.report.format import quantity
from profileapp.run.agent.state import State, open_state
from profileapp.run.process.runtime import ProcessRuntime
from profileapp.run.runtime import Runtime
from profileapp.run.stop import Stop, StoppedError, Wake, stop_on_signals
from profileapp.selftest.catalogue import LOADS
from profileapp.selftest.compare import Result
from profileapp.selftest.program import CODE
from profileapp.selftest.python_image import PACKAGE_FOLDER, import_python, interpreter
from profileapp.selftest.selftest import Selftest

_EPILOG = """\b
Examples:
  profileapp selftest
  profileapp selftest --quick --only cpu-37 --only spike
  profileapp selftest --runtime process --json

\b
Exit codes: 0 every number that could be compared is true, 1 a number is off by more than 1 %
(or by more than the kernel resolves), 3 an option is wrong, 4 nothing could be compared, or the
agent was too busy for a load in every attempt, 130/143 aborted.
"""
_SIGNS = {"true": "green", "off": "red", "skipped": "dim", "disturbed": "yellow"}


class Report(msgspec.Struct, frozen=True):
    """What `--json` prints. `error` is relative to the truth; `allowed` is in the number's unit."""

    runtime: str
    exit_code: int
    results: tuple[Result, ...]
    version: int = 1


@click.command("selftest", epilog=_EPILOG)
@click.option(
    "--runtime",
    type=click.Choice(["docker", "process"]),
    default="docker",
    show_default=True,
    help="Where the loads run: containers of an image that is made here, or processes.",
)
@click.option(
    "--only",
    "names",
    multiple=True,
    cls=LinesOption,
    type=click.Choice([each.name for each in LOADS]),
    metavar="NAME",
    help="Only this load; repeatable. Default: all.",
)
@click.option("--quick", is_flag=True, help="Shorter loads, and no large ones: about a minute instead of three.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(runtime: str, names: tuple[str, ...], quick: bool, as_json: bool) -> int:
    """Run known loads on this agent, and compare the measurements with their own accounts."""
    loads = [each for each in LOADS if each.name in names or (not names and not (quick and each.quick_args is None))]
    wake = Wake()
    stop = Stop(wake)
    state = open_state(os.environ)
    results: list[Result] = []
    progress = make_progress(sys.stderr)
    with stop_on_signals(stop), progress, tempfile.TemporaryDirectory(prefix="profileapp-selftest-") as folder:
        try:
            with _runtime(runtime, state, stop, Path(folder)) as (chosen, image):
                selftest = Selftest(
                    chosen, image, state, Path(folder), progress, stop, wake, lambda name: runtime_to_sweep(name, state)
                )
                results = selftest.run(loads, quick=quick)
        except StoppedError:
            pass
    code = stop_code(stop.signal) or exit_code_of(results)
    if as_json:
        click.echo(msgspec.json.encode(Report(runtime, code, tuple(results))))
    else:
        _show(results)
    return code


def exit_code_of(results: list[Result]) -> ExitCode:
    """The exit code of the results, as the help lists them."""
    states = {result.state for result in results}
    if "off" in states:
        return ExitCode.BUDGET_VIOLATED
    return ExitCode.OK if "true" in states and "disturbed" not in states else ExitCode.NOT_MEASURED


@contextmanager
def _runtime(name: str, state: State, stop: Stop, folder: Path) -> Iterator[tuple[Runtime, str]]:
    """The runtime, and the name of the loads' image, which is removed at the end. Raises AgentError."""
    argv = (interpreter(), "-I", "-S", "-B", "-c", CODE)
    if name == "process":
        package = Path(profileapp.__file__).resolve().parent
        yield ProcessRuntime((*argv, str(package.parent)), folder, os.environ, state.lock_path), ""
        return
    from profileapp.run.agent.ownership import owner  # noqa: PLC0415
    from profileapp.run.docker.image import GONE, one_line  # noqa: PLC0415  (docker takes long to import)
    from profileapp.run.docker.image_source import NamedImage  # noqa: PLC0415
    from profileapp.run.docker.marks import Marks  # noqa: PLC0415
    from profileapp.run.docker.runtime import connect  # noqa: PLC0415

    live = state.begin_run("docker")
    try:
        image = Marks(owner(), state.folder, state.lock_path).image_name(live.id)
        runtime = docker_runtime(NamedImage(image, None), state, None, stop)
        try:
            import_python(connect()[0], image, (*argv, PACKAGE_FOLDER))
            yield runtime, image
        except GONE as error:
            raise AgentError(f"the selftest's image cannot be made ({one_line(error)})") from error
        finally:
            runtime.sweep(live.id)
    finally:
        live.end()


def _show(results: list[Result]) -> None:
    table = Table(title="Known loads", title_justify="left")
    for heading in ("load", "number"):
        table.add_column(heading)
    for heading in ("truth", "measured", "error", "allowed"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("")
    for one in results:
        numbers = [quantity(one.truth, one.unit), quantity(one.measured, one.unit)]
        error = "–" if one.error is None else f"{one.error * 100:+.2f} %"
        style = _SIGNS[one.state]
        reason = f" {escape(printable(one.reason, 120))}" if one.reason else ""
        table.add_row(
            one.load, one.what, *numbers, error, quantity(one.allowed, one.unit), f"[{style}]{one.state}[/]{reason}"
        )
    Console(width=None if Console().is_terminal else 160).print(table)
