"""Statistics, budgets, headlines and verdicts."""

from __future__ import annotations

import contextlib
import math
import statistics
from array import array
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from profileapp.errors import ExitCode, worst
from profileapp.judge.budget import judge_budget
from profileapp.judge.headline import headlines
from profileapp.judge.percentiles import percentile
from profileapp.judge.summary import summarise, summary_of
from profileapp.judge.verdict import exit_code_of, judge_folder, verdict_of
from profileapp.model.budget import parse_budget
from profileapp.model.clock import Clock
from profileapp.model.quantity import parse_duration_s, parse_quantity
from profileapp.model.run import BudgetResult, MetricStatus, Repeat, Run
from profileapp.model.series import Series, series
from profileapp.model.target import App, Target
from profileapp.record.folder import RunFolder
from profileapp.record.series_data import SeriesData
from tests.helpers.samples import series_data

FPS = series("fps", "frames/s", "custom")
MEMORY = series("container.memory.used", "bytes", "container")


def data(points: list[tuple[int, float]]) -> SeriesData:
    return series_data(points)


def summaries(*values: tuple[Series, list[float]]):
    return [summary_of(one, array("d", numbers)) for one, numbers in values]


FLOATS = st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=60)


@given(FLOATS)
def test_statistics_agree_with_the_standard_library(values: list[float]) -> None:
    summary = summary_of(FPS, array("d", values))
    assert summary.count == len(values)
    assert summary.mean == pytest.approx(statistics.fmean(values), rel=1e-9, abs=1e-6)
    assert summary.stddev == pytest.approx(statistics.stdev(values) if len(values) > 1 else 0, rel=1e-6, abs=1e-6)
    assert summary.p50 == pytest.approx(statistics.median(values), rel=1e-9, abs=1e-9)
    assert (summary.min, summary.max, summary.last) == (min(values), max(values), values[-1])
    assert (
        summary.min
        <= summary.p50
        <= summary.p90
        <= summary.p95
        <= (summary.p95 if summary.p99 is None else summary.p99)
        <= summary.max
    )


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=30))
def test_no_number_is_too_large_for_a_summary(values: list[float]) -> None:
    summary = summary_of(FPS, array("d", values))
    numbers = (summary.mean, summary.stddev, summary.p50, summary.p90, summary.p95)
    assert all(math.isfinite(number) for number in numbers)
    assert summary.min <= summary.p50 <= summary.p90 <= summary.p95 <= summary.max


@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=60), st.integers(1, 99))
def test_percentiles_are_type_7(values: list[float], percent: int) -> None:
    expected = statistics.quantiles(values, n=100, method="inclusive")[percent - 1]
    assert percentile(sorted(values), percent) == pytest.approx(expected, rel=1e-9, abs=1e-6)


def test_only_samples_in_a_repeat_after_its_warm_up_count() -> None:
    repeats = (Repeat(1, 0, 10, 20), Repeat(2, 30, 40, 50))
    points = [(at, float(at)) for at in range(0, 60, 5)]
    [summary] = summarise({FPS: data(points)}, repeats)
    assert (summary.count, summary.min, summary.max) == (6, 10.0, 50.0)
    [shuffled] = summarise({FPS: data(points[::-1])}, repeats)
    assert (shuffled.count, shuffled.mean) == (summary.count, summary.mean)
    [unended] = summarise({FPS: data(points)}, (Repeat(1, 0, 10),))
    assert unended.count == 10
    assert summarise({FPS: data(points)}, ())[0].count == 12
    assert summarise({FPS: data([(5, 1.0)])}, repeats) == ()


@pytest.mark.parametrize(
    ("key", "condition", "state", "margin"),
    [
        ("fps.mean", ">= 10", "met", 5.0),
        ("fps.mean", "> 15", "violated", 0.0),
        ("fps.min", ">= 12", "violated", -2.0),
        ("container.memory.used.max", "<= 2 GiB", "met", 2.0 * 2**30 - 2e9),
        ("container.memory.used.max", "< 1 GB", "violated", -1e9),
        ("system.temperature.p95", "< 80", "violated", -10.0),
        ("system.temperature.gpu.max", "< 80 °C", "violated", -10.0),
        ("system.temperature.cpu.max", "< 80", "met", 30.0),
        ("fps.count", ">= 2", "met", 0.0),
    ],
)
def test_budgets(key: str, condition: str, state: str, margin: float) -> None:
    measured = summaries(
        (FPS, [10.0, 20.0]),
        (MEMORY, [1e9, 2e9]),
        (series("system.temperature", "°C", "system", sensor="cpu"), [50.0]),
        (series("system.temperature", "°C", "system", sensor="gpu"), [90.0]),
    )
    result = judge_budget(parse_budget(key, condition), measured)
    assert (result.state, result.margin) == (state, pytest.approx(margin))


