"""Inserts rows that do not exist yet, in either database's dialect."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, Table


def insert_new(connection: Connection, table: Table, row: Mapping[str, Any]) -> int | None:
    """Inserts a row and returns its key; None, without any effect, if a unique column already has that value.

    Waits for another transaction that is about to insert the same.
    """
    # Each is slow to import.
    if connection.dialect.name == "postgresql":
        from sqlalchemy.dialects.postgresql import insert  # noqa: PLC0415
    else:
        from sqlalchemy.dialects.sqlite import insert  # type: ignore[assignment]  # noqa: PLC0415
    statement = insert(table).values(dict(row)).on_conflict_do_nothing().returning(table.c.id)
    key = connection.execute(statement).scalar()
    return None if key is None else int(key)
