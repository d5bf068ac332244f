"""An open database: transactions, and errors in one clear line."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import Concatenate, ParamSpec, TypeVar

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.pool import NullPool

from profileapp.errors import EmptyDatabaseError, StoreError
from profileapp.model.text import printable
from profileapp.retry import Patience
from profileapp.store.migrate import HEAD, check_revision, revision_of, upgrade
from profileapp.store.url import parse_url, shown
from profileapp.transient import is_transient

BUSY_TIMEOUT_S = 60.0
"""How long a writer waits for another one of the same SQLite file."""
CONNECT_TIMEOUT_S = 10

_Arguments = ParamSpec("_Arguments")
_Result = TypeVar("_Result")


class Database:
    """A database with the tables of this version. `name` is fit to be shown: it has no password.

    `patience` says for how long work whose connection breaks is done again (by default not); `note` gets
    a line for each attempt.
    """

    def __init__(
        self,
        engine: Engine,
        name: str,
        patience: Patience | None = None,
        note: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.engine = engine
        self.name = name
        self.patience = patience or Patience(0)
        self.note = note

    @property
    def is_postgresql(self) -> bool:
        return self.engine.dialect.name == "postgresql"

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """Commits all of the block or nothing. Raises StoreError; LostConnection if retrying may help."""
        with translate_errors(self.name), self.engine.begin() as connection:
            yield connection


class LostConnection(StoreError):
    """The connection broke, or the server aborted the transaction: nothing was committed; try again."""


def retried(
    work: Callable[Concatenate[Database, _Arguments], _Result],
) -> Callable[Concatenate[Database, _Arguments], _Result]:
    """Makes a function of one transaction start again while its connection breaks, as long as the patience lasts."""

    @wraps(work)
    def patient(database: Database, /, *args: _Arguments.args, **kwargs: _Arguments.kwargs) -> _Result:
        return _retry(lambda: work(database, *args, **kwargs), database.patience, database.note)

    return patient


def _retry(work: Callable[[], _Result], patience: Patience, note: Callable[[str], None]) -> _Result:
    return patience.call(work, note, lambda error: isinstance(error, LostConnection))


def open_database(
    text: str,
    *,
    write: bool,
    patience: Patience | None = None,
    note: Callable[[str], None] = lambda _: None,
) -> Database:
    """Opens a database by its URL or path. With `write`, creates or upgrades its tables.

    A server that is unavailable for a moment is tried again with `patience`, by default not.

    Raises ConfigError for an invalid URL, StoreError if it is unavailable, newer, or (to read) older or empty.
    """
    patience = patience or Patience(0)
    return _retry(lambda: _open(text, patience, note, write=write), patience, note)


def _open(text: str, patience: Patience, note: Callable[[str], None], *, write: bool) -> Database:
    url = parse_url(text)
    name = shown(url)
    if url.get_backend_name() == "sqlite":
        _check_file(Path(str(url.database)), name, write=write)
    with translate_errors(name):
        database = Database(_engine(url, write=write), name, patience, note)
        with database.engine.begin() as connection:
            revision = revision_of(connection)
            check_revision(revision, name)
            # Usually nothing needs to be done; then no lock is taken.
            if write and revision != HEAD:
                upgrade(connection, name)
        if not write and revision != HEAD:
            update = "`profileapp store --db …` without a folder upgrades it"
            if revision is None:
                raise EmptyDatabaseError(f"{name}: has no tables of profileapp; {update}")
            raise StoreError(f"{name}: has the tables of an older profileapp; {update}")
    return database


@contextmanager
def translate_errors(name: str) -> Iterator[None]:
    """Turns an error of the driver into one clear line."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise StoreError(f"{name}: needs the driver: pip install 'profileapp[store,postgres]'") from error
    except DBAPIError as error:
        raise _store_error(name, error.orig, broken=error.connection_invalidated) from error
    except SQLAlchemyError as error:
        raise StoreError(f"{name}: {_one_line(str(error))}") from error
    except Exception as error:
        # Samples go to the driver without SQLAlchemy in between.
        if not _is_of_driver(error):
            raise
        raise _store_error(name, error, broken=False) from error


