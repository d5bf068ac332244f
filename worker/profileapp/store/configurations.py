"""Saved configurations: every version, with its author and time."""

from __future__ import annotations

import re
import time

import msgspec
from sqlalchemy import Connection, Row, Select, func, insert, select, text

from profileapp.config.load import Overlay, check_overlay
from profileapp.errors import ConfigError
from profileapp.model.text import printable
from profileapp.store import schema
from profileapp.store.database import Database, retried
from profileapp.store.text import stored_text
from profileapp.store.upsert import insert_new

_PART = "([A-Za-z0-9][A-Za-z0-9._-]{0,62})"
_NAME = re.compile(f"{_PART}/{_PART}/{_PART}")


class Saved(msgspec.Struct, frozen=True):
    """A version of a saved configuration. `name` is OWNER/APP/NAME; `content` None: removed by this version.

    `saved_by` is the user of the machine it came from, `saved_role` the role in the database, "" for SQLite;
    `saved_ns` is UTC nanoseconds since 1970.
    """

    name: str
    version: int
    saved_by: str
    saved_role: str
    saved_ns: int
    comment: str
    content: str | None


@retried
def save(database: Database, name: str, content: str, saved_by: str, comment: str = "") -> tuple[Saved, bool]:
    """Saves a configuration. Returns the version, and whether it is new: unchanged content creates none.

    Raises ConfigError if the name or the content is invalid, StoreError if the database fails.
    """
    parts = _parts(name)
    check_overlay(Overlay(name, content))
    with database.transaction() as connection:
        table = schema.configuration
        insert_new(connection, table, dict(zip(("owner", "app", "name"), parts, strict=True)))
        last = _locked_last(connection, parts)
        if last is not None and last.content == content:
            return _saved(last), False
        return _add(connection, parts, saved_by, comment, content), True


@retried
def remove(database: Database, name: str, saved_by: str, comment: str = "") -> Saved:
    """Marks a configuration as removed; its versions remain. Raises ConfigError if it does not exist."""
    parts = _parts(name)
    with database.transaction() as connection:
        last = _locked_last(connection, parts)
        if last is None or last.content is None:
            raise ConfigError(f"{name}: no such configuration; `profileapp config list` lists them")
        return _add(connection, parts, saved_by, comment, None)


def load_saved(database: Database, name: str, version: int = 0) -> Saved:
    """A version, the latest one for 0. Raises ConfigError if it does not exist or is removed."""
    found = versions(database, name)
    wanted = found[-1] if not version else next((each for each in found if each.version == version), None)
    if wanted is None:
        raise ConfigError(f"{name}: has no version {version}; it has 1 to {found[-1].version}")
    if wanted.content is None:
        raise ConfigError(f"{name}: was removed by {printable(wanted.saved_by)}; --version shows an earlier one")
    return wanted


@retried
def versions(database: Database, name: str) -> list[Saved]:
    """All versions, oldest first. Raises ConfigError if there are none."""
    parts = _parts(name)
    with database.transaction() as connection:
        found = [_saved(row) for row in connection.execute(_of(parts)).all()]
    if not found:
        raise ConfigError(f"{name}: no such configuration; `profileapp config list` lists them")
    return found


@retried
def listing(database: Database, prefix: str = "") -> list[Saved]:
    """The latest version of each configuration that is not removed, by name; with a prefix, of OWNER or OWNER/APP."""
    table, version = schema.configuration, schema.configuration_version
    last = (
        select(version.c.configuration_id, func.max(version.c.version).label("version"))
        .group_by(version.c.configuration_id)
        .subquery()
    )
    statement = (
        _all()
        .join(last, (last.c.configuration_id == version.c.configuration_id) & (last.c.version == version.c.version))
        .where(version.c.content.is_not(None))
        .order_by(table.c.owner, table.c.app, table.c.name)
    )
    for column, value in zip((table.c.owner, table.c.app, table.c.name), prefix.strip("/").split("/"), strict=False):
        if value:
            statement = statement.where(column == stored_text(value))
    with database.transaction() as connection:
        return [_saved(row) for row in connection.execute(statement).all()]


def _parts(name: str) -> tuple[str, str, str]:
    match = _NAME.fullmatch(name)
    if match is None:
        raise ConfigError(
            f"'{printable(name)}': must be OWNER/APP/NAME, each 1 to 63 letters, digits, '.', '_' and '-'"
        )
    return match[1], match[2], match[3]


def _all() -> Select[tuple[object, ...]]:
    table, version = schema.configuration, schema.configuration_version
    return select(table.c.owner, table.c.app, table.c.name, version).join(
        version, version.c.configuration_id == table.c.id
    )


def _of(parts: tuple[str, str, str]) -> Select[tuple[object, ...]]:
    table = schema.configuration
    owner, app, name = parts
    return (
        _all()
        .where(table.c.owner == owner, table.c.app == app, table.c.name == name)
        .order_by(schema.configuration_version.c.version)
    )


def _locked_last(connection: Connection, parts: tuple[str, str, str]) -> Row[tuple[object, ...]] | None:
    """The latest version; locks the configuration for others that save it until this transaction ends."""
    table = schema.configuration
    owner, app, name = parts
    of_name = (table.c.owner == owner) & (table.c.app == app) & (table.c.name == name)
    connection.execute(select(table.c.id).where(of_name).with_for_update())
    rows = connection.execute(_of(parts)).all()
    return rows[-1] if rows else None


def _add(
    connection: Connection, parts: tuple[str, str, str], saved_by: str, comment: str, content: str | None
) -> Saved:
    table, version = schema.configuration, schema.configuration_version
    owner, app, name = parts
    key = connection.execute(
        select(table.c.id).where(table.c.owner == owner, table.c.app == app, table.c.name == name)
    ).scalar_one()
    last = connection.execute(select(func.max(version.c.version)).where(version.c.configuration_id == key)).scalar()
    is_postgresql = connection.dialect.name == "postgresql"
    row = {
        "configuration_id": key,
        "version": (last or 0) + 1,
        "saved_by": stored_text(saved_by, 200),
        "saved_role": str(connection.execute(text("SELECT current_user")).scalar()) if is_postgresql else "",
        "saved_ns": time.time_ns(),
        "comment": stored_text(comment, 1000),
        "content": content,
    }
    connection.execute(insert(version).values(row))
    return _saved(connection.execute(_of(parts)).all()[-1])


def _saved(row: Row[tuple[object, ...]]) -> Saved:
    return Saved(
        name=f"{row.owner}/{row.app}/{row.name}",
        version=row.version,
        saved_by=row.saved_by,
        saved_role=row.saved_role,
        saved_ns=row.saved_ns,
        comment=row.comment,
        content=row.content,
    )
