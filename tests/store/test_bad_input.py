"""Folders left by a crash, another version or an attacker: valid data is stored, the rest reported."""

from __future__ import annotations

import gzip
import json
import random
from pathlib import Path

from sqlalchemy import func, select

from profileapp.store import schema
from profileapp.store.database import Database, open_database
from profileapp.store.ingest import store_folder
from tests.store.runs import CPU, FPS, a_run, record

LARGE = 1e308


def samples_of(database: Database) -> int:
    with database.transaction() as connection:
        return int(connection.execute(select(func.count()).select_from(schema.sample)).scalar_one())


def test_the_beginning_of_truncated_compressed_metrics_is_stored(db: str, tmp_path: Path) -> None:
    database = open_database(db, write=True)
    chance = random.Random(1)  # noqa: S311
    folder = record(tmp_path / "out", a_run(), {CPU: [chance.random() for _ in range(20_000)]})
    plain = folder / "metrics.ndjson"
    compressed = gzip.compress(plain.read_bytes())
    (folder / "metrics.ndjson.gz").write_bytes(compressed[: len(compressed) // 2])
    plain.unlink()
    stored = store_folder(database, folder)
    assert 0 < stored.samples < 20_000 and samples_of(database) == stored.samples
    assert any("ends early" in problem for problem in stored.problems)


def test_a_run_with_invalid_metrics_is_stored_without_samples(db: str, tmp_path: Path) -> None:
    database = open_database(db, write=True)
    folder = record(tmp_path / "out", a_run())
    (folder / "metrics.ndjson").write_bytes(random.Random(2).randbytes(100_000))  # noqa: S311
    stored = store_folder(database, folder)
    assert (stored.outcome, stored.samples) == ("stored", 0)
    assert any("not samples" in problem for problem in stored.problems)


def test_an_endless_line_does_not_affect_other_runs(db: str, tmp_path: Path) -> None:
    database = open_database(db, write=True)
    folder = record(tmp_path / "out", a_run())
    metrics = folder / "metrics.ndjson"
    metrics.write_bytes(metrics.read_bytes() + b'{"name":"' + b"x" * 20_000_000 + b"\n" + metrics.read_bytes())
    stored = store_folder(database, folder)
    assert stored.samples == 12 and "1 of 13 lines" in stored.problems[0]


def test_a_run_of_an_older_profileapp_is_stored(db: str, tmp_path: Path) -> None:
    database = open_database(db, write=True)
    folder = record(tmp_path / "out", a_run())
    run = json.loads((folder / "run.json").read_text())
    first = ("id", "app", "target", "clock", "started_ns", "ended_ns", "state", "exit_reason", "repeats", "version")
    (folder / "run.json").write_text(json.dumps({name: run[name] for name in first}))
    stored = store_folder(database, folder)
    assert (stored.outcome, stored.samples, stored.problems) == ("stored", 6, ())


def test_unknown_keys_are_ignored(db: str, tmp_path: Path) -> None:
    database = open_database(db, write=True)
    folder = record(tmp_path / "out", a_run())
    run = json.loads((folder / "run.json").read_text())
    (folder / "run.json").write_text(json.dumps(run | {"of-tomorrow": {"a": [1]}}))
    assert store_folder(database, folder).outcome == "stored"


def test_the_largest_numbers_are_stored_with_statistics(db: str, tmp_path: Path) -> None:
    database = open_database(db, write=True)
    store_folder(database, record(tmp_path / "out", a_run(), {FPS: [LARGE, -LARGE, LARGE, 5e-324]}))
    with database.transaction() as connection:
        row = connection.execute(select(schema.run_series).where(schema.run_series.c.count == 4)).one()
        values = connection.execute(select(schema.sample.c.value).order_by(schema.sample.c.position)).scalars().all()
    assert (row.min, row.max, row.count) == (-LARGE, LARGE, 4) and row.stddev > LARGE / 2
    assert values == [LARGE, -LARGE, LARGE, 5e-324]
