"""Written data can be read; data damaged by a crash, a full disk or an attacker never raises."""

from __future__ import annotations

import gzip
import json
import os
import resource
import shutil
import threading
from pathlib import Path
from types import SimpleNamespace

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from profileapp.errors import AgentError
from profileapp.model.clock import Clock, format_utc, parse_utc
from profileapp.model.run import Run
from profileapp.model.series import series
from profileapp.model.target import App, Target
from profileapp.record.files import open_regular, write_atomic
from profileapp.record.folder import RunFolder
from profileapp.record.reader import read_log_tail, read_recording
from profileapp.record.sample_reader import SERIES_LIMIT
from profileapp.record.writer import MetricsWriter

CLOCK = Clock(1_700_000_000_000_000_000, 5_000)
CPU = series("system.cpu.util", "%", "system", core="0")
FRAMES = series("frames", "", "custom", "counter")


def a_run(**changes: object) -> Run:
    run = Run(id="r1", app=App("app"), target=Target("gpu"), clock=CLOCK, started_ns=1)
    return msgspec.structs.replace(run, **changes)


def test_samples_round_trip(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path, "gpu")
    writer = folder.open_metrics(CLOCK)
    for step in range(3):
        writer.emit(CPU, 12.5 + step, 5_000 + step * 1_500_000_001)
    writer.emit(FRAMES, 7, 5_000)
    writer.emit(CPU, float("nan"), 5_000)
    writer.close()
    writer.close()
    assert writer.dropped == 1 and writer.samples_of("system") == 3 and writer.samples_of("tau") == 0
    lines = [json.loads(line) for line in (folder.path / "metrics.ndjson").read_text().splitlines()]
    assert lines[0] == {
        "name": "system.cpu.util",
        "value": 12.5,
        "timestamp": "2023-11-14T22:13:20.000000000Z",
        "meta": {"core": "0", "metric": "system", "unit": "%"},
    }
    folder.write_run(a_run())
    recording = read_recording(folder.path)
    assert recording.problems == () and recording.run == a_run()
    assert list(recording.series[CPU].values) == [12.5, 13.5, 14.5]
    assert recording.series[CPU].times_ns[1] == CLOCK.anchor_wall_ns + 1_500_000_001
    assert list(recording.series[FRAMES].values) == [7.0]


def test_many_threads_lose_nothing(tmp_path: Path) -> None:
    writer = RunFolder.create(tmp_path, "gpu").open_metrics(CLOCK)
    threads = [threading.Thread(target=lambda: [writer.emit(CPU, float(n), n) for n in range(5000)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    writer.close()
    assert writer.samples_of("system") == 20_000
    assert sum(len(data) for data in read_recording(tmp_path / "gpu").series.values()) == 20_000


def test_a_full_disk_is_reported_once_and_keeps_what_was_written(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path, "gpu")
    failures: list[OSError] = []
    old = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, old[1]))
    try:
        writer = folder.open_metrics(CLOCK, failures.append)
        for n in range(1000):
            writer.emit(CPU, float(n), n)
        writer.close()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old)
    assert len(failures) == 1 and writer.failure is failures[0]
    kept = read_recording(folder.path)
    assert len(kept.series[CPU]) > 20
    assert any("1 of" in problem for problem in kept.problems)


def test_dropped_samples_are_counted(tmp_path: Path) -> None:
    writer = MetricsWriter((tmp_path / "m").open("wb"), CLOCK, queue_limit=10, file_limit_bytes=200)
    for n in range(100):
        writer.emit(CPU, float(n), n)
    writer.close()
    assert writer.dropped >= 90
    assert writer.dropped + writer.samples_of("system") == 100


@pytest.mark.parametrize(
    ("free_bytes", "limit_bytes"), [(10**12, 16 * 1024**3), (10 * 1024**3, 5 * 1024**3), (1000, 8 * 1024**2)]
)
def test_the_file_uses_at_most_half_of_the_free_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free_bytes: int, limit_bytes: int
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=free_bytes))
    writer = RunFolder.create(tmp_path, "gpu").open_metrics(CLOCK)
    writer.close()
    assert writer._room_bytes == limit_bytes


def test_large_metrics_are_compressed_and_read_equally(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path, "gpu")
    writer = folder.open_metrics(CLOCK)
    for n in range(1000):
        writer.emit(CPU, float(n), n)
    writer.close()
    folder.compress_metrics(from_bytes=10**9)
    plain = read_recording(folder.path).series[CPU].values
    folder.compress_metrics(from_bytes=0)
    assert not (folder.path / "metrics.ndjson").exists()
    assert read_recording(folder.path).series[CPU].values == plain
    compressed = folder.path / "metrics.ndjson.gz"
    compressed.write_bytes(compressed.read_bytes()[:-200])
    cut = read_recording(folder.path)
    assert any("ends early" in problem for problem in cut.problems)


def test_only_a_result_folder_is_replaced(tmp_path: Path) -> None:
    first = RunFolder.create(tmp_path, "gpu")
    (first.path / "app.log").write_text("old")
    (first.path / ".run.json.12345678").write_text("half")
    (first.path / "report").mkdir()
    assert list(RunFolder.create(tmp_path, "gpu").path.iterdir()) == []
    (first.path / "thesis.tex").write_text("mine")
    with pytest.raises(AgentError, match=r"thesis\.tex"):
        RunFolder.create(tmp_path, "gpu")
    (tmp_path / "link").symlink_to("gpu")
    with pytest.raises(AgentError, match="exists and is not a folder"):
        RunFolder.create(tmp_path, "link")
    (tmp_path / "file").write_text("")
    with pytest.raises(AgentError, match="cannot be written"):
        RunFolder.create(tmp_path / "file", "gpu")


