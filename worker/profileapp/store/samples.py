"""Samples by the million: the driver's own way for many rows, without SQLAlchemy in between."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import count, repeat
from typing import Any

from sqlalchemy import Connection

from profileapp.record.series_data import SeriesData

Part = tuple[int, SeriesData]
"""A key of `run_series`, and its samples."""

_INSERT = "INSERT INTO sample (run_series_id, position, time_ns, value) VALUES (?, ?, ?, ?)"
_COPY = "COPY sample (run_series_id, position, time_ns, value) FROM STDIN"
_BLOCK_ROWS = 5000


def write_samples(connection: Connection, parts: Iterable[Part]) -> None:
    """Writes all samples of each part, as part of the transaction of `connection`."""
    driver = connection.connection.driver_connection
    if driver is None:
        raise AssertionError("the connection is closed")
    if connection.dialect.name == "postgresql":
        with driver.cursor() as cursor, cursor.copy(_COPY) as copy:
            for block in _blocks(parts):
                copy.write(block)
        return
    for key, data in parts:
        driver.executemany(_INSERT, zip(repeat(key), count(), data.times_ns, data.values))


def _blocks(parts: Iterable[Part]) -> Iterator[bytes]:
    """Lines of COPY's text format."""
    for key, data in parts:
        for start in range(0, len(data), _BLOCK_ROWS):
            end = start + _BLOCK_ROWS
            rows: Any = zip(
                range(start, min(end, len(data))), data.times_ns[start:end], data.values[start:end], strict=True
            )
            yield "".join([f"{key}\t{position}\t{time_ns}\t{value!r}\n" for position, time_ns, value in rows]).encode()
