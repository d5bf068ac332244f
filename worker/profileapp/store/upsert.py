"""Inserts what is not there yet, in the words of either database."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, Table
from sqlalchemy.dialects import postgresql, sqlite


def insert_new(connection: Connection, table: Table, row: Mapping[str, Any]) -> int | None:
    """The key of the new row; None, with nothing done, where a unique column has that value already.

    Where another transaction is about to insert the same, this waits for its end.
    """
    make = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    statement = make(table).values(dict(row)).on_conflict_do_nothing().returning(table.c.id)
    key = connection.execute(statement).scalar()
    return None if key is None else int(key)
