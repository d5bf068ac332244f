"""The database and the saved configuration that options name."""

from __future__ import annotations

import os
from importlib.util import find_spec
from typing import TYPE_CHECKING

import click

from profileapp.errors import StoreError
from profileapp.retry import Patience, timeout_s_of

if TYPE_CHECKING:
    from profileapp.config.load import Overlay
    from profileapp.store.database import Database


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
