"""A recording has a run folder for each target, whatever happens to the target or to the disk."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import pytest

from profileapp.judge.verdict import judge_folder
from profileapp.live import recorder as recorder_module
from profileapp.live.recorder import Recorder, Recording
from profileapp.live.snapshot import Snapshot
from profileapp.model.target import App, Target
from profileapp.record.reader import read_run
from tests.helpers.live import LiveBench
from tests.helpers.small_disk import NoSmallDisk, small_disk

TARGET = Target("live", interval_s=0.02, metrics=("system", "container", "functions"))


def recorded(bench: LiveBench, out: Path, target: Target = TARGET, optional: frozenset[str] = frozenset()) -> Recorder:
    recording = Recording(out, target, App("app"), optional_metrics=optional)
    recorder = Recorder(recording, bench.watch.device, lambda: bench.stop.signal)
    bench.watch.observers = (recorder,)
    return recorder


def has_values(snapshot: Snapshot) -> bool:
    return bool(snapshot.targets) and all(row.values or row.state == "ended" for row in snapshot.targets)


def samples(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "metrics.ndjson").open()]


def test_each_target_has_a_run_folder(tmp_path: Path) -> None:
    out = tmp_path / "profile"
    bench = LiveBench(tmp_path)
    recorder = recorded(bench, out)
    for name in ("first", "second"):
        bench.feed.start(name)
    bench.run_until(lambda each: len(each.targets) == 2 and has_values(each))
    assert set(recorder.folders) == {"first", "second"} and not recorder.failures
    runs = [read_run(out / name) for name in ("first", "second")]
    assert runs[0].id != runs[1].id
    for run in runs:
        assert run.live is not None and run.live.title == run.target.name
        assert (run.state, run.exit_reason, run.app.name) == ("finished", "detached", "app")
        assert {status.metric: status.state for status in run.metrics} == {
            "system": "skipped",
            "container": "measured",
            "functions": "skipped",
        }
        assert len(run.repeats) == 1 and run.repeats[0].ended_ns > run.repeats[0].started_ns
    judged = judge_folder(out / "first")
    assert judged.verdict == "passed"
    assert [each.mean for each in judged.run.summary if each.name == "container.cpu.util"] == [50.0]
    # The first sample, at the moment of attaching, counts.
    assert samples(out / "first")[0]["value"] == 50.0


def test_a_metric_that_was_not_requested_is_not_reported_missing(tmp_path: Path) -> None:
    bench = LiveBench(tmp_path)
    recorded(bench, tmp_path / "profile", optional=frozenset({"system", "functions"}))
    bench.feed.start("app")
    bench.run_until(has_values)
    run = read_run(tmp_path / "profile/app")
    assert [status.metric for status in run.metrics] == ["container"]
    assert run.target.metrics == ("container",)


def test_each_start_is_a_repeat_and_so_is_a_failure(tmp_path: Path) -> None:
    bench = LiveBench(tmp_path)
    recorded(bench, tmp_path / "profile")
    bench.feed.end(bench.feed.start("app"), 3)
    bench.feed.start("app")
    bench.run_until(has_values)
    run = read_run(tmp_path / "profile/app")
    assert [repeat.exit_reason for repeat in run.repeats] == ["failed", "detached"]
    assert judge_folder(tmp_path / "profile/app").verdict == "app failed"


def test_a_restart_loop_fills_neither_the_file_nor_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorder_module, "REPEATS_LIMIT", 20)
    bench = LiveBench(tmp_path)
    recorded(bench, tmp_path / "profile")
    for _ in range(50):
        bench.feed.end(bench.feed.start("app"), 1)
    bench.run_until(lambda each: bool(each.targets))
    run = read_run(tmp_path / "profile/app")
    assert len(run.repeats) == 20
    assert any("more than 20 times" in text for text in run.warnings)


def test_an_app_that_its_operator_stopped_did_not_fail(tmp_path: Path) -> None:
    bench = LiveBench(tmp_path)
    recorded(bench, tmp_path / "profile")
    bench.feed.end(bench.feed.start("app"), 143, ordered=True)
    bench.run_until(lambda each: bool(each.targets))
    assert judge_folder(tmp_path / "profile/app").verdict == "passed"


def test_an_early_signal_is_recorded(tmp_path: Path) -> None:
    bench = LiveBench(tmp_path)
    recorded(bench, tmp_path / "profile")
    bench.feed.start("app")
    bench.view.on_show = lambda _: bench.stop.request(signal.SIGTERM)
    bench.run()
    run = read_run(tmp_path / "profile/app")
    assert (run.exit_reason, run.message, run.stop_signal) == ("aborted", "stopped by SIGTERM", signal.SIGTERM)


def test_a_foreign_folder_fails_only_that_target(tmp_path: Path) -> None:
    out = tmp_path / "profile"
    (out / "first").mkdir(parents=True)
    (out / "first" / "mine.txt").write_text("keep")
    bench = LiveBench(tmp_path)
    recorder = recorded(bench, out)
    for name in ("first", "second"):
        bench.feed.start(name)
    bench.run_until(lambda each: len(each.targets) == 2 and has_values(each))
    assert set(recorder.folders) == {"second"}
    assert "contains 'mine.txt'" in str(recorder.failures["first"])
    assert (out / "first" / "mine.txt").read_text() == "keep"


def test_a_full_disk_ends_the_recording_and_not_the_watching(tmp_path: Path) -> None:
    out = tmp_path / "disk"
    out.mkdir()
    try:
        with small_disk(out, "2m", "") as disk:
            bench = LiveBench(tmp_path)
            recorder = recorded(bench, out)
            bench.feed.start("app")

            def shows_more_after_the_failure(snapshot: Snapshot) -> bool:
                if has_values(snapshot) and not disk._filler.exists():
                    disk.fill(leave_bytes=0)
                return bool(recorder.failures) and has_values(snapshot)

            shown = bench.run_until(shows_more_after_the_failure, timeout_s=60)
            assert shown.targets[0].values == {"container.cpu.util": 50.0}
            assert "can no longer be written (No space left on device)" in str(recorder.failures["app"])
    except NoSmallDisk as error:
        pytest.skip(str(error))
