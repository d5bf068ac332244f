"""SQLite exports of nsys, built here from NVIDIA's schema reference, in three generations, and the database of
nvprof.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from profileapp.collect.kernels import database as kernel_database
from profileapp.collect.kernels.database import read_kernel_database
from profileapp.errors import AgentError

STRINGS = """
CREATE TABLE StringIds (id INTEGER NOT NULL PRIMARY KEY, value TEXT NOT NULL);
INSERT INTO StringIds VALUES (1, 'void add<int>(int*)'), (2, 'add'), (3, 'cudaLaunchKernel_v7000'),
    (4, 'cuMemAlloc_v2');
"""
ACTIVITIES = """
CREATE TABLE CUPTI_ACTIVITY_KIND_KERNEL (start INT NOT NULL, end INT NOT NULL, deviceId INT, demangledName INT NOT NULL,
    shortName INT NOT NULL, gridX INT);
INSERT INTO CUPTI_ACTIVITY_KIND_KERNEL VALUES (100, 300, 0, 1, 2, 1), (400, 800, 0, 1, 2, 2), (900, 1000, 0, 99, 2, 1),
    (50, 10, 0, 1, 2, 1);
CREATE TABLE CUPTI_ACTIVITY_KIND_MEMCPY (start INT NOT NULL, end INT NOT NULL, bytes INT NOT NULL,
    copyKind INT NOT NULL);
INSERT INTO CUPTI_ACTIVITY_KIND_MEMCPY VALUES (0, 1000, 4096, 1), (0, 3000, 8192, 1), (0, 500, 100, 2), (0, 7, 5, 11);
CREATE TABLE CUPTI_ACTIVITY_KIND_MEMSET (start INT NOT NULL, end INT NOT NULL, bytes INT NOT NULL);
INSERT INTO CUPTI_ACTIVITY_KIND_MEMSET VALUES (0, 40, 64);
CREATE TABLE CUPTI_ACTIVITY_KIND_RUNTIME (start INT NOT NULL, end INT NOT NULL, nameId INT NOT NULL);
INSERT INTO CUPTI_ACTIVITY_KIND_RUNTIME VALUES (0, 2000, 3), (0, 1000, 3), (0, 500, 4);
"""
LABELS = """
CREATE TABLE ENUM_CUDA_MEMCPY_OPER (id INTEGER NOT NULL PRIMARY KEY, name TEXT, label TEXT);
INSERT INTO ENUM_CUDA_MEMCPY_OPER VALUES (1, 'CUDA_MEMCPY_KIND_HTOD', 'Host-to-Device'),
    (2, 'CUDA_MEMCPY_KIND_DTOH', 'Device-to-Host'), (11, 'CUDA_MEMCPY_KIND_UVM_HTOD', 'Unified Host-to-Device');
"""
GRAPHS = """
CREATE TABLE CUPTI_ACTIVITY_KIND_GRAPH_TRACE (start INT NOT NULL, end INT NOT NULL, graphId INT NOT NULL);
INSERT INTO CUPTI_ACTIVITY_KIND_GRAPH_TRACE VALUES (0, 1000, 7), (0, 3000, 7);
"""
MANY = """
INSERT INTO CUPTI_ACTIVITY_KIND_KERNEL WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n LIMIT 300000)
    SELECT x, x + 9, 0, x % 7, 0, 0 FROM n;
