"""(e) Storing a million samples, compared with the databases' import tools; (f) a month's history of one app."""

from __future__ import annotations

import random
import sqlite3
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import insert

from profileapp.model.clock import Clock
from profileapp.model.run import Repeat, Run
from profileapp.model.series import series
from profileapp.model.target import App, Target
from profileapp.record.folder import RunFolder
from profileapp.record.reader import read_series
from profileapp.store import schema
from profileapp.store.database import open_database
from profileapp.store.history import trends
from profileapp.store.ingest import STATISTICS
from profileapp.store.select import Selection
from tests.bench.measure import Measure
from tests.bench.process import PROFILEAPP, run
from tests.helpers.private_postgres import PrivatePostgres

SAMPLES = 1_000_000
SERIES = 50
RUNS = 10_000
METRICS = 50
TIMES = 3
START_NS = 1_795_000_000_000_000_000
_COLUMNS = "run_series_id, position, time_ns, value"


def ingest() -> Iterator[Measure]:
    """Wall time of `profileapp store` of a million samples, and of importing the same rows from a CSV."""
    with tempfile.TemporaryDirectory() as folder, _postgres() as server:
        out = Path(folder, "profile")
        rows = Path(folder, "rows.csv")
        _record(out)
        _write_rows(out / "bench", rows)
        yield _sqlite(Path(folder), out, rows)
        yield _postgresql(server, out, rows)


