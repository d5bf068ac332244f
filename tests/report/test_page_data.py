"""Texts and rows of a run's pages."""

from __future__ import annotations

from pathlib import Path

import msgspec

from profileapp.judge.verdict import JudgedRun, judge_folder
from profileapp.model.run import BudgetResult
from profileapp.report.page_data import (
    STATISTICS_SHOWN,
    budget_text,
    count_met,
    facts,
    headline_labels,
    headline_range,
    headline_state,
    last_lines,
    shared_facts,
    statistics,
)
from tests.report.sample_runs import FPS, sample_run, write_target


def test_texts_of_budgets() -> None:
    fast = BudgetResult("fps.mean", ">= 10", "met", 15.2, 10.0, 5.2, "frames/s")
    assert budget_text(fast) == "15.2 frames/s, limit >= 10, 5.2 frames/s to spare"
    slow = BudgetResult("fps.mean", ">= 10", "violated", 3.0, 10.0, -7.0, "frames/s")
    assert budget_text(slow) == "3 frames/s, limit >= 10, missed by 7 frames/s"
    full = BudgetResult("m.max", "< 2 GiB", "violated", 3 * 1024**3, 2 * 1024**3, -(1024**3), "bytes")
    assert budget_text(full) == "3 GiB, limit < 2 GiB, missed by 1 GiB"
    absent = BudgetResult("fsp.mean", ">= 10", "not-measured", message="no series fsp was measured")
    assert budget_text(absent) == "no series fsp was measured"
    assert count_met([fast, slow, full, absent]) == 1


def test_a_headline_value_has_only_its_budget(samples: list[JudgedRun]) -> None:
    states = {each.label: headline_state(samples[1], each) for each in samples[1].headline}
    assert states == {"CPU": None, "memory peak": "violated", "fps": "met", "inference": None, "cold start": None}
    assert headline_labels(samples) == ("CPU", "memory peak", "fps", "inference", "cold start")


def test_a_mean_has_a_range_and_a_peak_has_none(samples: list[JudgedRun], tmp_path: Path) -> None:
    ranges = {each.label: headline_range(samples[1], each) for each in samples[1].headline}
    assert ranges["CPU"] == "108 to 154 %"
    assert ranges["inference"] == "30 to 42.1 ms"
    assert ranges["memory peak"] == ""
    write_target(tmp_path, sample_run("flat", seconds=5), {FPS: lambda at_s, _: 5.0})
    flat = judge_folder(tmp_path / "flat")
    assert headline_range(flat, flat.headline[0]) == ""


def test_a_row_of_statistics_has_one_unit(samples: list[JudgedRun]) -> None:
    rows = {row.name + row.labels: row for row in statistics(samples[0].run.summary)}
    memory = rows["container.memory.used"]
    assert memory.unit == "MiB"
    assert 30 < float(memory.cells[STATISTICS_SHOWN.index("min")]) < float(memory.cells[-1]) < 400
    assert next(iter(rows)) == "fps"
    assert rows["system.temperatureCPU-therm"].unit == "°C"


def test_a_counter_shows_only_first_and_last_value(samples: list[JudgedRun]) -> None:
    [row] = [row for row in statistics(samples[0].run.summary) if row.name == "objects"]
    shown = dict(zip(STATISTICS_SHOWN, row.cells, strict=True))
    assert {name for name, cell in shown.items() if cell != "–"} == {"min", "max", "last"}


def test_unknown_facts_are_omitted(samples: list[JudgedRun]) -> None:
    assert dict(facts(samples[0].run))["Processor"] == "ARMv8 Processor rev 0 (v8l) · 6 cores"
    bare = msgspec.structs.replace(samples[0].run, image=None, command=(), started_ns=0)
    assert not {"Image", "Command", "Started", "Dataset"} & set(dict(facts(bare)))


def test_facts_shared_by_targets_appear_once(samples: list[JudgedRun]) -> None:
    output = shared_facts(samples)
    assert output[:2] == ("waggle/object-counter:0.5.1", "NVIDIA Jetson Xavier NX Developer Kit")
    other = msgspec.structs.replace(samples[1].run.agent, board="NVIDIA Jetson Nano")
    run = msgspec.structs.replace(samples[1].run, agent=other)
    mixed = [samples[0], msgspec.structs.replace(samples[1], run=run)]
    assert shared_facts(mixed)[1] == "NVIDIA Jetson Xavier NX Developer Kit, NVIDIA Jetson Nano"
    assert shared_facts([]) == ()


def test_the_end_of_a_log_is_its_last_lines() -> None:
    assert last_lines("\n".join(map(str, range(100))) + "\n\n", 3) == "97\n98\n99"
    assert len(last_lines("x" * 1_000_000)) == 1000
    assert last_lines("") == ""
