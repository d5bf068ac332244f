"""Hits of rules, with a fake clock: when they trigger, what is recorded, and the limits of memory and disk."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from profileapp.collect.api import AppHandle
from profileapp.judge.verdict import judge_folder
from profileapp.live.change import Gone
from profileapp.live.recorder import Recording
from profileapp.live.ring import SAMPLE_BYTES, Ring
from profileapp.live.rules import Rule, load_rules
from profileapp.live.trigger_recorder import TriggerRecorder
from profileapp.live.watched import Watched, ended
from profileapp.model.series import Series, series
from profileapp.model.target import App, Target
from profileapp.record.reader import read_run, read_series
from tests.helpers.live import make_watched
from tests.helpers.small_disk import NoSmallDisk, small_disk

CPU = series("container.cpu.util", "%", "container")
HEAT = series("system.temperature", "°C", "system", sensor="gpu")
NAMES = {CPU.name: CPU, HEAT.name: HEAT}
S = 1_000_000_000
RULE = """
rules:
  - name: busy
    when: "container.cpu.util.mean over 10s > 90 %"
    do: {keep: {before: 30s, after: 20s}, note: "too busy"}
"""


class Bench:
    """One target that is sampled once a second; `second` is the time."""

    def __init__(
        self, folder: Path, rules: str = RULE, *, out: Path | None = None, keep: int = 10**7, disk: int = 10**9
    ) -> None:
        self.second = 100
        self.notes: list[str] = []
        self.out = out or folder / "kept"
        self.device = make_watched(folder, "device")
        self.app = make_watched(folder)
        path = folder / "rules.yaml"
        path.write_text(rules)
        recording = Recording(self.out, Target("live", interval_s=1.0, metrics=("container",)), App("app"))
        self.recorder = TriggerRecorder(
            recording, self._rules(path), self.device, Ring(keep), disk, self.notes.append, lambda: self.second * S
        )
        self.recorder.begun(self.app)
        self.start()

    @staticmethod
    def _rules(path: Path) -> tuple[Rule, ...]:
        return load_rules(path, NAMES)

    def start(self) -> None:
        self.app.attach(AppHandle(7, "id-app"), self.second * S)
        self.recorder.attached(self.app)

    def seconds(self, count: int, value: float, of: Series = CPU, watched: Watched | None = None) -> None:
        for _ in range(count):
            self.second += 1
            (watched or self.app).emit(of, value, self.second * S)
            self.recorder.check()

    def times_s(self, folder: Path) -> list[float]:
        found = read_series(folder, [])
        return [at_ns / S - 10**9 for at_ns in found[CPU].times_ns]


def test_a_hit_becomes_a_run_folder_with_the_time_before_and_after(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.seconds(60, 10.0)
    bench.seconds(10, 100.0)
    hit_s = bench.second
    bench.seconds(30, 100.0)
    (folder,) = bench.recorder.kept
    assert folder.name.startswith("busy.") and folder.name.endswith(".app")
    run = read_run(folder)
    assert run.live is not None
    assert (run.live.rule, run.live.note, run.live.title) == ("busy", "too busy", "app")
    assert run.live.triggered_ns == (10**9 + hit_s) * S
    assert bench.times_s(folder) == [float(each) for each in range(hit_s - 30, hit_s + 21)]
    judged = judge_folder(folder)
    assert judged.verdict == "passed"
    assert [(mark.name, mark.at_ns) for mark in judged.run.marks] == [("rule busy", run.live.triggered_ns)]


def test_100_hits_of_known_ramps_are_at_most_two_intervals_late(tmp_path: Path) -> None:
    text = """
rules:
  - {name: ramp, when: "container.cpu.util.mean over 5s > 50", do: {keep: {before: 8, after: 1}}, at-most: 1000 per 1h}
