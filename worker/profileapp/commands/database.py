"""What commands that use the database have in common."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import click

from profileapp.errors import StoreError

if TYPE_CHECKING:
    from profileapp.store.database import Database

Command = Callable[..., Any]

DEFAULT_DATABASE = "profileapp.db"


def db_option(command: Command) -> Command:
    """`--db`, or the environment's PROFILEAPP_DB: a password on a command line can be read by everybody."""
    return click.option(
        "--db",
        envvar="PROFILEAPP_DB",
        default=DEFAULT_DATABASE,
        show_default=True,
        metavar="URL",
        help="The database: an SQLite file's path, or postgresql://USER@HOST/NAME. Also by PROFILEAPP_DB.",
    )(command)


def open_store(db: str, *, write: bool) -> Database:
    """The database of `--db`. Raises StoreError without the store extra, and as `open_database` does."""
    if find_spec("sqlalchemy") is None or find_spec("alembic") is None:
        raise StoreError("the database needs the store extra: pip install 'profileapp[store]'")
    from profileapp.store.database import open_database  # noqa: PLC0415

    return open_database(db, write=write)
