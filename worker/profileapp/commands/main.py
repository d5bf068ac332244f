"""`profileapp`: finds the subcommand, and turns errors into one clear line and the documented exit code."""

from __future__ import annotations

import sys
import traceback
from importlib import import_module
from importlib.util import find_spec
from typing import Any, cast

import click

from profileapp import __version__
from profileapp.commands.environment import name_variables
from profileapp.errors import ExitCode, ProfileappError

# Name: (module, help text). Listed here so that `--help` does not import any subcommand.
_COMMANDS: dict[str, tuple[str, str]] = {
    "init": ("profileapp.commands.init", "Write a first configuration from a sage.yaml's inputs or an image."),
    "plan": ("profileapp.commands.plan", "Show what a sage.yaml would run; runs nothing."),
    "run": ("profileapp.commands.run", "Run and measure the targets of a sage.yaml."),
    "live": ("profileapp.commands.live", "Watch running apps and their resource use."),
    "report": ("profileapp.commands.report", "Generate the report from recorded runs."),
    "resources": ("profileapp.commands.resources", "Propose requests and limits for a scheduler, and try them out."),
    "store": ("profileapp.commands.store", "Store runs in a database."),
    "history": ("profileapp.commands.history", "Show how an app's numbers developed, and where they changed."),
    "compare": ("profileapp.commands.compare", "Compare two runs, folders, builds or commits."),
    "baseline": ("profileapp.commands.baseline", "Compare runs with earlier ones: a regression, or noise?"),
    "export": ("profileapp.commands.export", "Export samples from the database as CSV, JSON lines or Parquet."),
    "prune": ("profileapp.commands.prune", "Thin or remove old runs in the database."),
    "config": ("profileapp.commands.config", "Manage saved configurations in the database."),
    "doctor": ("profileapp.commands.doctor", "Report what this agent can measure, and what is missing."),
    "selftest": ("profileapp.commands.selftest", "Prove that known loads are measured as what they are."),
    "schema": ("profileapp.commands.schema", "Print a JSON Schema: of the configuration, run.json or a sample."),
    "completion": ("profileapp.commands.completion", "Print the script for shell completion."),
}

_EXAMPLES = """\b
Examples:
  profileapp plan sage.yaml
  profileapp run waggle/object-counter:0.5.1 -- --use-gpu
  profileapp run sage.yaml --image waggle/object-counter:0.5.1
  profileapp run sage.yaml --runtime process --command "python3 app.py"
  profileapp live object-counter
  profileapp report profile/

\b
Exit codes: 0 measured, budgets met, 1 a budget is violated, 2 the app failed,
3 the configuration is wrong, 4 the agent could not measure, 130/143 aborted.
"""


class _Commands(click.Group):
    """Imports a subcommand when it is called, so that `--help` and `plan` start fast."""

    def __init__(self, *args: Any, **attributes: Any) -> None:
        super().__init__(*args, **attributes)
        self._loaded: dict[str, click.Command] = {}

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        if cmd_name not in self._loaded:
            command = cast(click.Command, import_module(_COMMANDS[cmd_name][0]).command)
            self._loaded[cmd_name] = name_variables(command, f"PROFILEAPP_{cmd_name.upper()}")
        return self._loaded[cmd_name]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in _COMMANDS.items()])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[Any]:
        return [
            click.shell_completion.CompletionItem(name, help=text)
            for name, (_, text) in _COMMANDS.items()
            if name.startswith(incomplete)
        ] + click.Command.shell_complete(self, ctx, incomplete)


@click.group(cls=_Commands, epilog=_EXAMPLES, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=lambda context, _, asked: _print_version(context) if asked else None,
    help="Show the version, and which extras are installed.",
)
@click.option(
    "--debug",
    is_flag=True,
    expose_value=False,
    help="Show the traceback of an error; allowed anywhere on the command line.",
)
def commands() -> None:
    """Measure what a containerized app costs on this device, and judge it by budgets and earlier runs."""


def _print_version(context: click.Context) -> None:
    """`profileapp 0.1.0 (extras: report)`: the bridge script of the Jenkins library reads it."""
    # Only this command needs it.
    from profileapp.collect.functions.py_spy import find_py_spy  # noqa: PLC0415

    needs = {"gpu": ("pycuda",), "report": ("jinja2", "matplotlib"), "store": ("sqlalchemy", "alembic")}
    needs |= {"postgres": ("psycopg",), "live": ("prometheus_client",), "s3": ("fsspec", "s3fs")}
    extras = [extra for extra, modules in needs.items() if all(find_spec(module) for module in modules)]
    # A program, not a module.
    extras += ["functions"] if find_py_spy() else []
    click.echo(f"profileapp {__version__} (extras: {', '.join(extras) or 'none'})")
    context.exit()


def main() -> None:
    """Runs the program. Exits with the documented exit code."""
    args = [arg for arg in sys.argv[1:] if arg != "--debug"]
    debug = len(args) < len(sys.argv) - 1
    try:
        result = commands.main(args, prog_name="profileapp", standalone_mode=False)
    except ProfileappError as error:
        _fail(str(error), error.exit_code, debug)
    except click.exceptions.Exit as stop:
        sys.exit(stop.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(ExitCode.CONFIG_WRONG)
    except (click.Abort, KeyboardInterrupt):
        _fail("interrupted", ExitCode.INTERRUPTED, debug)
    except BrokenPipeError:
        # The reader of the output is gone (`profileapp plan … | head`): nothing can be reported.
        sys.stderr.close()
        sys.exit(ExitCode.NOT_MEASURED)
    except Exception as error:
        _fail(
            f"an error of profileapp itself: {type(error).__name__}: {error}; run again with --debug and report it",
            ExitCode.NOT_MEASURED,
            debug,
        )
    else:
        sys.exit(result if isinstance(result, int) else ExitCode.OK)


def _fail(message: str, exit_code: ExitCode, debug: bool) -> None:
    if debug:
        traceback.print_exc()
    for line in message.splitlines():
        click.echo(f"profileapp: {line}", err=True)
    sys.exit(exit_code)
