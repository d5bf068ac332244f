"""Options and helpers of commands that use the database."""

from __future__ import annotations

import os
from collections.abc import Callable
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import click

from profileapp.errors import StoreError
from profileapp.retry import Patience, timeout_s_of

if TYPE_CHECKING:
    from profileapp.config.load import Overlay
    from profileapp.store.database import Database

Command = Callable[..., Any]

DEFAULT_DATABASE = "profileapp.db"


def db_option(command: Command) -> Command:
    """`--db`, or PROFILEAPP_DB in the environment: every user can read a password on a command line."""
    return click.option(
        "--db",
        envvar="PROFILEAPP_DB",
        default=DEFAULT_DATABASE,
        show_default=True,
        metavar="URL",
        help="The database: an SQLite file's path, or postgresql://USER@HOST/NAME. Also by PROFILEAPP_DB.",
    )(command)


def saved_option(command: Command) -> Command:
    """`--config`: a saved configuration to merge into the file."""
    return click.option(
        "--config",
        "saved",
        default="",
        metavar="OWNER/APP/NAME",
        help="Merge this saved configuration from the database into the file.",
    )(command)


def saved_overlay(name: str, db: str) -> Overlay | None:
    """The saved configuration of `--config`; None without the option. Raises ConfigError if it does not exist."""
    if not name:
        return None
    database = open_store(db, write=False)
    from profileapp.config.load import Overlay  # noqa: PLC0415
    from profileapp.store.configurations import load_saved  # noqa: PLC0415

    saved = load_saved(database, name)
    return Overlay(f"{saved.name} version {saved.version}", saved.content or "")


def open_store(db: str, *, write: bool) -> Database:
    """The database of `--db`. Raises StoreError without the store extra, and whatever `open_database` raises."""
    if find_spec("sqlalchemy") is None or find_spec("alembic") is None:
        raise StoreError("the database needs the store extra: pip install 'profileapp[store]'")
    from profileapp.store.database import open_database  # noqa: PLC0415

    return open_database(
        db,
        write=write,
        patience=Patience(timeout_s_of(os.environ)),
        note=lambda text: click.echo(f"profileapp: {text}", err=True),
    )
