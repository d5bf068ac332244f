"""Tables of functions and kernels, their texts, and their pages with hostile names."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from profileapp.judge.verdict import judge_folder
from profileapp.model.run import Event, Repeat, Run
from profileapp.model.series import series
from profileapp.model.table import FunctionRow, KernelRow
from profileapp.record.artifacts import STACKS_FILE
from profileapp.record.files import write_atomic
from profileapp.record.table_files import write_functions, write_kernels
from profileapp.report.page.profile_tables import ROWS_SHOWN, function_tables, kernel_tables, tracing_cost
from profileapp.report.page_data import event_lines
from tests.report.sample_runs import FPS, SECOND_NS, START_NS, sample_run, wave, write_target
from tests.report.test_pages import HOSTILE, check, pages_of, report

SEEN = FunctionRow("functions", "infer", 0.25, 0.75, "app.py", 4, samples=300)
TIMED = FunctionRow("tau", "main", 0.5, 1.0, group="TAU_USER", calls=1200, exclusive_s=0.0105, inclusive_s=2.5)
KERNEL = KernelRow("kernel", "gemm", 1200, 3.21, 0.0027, 0.0021, 0.0041, 0.64)
COPY = KernelRow("memory size", "[CUDA memcpy HtoD]", 4, 8 * 1024.0**2, 2 * 1024.0**2, 1024.0**2, 4 * 1024.0**2, 1.0)


def traced_run(lasted_s: float, with_tool_s: float, exit_reason: str = "completed") -> Run:
    first = Repeat(1, START_NS, START_NS, START_NS + round(lasted_s * SECOND_NS), "completed")
    begin_ns = first.ended_ns + SECOND_NS
    traced = Repeat(2, begin_ns, begin_ns, begin_ns + round(with_tool_s * SECOND_NS), exit_reason, traced=True)
    return msgspec.structs.replace(sample_run("gpu"), repeats=(first, traced))


def test_sampled_and_timed_functions_have_separate_tables() -> None:
    sampled, timed = function_tables((SEEN, TIMED), sample_run("gpu"), "functions.csv")
    assert sampled.rows == (("infer", "app.py:4", "25 %", "75 %", "300"),)
    assert timed.rows == (("main", "–", "TAU_USER", "50 %", "10.5 ms", "2.5 s", "1 200"),)
    assert [len(table.head) for table in (sampled, timed)] == [len(table.rows[0]) for table in (sampled, timed)]
    assert function_tables((), sample_run("gpu"), "functions.csv") == ()


def test_one_table_for_each_kind_and_sizes_in_bytes() -> None:
    kernels, copies = kernel_tables((KERNEL, COPY), traced_run(10, 12), "kernels.csv")
    assert kernels.rows == (("gemm", "64 %", "3.21 s", "1 200", "2.7 ms", "2.1 ms", "4.1 ms"),)
    assert copies.rows[0][2:] == ("8 MiB", "4", "2 MiB", "1 MiB", "4 MiB")
    assert "(+20 %)" in kernels.note and not copies.note


def test_omitted_rows_are_counted() -> None:
    rows = [msgspec.structs.replace(SEEN, name=f"f{number}") for number in range(ROWS_SHOWN + 12)]
    [table] = function_tables(rows, sample_run("gpu"), "functions.csv")
    assert (len(table.rows), table.omitted) == (ROWS_SHOWN, 12)


def test_the_overhead_of_tracing_is_shown_only_if_known() -> None:
    assert "took 15 s, compared with 10 s untraced (+50 %)" in tracing_cost(traced_run(10, 15))
    assert "overhead is unknown" in tracing_cost(traced_run(10, 15, "timeout"))
    assert tracing_cost(sample_run("gpu")) == ""


def test_events_of_a_kind_are_one_line() -> None:
    run = msgspec.structs.replace(
        traced_run(60, 1),
        started_ns=START_NS,
        events=(
            Event(START_NS + 5 * SECOND_NS, START_NS + 8 * SECOND_NS, "the device was throttled by heat"),
            Event(START_NS + 20 * SECOND_NS, START_NS + 20 * SECOND_NS, "the power mode changed from 2 to 0"),
            Event(START_NS + 50 * SECOND_NS, START_NS + 54 * SECOND_NS, "the device was throttled by heat"),
        ),
    )
    assert event_lines(run) == (
        "the device was throttled by heat: 2 times, 7 s in total, first after 5 s",
        "the power mode changed from 2 to 0, after 20 s",
    )


@pytest.mark.parametrize("text", [HOSTILE, "A" * 10_000, "物" * 3000])
def test_hostile_names_are_escaped_on_the_page(text: str, tmp_path: Path) -> None:
    throttled = series("system.throttled", "", "system", reason="heat")
    shapes = {FPS: wave(10, 1, 1), throttled: lambda at_s, _: float(3 < at_s < 9)}
    folder = write_target(tmp_path, traced_run(12, 15), shapes)
    write_functions(folder.path, [msgspec.structs.replace(SEEN, name=text, file=text)])
    write_kernels(folder.path, [msgspec.structs.replace(KERNEL, name=text)])
    write_atomic(folder.path / STACKS_FILE, f"{text.replace(';', ',')};{text.replace(';', ',')} 17\n".encode())
    index = report(tmp_path, [judge_folder(folder.path)])
    pages = pages_of(index)
    assert len(pages) == 2
    for page in pages:
        check(page)
    target = pages[1]
    assert "Hot functions" in target.text and "Kernels" in target.text and "Flame graph" in target.text
    assert "the device was throttled by heat: once, 5 s in total" in pages[0].text
    assert "the device was throttled by heat: once, 5 s in total, first after" in target.text
    assert max(len(text_) for text_ in target.texts) < 3000
