"""Reads SQLite exports of Nsight Systems and nvprof: kernels, copies and CUDA calls, summed by SQLite.

Source: NVIDIA, "Nsight Systems User Guide", "SQLite Schema Reference": CUPTI_ACTIVITY_KIND_KERNEL, _MEMCPY, _MEMSET,
_RUNTIME and _GRAPH_TRACE have one row per call with `start` and `end` in nanoseconds; names are ids in StringIds (with
nvprof, StringTable), kinds of copies are ids in ENUM_CUDA_MEMCPY_OPER or CUPTI's CUpti_ActivityMemcpyKind.
"""

from __future__ import annotations

import re
import sqlite3
import time
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

from profileapp.collect.kernels.fold import ROWS_LIMIT, KernelFold, KernelReport
from profileapp.errors import AgentError
from profileapp.model.table import KernelKind
from profileapp.record.files import open_regular

FILE_LIMIT_BYTES = 8 * 1024**3
TIME_LIMIT_S = 60.0

_COPY_KINDS: dict[object, object] = {
    1: "HtoD", 2: "DtoH", 3: "HtoA", 4: "AtoH", 5: "AtoA", 6: "AtoD", 7: "DtoA", 8: "DtoD", 9: "HtoH", 10: "PtoP",
    11: "Unified HtoD", 12: "Unified DtoH", 13: "Unified DtoD",
}  # fmt: skip
# The demangled name comes first: it distinguishes instances of a template.
_NAME_COLUMNS = ("demangledName", "shortName", "nameId", "name")
# `cudaLaunchKernel_v7000`: the suffix is the CUDA version of the call's interface; nsys' own reports omit it too.
_VERSION = re.compile(r"_v[0-9]{4,5}$")
_DURATION = "[end] - start"
_ENDED = "[end] >= start"
_STEPS_BETWEEN_CHECKS = 100_000

# Queries contain only constants of this module: names of tables and columns cannot be parameters.
Sums = tuple[str, int, float, float, float]
"""Name, calls, total, minimum and maximum."""


def read_kernel_database(path: Path, time_limit_s: float = TIME_LIMIT_S) -> KernelReport:
    """The traced activities. The file is neither written to nor locked, and links are not followed.

    Raises FileNotFoundError; AgentError if it cannot be read, is not such a database, or takes too long.
    """
    with open_regular(path) as stream:
        size = stream.seek(0, 2)
    if size > FILE_LIMIT_BYTES:
        raise AgentError(f"{path}: larger than {FILE_LIMIT_BYTES} bytes, so it is not read")
    fold = KernelFold()
    try:
        address = f"file:{quote(str(path.absolute()))}?mode=ro&immutable=1"
        with closing(sqlite3.connect(address, uri=True, timeout=1.0)) as connection:
            # A database may contain hostile views and triggers.
            connection.execute("PRAGMA trusted_schema = OFF")
            connection.text_factory = lambda raw: raw.decode("utf-8", errors="replace")
            ends_s = time.monotonic() + time_limit_s
            connection.set_progress_handler(lambda: int(time.monotonic() > ends_s), _STEPS_BETWEEN_CHECKS)
            _Database(connection).fold_into(fold)
    except (sqlite3.Error, OverflowError, ValueError) as error:
        # ValueError: sqlite3 could not decode SQLite's own message about a garbled schema.
        raise AgentError(f"{path}: cannot be read as an export of nsys ({error})") from error
    return fold.report()


