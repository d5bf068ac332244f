"""Stores a judged run: once, and completely or not at all."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import msgspec
from sqlalchemy import Connection, Row, Table, insert, select

from profileapp.errors import AgentError
from profileapp.judge.device import model_of
from profileapp.judge.verdict import JudgedRun, judge_folder
from profileapp.model.run import Run, SeriesSummary
from profileapp.model.series import Series
from profileapp.model.table import FunctionRow, KernelRow
from profileapp.model.text import printable
from profileapp.record.artifacts import METRICS_FILE
from profileapp.record.reader import read_run
from profileapp.store import schema
from profileapp.store.database import Database, LostConnection, retried
from profileapp.store.remove import remove_run
from profileapp.store.samples import Part, write_samples
from profileapp.store.text import stored_key, stored_text
from profileapp.store.upsert import insert_new

STATISTICS = ("mean", "stddev", "min", "p50", "p90", "p95", "p99", "max", "last")
LARGEST = 2**62
"""Integers in a run must be smaller: a database has 64 bits, including the sign."""

Outcome = Literal["stored", "already stored", "replaced"]


class Stored(msgspec.Struct, frozen=True):
    """The result of storing one run. `outcome` "replaced": it replaced an incomplete one."""

    run_id: str
    target: str
    outcome: Outcome
    samples: int
    problems: tuple[str, ...] = ()


def store_folder(database: Database, folder: Path) -> Stored:
    """Judges a target's folder, and stores the run in one transaction, unless it is stored already.

    Raises AgentError where the folder holds no run that can be stored, or its id is another run's, and StoreError where
    the database fails.
    """
    # The samples are not needed to find out that it is stored already.
    return _known_run(database, folder) or store_judged(database, judge_folder(folder))


@retried
def store_judged(database: Database, judged: JudgedRun) -> Stored:
    """Stores a judged run. Raises as `store_folder`."""
    check_run(judged)
    with database.transaction() as connection:
        return _store(connection, judged)


@retried
def _known_run(database: Database, folder: Path) -> Stored | None:
    """The run of a folder if the database already has it, finished."""
    try:
        run = read_run(folder)
    except (FileNotFoundError, AgentError):
        return None
    with database.transaction() as connection:
        known = _row_of(connection, run.id)
    if known is None or known.state != "finished" or _difference(known, run):
        return None
    return Stored(run.id, run.target.name, "already stored", known.sample_count)


def check_run(judged: JudgedRun) -> None:
    """Raises AgentError if a folder's run cannot be stored."""
    run = judged.run
    if not run.id:
        reason = judged.problems[0] if judged.problems else "no run"
        raise AgentError(f"{judged.folder}: not stored: {reason}")
    if judged.judge_error:
        raise AgentError(f"{judged.folder}: not stored: it {judged.judge_error}")
    if judged.from_digest:
        raise AgentError(f"{judged.folder}: not stored: its samples ({METRICS_FILE}) are elsewhere")
    numbers = (run.started_ns, run.ended_ns, run.clock.anchor_wall_ns, run.stop_signal)
    if not all(0 <= number < LARGEST for number in numbers):
        raise AgentError(f"{judged.folder}: not stored: a time in run.json is out of range")


def _store(connection: Connection, judged: JudgedRun) -> Stored:
    run = judged.run
    samples = sum(map(len, judged.series.values()))
    row = _run_row(judged, samples)
    outcome: Outcome = "stored"
    key = insert_new(connection, schema.run, row)
    if key is None:
        known = _row_of(connection, run.id)
        if known is None:
            raise LostConnection("another process was storing the run and gave up")
        difference = _difference(known, run)
        if difference:
            raise AgentError(
                f"{judged.folder}: not stored: the database has another run with the id "
                f"'{printable(run.id)}' (its {difference} differs)"
            )
        if known.state == "finished" or run.state != "finished":
            return Stored(run.id, run.target.name, "already stored", samples, judged.problems)
        # The stored copy was made during the run or left by a crash: the finished run replaces it.
        remove_run(connection, known.id)
        outcome, key = "replaced", insert_new(connection, schema.run, row)
    if key is None:
        raise LostConnection("another process is storing the run")
    parts = _store_series(connection, key, judged)
    write_samples(connection, parts)
    _store_tables(connection, key, judged)
    return Stored(run.id, run.target.name, outcome, samples, judged.problems)


def _row_of(connection: Connection, run_id: str) -> Row[Any] | None:
    names = ("id", "app", "target", "started_ns", "hostname", "state", "sample_count")
    columns = [schema.run.c[name] for name in names]
    return connection.execute(select(*columns).where(schema.run.c.run_id == stored_key(run_id))).one_or_none()


def _difference(known: Row[Any], run: Run) -> str:
    """The difference of a stored run from another one with its id; "" if they are the same."""
    facts: dict[str, str | int] = {
        "app": stored_key(run.app.name),
        "target": stored_key(run.target.name),
        "started_ns": run.started_ns,
        "hostname": stored_key(run.agent.hostname),
    }
    return next((name for name, fact in facts.items() if getattr(known, name) != fact), "")


