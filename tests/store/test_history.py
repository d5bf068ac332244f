"""Trends, changes and comparisons from the database."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from profileapp.errors import ConfigError
from profileapp.judge.changes import find_changes, with_changes
from profileapp.judge.compare import compare
from profileapp.model.history import Point, Trend
from profileapp.model.run import Agent, Build
from profileapp.store.database import Database, open_database
from profileapp.store.history import measured, trends
from profileapp.store.ingest import store_folder
from profileapp.store.select import Selection
from tests.store.runs import CORE, CPU, FPS, SECOND_NS, START_NS, a_run, record

APP = Selection(app="objcounter")


@pytest.fixture
def database(db: str, tmp_path: Path) -> Database:
    """Six runs on main with FPS 10, 11, …; one on another board; one whose app failed."""
    opened = open_database(db, write=True)
    for number in range(6):
        run = a_run(
            f"r{number}",
            started_ns=START_NS + number * 3600 * SECOND_NS,
            build=Build(job="team/app", number=str(number), commit=f"{number}" * 40, branch="main"),
        )
        store_folder(opened, record(tmp_path / f"{number}", run, {FPS: [10.0 + number], CPU: [50.0], CORE: [1.0]}))
    other = a_run("other", agent=Agent(hostname="nano", board="Jetson Nano"), build=Build(branch="old"))
    store_folder(opened, record(tmp_path / "other", other, {FPS: [2.0]}))
    failed = a_run("failed", exit_reason="failed", started_ns=START_NS + 9000 * SECOND_NS)
    store_folder(opened, record(tmp_path / "failed", failed, {FPS: [0.0]}))
    return opened


def test_headline_trends_by_device(database: Database) -> None:
    found = {(trend.device, trend.title): trend for trend in trends(database, APP)}
    assert set(found) == {
        ("Jetson AGX Orin", "container.cold-start"),
        ("Jetson AGX Orin", "container.cpu.util"),
        ("Jetson AGX Orin", "fps"),
        ("Jetson Nano", "container.cold-start"),
        ("Jetson Nano", "fps"),
    }
    fps = found["Jetson AGX Orin", "fps"]
    assert [point.value for point in fps.points] == [10.0, 11.0, 12.0, 13.0, 14.0, 15.0]
    assert fps.points[2] == Point("r2", START_NS + 7200 * SECOND_NS, 12.0, "2" * 40, "team/app#2")
    assert (fps.unit, fps.statistic) == ("frames/s", "mean")


def test_one_metric_as_in_a_budget(database: Database) -> None:
    (trend,) = trends(database, Selection(app="objcounter", branch="main"), "system.cpu.util.0.max", last=2)
    assert (trend.title, trend.statistic, len(trend.points)) == ("system.cpu.util[0]", "max", 2)
    with pytest.raises(ConfigError, match="'nothing': no run of 'objcounter' measured it"):
        trends(database, APP, "nothing")
    with pytest.raises(ConfigError, match="contains no finished run of 'none'"):
        trends(database, Selection(app="none"))


MEANT = {"r3": [13.0], "team/app#4": [14.0], "1111111": [11.0], "main": [15.0], "old": [2.0]}


def test_resolution_of_a_search_term(database: Database) -> None:
    for reference, fps in MEANT.items():
        runs = measured(database, reference)
        assert [next(one.mean for one in run.summary if one.name == "fps") for run in runs] == fps, reference
    for reference in ("failed", "nothing", "%", "team/app#99"):
        with pytest.raises(ConfigError, match="no folder, and in"):
            measured(database, reference)


def test_a_comparison_of_two_runs(database: Database) -> None:
    found = compare(measured(database, "r0"), measured(database, "main"), "fps")
    (difference,) = found
    assert difference.first and difference.second and difference.ratio == pytest.approx(0.5)
    assert (difference.second.mean, difference.second.runs) == (15.0, 1)
    lonely = compare(measured(database, "r0"), measured(database, "old"))
    assert {(each.device, each.ratio) for each in lonely} == {("Jetson AGX Orin", None), ("Jetson Nano", None)}


def noise(level: float, count: int, seed: int) -> list[float]:
    chance = random.Random(seed)  # noqa: S311
    return [chance.gauss(level, 0.02 * level) for _ in range(count)]


def a_trend(values: list[float]) -> Trend:
    points = tuple(Point(f"r{at}", at, value, f"c{at}") for at, value in enumerate(values))
    return Trend("app", "gpu", "orin", "fps", "mean", "", points)


def test_a_change_is_found_with_its_commit() -> None:
    values = noise(10.0, 40, 1) + noise(12.0, 30, 2)
    (change,) = with_changes(a_trend(values)).changes
    assert (change.index, change.commit, change.commit_before) == (40, "c40", "c39")
    assert change.before == pytest.approx(10, rel=0.02) and change.ratio == pytest.approx(0.2, rel=0.1)


def test_noise_and_constant_values_have_no_change() -> None:
    assert find_changes(noise(10.0, 60, 3)) == [] == find_changes([5.0] * 50)


def test_too_few_runs_are_reported() -> None:
    assert "3 runs" in with_changes(a_trend([1.0, 2.0, 3.0])).note