class _Database:
    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        # Tables only: an export has no views of these names.
        found = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        self._tables = {str(name) for (name,) in found.fetchmany(10_000)}

    def fold_into(self, fold: KernelFold) -> None:
        _take(fold, "kernel", 1e-9, self._by_name("CUPTI_ACTIVITY_KIND_KERNEL"))
        _take(fold, "kernel", 1e-9, self._graphs())
        _take(fold, "memory time", 1e-9, self._copies(_DURATION))
        _take(fold, "memory time", 1e-9, self._sets(_DURATION))
        _take(fold, "memory size", 1.0, self._copies("bytes"))
        _take(fold, "memory size", 1.0, self._sets("bytes"))
        _take(fold, "api", 1e-9, self._by_name("CUPTI_ACTIVITY_KIND_RUNTIME"))

    def _by_name(self, table: str) -> Iterator[Sums]:
        columns = self._columns(table)
        name = next((each for each in _NAME_COLUMNS if each in columns), None)
        strings, key = ("StringIds", "id") if "StringIds" in self._tables else ("StringTable", "_id_")
        if name is None or not {"start", "end"} <= columns:
            return
        text = f"'[{name} ' || activity.{name} || ']'"
        join = ""
        if {key, "value"} <= self._columns(strings):
            text = f"coalesce(names.value, {text})"
            join = f" LEFT JOIN {strings} AS names ON names.{key} = activity.{name}"
        # Sum before looking up names: there may be a million calls of a dozen kernels.
        sums = f"SELECT {name}, {_sums(_DURATION)} FROM {table} WHERE {_ENDED} GROUP BY {name}"  # noqa: S608
        yield from self._rows(f"SELECT {text}, calls, total, least, most FROM ({sums}) AS activity{join}")  # noqa: S608

    def _graphs(self) -> Iterator[Sums]:
        table = "CUPTI_ACTIVITY_KIND_GRAPH_TRACE"
        if {"start", "end", "graphId"} <= self._columns(table):
            yield from self._rows(
                f"SELECT '[CUDA graph ' || graphId || ']', {_sums(_DURATION)} FROM {table}"  # noqa: S608
                f" WHERE {_ENDED} GROUP BY graphId"
            )

    def _copies(self, measure: str) -> Iterator[Sums]:
        table = "CUPTI_ACTIVITY_KIND_MEMCPY"
        if not {"start", "end", "copyKind", "bytes"} <= self._columns(table):
            return
        labels = dict(_COPY_KINDS)
        if {"id", "label"} <= self._columns("ENUM_CUDA_MEMCPY_OPER"):
            found = self._connection.execute("SELECT id, label FROM ENUM_CUDA_MEMCPY_OPER")
            labels |= dict(found.fetchmany(1000))
        query = f"SELECT copyKind, {_sums(measure)} FROM {table} WHERE {_ENDED} GROUP BY copyKind"  # noqa: S608
        for copy_kind, calls, total, least, most in self._rows(query):
            label = str(labels.get(copy_kind, copy_kind))
            unified = "Unified Memory " if label.startswith("Unified") else ""
            yield f"[CUDA {unified}memcpy {label.removeprefix('Unified').strip()}]", calls, total, least, most

    def _sets(self, measure: str) -> Iterator[Sums]:
        table = "CUPTI_ACTIVITY_KIND_MEMSET"
        if {"start", "end", "bytes"} <= self._columns(table):
            yield from self._rows(
                f"SELECT '[CUDA memset]', {_sums(measure)} FROM {table} WHERE {_ENDED} GROUP BY 1"  # noqa: S608
            )

    def _rows(self, query: str) -> Iterator[Sums]:
        yield from self._connection.execute(f"{query} ORDER BY 3 DESC LIMIT {2 * ROWS_LIMIT}")

    def _columns(self, table: str) -> set[str]:
        if table not in self._tables:
            return set()
        return {str(row[1]) for row in self._connection.execute(f"PRAGMA table_info({table})").fetchmany(1000)}


def _take(fold: KernelFold, kind: KernelKind, factor: float, rows: Iterable[Sums]) -> None:
    for name, calls, total, least, most in rows:
        # SQLite columns are untyped: any row may contain anything.
        sound = all(isinstance(number, int | float) for number in (calls, total, least, most))
        known_as = _VERSION.sub("", str(name)) if kind == "api" else str(name)
        if not sound or not fold.add(kind, known_as, calls, total * factor, least * factor, most * factor):
            fold.unread_lines += 1


def _sums(measure: str) -> str:
    """SQL for sums in floating point: a sum of integers may overflow, which is an error in SQLite."""
    return f"count(*) AS calls, total({measure}) AS total, min({measure}) AS least, max({measure}) AS most"
