"""Runs are stored once and completely, whatever fails."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import func, select

from profileapp.errors import AgentError, StoreError
from profileapp.model.run import Agent
from profileapp.model.series import Series
from profileapp.model.target import App
from profileapp.record import reader
from profileapp.record.sample_reader import BUFFER_LIMIT, SampleReader
from profileapp.retry import Patience
from profileapp.store import schema
from profileapp.store.database import Database, open_database
from profileapp.store.ingest import store_folder
from tests.helpers.private_postgres import PrivatePostgres
from tests.store.runs import CORE, CPU, FPS, START_NS, a_run, record

TABLES = (schema.run, schema.series, schema.run_series, schema.sample, schema.function, schema.kernel)


def counts(database: Database) -> dict[str, int]:
    with database.transaction() as connection:
        return {
            table.name: connection.execute(select(func.count()).select_from(table)).scalar_one() for table in TABLES
        }


def test_a_run_round_trips(db: str, tmp_path: Path) -> None:
    database = open_database(db, write=True)
    stored = store_folder(database, record(tmp_path / "out", a_run(), tables=True))
    assert (stored.outcome, stored.samples, stored.problems) == ("stored", 6, ())
    with database.transaction() as connection:
        run = connection.execute(select(schema.run)).one()
        assert (run.run_id, run.app, run.target, run.branch, run.device) == (
            "r1",
            "objcounter",
            "gpu",
            "main",
            "Jetson AGX Orin",
        )
        assert json.loads(run.document)["build"]["commit"] == "c0ffee" * 6
        rows = connection.execute(
            select(schema.series.c.name, schema.series.c.labels, schema.run_series)
            .join(schema.run_series, schema.run_series.c.series_id == schema.series.c.id)
            .order_by(schema.series.c.name)
        ).all()
        assert [(row.name, row.count) for row in rows] == [
            ("container.cold-start", 1),
            ("container.cpu.util", 2),
            ("fps", 3),
            ("system.cpu.util", 1),
        ]
        # A frame rate covers the time since the previous one: the first, at the start, covers none.
        assert rows[2].mean == 13.0 and rows[2].max == 14.0 and rows[3].labels == '{"core":"0"}'
        samples = connection.execute(
            select(schema.sample).where(schema.sample.c.run_series_id == rows[2].id).order_by(schema.sample.c.position)
        ).all()
        assert [(each.time_ns, each.value) for each in samples] == [
            (START_NS + second * 1_000_000_000, value) for second, value in enumerate((10.0, 12.0, 14.0))
        ]
        function = connection.execute(select(schema.function)).one()
        assert (function.name, function.group_name, function.calls, function.samples) == ("detect", "user", 3, None)
        assert connection.execute(select(schema.kernel.c.name, schema.kernel.c.unit)).one() == ("gemm<float>", "s")


@pytest.mark.parametrize("buffer_limit", [BUFFER_LIMIT, 1000])
def test_many_samples_round_trip(db: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, buffer_limit: int) -> None:
    monkeypatch.setattr(reader, "SampleReader", partial(SampleReader, buffer_limit=buffer_limit))
    many = [1.7e308, -5e-324, 0.1, -1 / 3, *map(float, range(12_340))]
    few = {CPU: many[:5101], CORE: many[:100]}
    database = open_database(db, write=True)
    assert store_folder(database, record(tmp_path / "out", a_run(), {FPS: many, **few})).samples == 17_545
    with database.transaction() as connection:
        for one, values in ({FPS: many} | few).items():
            rows = connection.execute(
                select(schema.sample.c.position, schema.sample.c.time_ns, schema.sample.c.value)
                .join(schema.run_series, schema.run_series.c.id == schema.sample.c.run_series_id)
                .join(schema.series, schema.series.c.id == schema.run_series.c.series_id)
                .where(schema.series.c.name == one.name)
                .order_by(schema.sample.c.position)
            ).all()
            assert [tuple(row) for row in rows] == [
                (place, START_NS + place * 1_000_000_000, value) for place, value in enumerate(values)
            ]


def test_storing_a_run_twice_stores_it_once(db: str, tmp_path: Path) -> None:
    database = open_database(db, write=True)
    folder = record(tmp_path / "out", a_run(), tables=True)
    store_folder(database, folder)
    before = counts(database)
    assert store_folder(database, folder).outcome == "already stored"
    assert counts(database) == before


def test_a_finished_run_replaces_its_incomplete_copy(db: str, tmp_path: Path) -> None:
    database = open_database(db, write=True)
    cut = a_run(state="running", ended_ns=0, exit_reason=None, repeats=())
    folder = record(tmp_path / "out", cut, {FPS: [10.0]})
    assert store_folder(database, folder).outcome == "stored"
    assert store_folder(database, folder).outcome == "already stored"
    assert store_folder(database, record(tmp_path / "out", a_run())).outcome == "replaced"
    assert store_folder(database, record(tmp_path / "late", cut, {FPS: [10.0]})).outcome == "already stored"
    assert counts(database) | {"series": 3, "function": 0, "kernel": 0} == {
        "run": 1,
        "series": 3,
        "run_series": 4,
        "sample": 6,
        "function": 0,
        "kernel": 0,
    }


@pytest.mark.parametrize(
    "other",
    [{"app": App("other")}, {"target": "cpu"}, {"started_ns": START_NS + 1}, {"agent": Agent(hostname="orin-2")}],
    ids=["app", "target", "started", "host"],
)
def test_another_run_with_the_same_id_is_refused(db: str, tmp_path: Path, other: dict[str, object]) -> None:
    database = open_database(db, write=True)
    store_folder(database, record(tmp_path / "out", a_run()))
    with pytest.raises(AgentError, match="another run with the id 'r1'"):
        store_folder(database, record(tmp_path / "other", a_run(**other)))
    assert counts(database)["run"] == 1


def change(folder: Path, **changes: object) -> None:
    path = folder / "run.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def replace_by_link(folder: Path) -> None:
    (folder / "run.json").rename(folder / "elsewhere")
    (folder / "run.json").symlink_to(folder / "elsewhere")


CUT = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'profileapp'"
HOSTILE = {
    "script": "<script>alert(1)</script>",
    "drop": "'; DROP TABLE run; --",
    "up": "../../etc/passwd",
    "right-to-left": "app\u202egnp.exe",
    "ten-kilobytes": "x" * 10_240,
    "nul": "a\0b",
}


@pytest.mark.parametrize("name", HOSTILE.values(), ids=HOSTILE)
def test_hostile_names_are_stored_as_text(db: str, tmp_path: Path, name: str) -> None:
    database = open_database(db, write=True)
    hostile = Series(name, name, "custom", ((name, name),))
    run = a_run(name, app=App(name, name), message=name)
    folder = record(tmp_path / "out", run, {hostile: [1.0], FPS: [2.0]})
    assert store_folder(database, folder).outcome == "stored"
    assert store_folder(database, folder).outcome == "already stored"
    with database.transaction() as connection:
        app = connection.execute(select(schema.run.c.app)).scalar_one()
    assert app == name if len(name) < 200 and "\0" not in name else len(app) <= 200
    # Two long names that differ only at the end stay distinct.
    assert store_folder(database, record(tmp_path / "b", a_run(name + "b", app=App(name)))).outcome == "stored"


@pytest.mark.parametrize(
    ("damage", "expected"),
    [
        (lambda folder: (folder / "run.json").write_text("{"), "not a run of profileapp"),
        (lambda folder: (folder / "run.json").unlink(), "run.json is missing"),
        (lambda folder: change(folder, version=99), "version 99"),
        (lambda folder: change(folder, started_ns=2**70), "out of range"),
        (lambda folder: change(folder, started_ns=-5), "out of range"),
        (replace_by_link, "cannot be read"),
    ],
    ids=["garbled", "missing", "newer", "huge-time", "negative-time", "symlink"],
)
def test_invalid_runs_are_refused_with_a_reason(
    db: str, tmp_path: Path, damage: Callable[[Path], None], expected: str
) -> None:
    database = open_database(db, write=True)
    folder = record(tmp_path / "out", a_run())
    damage(folder)
    with pytest.raises(AgentError, match=expected):
        store_folder(database, folder)
    assert counts(database)["run"] == 0


def test_complete_rows_of_truncated_metrics_are_stored_and_the_loss_reported(db: str, tmp_path: Path) -> None:
    database = open_database(db, write=True)
    folder = record(tmp_path / "out", a_run())
    metrics = folder / "metrics.ndjson"
    os.truncate(metrics, metrics.stat().st_size - 20)
    stored = store_folder(database, folder)
    assert stored.samples == 5 and "1 of 6 lines" in stored.problems[0]


def test_parallel_stages_store_concurrently(db: str, tmp_path: Path) -> None:
    folders = [record(tmp_path / f"{number}", a_run(f"r{number}", target=f"t{number}")) for number in range(6)]
    # Two folders have the same run, as when a stage is repeated.
    folders.append(folders[0])
    outcomes: list[str] = []
    barrier = threading.Barrier(len(folders))

    def store(folder: Path) -> None:
        barrier.wait()
        outcomes.append(store_folder(open_database(db, write=True), folder).outcome)

    threads = [threading.Thread(target=store, args=(folder,)) for folder in folders]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(outcomes) == ["already stored"] + ["stored"] * 6
    assert counts(open_database(db, write=False)) == {
        "run": 6,
        "series": 4,
        "run_series": 24,
        "sample": 36,
        "function": 0,
        "kernel": 0,
    }


def test_a_failure_during_a_store_leaves_nothing(db: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    database = open_database(db, write=True)
    folder = record(tmp_path / "out", a_run(), tables=True)

    def fail(*_: object) -> None:
        raise RuntimeError("in the middle")

    with monkeypatch.context() as patched, pytest.raises(RuntimeError):
        patched.setattr("profileapp.store.ingest._store_tables", fail)
        store_folder(database, folder)
    assert counts(database)["sample"] == 0 and counts(database)["run"] == 0
    assert store_folder(database, folder).outcome == "stored"


def test_a_broken_connection_is_reopened(postgres: PrivatePostgres, tmp_path: Path) -> None:
    notes: list[str] = []
    patience = Patience(60, pause=lambda _: postgres.start())
    database = open_database(postgres.new_database(), write=True, patience=patience, note=notes.append)
    folder = record(tmp_path / "out", a_run())
    postgres.stop()
    try:
        stored = store_folder(database, folder)
    except BaseException:
        postgres.start()
        raise
    assert stored.outcome == "stored" and len(notes) == 1 and "trying again" in notes[0]


def test_an_interrupted_transaction_loses_nothing(
    postgres: PrivatePostgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = open_database(postgres.new_database(), write=True, patience=Patience(60, pause=lambda _: None))
    folder = record(tmp_path / "out", a_run())
    cut = iter([True])

    def samples_then_cut(connection: object, parts: object) -> None:
        write_samples(connection, parts)  # type: ignore[arg-type]
        if next(cut, False):
            postgres.sql(CUT, "postgres")

    from profileapp.store.samples import write_samples

    monkeypatch.setattr("profileapp.store.ingest.write_samples", samples_then_cut)
    assert store_folder(database, folder).outcome == "stored"
    assert counts(database)["sample"] == 6


def test_an_unreachable_server_is_an_error_after_retries(postgres: PrivatePostgres, tmp_path: Path) -> None:
    database = open_database(postgres.new_database(), write=True)
    folder = record(tmp_path / "out", a_run())
    postgres.stop()
    try:
        with pytest.raises(StoreError, match="connection"):
            store_folder(database, folder)
    finally:
        postgres.start()


def test_a_full_disk_stores_nothing_and_is_reported(tmp_path: Path) -> None:
    database = open_database(str(tmp_path / "profiles.db"), write=True)
    store_folder(database, record(tmp_path / "small", a_run("small")))
    with database.transaction() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
    from sqlalchemy import event

    # SQLite's limit on the file size fails like a full disk: with SQLITE_FULL.
    event.listen(
        database.engine, "connect", lambda connection, _: connection.execute(f"PRAGMA max_page_count = {pages + 2}")
    )
    large = record(tmp_path / "large", a_run("large"), {CPU: [float(number) for number in range(20_000)]})
    with pytest.raises(StoreError, match="the disk is full; nothing was changed"):
        store_folder(database, large)
    assert counts(database)["run"] == 1 and counts(database)["sample"] == 6