def history() -> list[Measure]:
    """Time to read a month's history of one app: one metric, and the headline values."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "history.db")
        _fill(path)
        database = open_database(str(path), write=False)
        one_s = _least_s(lambda: trends(database, Selection(app="bench"), "metric.7"))
        all_s = _least_s(lambda: trends(database, Selection(app="bench")))
        argv = [PROFILEAPP, "history", "bench", "--metric", "metric.7", "--db", str(path)]
        plain = [run([*argv, "--no-changes"]) for _ in range(TIMES)]
        whole = [run(argv) for _ in range(TIMES)]
        for each in (*plain, *whole):
            if each.exit_code:
                raise SystemExit(each.output)
    printed = f"the command with start-up: {statistics.median(each.wall_s for each in plain) * 1e3:.0f} ms, "
    printed += f"with changes of level: {statistics.median(each.wall_s for each in whole) * 1e3:.0f} ms"
    what = f"{RUNS} runs of {METRICS} metrics: history"
    return [
        Measure(f"{what} of one metric", printed, "", one_s * 1e3, 300, " ms"),
        Measure(f"{what} of the headline numbers", "", "", all_s * 1e3, 300, " ms"),
    ]


def _sqlite(folder: Path, out: Path, rows: Path) -> Measure:
    ours, peers = [], []
    for number in range(TIMES):
        ours.append(_store_s(out, f"{folder}/ours{number}.db"))
        peer = folder / f"peer{number}.db"
        open_database(str(peer), write=True)
        argv = ["sqlite3", str(peer), "-cmd", ".mode csv", f".import {rows} sample"]
        peers.append(_least_s(lambda argv=argv: subprocess.run(argv, check=True), times=1))
        with sqlite3.connect(peer) as connection:
            assert connection.execute("SELECT count(*) FROM sample").fetchone() == (SAMPLES,)
    return _ratio("sqlite3 .import", ours, peers)


def _postgresql(server: PrivatePostgres, out: Path, rows: Path) -> Measure:
    ours, peers = [], []
    for _ in range(TIMES):
        ours.append(_store_s(out, server.new_database()))
        url = server.new_database()
        open_database(url, write=True)
        name = url.split("/")[3].split("?")[0]
        copy = f"\\copy sample ({_COLUMNS}) FROM '{rows}' WITH (FORMAT csv)"
        peers.append(_least_s(lambda copy=copy, name=name: server.sql(copy, name), times=1))
        assert server.sql("SELECT count(*) FROM sample", name) == str(SAMPLES)
    return _ratio("psql \\copy", ours, peers)


def _ratio(peer: str, ours: list[float], peers: list[float]) -> Measure:
    ratio = statistics.median(one / other for one, other in zip(ours, peers, strict=True))
    return Measure(
        f"profileapp store of {SAMPLES} samples",
        f"{statistics.median(ours):.2f} s, with start-up, reading and summing up",
        f"{peer} of the same rows into the same table: {statistics.median(peers):.2f} s",
        ratio,
        2,
        "×",
    )


def _store_s(out: Path, url: str) -> float:
    # The tables exist, as for the peer.
    open_database(url, write=True)
    ended = run([PROFILEAPP, "store", str(out), "--db", url])
    if ended.exit_code:
        raise SystemExit(ended.output)
    return ended.wall_s


def _least_s(work: object, times: int = TIMES) -> float:
    took = []
    for _ in range(times):
        began = time.perf_counter()
        work()  # type: ignore[operator]
        took.append(time.perf_counter() - began)
    return min(took)


def _record(out: Path) -> None:
    """A run with SERIES gauges at 10 Hz."""
    chance = random.Random(7)  # noqa: S311
    folder = RunFolder.create(out, "bench")
    writer = folder.open_metrics(Clock(0, 0))
    every = [series(f"metric.{number}", "%", "custom") for number in range(SERIES)]
    steps = SAMPLES // SERIES
    for step in range(steps):
        at_ns = START_NS + step * 100_000_000
        for one in every:
            writer.emit(one, chance.gauss(50.0, 10.0), at_ns + chance.randrange(1_000_000))
        while len(writer._queue) > 200_000:
            time.sleep(0.01)
    writer.close()
    folder.write_run(_run("bench", START_NS + steps * 100_000_000))


def _run(name: str, end_ns: int) -> Run:
    return Run(
        id=name,
        app=App("bench"),
        target=Target(name),
        clock=Clock(START_NS, 0),
        started_ns=START_NS,
        ended_ns=end_ns,
        state="finished",
        exit_reason="timeout",
        repeats=(Repeat(1, START_NS, START_NS, end_ns, "timeout"),),
    )


def _write_rows(folder: Path, rows: Path) -> None:
    with rows.open("w") as stream:
        for key, data in enumerate(read_series(folder, []).values(), start=1):
            for position, (at_ns, value) in enumerate(zip(data.times_ns, data.values, strict=True)):
                stream.write(f"{key},{position},{at_ns},{value!r}\n")
    rows.chmod(0o644)


def _fill(path: Path) -> None:
    """RUNS runs of METRICS metrics, a run every four minutes, without their samples."""
    chance = random.Random(8)  # noqa: S311
    database = open_database(str(path), write=True)
    texts = {column.name: "" for column in schema.run.c if column.type.python_type is str}
    wholes = {column.name: 0 for column in schema.run.c if column.name.endswith(("_ns", "_count", "exit_code"))}
    names = ["container.cpu.util", "container.memory.used", "fps"]
    names += [f"metric.{number}" for number in range(METRICS - len(names))]
    with database.transaction() as connection:
        same = {"unit": "", "metric": "custom", "kind": "gauge", "labels": "{}"}
        connection.execute(insert(schema.series), [{"digest": name, "name": name, **same} for name in names])
        facts = {"app": "bench", "target": "gpu", "verdict": "passed", "state": "finished", "device": "orin"}
        runs = [
            {**texts, **wholes, **facts, "run_id": f"r{number}", "started_ns": START_NS + number * 240 * 10**9}
            for number in range(1, RUNS + 1)
        ]
        connection.execute(insert(schema.run), runs)
        for number in range(1, RUNS + 1):
            numbers = [dict.fromkeys(STATISTICS, chance.gauss(50.0, 1.0)) for _ in names]
            rows = [
                {"run_id": number, "series_id": metric, "count": 600, **each}
                for metric, each in enumerate(numbers, start=1)
            ]
            connection.execute(insert(schema.run_series), rows)


@contextmanager
def _postgres() -> Iterator[PrivatePostgres]:
    server = PrivatePostgres()
    try:
        yield server
    finally:
        server.remove()
