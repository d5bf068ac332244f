"""functions.csv and kernels.csv can be read back, and no cell is a formula."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from profileapp.model.table import FunctionRow, KernelRow
from profileapp.model.text import printable
from profileapp.record.artifacts import FUNCTIONS_FILE, KERNELS_FILE
from profileapp.record.table_files import (
    CELL_LIMIT,
    ROWS_LIMIT,
    read_functions,
    read_kernels,
    write_functions,
    write_kernels,
)

TAU = FunctionRow("tau", 'f(int, "x")', 0.25, 1.0, "a/b.c", 12, "MPI | IO", 3, None, 0.5, 2.0)
SAMPLED = FunctionRow("functions", "<module>", 0.0, 1.0, "app.py", 7, samples=412)
KERNEL = KernelRow("kernel", "void k<float, 3>(float*, int)", 6000, 0.27, 4.5e-05, 4.3e-05, 0.0019, 1.0)
SIZE = KernelRow("memory size", "[CUDA memcpy HtoD]", 2, 8389000.0, 4194500.0, 4194000.0, 4195000.0, 1.0)

shares = st.floats(0, 1)
seconds = st.floats(0, 1e9) | st.none()
counts = st.integers(0, 2**53) | st.none()
functions = st.builds(
    FunctionRow,
    st.sampled_from(["tau", "functions"]),
    st.text(max_size=40),
    shares,
    shares,
    st.text(max_size=20),
    st.integers(0, 2**31),
    st.text(max_size=10),
    counts,
    counts,
    seconds,
    seconds,
)


def test_rows_round_trip(tmp_path: Path) -> None:
    problems: list[str] = []
    write_functions(tmp_path, [TAU, SAMPLED])
    write_kernels(tmp_path, [KERNEL, SIZE])
    assert read_functions(tmp_path, problems) == (TAU, SAMPLED)
    assert read_kernels(tmp_path, problems) == (KERNEL, SIZE)
    assert problems == []


def test_columns_have_units(tmp_path: Path) -> None:
    write_functions(tmp_path, [TAU, SAMPLED])
    write_kernels(tmp_path, [KERNEL, SIZE])
    text = (tmp_path / FUNCTIONS_FILE).read_bytes().decode()
    assert text.splitlines()[0] == (
        "metric,name,self_share,total_share,file,line,group,calls,samples,exclusive_s,inclusive_s"
    )
    assert text.count("\r\n") == text.count("\n") == 3
    with (tmp_path / KERNELS_FILE).open(newline="") as stream:
        kernel, size = csv.DictReader(stream, strict=True)
    assert (kernel["name"], kernel["calls"], kernel["unit"]) == (KERNEL.name, "6000", "s")
    assert (size["total"], size["unit"]) == ("8389000.0", "bytes")
    with (tmp_path / FUNCTIONS_FILE).open(newline="") as stream:
        _, sampled = csv.DictReader(stream, strict=True)
    assert (sampled["calls"], sampled["exclusive_s"], sampled["samples"]) == ("", "", "412")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(st.lists(functions, max_size=5))
def test_any_row_round_trips_with_its_text_on_one_line(tmp_path: Path, rows: list[FunctionRow]) -> None:
    problems: list[str] = []
    write_functions(tmp_path, rows)
    found = read_functions(tmp_path, problems)
    assert problems == []
    assert [row.name for row in found] == [printable(row.name, CELL_LIMIT) for row in rows]
    assert [(row.self_share, row.calls, row.inclusive_s, row.line) for row in found] == [
        (row.self_share, row.calls, row.inclusive_s, row.line) for row in rows
    ]


@pytest.mark.parametrize("formula", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "  =1", "'=1", "''  =1"])
def test_no_cell_is_a_formula(formula: str, tmp_path: Path) -> None:
    write_functions(tmp_path, [FunctionRow("tau", formula, 0.0, 0.0, formula, group=formula)])
    with (tmp_path / FUNCTIONS_FILE).open(newline="") as stream:
        [row] = csv.DictReader(stream, strict=True)
    for cell in (row["name"], row["file"], row["group"]):
        assert cell.startswith(("'", "\\"))
    assert read_functions(tmp_path, [])[0].name == printable(formula)


def test_a_table_is_bounded(tmp_path: Path) -> None:
    long = FunctionRow("tau", "x" * 10_000, 0.0, 0.0)
    write_functions(tmp_path, (long for _ in range(ROWS_LIMIT + 5)))
    found = read_functions(tmp_path, problems := [])
    assert len(found) == ROWS_LIMIT and len(found[0].name) == CELL_LIMIT and problems == []


@pytest.mark.parametrize(
    "bad",
    [
        "tau,f,nan,0.5,,0,,,,,",
        "tau,f,0.5,inf,,0,,,,,",
        "tau,f,much,0.5,,0,,,,,",
        "gprof,f,0.5,0.5,,0,,,,,",
        "tau,f,0.5",
        "tau,f,0.5,0.5,,1e999,,,,,",
        '"never closed',
    ],
)
def test_a_bad_row_affects_no_other(bad: str, tmp_path: Path) -> None:
    write_functions(tmp_path, [TAU])
    with (tmp_path / FUNCTIONS_FILE).open("a") as stream:
        stream.write(f"{bad}\r\n")
    problems: list[str] = []
    assert read_functions(tmp_path, problems) == (TAU,)
    assert problems == ["functions.csv: 1 of 2 rows are invalid and were skipped"]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=80)
@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_no_content_raises(tmp_path: Path, content: bytes) -> None:
    (tmp_path / KERNELS_FILE).write_bytes(content)
    read_kernels(tmp_path, [])


def test_a_missing_file_has_no_rows_and_a_link_is_not_followed(tmp_path: Path) -> None:
    problems: list[str] = []
    assert read_functions(tmp_path, problems) == () and problems == []
    write_functions(tmp_path, [TAU])
    (tmp_path / FUNCTIONS_FILE).rename(tmp_path / "elsewhere")
    (tmp_path / FUNCTIONS_FILE).symlink_to("elsewhere")
    assert read_functions(tmp_path, problems) == () and len(problems) == 1
    write_functions(tmp_path, [SAMPLED])
    assert read_functions(tmp_path, problems) == (SAMPLED,), "a link is replaced, not written through"
