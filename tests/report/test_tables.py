"""CSV files."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import msgspec
import pytest

from profileapp.judge.headline import Headline
from profileapp.judge.verdict import JudgedRun, judge_folder
from profileapp.model.target import App
from profileapp.report.tables import series_csv, summary_csv
from tests.report.sample_runs import FPS, app_shapes, sample_run, wave, write_target


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline=""), strict=True))


def test_one_row_for_each_target_with_units_in_the_columns(samples: list[JudgedRun]) -> None:
    table = rows(summary_csv(samples))
    assert [row["target"] for row in table] == ["interval-1-use-gpu", "use-gpu", "use-cpu", "night"]
    assert [row["verdict"] for row in table] == ["passed", "over budget", "app failed", "incomplete"]
    assert [row["exit_code"] for row in table] == ["0", "1", "2", "4"]
    assert table[2]["duration_s"] == "31.0"
    assert float(table[0]["container.cpu.util mean [%]"]) == pytest.approx(57.5, abs=1)
    assert float(table[1]["container.memory.peak max [bytes]"]) == pytest.approx(466 * 1024**2, rel=0.01)
    assert float(table[0]["fps mean [frames/s]"]) == pytest.approx(15.1, abs=0.1)


def test_a_missing_value_is_an_empty_cell(tmp_path: Path, samples: list[JudgedRun]) -> None:
    write_target(tmp_path, sample_run("bare"), {})
    assert rows(summary_csv([*samples, judge_folder(tmp_path / "bare")]))[-1]["fps mean [frames/s]"] == ""


def test_one_row_for_each_series_with_all_statistics(samples: list[JudgedRun]) -> None:
    table = rows(series_csv(samples[0]))
    # Also derived series: the rate of a counter, three percentiles of a timer.
    assert len(table) == len(app_shapes(1, 1, 1)) + 5
    [fps] = [row for row in table if row["series"] == "fps"]
    assert fps["count"] == "110"
    assert float(fps["min"]) <= float(fps["p50"]) <= float(fps["p95"]) <= float(fps["max"])
    assert fps["p99"] == "" and float(fps["p50_low"]) <= float(fps["p50"]) <= float(fps["p50_high"])
    assert {row["labels"] for row in table if row["series"] == "system.cpu.util"} == {
        "", "core=0", "core=1", "core=2", "core=3", "core=4", "core=5",
    }  # fmt: skip


def test_lines_end_with_crlf_as_in_the_rfc(samples: list[JudgedRun]) -> None:
    text = summary_csv(samples)
    assert text.endswith("\r\n")
    assert text.count("\n") == text.count("\r\n") == 5


@pytest.mark.parametrize("formula", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "  =1", "\x00=1"])
def test_no_cell_is_a_formula(formula: str, samples: list[JudgedRun]) -> None:
    run = msgspec.structs.replace(samples[0].run, app=App(formula, "1,2\"3'\r\n4"))
    headline = (Headline(formula, 1.0, "%", formula, "mean"),)
    text = summary_csv([msgspec.structs.replace(samples[0], run=run, headline=headline)])
    [row] = rows(text)
    assert row["app"].startswith(("'", "�"))
    assert row["version"] == "1,2\"3'\n4"
    assert next(name for name in row if name.endswith("mean [%]")).startswith(("'", "�"))


def test_negative_numbers_are_unchanged(tmp_path: Path) -> None:
    write_target(tmp_path, sample_run("cold", seconds=10), {FPS: lambda at_s, _: -3.5})
    [row] = rows(series_csv(judge_folder(tmp_path / "cold")))
    assert row["mean"] == "-3.5"


def test_any_name_can_be_written(tmp_path: Path) -> None:
    folder = write_target(tmp_path, sample_run("x", seconds=10), {FPS: wave(1, 1, 1)}).path
    strange = folder.rename(tmp_path / "\udcff,\"'\n=x")
    (strange / "run.json").unlink()
    [row] = rows(summary_csv([judge_folder(strange)]))
    row["target"].encode()
    assert len(summary_csv([judge_folder(strange)]).encode()) < 2000