def _run_row(judged: JudgedRun, samples: int) -> dict[str, Any]:
    run = judged.run
    jetson = run.agent.jetson
    keys = {
        "run_id": run.id,
        "app": run.app.name,
        "target": run.target.name,
        "git_commit": run.build.commit,
        "branch": run.build.branch,
        "job": run.build.job,
        "build_number": run.build.number,
        "hostname": run.agent.hostname,
        "device": model_of(run),
        "power_mode": jetson.power_mode if jetson else "",
        "jetpack": (jetson.jetpack or jetson.l4t) if jetson else "",
    }
    texts = {
        "app_version": run.app.version,
        "state": run.state,
        "exit_reason": run.exit_reason or "",
        "verdict": judged.verdict,
        "image": run.image.name if run.image else "",
        "image_digest": (run.image.digest or run.image.id) if run.image else "",
        "build_url": run.build.url,
        "node": run.build.node,
    }
    document = msgspec.structs.replace(run, summary=())
    return {
        **{name: stored_key(value) for name, value in keys.items()},
        **{name: stored_text(value) for name, value in texts.items()},
        "exit_code": int(judged.exit_code),
        "started_ns": run.started_ns,
        "ended_ns": run.ended_ns,
        "clocks_locked": jetson.clocks_locked if jetson else None,
        "sample_count": samples,
        "spacing_ns": 0,
        "stored_ns": time.time_ns(),
        "document": msgspec.json.encode(document).decode(),
    }


def _store_series(connection: Connection, run_key: int, judged: JudgedRun) -> list[Part]:
    """The rows of `series` and `run_series`; the key of the latter with the samples of each."""
    summaries = {_series_of(each): each for each in judged.run.summary}
    # Derived series (energy per unit) have a summary but no samples. All writers use the same order: two that insert
    # the same series in opposite orders would deadlock.
    wanted = {digest_of(one): one for one in (*judged.series, *summaries)}
    if not wanted:
        return []
    ids = _series_ids(connection, wanted)
    rows = []
    for digest, one in wanted.items():
        summary = summaries.get(one)
        statistics = {name: getattr(summary, name) if summary else None for name in STATISTICS}
        rows.append(
            {
                "run_id": run_key,
                "series_id": ids[digest],
                "count": summary.count if summary else 0,
                **statistics,
            }
        )
    statement = insert(schema.run_series).returning(schema.run_series.c.id, sort_by_parameter_order=True)
    keys = connection.execute(statement, rows).scalars().all()
    return [(key, judged.series[one]) for key, one in zip(keys, wanted.values(), strict=True) if one in judged.series]


def _series_ids(connection: Connection, wanted: dict[str, Series]) -> dict[str, int]:
    found = _known_series(connection, list(wanted))
    for digest in sorted(wanted.keys() - found.keys()):
        one = wanted[digest]
        row = {
            "digest": digest,
            "name": stored_key(one.name),
            "unit": stored_key(one.unit),
            "metric": stored_key(one.metric),
            "kind": one.kind,
            "labels": stored_text(msgspec.json.encode(dict(one.labels)).decode()),
        }
        insert_new(connection, schema.series, row)
    return found | _known_series(connection, list(wanted.keys() - found.keys()))


def _known_series(connection: Connection, digests: Sequence[str]) -> dict[str, int]:
    found: dict[str, int] = {}
    table = schema.series
    for start in range(0, len(digests), 500):
        part = digests[start : start + 500]
        rows = connection.execute(select(table.c.digest, table.c.id).where(table.c.digest.in_(part)))
        found.update((digest, key) for digest, key in rows)
    return found


def digest_of(one: Series) -> str:
    """SHA-256, in hexadecimal, of everything that identifies a series."""
    content = msgspec.json.encode((one.name, one.unit, one.metric, one.kind, one.labels))
    return hashlib.sha256(content).hexdigest()


def _series_of(summary: SeriesSummary) -> Series:
    return Series(summary.name, summary.unit, summary.metric, tuple(sorted(summary.labels.items())), summary.kind)  # type: ignore[arg-type]


def _store_tables(connection: Connection, run_key: int, judged: JudgedRun) -> None:
    functions = [
        {"run_id": run_key, "position": position, **_cells(row, schema.function)}
        for position, row in enumerate(judged.functions)
    ]
    kernels = [
        {"run_id": run_key, "position": position, **_cells(row, schema.kernel)}
        for position, row in enumerate(judged.kernels)
    ]
    for table, rows in ((schema.function, functions), (schema.kernel, kernels)):
        if rows:
            connection.execute(insert(table), rows)


def _cells(row: FunctionRow | KernelRow, table: Table) -> dict[str, Any]:
    """The columns of a row: its fields, with `group`, a reserved word of SQL, renamed."""
    cells = {name: getattr(row, "group" if name == "group_name" else name) for name in table.c.keys()[2:]}
    for name, value in cells.items():
        if isinstance(value, str):
            cells[name] = stored_text(value)
        elif isinstance(value, int) and abs(value) >= LARGEST:
            cells[name] = 0
    return cells