@pytest.mark.parametrize(
    ("key", "condition", "message"),
    [
        ("fsp.mean", ">= 10", "no series fsp was measured; did you mean fps?"),
        ("fps.mean", ">= 10 GiB", "fps is measured in frames/s, not in bytes"),
    ],
)
def test_a_budget_on_an_unmeasured_metric_fails(key: str, condition: str, message: str) -> None:
    result = judge_budget(parse_budget(key, condition), summaries((FPS, [10.0])))
    assert (result.state, result.message) == ("not-measured", message)


@pytest.mark.parametrize("text", ["10", "= 10", ">= ten", ">=", ">= nan", ">= 1e999", "", ">= 10\n<= 5 GiB\n" * 9])
def test_invalid_conditions(text: str) -> None:
    with pytest.raises(ValueError):
        parse_budget("fps.mean", text)


@given(st.text(max_size=60), st.text(max_size=60))
def test_arbitrary_text_raises_only_value_errors(key: str, condition: str) -> None:
    with contextlib.suppress(ValueError):
        parse_budget(key, condition)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("2 GiB", (2**31, "bytes")), ("10", (10, "")), ("1.5 ms", (0.0015, "s")), ("3 MB/s", (3e6, "bytes/s")),
     ("12 frames/s", (12, "frames/s")), ("-5.5e1°C", (-55, "°C"))],
)  # fmt: skip
def test_quantities(text: str, expected: tuple[float, str]) -> None:
    assert parse_quantity(text) == (pytest.approx(expected[0]), expected[1])


def test_durations() -> None:
    assert [parse_duration_s(each) for each in (5, 0.5, "500ms", "90s", "2m", " 1.5 h ")] == [
        5,
        0.5,
        0.5,
        90,
        120,
        5400,
    ]
    for text in ("", "5", "m", "-1s", "1d", "1s "[::-1]):
        with pytest.raises(ValueError):
            parse_duration_s(text)


def test_headlines_have_usage_first_then_the_apps_frame_rate() -> None:
    measured = summaries(
        (MEMORY, [1.0, 3.0]),
        (series("accuracy", "%", "custom"), [90.0]),
        (series("frames", "", "custom", "counter"), [1.0]),
        (series("camera_fps", "", "custom"), [25.0]),
        (series("inference", "s", "custom", "timer"), [0.1]),
        (series("system.cpu.util", "%", "system"), [50.0]),
        (series("system.cpu.util", "%", "system", core="0"), [99.0]),
    )
    assert [(each.label, each.value) for each in headlines(measured)] == [
        ("device CPU", 50.0),
        ("memory peak (sampled)", 3.0),
        ("camera_fps", 25.0),
        ("accuracy", 90.0),
    ]


def test_headlines_of_the_gpu_are_of_the_busiest_one() -> None:
    measured = summaries(
        (series("gpu.util", "%", "gpu-summary", gpu="0"), [1.0]),
        (series("gpu.util", "%", "gpu-summary", gpu="1"), [80.0, 90.0]),
        (series("gpu.memory.used", "bytes", "gpu-memory", gpu="1"), [9.0]),
        (series("gpu.memory.allocated", "bytes", "gpu-memory", gpu="0"), [0.0]),
        (series("gpu.memory.allocated", "bytes", "gpu-memory", gpu="1"), [5.0, 7.0]),
        (series("fps", "", "custom"), [25.0]),
    )
    assert [(each.label, each.value, each.series_title) for each in headlines(measured)] == [
        ("GPU", 85.0, "gpu.util[1]"),
        ("GPU memory peak", 7.0, "gpu.memory.allocated[1]"),
        ("fps", 25.0, "fps"),
    ]


@pytest.mark.parametrize(
    ("measured", "label"),
    [
        ((series("system.gpu.util", "%", "system"), [40.0]), "GPU"),
        ((series("gpu.memory.used", "bytes", "gpu-memory", gpu="0"), [40.0]), "device GPU memory peak"),
        ((series("system.gpu.util", "%", "system", gpc="2"), [40.0]), None),
    ],
    ids=["of the device", "memory of the device", "a part of a GPU"],
)
def test_headlines_of_the_gpu_if_only_the_device_is_known(
    measured: tuple[Series, list[float]], label: str | None
) -> None:
    assert [each.label for each in headlines(summaries(measured))] == ([label] if label else [])


