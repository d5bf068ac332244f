"""Keeps a database small: thins or removes old samples, removes old runs. Statistics remain as long as their run."""

from __future__ import annotations

from array import array
from collections.abc import Callable
from functools import partial
from typing import TypeVar

import msgspec
from sqlalchemy import Connection, select, update

from profileapp.record.series_data import SeriesData
from profileapp.store import schema
from profileapp.store.database import Database, retried
from profileapp.store.remove import remove_run, remove_samples
from profileapp.store.samples import write_samples
from profileapp.store.select import Selection
from profileapp.store.thin import thin

_Result = TypeVar("_Result")

NO_SAMPLES = 2**62
"""The spacing of a run whose samples have all been removed."""


class Policy(msgspec.Struct, frozen=True):
    """The retention of runs that began before certain times (UTC nanoseconds since 1970; 0: no such runs).

    Samples of runs before `thin_before_ns` are thinned to `spacing_ns`; those of runs before `drop_before_ns` are
    removed; runs before `remove_before_ns` are removed completely.
    """

    thin_before_ns: int = 0
    spacing_ns: int = 0
    drop_before_ns: int = 0
    remove_before_ns: int = 0


class Pruned(msgspec.Struct, frozen=True):
    """The numbers of thinned runs, runs without samples, removed runs, and removed samples."""

    thinned: int = 0
    dropped: int = 0
    removed: int = 0
    samples: int = 0


def prune(database: Database, policy: Policy, selection: Selection, *, dry_run: bool = False) -> Pruned:
    """Applies a policy to the runs of a selection, one transaction each, so that an interrupted call can be repeated.

    With `dry_run` nothing is changed, and `samples` excludes those that thinning would remove.
    """
    table = schema.run
    columns = (table.c.id, table.c.started_ns, table.c.spacing_ns, table.c.sample_count)
    runs = _in_transaction(
        database,
        lambda connection: connection.execute(
            select(*columns).where(selection.runs()).order_by(table.c.started_ns)
        ).all(),
    )
    thinned = dropped = removed = samples = 0
    for run in runs:
        gone = 0 if run.spacing_ns == NO_SAMPLES else run.sample_count
        if run.started_ns < policy.remove_before_ns:
            removed += 1
            samples += gone
            if not dry_run:
                _in_transaction(database, partial(remove_run, run_key=run.id))
        elif run.started_ns < policy.drop_before_ns and run.spacing_ns < NO_SAMPLES:
            dropped += 1
            samples += gone
            if not dry_run:
                _in_transaction(database, partial(_drop_samples, run_key=run.id))
        elif run.started_ns < policy.thin_before_ns and run.spacing_ns < policy.spacing_ns:
            thinned += 1
            if not dry_run:
                thin_run = partial(_thin_run, run_key=run.id, spacing_ns=policy.spacing_ns, before=run.sample_count)
                samples += _in_transaction(database, thin_run)
    return Pruned(thinned, dropped, removed, samples)


@retried
def _in_transaction(database: Database, work: Callable[[Connection], _Result]) -> _Result:
    with database.transaction() as connection:
        return work(connection)


def _drop_samples(connection: Connection, run_key: int) -> None:
    remove_samples(connection, run_key)
    _note(connection, run_key, NO_SAMPLES, 0)


def _thin_run(connection: Connection, run_key: int, spacing_ns: int, before: int) -> int:
    """Returns the number of removed samples."""
    keys = connection.execute(
        select(schema.run_series.c.id).where(schema.run_series.c.run_id == run_key).order_by(schema.run_series.c.id)
    ).scalars()
    parts = [(key, _thinned(_samples(connection, key), spacing_ns)) for key in keys.all()]
    remove_samples(connection, run_key)
    write_samples(connection, parts)
    left = sum(len(data) for _, data in parts)
    _note(connection, run_key, spacing_ns, left)
    return before - left


def _note(connection: Connection, run_key: int, spacing_ns: int, samples: int) -> None:
    changed = {"spacing_ns": spacing_ns, "sample_count": samples}
    connection.execute(update(schema.run).where(schema.run.c.id == run_key).values(changed))


def _samples(connection: Connection, key: int) -> SeriesData:
    table = schema.sample
    rows = connection.execute(
        select(table.c.time_ns, table.c.value).where(table.c.run_series_id == key).order_by(table.c.position)
    )
    times_ns, values = array("q"), array("d")
    for time_ns, value in rows:
        times_ns.append(time_ns)
        values.append(value)
    return SeriesData(times_ns, values)


def _thinned(data: SeriesData, spacing_ns: int) -> SeriesData:
    indices = thin(data.times_ns, data.values, spacing_ns)
    return SeriesData(
        array("q", (data.times_ns[index] for index in indices)), array("d", (data.values[index] for index in indices))
    )