def _engine(url: URL, *, write: bool) -> Engine:
    if url.get_backend_name() != "sqlite":
        arguments = {"connect_timeout": CONNECT_TIMEOUT_S, "application_name": "profileapp"}
        # Options of the URL take precedence.
        given = {key: value for key, value in arguments.items() if key not in url.query}
        engine = create_engine(url, poolclass=NullPool, connect_args=given, hide_parameters=True)
        if "search_path" not in str(url.query.get("options", "")):
            event.listen(engine, "begin", _pin_search_path)
        return engine
    path = Path(str(url.database)).resolve()
    # As a URI a file can be opened to read only; the name's own `?` and `%` are escaped by as_uri.
    address = f"{path.as_uri()}?mode={'rwc' if write else 'ro'}"
    engine = create_engine(
        "sqlite+pysqlite://",
        creator=lambda: sqlite3.connect(address, uri=True, timeout=BUSY_TIMEOUT_S, isolation_level=None),
        poolclass=NullPool,
        hide_parameters=True,
    )

    @event.listens_for(engine, "connect")
    def _set_up(connection: sqlite3.Connection, _: object) -> None:
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA cache_size = -65536")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        # A writer takes its lock at once: a transaction that first reads and then writes may be refused.
        connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")

    return engine


def _pin_search_path(connection: Connection) -> None:
    """Restricts a transaction to our tables, in `public`: a role's or the database's search path may begin with another
    schema (by default `"$user"`). Needed in each transaction, since a pooler may use another session for each.
    """
    connection.exec_driver_sql("SET LOCAL search_path TO public, pg_temp")


def _check_file(path: Path, name: str, *, write: bool) -> None:
    try:
        if path.is_dir():
            raise StoreError(f"{name}: is a folder; give a file")
        if not path.exists() and not write:
            kind = EmptyDatabaseError if path.parent.is_dir() else StoreError
            raise kind(f"{name}: no such database; `profileapp store DIR --db {name}` creates it")
        if write and not path.parent.is_dir():
            raise StoreError(f"{name}: the folder {path.parent} does not exist; create it first")
        # SQLite opens a read-only file without an error, and fails at the first write.
        if write and not os.access(path if path.exists() else path.parent, os.W_OK):
            raise StoreError(f"{name}: it is read-only; nothing was changed")
    except OSError as error:
        raise StoreError(f"{name}: cannot be opened ({error.strerror})") from error


def _store_error(name: str, error: BaseException | None, *, broken: bool) -> StoreError:
    kind = (
        LostConnection
        if broken or (error is not None and not isinstance(error, sqlite3.Error) and is_transient(error))
        else StoreError
    )
    return kind(f"{name}: {_reason(error)}")


def _is_of_driver(error: BaseException) -> bool:
    return isinstance(error, sqlite3.Error) or type(error).__module__.startswith("psycopg")


def _reason(error: BaseException | None) -> str:
    text = _one_line(str(error))
    lower = text.lower()
    if "locked" in lower and isinstance(error, sqlite3.Error):
        return f"another process has been writing to it for {BUSY_TIMEOUT_S:g} s; try again"
    if "disk is full" in lower or "no space left" in lower or "disk full" in lower:
        return "the disk is full; nothing was changed"
    if "could not write init file" in lower:
        # PostgreSQL's error for the first connection to a database on a full disk.
        return "the server cannot write to its disk, which may be full; nothing was changed"
    if "readonly" in lower or "read-only" in lower:
        return "it is read-only; nothing was changed"
    if "unable to open database file" in lower:
        return "cannot be opened; is its folder there, and may you write to it?"
    if "not a database" in lower or "malformed" in lower:
        return f"is not a database, or is damaged ({text})"
    return text


def _one_line(text: str) -> str:
    return printable(" ".join(text.split()), 400)