BASE = Run(
    id="r", app=App("a"), target=Target("t"), clock=Clock(0, 0), started_ns=0, state="finished", exit_reason="completed"
)
BROKEN = BudgetResult(key="fps.mean", condition=">= 1", state="violated")
LOST = MetricStatus("system", "failed", reason="died")


@pytest.mark.parametrize(
    ("changes", "verdict", "code"),
    [
        ({}, "passed", ExitCode.OK),
        ({"exit_reason": "timeout"}, "passed", ExitCode.OK),
        ({"budgets": (BROKEN,)}, "over budget", ExitCode.BUDGET_VIOLATED),
        ({"exit_reason": "oom-killed", "budgets": (BROKEN,)}, "app failed", ExitCode.APP_FAILED),
        ({"exit_reason": "timeout-failed", "metrics": (LOST,)}, "app failed", ExitCode.APP_FAILED),
        ({"metrics": (LOST,), "budgets": (BROKEN,)}, "not measured", ExitCode.NOT_MEASURED),
        ({"exit_reason": "not-measured"}, "not measured", ExitCode.NOT_MEASURED),
        ({"exit_reason": "aborted", "stop_signal": 15}, "aborted", ExitCode.TERMINATED),
        ({"exit_reason": "aborted", "stop_signal": 2}, "aborted", ExitCode.INTERRUPTED),
        ({"state": "running", "exit_reason": None}, "incomplete", ExitCode.NOT_MEASURED),
    ],
)
def test_verdicts_and_exit_codes(changes: dict, verdict: str, code: ExitCode) -> None:
    run = msgspec.structs.replace(BASE, **changes)
    assert (verdict_of(run), exit_code_of(run)) == (verdict, code)


def test_the_worst_exit_code_wins() -> None:
    assert worst([]) == ExitCode.OK
    assert worst([ExitCode.BUDGET_VIOLATED, ExitCode.NOT_MEASURED, ExitCode.APP_FAILED]) == ExitCode.NOT_MEASURED
    assert worst([ExitCode.CONFIG_WRONG, ExitCode.INTERRUPTED]) == ExitCode.INTERRUPTED


def test_an_empty_folder_is_judged_incomplete(tmp_path: Path) -> None:
    judged = judge_folder(tmp_path)
    assert (judged.verdict, judged.exit_code) == ("incomplete", ExitCode.NOT_MEASURED)
    assert len(judged.problems) == 2


def test_a_recorded_run_can_be_judged_again_from_its_files(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path, "t")
    writer = folder.open_metrics(Clock(10**18, 0))
    for n in range(10):
        writer.emit(FPS, float(n), n)
    writer.close()
    target = Target("t", budgets={"fps.mean": ">= 5", "nonsense": "x"})
    folder.write_run(msgspec.structs.replace(BASE, target=target))
    judged = judge_folder(folder.path)
    assert [budget.state for budget in judged.run.budgets] == ["violated", "not-measured"]
    assert judged.run.summary[0].mean == 4.5 and judged.verdict == "over budget"
    assert judged.headline[0].label == "fps"


@pytest.mark.parametrize(("is_auto", "mean"), [(True, 30.0), (False, 25.0)])
def test_an_automatic_warm_up_is_excluded_wherever_the_run_is_judged(
    tmp_path: Path, is_auto: bool, mean: float
) -> None:
    folder = RunFolder.create(tmp_path, "t")
    writer = folder.open_metrics(Clock(10**18, 0))
    for second in range(1, 61):
        writer.emit(FPS, 5.0 if second <= 12 else 30.0, second * 10**9)
    writer.close()
    repeat = Repeat(1, 10**18, 10**18, 10**18 + 60 * 10**9)
    folder.write_run(msgspec.structs.replace(BASE, target=Target("t", warmup_auto=is_auto), repeats=(repeat,)))
    judged = judge_folder(folder.path)
    assert judged.run.summary[0].mean == pytest.approx(mean, rel=0.02)
    folder.write_run(judged.run)
    again = judge_folder(folder.path).run
    assert (again.summary, again.repeats) == (judged.run.summary, judged.run.repeats)
