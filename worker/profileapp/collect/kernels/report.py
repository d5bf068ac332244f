"""Parses summaries of nvprof and `nsys stats`, as CSV or text: time by kernel, copy and CUDA call.

Source: NVIDIA, "Profiler User's Guide" (nvprof) and "Nsight Systems User Guide" (`nsys stats`), and recorded output.
A table is recognised by the columns of its header, since the names of reports changed (gpukernsum, cuda_gpu_kern_sum):

    "Type","Time(%)","Time","Calls","Avg","Min","Max","Name"       nvprof --csv; next, units: ,%,ms,,us,us,ms,
    GPU activities:   43.84%  14.9625s    535192  27.957us  …  NAME   nvprof; the type is on its first row only
    "Device","Count","Avg Size","Min Size","Max Size","Total Size","Total Time",""         nvprof, Unified Memory
    Time (%),Total Time (ns),Instances,Avg (ns),Med (ns),Min (ns),Max (ns),StdDev (ns),Name         nsys: kernels
    Time(%),Total Time (ns),Instances,Average,Minimum,Maximum,Name                                  until 2021
    Time (%),Total Time (ns),Count,Avg (ns),…,Operation                                             copies by time
    Total (MB),Count,Avg (MB),…,Operation                                                           copies by size
    Time (%),Total Time (ns),Num Calls,Avg (ns),…,Name                                              CUDA calls

KB and MB are 1024 and 1024² bytes with nvprof, 1000 and 1000² with nsys; without a unit, old nsys means KiB.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal

import msgspec

from profileapp.collect.kernels.fold import KernelFold, KernelReport, kind_on_gpu
from profileapp.errors import AgentError
from profileapp.model.table import KernelKind
from profileapp.record.files import open_regular

LINE_LIMIT = 32 * 1024
FILE_LIMIT_BYTES = 64 * 1024**2

# The columns of a header, and their roles.
_ROLES = {
    "type": "type", "category": "category", "name": "name", "operation": "name",
    "instances": "calls", "num calls": "calls", "calls": "calls", "count": "calls", "operations": "calls",
    "time": "total", "total time": "total", "total": "total",
    "avg": "mean", "average": "mean", "avg size": "mean",
    "min": "min", "minimum": "min", "min size": "min",
    "max": "max", "maximum": "max", "max size": "max",
}  # fmt: skip
# nvprof's `Calls` may be either; `Instances` are kernels or, in a combined table, depend on the name.
_KINDS_BY_COUNT: dict[str, KernelKind] = {"num calls": "api", "count": "memory time", "operations": "memory time"}
_UNIFIED_COPIES = {"Host To Device": "HtoD", "Device To Host": "DtoH", "Device To Device": "DtoD"}
_TIME_UNITS = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}
_HEADER_UNIT = re.compile(r"([^(]{0,40}?)\s*\(([%A-Za-zµ]{1,5})\)")
_VALUE = re.compile(r"([0-9][0-9.,]{0,40}(?:[eE][+-]?[0-9]{1,3})?)\s?([A-Za-zµ%]{0,4})")
_NVPROF_TEXT = ("Time(%)", "Time", "Calls", "Avg", "Min", "Max", "Name")
_UNIFIED_TEXT = ("Count", "Avg Size", "Min Size", "Max Size", "Total Size", "Total Time", "Name")
_TYPE = re.compile(r"([A-Za-z][A-Za-z ()]{2,40}):\s+(?=[0-9.]+%)")
_HEADER_ENDS = ("Name", '"Name"', "Operation", '"Operation"', '""')
_REPORT = re.compile(r"/([a-z0-9_]{4,40})\.py\b|\(([a-z0-9_]{4,40})\):|Executing '([a-z0-9_]{4,40})'")
# Reports on other subjects with the same columns, such as calls of the operating system.
_OURS = re.compile(r"(?:cuda_?)?(?:api|gpu|api_?gpu)_?(?:kern(?:_?gb)?|mem_?time|mem_?size)?_?sum")
_DASHES = re.compile(r"\s*-{2,}(?:\s+-{2,}){3,}\s*")
# Lines that the tools print between rows.
_ASIDE = ("==", "No ", "SKIPPED", "Processing", "Device ", "Total CPU", "Total remote", "Generat", "Running ", "Using ")


class _Table(msgspec.Struct):
    """The table that is being read. `columns` maps roles to column numbers, `units` column numbers to units.

    Cells are separated by space (form `words`) or have a fixed width (`spans`). If `kind` is None, it depends on the
    type or the name of each row. `type` is nvprof's type of the rows that follow; `is_combined`: a table of all kinds.
    """

    form: Literal["csv", "words", "spans"]
    columns: dict[str, int]
    units: dict[int, str]
    width: int
    kind: KernelKind | None
    is_nvprof: bool
    type: str = ""
    spans: tuple[tuple[int, int], ...] = ()
    rows: int = 0

    @property
    def is_combined(self) -> bool:
        return "category" in self.columns


def read_kernel_report(path: Path) -> KernelReport:
    """Reads a file of nvprof or nsys. Raises FileNotFoundError; AgentError if it cannot or may not be read."""
    with open_regular(path) as stream:
        content = stream.read(FILE_LIMIT_BYTES + 1)
    if len(content) > FILE_LIMIT_BYTES:
        raise AgentError(f"{path}: larger than {FILE_LIMIT_BYTES} bytes, so it is not read")
    return parse_kernel_report(content.decode("utf-8", errors="replace").split("\n"))


def parse_kernel_report(lines: Iterable[str]) -> KernelReport:
    """Sums every table in `lines` by kind and name. Never raises; a truncated or garbled line is skipped."""
    parser = _Parser()
    for line in lines:
        parser.take(line.rstrip())
    return parser.report()


class _Parser:
    def __init__(self) -> None:
        self._fold = KernelFold()
        # These reports repeat kernels, copies and calls in one table.
        self._combined = KernelFold()
        self._table: _Table | None = None
        self._before = ""
        self._wanted = True
        self._nvprof_kind: KernelKind | None = None

    def report(self) -> KernelReport:
        own, combined = self._fold.report(), self._combined.report()
        kinds = {row.kind for row in own.rows}
        more = tuple(row for row in combined.rows if row.kind not in kinds)
        return msgspec.structs.replace(own, rows=own.rows + more, omitted=own.omitted + combined.omitted)

    def take(self, line: str) -> None:
        if len(line) > LINE_LIMIT:
            self._fold.unread_lines += self._table is not None
            return
        if not line:
            self._table, self._before = None, ""
            return
        table = self._header(line)
        if table is not None:
            self._table = table
        elif self._table is not None and not line.startswith(_ASIDE):
            if not self._row(self._table, line):
                self._fold.unread_lines += 1
        else:
            self._note(line)
        self._before = line

    def _note(self, line: str) -> None:
        """Handles a line outside of tables, which may announce the next table."""
        if named := _REPORT.search(line):
            self._wanted = bool(_OURS.fullmatch(named[1] or named[2] or named[3]))
        if line.startswith("=="):
            # nvprof of CUDA 7 prints a separate table for each of the two, without a type.
            self._nvprof_kind = "api" if line.endswith("API calls:") else None

    def _header(self, line: str) -> _Table | None:
        if _DASHES.fullmatch(line):
            spans = tuple(match.span() for match in re.finditer("-+", line))
            return self._table_of(_cut(self._before, spans), "spans", spans)
        if not line.endswith(_HEADER_ENDS):
            return None
        words = line.split()
        if words[:1] == ["Type"]:
            del words[0]
        for form in (_NVPROF_TEXT, _UNIFIED_TEXT):
            if words == " ".join(form).split():
                return self._table_of(form, "words")
        return self._table_of(_cells(line), "csv")

    def _table_of(
        self, cells: Sequence[str], form: Literal["csv", "words", "spans"], spans: tuple[tuple[int, int], ...] = ()
    ) -> _Table | None:
        heads: list[str] = []
        columns: dict[str, int] = {}
        units: dict[int, str] = {}
        for place, cell in enumerate(cells):
            match = _HEADER_UNIT.fullmatch(cell.strip())
            head, unit = (match[1].lower(), match[2]) if match else (cell.strip().lower(), "")
            heads.append(head)
            role = _ROLES.get(head, "") if unit != "%" else ""
            if role and role not in columns:
                columns[role], units[place] = place, unit
        if "total size" in heads:
            # Unified Memory: sizes and times in one table; as CSV, the column of names has no header.
            columns |= {"total": heads.index("total size"), "name": len(heads) - 1}
        if not {"total", "calls", "min", "max", "name"} <= columns.keys():
            return None
        counted = heads[columns["calls"]]
        is_nvprof = counted == "calls" or "total size" in heads
        kind = self._nvprof_kind if is_nvprof else _KINDS_BY_COUNT.get(counted)
        if "total size" in heads or heads[columns["total"]] == "total":
            kind = "memory size"
        return _Table(form, columns, units, len(cells), kind, is_nvprof, spans=spans)

    def _row(self, table: _Table, line: str) -> bool:
        """Adds a row of the table; False for an invalid one."""
        if table.form == "spans":
            cells = _cut(line, table.spans)
        elif table.form == "words":
            line = line.strip()
            if typed := _TYPE.match(line):
                table.type, line = typed[1], line[typed.end() :]
            cells = line.split(None, table.width - 1)
        else:
            cells = _cells(line)
        table.rows += 1
        if table.form == "csv" and table.is_nvprof and table.rows == 1 and _take_units(cells, table):
            return True
        if len(cells) > table.width and table.columns["name"] == table.width - 1:
            # Names with commas, written without quotes.
            cells = [*cells[: table.width - 1], ",".join(cells[table.width - 1 :])]
        if len(cells) != table.width:
            return False
        if "type" in table.columns:
            table.type = cells[table.columns["type"]].strip()
        return self._take(table, cells)

    def _take(self, table: _Table, cells: Sequence[str]) -> bool:
        name = cells[table.columns["name"]].strip()
        kind = "api" if table.type == "API calls" else table.kind or kind_on_gpu(name)
        if table.is_combined:
            kind = "api" if cells[table.columns["category"]].strip() == "CUDA_API" else kind_on_gpu(name)
        if kind == "memory size" and table.is_nvprof:
            # The table also lists page faults and the like.
            if name not in _UNIFIED_COPIES:
                return True
            name = f"[CUDA Unified Memory memcpy {_UNIFIED_COPIES[name]}]"
        foreign = table.type not in ("", "API calls", "GPU activities") or (kind == "api" and not name.startswith("cu"))
        if foreign or not self._wanted:
            return True
        try:
            calls = int(cells[table.columns["calls"]].strip().replace(",", ""))
            total, least, most = (_value(cells, table, role, kind) for role in ("total", "min", "max"))
        except ValueError:
            return False
        fold = self._combined if table.is_combined else self._fold
        return fold.add(kind, name, calls, total, least, most)


def _cut(line: str, spans: Sequence[tuple[int, int]]) -> list[str]:
    """The cells of a line with columns of fixed width; the last extends to the end."""
    return [line[start : end if place < len(spans) - 1 else None].strip() for place, (start, end) in enumerate(spans)]


def _take_units(cells: Sequence[str], table: _Table) -> bool:
    """Reads nvprof's line of units, one per column: `,%,ms,,us,us,ms,`."""
    if not any(cells) or not all(cell in ("", "%") or cell in _TIME_UNITS for cell in cells):
        return False
    table.units.update(enumerate(cells))
    return True


def _value(cells: Sequence[str], table: _Table, role: str, kind: KernelKind) -> float:
    """A cell in seconds or bytes. Raises ValueError for anything else."""
    place = table.columns[role]
    match = _VALUE.fullmatch(cells[place].strip())
    if not match:
        raise ValueError("no number")
    unit = match[2] or table.units.get(place, "")
    number = float(match[1].replace(",", ""))
    return number * (_size_factor(unit, table.is_nvprof) if kind == "memory size" else _time_factor(unit))


def _time_factor(unit: str) -> float:
    factor = _TIME_UNITS.get(unit or "ns")
    if factor is None:
        raise ValueError("no unit of time")
    return factor


def _size_factor(unit: str, is_nvprof: bool) -> float:
    unit = unit or "KiB"
    base = 1024.0 if is_nvprof or "i" in unit else 1000.0
    power = "BKMGT".find(unit[0].upper())
    if power < 0 or unit.upper().replace("I", "") not in ("B", "KB", "MB", "GB", "TB"):
        raise ValueError("no unit of size")
    return base**power


def _cells(line: str) -> list[str]:
    try:
        return next(csv.reader([line]), [])
    except csv.Error:
        return []
