"""Targets that start and end, with fake sources and a fake runtime: attaching, closing, views and forgetting."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from profileapp.errors import ConfigError
from profileapp.live import watch as watch_module
from profileapp.live.change import Container
from profileapp.live.selection import Selection
from profileapp.live.snapshot import Snapshot, TargetRow
from tests.helpers.live import LiveBench


def by_title(snapshot: Snapshot) -> dict[str, TargetRow]:
    return {row.title: row for row in snapshot.targets}


def test_new_containers_are_measured_and_ended_ones_are_closed(tmp_path: Path) -> None:
    bench = LiveBench(tmp_path)
    first = bench.feed.start("first")
    bench.feed.start("second")
    bench.feed.end(first, 3)
    shown = by_title(bench.run_until(lambda each: len(each.targets) == 2 and bool(each.targets[1].values)))
    assert shown["first"].state == "ended"
    assert shown["first"].message == "exited with code 3"
    assert shown["first"].values == {}
    assert shown["second"].state == "running"
    assert shown["second"].values == {"container.cpu.util": 50.0}
    assert "gpu-memory" in shown["second"].missing
    assert bench.feed.is_closed
    assert "first: attached" in bench.view.notes


def test_a_restart_is_another_start_of_the_same_target(tmp_path: Path) -> None:
    bench = LiveBench(tmp_path)
    for _ in range(50):
        container = bench.feed.start("looping")
        bench.feed.end(container, 1)
    container = bench.feed.start("looping")
    shown = bench.run_until(lambda each: bool(each.targets and each.targets[0].values))
    assert [(row.title, row.starts, row.state) for row in shown.targets] == [("looping", 51, "running")]
    # A restart loop must not flood the log.
    assert len(bench.view.notes) == 2


def test_a_recreated_container_of_the_same_name_is_the_same_target(tmp_path: Path) -> None:
    bench = LiveBench(tmp_path)
    bench.feed.end(bench.feed.start("app", container_id="old"))
    bench.feed.start("app", container_id="new")
    shown = bench.run_until(lambda each: bool(each.targets and each.targets[0].state == "running"))
    assert [(row.container_id, row.starts) for row in shown.targets] == [("new", 2)]


def test_two_running_containers_of_one_name_are_two_targets(tmp_path: Path) -> None:
    bench = LiveBench(tmp_path)
    bench.feed.start("app", container_id="one")
    bench.feed.start("app", container_id="two")
    shown = bench.run_until(lambda each: len(each.targets) == 2)
    assert len({row.name for row in shown.targets}) == 2


def test_an_app_that_ended_before_it_was_attached_is_no_error(tmp_path: Path) -> None:
    bench = LiveBench(tmp_path)
    container = bench.feed.start("short", pid=666)
    bench.feed.end(container, 0)
    shown = bench.run_until(lambda each: bool(each.targets))
    assert shown.targets[0].message == "exited with code 0"


def test_200_containers_at_once(tmp_path: Path) -> None:
    bench = LiveBench(tmp_path, interval_s=0.2)
    for number in range(200):
        bench.feed.start(f"app-{number}")
    threads_before = threading.active_count()
    shown = bench.run_until(
        lambda each: len(each.targets) == 200 and all(row.values for row in each.targets), timeout_s=60
    )
    assert len({row.name for row in shown.targets}) == 200
    assert threading.active_count() == threads_before


def test_more_targets_than_the_limit_are_not_watched_and_it_is_reported_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch_module, "TARGETS_LIMIT", 3)
    bench = LiveBench(tmp_path)
    for number in range(10):
        bench.feed.start(f"app-{number}")
    shown = bench.run_until(lambda _: True)
    assert len(shown.targets) == 3
    assert sum("more than 3 targets" in note for note in bench.view.notes) == 1


def test_a_target_that_ended_is_forgotten_after_a_while_unless_it_was_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch_module, "ENDED_KEPT_S", 0.05)
    bench = LiveBench(tmp_path, Selection(names=("named", "job-*")), known=(Container("id-named", "named"),))
    for name in ("named", "job-1"):
        bench.feed.end(bench.feed.start(name))
    shown = bench.run_until(lambda each: [row.title for row in each.targets] == ["named"])
    assert shown.targets[0].state == "ended"


def test_a_named_container_that_does_not_run_yet_is_waited_for(tmp_path: Path) -> None:
    bench = LiveBench(tmp_path, Selection(names=("app",)), known=(Container("id-app", "app"),))
    waiting = bench.run_until(lambda _: True)
    assert [row.state for row in waiting.targets] == ["waiting"]


def test_an_unknown_name_is_an_error_and_closes_the_feed(tmp_path: Path) -> None:
    bench = LiveBench(tmp_path, Selection(names=("app",)), known=(Container("id", "apple"),))
    with pytest.raises(ConfigError, match="did you mean apple"):
        bench.run()
    assert bench.feed.is_closed


def test_the_sources_sample_once_a_second_at_most_while_a_run_measures(tmp_path: Path) -> None:
    bench = LiveBench(tmp_path)
    bench.feed.start("app")
    bench.is_measuring = True
    shown = bench.run_until(lambda each: each.beside_run and bool(each.targets[0].values))
    assert shown.interval_s == 1.0
    assert any("a run measures on this agent" in note for note in bench.view.notes)


def test_it_ends_after_its_time(tmp_path: Path) -> None:
    bench = LiveBench(tmp_path, limit_s=0.1)
    bench.run()
    assert bench.view.snapshots


def test_a_signal_ends_it(tmp_path: Path) -> None:
    bench = LiveBench(tmp_path)
    bench.view.on_show = lambda _: bench.stop.request(15)
    bench.run()
    assert len(bench.view.snapshots) == 1


def test_a_process_is_watched_until_it_ends(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        bench = LiveBench(tmp_path, Selection(pids=(process.pid,)))

        def end_process(snapshot: Snapshot) -> None:
            if snapshot.targets[0].state == "running":
                process.communicate(b"\n")

        bench.view.on_show = end_process
        bench.run()
    assert bench.watch.has_attached
    assert bench.watch.targets[0].state == "ended"


def test_a_process_that_does_not_run_is_an_error(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    with pytest.raises(ConfigError, match=f"--pid {process.pid}: no such process runs"):
        LiveBench(tmp_path, Selection(pids=(process.pid,))).run()


def test_an_own_process_has_a_title_and_is_a_target(tmp_path: Path) -> None:
    bench = LiveBench(tmp_path, Selection(pids=(os.getpid(),)))
    shown = bench.run_until(lambda _: True)
    assert shown.targets[0].title.endswith(f"-{os.getpid()}")
