"""Plots that compare targets."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from profileapp.collect.container import series as container
from profileapp.judge.energy import mean_power_w
from profileapp.judge.verdict import JudgedRun, judge_folder
from profileapp.model.run import HeadlineValue, Repeat
from profileapp.model.series import series
from profileapp.report.devices import placed
from profileapp.report.plot import targets as module
from profileapp.report.plot.series import Plot
from profileapp.report.plot.trade_off import Point, pareto
from tests.helpers.samples import series_data
from tests.report.sample_runs import FPS, SECOND_NS, START_NS, sample_run, wave, write_target
from tests.report.test_devices import DEVICE_NAMES
from tests.report.test_pages import HOSTILE, pages_of, report
from tests.report.test_plots import SVG, drawn

ENERGY = series("energy.total", "J", "energy", "counter")


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> JudgedRun:
    out = tmp_path_factory.mktemp("targets")
    shapes = {FPS: wave(10, 1, 0), container.CPU.series: wave(50, 1, 0), ENERGY: lambda at_s, _: 7.0 * at_s}
    return judge_folder(write_target(out, sample_run("gpu", seconds=20), shapes).path)


def target_plots(judged: Sequence[JudgedRun]) -> list[Plot]:
    return module.target_plots(placed(judged))


def target(one: JudgedRun, name: str, numbers: tuple[HeadlineValue, ...], **changes: Any) -> JudgedRun:
    run = msgspec.structs.replace(one.run, target=msgspec.structs.replace(one.run.target, name=name), numbers=numbers)
    return msgspec.structs.replace(one, run=run, **changes)


def numbers(fps: float, cpu: float) -> tuple[HeadlineValue, ...]:
    return (
        HeadlineValue("container.cpu.util", "mean", "%", cpu, (cpu - 1, cpu + 1)),
        HeadlineValue("fps", "mean", "frames/s", fps, (fps,)),
    )


def test_bars_for_shared_values_and_speed_against_power(one: JudgedRun) -> None:
    plots = target_plots([target(one, "a", numbers(10, 50)), target(one, "b", numbers(20, 90))])
    assert [plot.title for plot in plots] == ["Frames per second against power", "container.cpu.util mean", "fps mean"]
    assert "a 10 frames/s for 7 W; b 20 frames/s for 7 W. None is better than: b" in plots[0].description
    texts = ["".join(each.itertext()) for each in drawn(plots[1]).iter(f"{SVG}text")]
    assert {"a", "b"} <= set(texts)
    assert plots[1].description.endswith("a 50 %; b 90 %")


def test_bars_of_one_device_have_target_and_value(one: JudgedRun) -> None:
    cpu = target_plots([target(one, "a", numbers(10, 50)), target(one, "b", numbers(20, 90))])[1]
    texts = ["".join(each.itertext()).strip() for each in drawn(cpu).iter(f"{SVG}text")]
    assert {"50 %", "90 %", "least to greatest of the repeats"} <= set(texts)
    assert "pattern" not in cpu.light.decode()


def test_equal_repeats_need_no_legend(one: JudgedRun) -> None:
    fps = target_plots([target(one, "a", numbers(10, 50)), target(one, "b", numbers(20, 90))])[2]
    assert b"repeats" not in fps.light


def test_devices_differ_in_name_pattern_and_shape(on_devices: list[JudgedRun]) -> None:
    trade_off, cpu, *_ = target_plots(on_devices)
    texts = ["".join(each.itertext()).strip() for each in drawn(cpu).iter(f"{SVG}text")]
    names = [each for each in texts if each in ("day", "night", *DEVICE_NAMES)]
    # The names of bars and the headings are separate groups of texts, each sorted from the top.
    assert names == [*DEVICE_NAMES, *DEVICE_NAMES, "day", "night"]
    patterns = {each.get("id"): each for each in drawn(cpu).iter(f"{SVG}pattern")}
    assert len(patterns) == 2
    used = {each.get("fill", "")[5:-1] for each in drawn(cpu).iter() if each.get("fill", "").startswith("url(")}
    assert used == set(patterns)
    texts = ["".join(each.itertext()).strip() for each in drawn(trade_off).iter(f"{SVG}text")]
    assert {*DEVICE_NAMES, "hollow: another is faster for no more power"} <= set(texts)
    outlines = {mark.get("d") for mark in drawn(trade_off).iter(f"{SVG}path") if mark.get("id")}
    assert len(outlines) >= len(DEVICE_NAMES)
    assert "day on agx-orin-1 51.5 frames/s" in trade_off.description


def test_without_energy_the_plot_is_speed_against_cpu(one: JudgedRun) -> None:
    plots = target_plots([target(one, name, numbers(10, 50), series={}) for name in "ab"])
    assert plots[0].title == "Frames per second against CPU"


def test_a_single_target_has_no_plots(one: JudgedRun) -> None:
    assert target_plots([one]) == []
    assert target_plots([]) == []
    assert target_plots([target(one, "a", numbers(1, 2)), target(one, "b", ())]) == []


def test_the_best_targets_are_pareto_optimal() -> None:
    points = [Point("slow", "", 1, 5), Point("bad", "", 2, 4), Point("fast", "", 3, 9), Point("dear", "", 4, 9)]
    assert [each.target for each in pareto(points)] == ["slow", "fast"]


@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.tuples(st.floats(allow_nan=False, allow_infinity=False), st.text(max_size=30)), min_size=2, max_size=5)
)
def test_any_values_and_names_can_be_drawn(one: JudgedRun, found: list[tuple[float, str]]) -> None:
    for plot in target_plots([target(one, name, numbers(value, value)) for value, name in found]):
        drawn(plot)


def test_mean_power_uses_only_measured_samples() -> None:
    data = series_data((START_NS + second * SECOND_NS, second * (5.0 if second <= 10 else 9.0)) for second in range(21))
    repeats = (Repeat(1, START_NS, START_NS + 2 * SECOND_NS, START_NS + 10 * SECOND_NS, "completed"),)
    assert mean_power_w({ENERGY: data}, repeats) == pytest.approx(5.0)
    assert mean_power_w({ENERGY: series_data([])}, repeats) is None and mean_power_w({}, repeats) is None


@pytest.mark.parametrize("text", [HOSTILE, "A" * 5000])
def test_a_hostile_name_is_escaped_on_the_overview(text: str, tmp_path: Path) -> None:
    shapes = {series(text[:200], "frames/s", "custom"): wave(10, 1, 0), container.CPU.series: wave(50, 1, 0)}
    judged = [judge_folder(write_target(tmp_path, sample_run(name, seconds=5), shapes).path) for name in ("a", "b")]
    index = report(tmp_path, judged)
    assert len(pages_of(index)) == 3
    assert len(list((tmp_path / "report").glob("*bars*.svg"))) >= 4
