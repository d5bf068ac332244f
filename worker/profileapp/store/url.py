"""Where the database is: a URL, or the path of an SQLite file."""

from __future__ import annotations

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from profileapp.errors import ConfigError

_ALLOWED = "the path of a file, sqlite:///FILE or postgresql://USER@HOST/NAME"


def parse_url(text: str) -> URL:
    """The URL of `text`. Raises ConfigError, which never repeats the text: it may hold a password."""
    if "://" not in text:
        if not text or "\0" in text:
            raise ConfigError(f"--db: must be {_ALLOWED}")
        return URL.create("sqlite+pysqlite", database=text)
    try:
        url = make_url(text)
        backend, driver = url.get_backend_name(), url.drivername.partition("+")[2]
    except (ArgumentError, ValueError) as error:
        raise ConfigError(f"--db: is not a database URL; must be {_ALLOWED}") from error
    if backend in ("postgresql", "postgres") and driver in ("", "psycopg"):
        return url.set(drivername="postgresql+psycopg")
    if backend == "sqlite" and driver in ("", "pysqlite"):
        if not url.database or url.database == ":memory:" or url.query:
            raise ConfigError("--db: an SQLite database must be a file, such as sqlite:///profiles.db")
        return url.set(drivername="sqlite+pysqlite")
    raise ConfigError(f"--db: '{url.drivername[:40]}' is not supported; must be {_ALLOWED}")


def shown(url: URL) -> str:
    """The URL for a message, without its password; the path alone of a file."""
    if url.get_backend_name() == "sqlite":
        return str(url.database)
    # A parameter may contain a password as well.
    bare = url.difference_update_query([name for name in url.query if "pass" in name.lower()])
    return bare.set(drivername="postgresql").render_as_string(hide_password=True)
