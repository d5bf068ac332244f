"""Inserts rows that do not exist yet, in either database's dialect."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, Table


def insert_new(connection: Connection, table: Table, row: Mapping[str, Any]) -> int | None:
    """The key of the new row; None, with nothing done, where a unique column has that value already.

    Where another transaction is about to insert the same, this waits for its end.
    """
    # Each is slow to import.
    if connection.dialect.name == "postgresql":
        from sqlalchemy.dialects.postgresql import insert  # noqa: PLC0415
    else:
        from sqlalchemy.dialects.sqlite import insert  # type: ignore[assignment]  # noqa: PLC0415
    statement = insert(table).values(dict(row)).on_conflict_do_nothing().returning(table.c.id)
    key = connection.execute(statement).scalar()
    return None if key is None else int(key)