"""
OF_ANY_TYPE = """
INSERT INTO CUPTI_ACTIVITY_KIND_KERNEL VALUES ('x', x'00ff', 0, 'y', 2, 1);
INSERT INTO CUPTI_ACTIVITY_KIND_MEMSET VALUES (0, 5, 'much');
INSERT INTO CUPTI_ACTIVITY_KIND_MEMCPY VALUES (0, 9223372036854775807, 1, 8), (0, 9223372036854775807, 1, 8);
INSERT INTO StringIds VALUES (77, x'ff00');
"""
NVPROF = """
CREATE TABLE StringTable (_id_ INTEGER PRIMARY KEY AUTOINCREMENT, value TEXT NOT NULL UNIQUE);
INSERT INTO StringTable VALUES (1, '_Z3addPi');
CREATE TABLE CUPTI_ACTIVITY_KIND_KERNEL (_id_ INTEGER PRIMARY KEY, start INT NOT NULL, end INT NOT NULL, name INT);
INSERT INTO CUPTI_ACTIVITY_KIND_KERNEL VALUES (1, 0, 250, 1);
CREATE TABLE CUPTI_ACTIVITY_KIND_RUNTIME (_id_ INTEGER PRIMARY KEY, cbid INT, start INT NOT NULL, end INT NOT NULL);
INSERT INTO CUPTI_ACTIVITY_KIND_RUNTIME VALUES (1, 211, 0, 9);
"""

Row = tuple[str, str, int, float, float, float]


@pytest.fixture
def export(tmp_path: Path) -> Callable[[str], Path]:
    """Writes a database with the given SQL."""

    def write(script: str) -> Path:
        path = tmp_path / "a report?#%.sqlite"
        path.unlink(missing_ok=True)
        with closing(sqlite3.connect(path)) as connection:
            connection.executescript(script)
        return path

    return write


def rows_of(path: Path) -> list[Row]:
    report = read_kernel_database(path)
    assert report.unread_lines == 0
    return [(row.kind, row.name, row.calls, row.total, row.min, row.max) for row in report.rows]


EXPECTED = [
    ("kernel", "void add<int>(int*)", 2, 600e-9, 200e-9, 400e-9),
    ("kernel", "[demangledName 99]", 1, 100e-9, 100e-9, 100e-9),
    ("memory time", "[CUDA memcpy HtoD]", 2, 4e-6, 1e-6, 3e-6),
    ("memory time", "[CUDA memcpy DtoH]", 1, 0.5e-6, 0.5e-6, 0.5e-6),
    ("memory time", "[CUDA memset]", 1, 40e-9, 40e-9, 40e-9),
    ("memory time", "[CUDA Unified Memory memcpy HtoD]", 1, 7e-9, 7e-9, 7e-9),
    ("memory size", "[CUDA memcpy HtoD]", 2, 12288, 4096, 8192),
    ("memory size", "[CUDA memcpy DtoH]", 1, 100, 100, 100),
    ("memory size", "[CUDA memset]", 1, 64, 64, 64),
    ("memory size", "[CUDA Unified Memory memcpy HtoD]", 1, 5, 5, 5),
    ("api", "cudaLaunchKernel", 2, 3e-6, 1e-6, 2e-6),
    ("api", "cuMemAlloc_v2", 1, 0.5e-6, 0.5e-6, 0.5e-6),
]


def assert_rows(found: list[Row], expected: list[Row]) -> None:
    assert [row[:3] for row in found] == [row[:3] for row in expected]
    for one, wanted in zip(found, expected, strict=True):
        assert one[3:] == pytest.approx(wanted[3:])


@pytest.mark.parametrize("labels", [LABELS, ""], ids=["with labels", "without"])
def test_an_export(export: Callable[[str], Path], labels: str) -> None:
    assert_rows(rows_of(export(STRINGS + ACTIVITIES + labels)), EXPECTED)


def test_graphs_are_used_in_place_of_their_kernels(export: Callable[[str], Path]) -> None:
    assert_rows(rows_of(export(GRAPHS)), [("kernel", "[CUDA graph 7]", 2, 4e-6, 1e-6, 3e-6)])


def test_the_database_of_nvprof(export: Callable[[str], Path]) -> None:
    assert_rows(rows_of(export(NVPROF)), [("kernel", "_Z3addPi", 1, 250e-9, 250e-9, 250e-9)])


def test_an_export_without_cuda_has_no_rows(export: Callable[[str], Path]) -> None:
    assert rows_of(export(STRINGS)) == []
    assert rows_of(export("CREATE TABLE CUPTI_ACTIVITY_KIND_KERNEL (start INT, end INT)")) == []
    assert rows_of(export("CREATE TABLE CUPTI_ACTIVITY_KIND_MEMSET (start INT, end INT, bytes INT)")) == []


def test_the_file_is_neither_changed_nor_locked(export: Callable[[str], Path]) -> None:
    path = export(STRINGS + ACTIVITIES)
    before = path.read_bytes()
    with closing(sqlite3.connect(path)) as other:
        other.execute("BEGIN EXCLUSIVE")
        rows_of(path)
    assert path.read_bytes() == before
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]


def test_a_view_in_place_of_a_table_is_refused(export: Callable[[str], Path]) -> None:
    endless = (
        "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT x AS start, x AS end, 1 AS name FROM n"
    )
    assert rows_of(export(f"CREATE VIEW CUPTI_ACTIVITY_KIND_KERNEL AS {endless}")) == []


def test_reading_has_a_deadline(export: Callable[[str], Path]) -> None:
    path = export(ACTIVITIES + MANY)
    assert sum(row[2] for row in rows_of(path) if row[0] == "kernel") == 300_003
    with pytest.raises(AgentError, match="interrupted"):
        read_kernel_database(path, time_limit_s=0.0)


def test_rows_of_wrong_type_affect_no_other_rows(export: Callable[[str], Path]) -> None:
    path = export(STRINGS + ACTIVITIES + OF_ANY_TYPE)
    report = read_kernel_database(path)
    assert ("kernel", "void add<int>(int*)", 2) in [(row.kind, row.name, row.calls) for row in report.rows]
    assert ("memory time", "[CUDA memcpy DtoD]", 2) in [(row.kind, row.name, row.calls) for row in report.rows]
    assert report.unread_lines == 1, "a size that is text"


def test_an_invalid_file_is_a_one_line_error(tmp_path: Path, export: Callable[[str], Path]) -> None:
    with pytest.raises(FileNotFoundError):
        read_kernel_database(tmp_path / "none.sqlite")
    (tmp_path / "text.sqlite").write_text("no database at all, but long enough to be looked at " * 100)
    with pytest.raises(AgentError, match="cannot be read as an export of nsys"):
        read_kernel_database(tmp_path / "text.sqlite")
    (tmp_path / "link.sqlite").symlink_to(export(STRINGS))
    with pytest.raises(AgentError):
        read_kernel_database(tmp_path / "link.sqlite")
    os.mkfifo(tmp_path / "pipe.sqlite")
    with pytest.raises(AgentError):
        read_kernel_database(tmp_path / "pipe.sqlite")


def test_a_file_that_is_too_large_is_refused(export: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch) -> None:
    path = export(STRINGS)
    monkeypatch.setattr(kernel_database, "FILE_LIMIT_BYTES", 100)
    with pytest.raises(AgentError, match="larger than 100 bytes"):
        read_kernel_database(path)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
@given(st.integers(0, 40_000), st.binary(min_size=1, max_size=60))
def test_a_corrupt_database_raises_only_an_agent_error(export: Callable[[str], Path], at: int, garbage: bytes) -> None:
    path = export(STRINGS + ACTIVITIES + LABELS)
    content = bytearray(path.read_bytes())
    at %= len(content)
    content[at : at + len(garbage)] = garbage
    path.write_bytes(content)
    with suppress(AgentError):
        read_kernel_database(path)