def test_garbage_is_skipped_and_counted(tmp_path: Path) -> None:
    good = b'{"name":"fps","value":1,"timestamp":"2026-01-01T00:00:00+01:00"}\n'
    bad = [
        b"\xff\xfe\n",
        b"{}\n",
        b'{"name":"x","value":true,"timestamp":"2026-01-01T00:00:00Z"}\n',
        b'{"name":"x","value":1,"timestamp":"yesterday"}\n',
        b'{"name":"x","value":1,"timestamp":"0001-01-01T00:00:00Z"}\n',
        b'{"name":"x","value":1,"timestamp":"2026-01-01T00:00:00.00000000\xc2\xb2Z"}\n',
        b'{"name":"x","value":1,"timestamp":"2026-01-01T00:00:00Z","meta":{"kind":"odd"}}\n',
        b"[" * 200_000 + b"\n",
        b"x" * 1_000_000 + b"\n",
        b'{"name":"fps","val',
    ]
    (tmp_path / "metrics.ndjson").write_bytes(good + b"".join(bad[:-1]) + good + b"\n" + bad[-1])
    recording = read_recording(tmp_path)
    assert [list(data.values) for data in recording.series.values()] == [[1.0, 1.0]]
    assert f"metrics.ndjson: {len(bad)} of {len(bad) + 2} lines are not samples and were skipped" in recording.problems
    assert any("run.json is missing" in problem for problem in recording.problems)


def test_too_many_series_are_bounded(tmp_path: Path) -> None:
    line = '{"name":"s%d","value":1,"timestamp":"2026-01-01T00:00:00Z"}\n'
    (tmp_path / "metrics.ndjson").write_text("".join(line % n for n in range(SERIES_LIMIT + 5)))
    recording = read_recording(tmp_path)
    assert len(recording.series) == SERIES_LIMIT
    assert any("5 samples beyond" in problem for problem in recording.problems)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not a run"),
        (b'{"version": 99}', "newer than this profileapp"),
        (b'{"version": 1}', "older than this profileapp reads"),
        (b'{"version": 2}', "not a run"),
        (b"[" * 100_000, "not a run"),
        (b'{"version": "x"}', "not a run"),
    ],
)
def test_an_unreadable_run_is_reported(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "run.json").write_bytes(content)
    recording = read_recording(tmp_path)
    assert recording.run is None and any(message in problem for problem in recording.problems)


def test_links_and_pipes_are_not_read(tmp_path: Path) -> None:
    (tmp_path / "run.json").symlink_to("/etc/passwd")
    (tmp_path / "app.log").symlink_to("/etc/passwd")
    os.mkfifo(tmp_path / "metrics.ndjson")
    recording = read_recording(tmp_path)
    assert recording.run is None and recording.series == {} and len(recording.problems) == 2
    assert read_log_tail(tmp_path) == ""
    with pytest.raises(AgentError, match="not a regular file"):
        open_regular(Path("/dev/zero"))


def test_log_tail(tmp_path: Path) -> None:
    (tmp_path / "app.log").write_bytes(b"x" * 100 + b"\xffend")
    assert read_log_tail(tmp_path, 5) == "x�end"


def test_write_atomic_leaves_the_old_file_on_failure(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    write_atomic(path, b"old")
    old = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, old[1]))
    try:
        with pytest.raises(OSError):
            write_atomic(path, b"n" * 100)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old)
    assert path.read_bytes() == b"old" and list(tmp_path.iterdir()) == [path]


@given(st.binary(max_size=300))
def test_no_bytes_raise(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    folder = tmp_path_factory.mktemp("any")
    (folder / "run.json").write_bytes(content)
    (folder / "metrics.ndjson").write_bytes(content)
    read_recording(folder)
    (folder / "metrics.ndjson").unlink()
    (folder / "metrics.ndjson.gz").write_bytes(gzip.compress(content)[: len(content)])
    read_recording(folder)


@given(st.integers(0, 4_102_444_800 * 10**9))
def test_times_round_trip(wall_ns: int) -> None:
    assert parse_utc(format_utc(wall_ns)) == wall_ns


def test_parse_utc_requires_a_time_zone() -> None:
    assert parse_utc("1970-01-01T01:00:00.5+01:00") == 500_000_000
    for text in (
        "1970-01-01",
        "1970-01-01T00:00:00",
        "1970-01-01T00:00:00.1234567890Z",
        "x",
        "1970-01-01T00:00:00.Ⅷ5Z",
        "1970-01-01T00:00.5Z",
        "1970-01-01T00:00Z",
        "1970-01-01T00Z",
        "1970-W01-4T00:00:00Z",
        "19700101T000000Z",
    ):
        with pytest.raises(ValueError):
            parse_utc(text)


def test_clock_converts_in_both_directions() -> None:
    assert CLOCK.monotonic_ns(CLOCK.wall_ns(123)) == 123