"""
    bench = Bench(tmp_path, text)
    late_s = []
    for _ in range(100):
        bench.seconds(10, 0.0)
        crossed_s = 0
        values: list[float] = [0.0] * 6
        for step in range(1, 12):
            value = step * 10.0
            values = [*values, value][-6:]
            before = len(bench.recorder.kept) + len(bench.recorder._pending)
            bench.seconds(1, value)
            if not crossed_s and sum(values) / len(values) > 50:
                crossed_s = bench.second
            if crossed_s and len(bench.recorder.kept) + len(bench.recorder._pending) > before:
                late_s.append(bench.second - crossed_s)
    bench.seconds(5, 0.0)
    assert len(bench.recorder.kept) == 100 and len(late_s) == 100
    assert max(late_s) <= 2
    # Each has all of the time before the hit.
    assert all(len(bench.times_s(folder)) >= 9 for folder in bench.recorder.kept)


def test_a_rule_that_always_holds_hits_once(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.seconds(300, 100.0)
    assert len(bench.recorder.kept) == 1


def test_a_rule_hits_no_more_often_than_at_most(tmp_path: Path) -> None:
    bench = Bench(tmp_path, RULE + "    at-most: 2 per 1h\n")
    for _ in range(5):
        bench.seconds(20, 100.0)
        bench.seconds(20, 0.0)
    assert len(bench.recorder.kept) == 2
    assert any("not kept, as it was 2 times already" in note for note in bench.notes)


def test_nothing_hits_before_the_window_is_full(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.seconds(9, 100.0)
    assert not bench.notes
    bench.app.detach(ended(bench.app.life, Gone("id-app", bench.second * S, 0)))  # type: ignore[arg-type]
    bench.start()
    # The app restarted: its earlier samples do not count.
    bench.seconds(9, 100.0)
    assert not bench.notes
    bench.seconds(2, 100.0)
    assert len(bench.notes) == 1


def test_the_device_counts_for_every_target_that_runs(tmp_path: Path) -> None:
    text = 'rules: [{name: hot, when: "system.temperature.gpu.max over 5s > 80 °C", do: {keep: {after: 0s}}}]'
    bench = Bench(tmp_path, text)
    bench.seconds(10, 90.0, HEAT, bench.device)
    assert len(bench.recorder.kept) == 1
    assert HEAT in read_series(bench.recorder.kept[0], [])


def test_a_hit_is_written_if_the_target_ends_early(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.seconds(12, 100.0)
    bench.recorder.finished(bench.app)
    assert len(bench.recorder.kept) == 1


def test_memory_is_bounded_and_missing_samples_are_reported(tmp_path: Path) -> None:
    bench = Bench(tmp_path, keep=20 * SAMPLE_BYTES)
    bench.seconds(100, 0.0)
    bench.seconds(40, 100.0)
    (folder,) = bench.recorder.kept
    assert len(bench.times_s(folder)) == 20
    assert any("were in memory; --keep more" in text for text in read_run(folder).warnings)


def test_disk_is_bounded_and_only_the_oldest_hits_are_removed(tmp_path: Path) -> None:
    bench = Bench(tmp_path, RULE + "    at-most: 100 per 1h\n", disk=60_000)
    other = bench.out / "mine.20200101t000000z.app"
    other.mkdir(parents=True)
    (bench.out / "notes").mkdir()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "file").write_text("keep")
    (bench.out / "evil.20200101t000000z.app").symlink_to(elsewhere)
    for _ in range(12):
        bench.seconds(30, 100.0)
        bench.seconds(30, 0.0)
    left = [folder for folder in bench.recorder.kept if folder.is_dir()]
    assert 1 < len(left) < 12 and left == bench.recorder.kept[-len(left) :]
    assert (bench.out / "notes").is_dir() and (elsewhere / "file").read_text() == "keep"


def test_a_full_disk_ends_recording_but_not_watching(tmp_path: Path) -> None:
    out = tmp_path / "disk"
    out.mkdir()
    try:
        with small_disk(out, "1m", "") as disk:
            bench = Bench(tmp_path, RULE + "    at-most: 100 per 1h\n", out=out)
            disk.fill(leave_bytes=0)
            bench.seconds(40, 100.0)
            assert any("cannot be kept (" in note and "watching goes on" in note for note in bench.notes)
            disk.make_room()
            bench.seconds(40, 0.0)
            bench.seconds(40, 100.0)
            assert len(bench.recorder.kept) == 1
    except NoSmallDisk as error:
        pytest.skip(str(error))


def test_run_json_is_valid(tmp_path: Path) -> None:
    import jsonschema

    from profileapp.commands.schema import schema_of

    bench = Bench(tmp_path)
    bench.seconds(40, 100.0)
    (folder,) = bench.recorder.kept
    jsonschema.validate(json.loads((folder / "run.json").read_text()), schema_of("run"))
