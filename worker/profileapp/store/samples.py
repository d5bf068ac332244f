"""Inserts millions of samples through the driver's own bulk interface, bypassing SQLAlchemy."""

from __future__ import annotations

import sys
from array import array
from collections.abc import Iterable, Iterator
from typing import Any

from sqlalchemy import Connection

from profileapp.record.series_data import SeriesData

Part = tuple[int, SeriesData]
"""A key of `run_series`, and its samples."""

_TABLE = "sample (run_series_id, position, time_ns, value)"
_BLOCK_ROWS = 5000
_STATEMENT_ROWS = 100
"""Rows per statement: SQLite then needs a third of the time; older versions allow 999 parameters."""

# A row in the binary format of COPY (PostgreSQL documentation, "COPY", "Binary Format"): the number of fields, and each
# field with its length.
_HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_TRAILER = b"\xff\xff"
_FIELD = b"\0\0\0\x08" + bytes(8)
_ROW = b"\0\x04" + 4 * _FIELD
_FIELD_AT = tuple(2 + len(_FIELD) * field + 4 for field in range(4))


def write_samples(connection: Connection, parts: Iterable[Part]) -> None:
    """Writes all samples of each part, within the transaction of `connection`."""
    driver = connection.connection.driver_connection
    if driver is None:
        raise AssertionError("the connection is closed")
    if connection.dialect.name == "postgresql":
        with driver.cursor() as cursor, cursor.copy(f"COPY {_TABLE} FROM STDIN (FORMAT BINARY)") as copy:
            copy.write(_HEADER)
            for key, data in parts:
                for start, times_ns, values in _blocks(data):
                    copy.write(_binary(key, start, times_ns, values))
            copy.write(_TRAILER)
        return
    whole, single = _insert(_STATEMENT_ROWS), _insert(1)
    for key, data in parts:
        for start, times_ns, values in _blocks(data):
            rest = len(values) - len(values) % _STATEMENT_ROWS
            driver.executemany(whole, _arguments(key, start, times_ns[:rest], values, _STATEMENT_ROWS))
            driver.executemany(single, _arguments(key, start + rest, times_ns[rest:], values[rest:], 1))


def _blocks(data: SeriesData) -> Iterator[tuple[int, Any, Any]]:
    """Blocks of some thousand samples as arrays of times and values, each with the position of its first sample."""
    for start in range(0, len(data), _BLOCK_ROWS):
        end = start + _BLOCK_ROWS
        yield start, data.times_ns[start:end], data.values[start:end]


def _insert(rows: int) -> str:
    """An INSERT of several rows: key, first position, all times, all values."""
    places = ", ".join(f"(?1, ?2 + {row}, ?{3 + row}, ?{3 + rows + row})" for row in range(rows))
    return f"INSERT INTO {_TABLE} VALUES {places}"  # noqa: S608  (numbers of our own)


def _arguments(
    key: int, position: int, times_ns: array[int], values: array[float], rows: int
) -> Iterator[tuple[float, ...]]:
    for start in range(0, len(times_ns), rows):
        yield (key, position + start, *times_ns[start : start + rows], *values[start : start + rows])


def _binary(key: int, position: int, times_ns: array[int], values: array[float]) -> bytearray:
    """Rows for COPY, built column by column, one byte of all rows at a time."""
    count = len(values)
    rows = bytearray(_ROW * count)
    columns: tuple[array[int] | array[float], ...] = (
        array("q", [key]) * count,
        array("q", range(position, position + count)),
        times_ns[:],
        values[:],
    )
    for field_at, column in zip(_FIELD_AT, columns, strict=True):
        if sys.byteorder == "little":
            column.byteswap()
        content = column.tobytes()
        for byte in range(8):
            rows[field_at + byte :: len(_ROW)] = content[byte::8]
    return rows
