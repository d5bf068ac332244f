"""Removes runs with their dependent rows."""

from __future__ import annotations

from sqlalchemy import Connection, delete, select

from profileapp.store import schema


def remove_samples(connection: Connection, run_key: int) -> None:
    """Removes the samples of a run; its statistics remain."""
    keys = select(schema.run_series.c.id).where(schema.run_series.c.run_id == run_key)
    connection.execute(delete(schema.sample).where(schema.sample.c.run_series_id.in_(keys)))


def remove_run(connection: Connection, run_key: int) -> None:
    """Removes a run, its series, samples, functions and kernels."""
    remove_samples(connection, run_key)
    connection.execute(delete(schema.run).where(schema.run.c.id == run_key))
