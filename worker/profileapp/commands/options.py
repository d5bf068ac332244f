"""The options that several commands share, each declared once, and records whose fields are options."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, get_args, get_type_hints

import click
import msgspec

from profileapp.commands.environment import LinesOption
from profileapp.config.section import default_config
from profileapp.model.outcome import Effect
from profileapp.plan.names import OUTCOME_FILE

Command = Callable[..., Any]
Record = TypeVar("Record")
Result = TypeVar("Result")

DEFAULT_DATABASE = "profileapp.db"


def takes(record: type[Record]) -> Callable[[Callable[[Record], Result]], Callable[..., Result]]:
    """Calls a command with one `record`. Each of its fields is `Annotated` with the option that gives its value."""

    def decorate(command: Callable[[Record], Result]) -> Callable[..., Result]:
        @wraps(command)
        def with_record(**values: object) -> Result:
            return command(record(**values))

        decorated: Callable[..., Result] = with_record
        for field in reversed(get_type_hints(record, include_extras=True).values()):
            for option in field.__metadata__:
                decorated = option(decorated)
        return decorated

    return decorate


json_option = click.option("--json", "as_json", is_flag=True, help="Print one line of JSON instead of text.")

# Also a variable: every user can read a password on a command line.
db_option = click.option(
    "--db",
    envvar="PROFILEAPP_DB",
    default=DEFAULT_DATABASE,
    show_default=True,
    metavar="URL",
    help="The database: an SQLite file's path, or postgresql://USER@HOST/NAME. Also by PROFILEAPP_DB.",
)


def effect_option(name: str, default: Effect, cause: str) -> Callable[[Command], Command]:
    """An option for what something makes of the result in outcome.json."""
    return click.option(
        name,
        type=click.Choice(get_args(Effect)),
        default=default,
        show_default=True,
        envvar=f"PROFILEAPP_{name.removeprefix('--').upper().replace('-', '_')}",
        help=f"What {cause} makes of the result in {OUTCOME_FILE}.",
    )


on_budget_option = effect_option("--on-budget", "unstable", "a violated budget, or a number worse than its baseline,")
on_app_failure_option = effect_option("--on-app-failure", "fail", "an app that fails")


class PlanOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What makes a plan: a sage.yaml, the image and the targets."""

    config: Annotated[
        Path,
        click.argument(
            "config",
            envvar="PROFILEAPP_CONFIG",
            required=False,
            default=default_config,
            type=click.Path(path_type=Path, dir_okay=False),
        ),
    ]
    image: Annotated[
        str | None,
        click.option(
            "--image",
            envvar="PROFILEAPP_IMAGE",
            help="The app's image. Default: NAMESPACE/NAME:VERSION of the sage.yaml.",
        ),
    ]
    image_archive: Annotated[
        Path | None,
        click.option(
            "--image-archive",
            envvar="PROFILEAPP_IMAGE_ARCHIVE",
            type=click.Path(path_type=Path, dir_okay=False),
            metavar="FILE",
            help="Load the app's image from a file written by `docker save`.",
        ),
    ]
    build: Annotated[
        Path | None,
        click.option(
            "--build",
            envvar="PROFILEAPP_BUILD",
            type=click.Path(path_type=Path, file_okay=False),
            metavar="FOLDER",
            help="Build the app's image from a folder with a Dockerfile.",
        ),
    ]
    saved: Annotated[
        str,
        click.option(
            "--config",
            "saved",
            default="",
            metavar="OWNER/APP/NAME",
            help="Merge this saved configuration from the database into the file.",
        ),
    ]
    db: Annotated[str, db_option]
    targets: Annotated[
        tuple[str, ...],
        click.option(
            "--target",
            "targets",
            envvar="PROFILEAPP_TARGETS",
            multiple=True,
            cls=LinesOption,
            metavar="NAME",
            help="Only this target; repeatable.",
        ),
    ]
    runtime: Annotated[
        Literal["docker", "process"],
        click.option(
            "--runtime",
            envvar="PROFILEAPP_RUNTIME",
            type=click.Choice(["docker", "process"]),
            default="docker",
            show_default=True,
            help="A container, or a process on this machine (no sandbox).",
        ),
    ]
