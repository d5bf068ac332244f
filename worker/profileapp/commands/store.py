"""`profileapp store`: stores runs in a database."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from profileapp.commands.database import open_store
from profileapp.commands.options import db_option, json_option
from profileapp.errors import AgentError, ConfigError, ExitCode, ProfileappError, StoreError, worst
from profileapp.model.text import printable
from profileapp.record.artifacts import RUN_FILE
from profileapp.record.files import is_folder
from profileapp.record.reader import read_run

if TYPE_CHECKING:
    from profileapp.store.ingest import Stored
    from profileapp.store.owner import StoringBuild

_EPILOG = """\b
Examples:
  profileapp store profile/
  profileapp store profile/ --db sqlite:////srv/profiles.db
  PROFILEAPP_DB=postgresql://ann@db.example/profiles profileapp store profile/
"""


class StoreOutcome(msgspec.Struct, frozen=True):
    """The JSON of `store --json`."""

    database: str
    runs: tuple[Stored, ...]
    errors: tuple[str, ...]
    exit_code: int
    version: int = 1


@click.command("store", epilog=_EPILOG)
@click.argument("folders", nargs=-1, metavar="[DIR]…", type=click.Path(path_type=Path))
@db_option
@click.option(
    "--own-app",
    envvar="PROFILEAPP_OWN_APP",
    metavar="NAME",
    help="Store only runs of this app from this Jenkins build (JOB_NAME, BUILD_NUMBER), and only if the app's stored "
    "runs come from this job.",
)
@click.option(
    "--claim-app",
    envvar="PROFILEAPP_CLAIM_APP",
    is_flag=True,
    help="With --own-app: the app's stored runs may come from other jobs that profile it too.",
)
@json_option
def command(folders: tuple[Path, ...], db: str, own_app: str | None, claim_app: bool, as_json: bool) -> int:
    """Store the runs in each DIR, the --out folder of runs or the folder of one target.

    A run is stored once, however often it is given, and completely or not at all. Without a DIR, the database is
    created or its tables are upgraded.
    """
    targets = [target for folder in folders for target in run_folders(folder)]
    database = open_store(db, write=True)
    from profileapp.store.ingest import store_folder  # noqa: PLC0415
    from profileapp.store.owner import check_own, check_owner  # noqa: PLC0415

    build = _storing_build(own_app, claim_app)
    if build:
        check_owner(database, build)
    runs: list[Stored] = []
    errors: list[ProfileappError] = []
    for target in targets:
        # A run that cannot be stored does not affect the others; a database error affects all.
        try:
            if build:
                check_own(read_run(target), build)
            stored = store_folder(database, target)
        except AgentError as refused:
            errors.append(refused)
            continue
        except StoreError:
            raise
        except Exception as ours:
            reason = printable(f"{type(ours).__name__}: {ours}", 200)
            errors.append(AgentError(f"{target}: not stored: an error of profileapp itself ({reason})"))
            continue
        runs.append(stored)
        for problem in stored.problems:
            _note(f"{target}: {problem}")
        if not as_json:
            click.echo(f"{stored.outcome}: {printable(stored.target, 64)}, {stored.samples} samples")
    exit_code = worst([ExitCode.OK, *(error.exit_code for error in errors)])
    for error in errors:
        _note(str(error))
    if as_json:
        outcome = StoreOutcome(database.name, tuple(runs), tuple(map(str, errors)), exit_code)
        click.echo(msgspec.json.encode(outcome))
    elif not errors:
        click.echo(f"{len(runs)} run{'s' if len(runs) != 1 else ''} in {database.name}")
    return exit_code


def _storing_build(own_app: str | None, claim_app: bool) -> StoringBuild | None:
    from profileapp.store.owner import StoringBuild  # noqa: PLC0415

    if own_app is None:
        if claim_app:
            raise ConfigError("--claim-app needs --own-app")
        return None
    job, number = os.environ.get("JOB_NAME", ""), os.environ.get("BUILD_NUMBER", "")
    if not (job and number):
        raise ConfigError("--own-app works only in a Jenkins build: JOB_NAME and BUILD_NUMBER are not set")
    return StoringBuild(own_app, job, number, os.environ.get("BRANCH_NAME", ""), claim_app)


def run_folders(folder: Path) -> list[Path]:
    """The targets' folders in `folder`, or `folder` itself if it is one. Raises ConfigError if there is none."""
    if not is_folder(folder):
        raise ConfigError(f"{printable(str(folder), 200)}: no such folder; give the --out folder of a run")
    if _holds_a_run(folder):
        return [folder]
    found = [entry for entry in sorted(folder.iterdir()) if entry.is_dir() and _holds_a_run(entry)]
    if not found:
        raise ConfigError(f"{folder}: contains no {RUN_FILE} of a target; give the --out folder of a run")
    return [entry for entry in found if not entry.is_symlink()]


def _holds_a_run(folder: Path) -> bool:
    return (folder / RUN_FILE).is_file()


def _note(text: str) -> None:
    for line in text.splitlines():
        click.echo(f"profileapp: {line}", err=True)
