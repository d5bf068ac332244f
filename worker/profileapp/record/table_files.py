"""`functions.csv` and `kernels.csv`: the tables of a target, written for spreadsheets and read back (RFC 4180)."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TypeVar

import msgspec

from profileapp.errors import AgentError
from profileapp.model.table import FunctionRow, KernelRow
from profileapp.model.text import printable
from profileapp.record.artifacts import FUNCTIONS_FILE, KERNELS_FILE, write_artifact
from profileapp.record.files import open_regular

ROWS_LIMIT = 10_000
"""Limit of rows of a table, those with the most time."""
CELL_LIMIT = 1000
FILE_LIMIT_BYTES = 32 * 1024**2

# Characters that make a spreadsheet evaluate a cell (OWASP, "CSV Injection"). `printable` removes tabs and newlines.
_FORMULA_STARTS = ("=", "+", "-", "@")
_UNIT_COLUMN = "unit"

Row = TypeVar("Row", FunctionRow, KernelRow)


def write_functions(folder: Path, rows: Iterable[FunctionRow]) -> None:
    """Writes the first ROWS_LIMIT rows to `functions.csv` atomically. Raises OSError."""
    columns = FunctionRow.__struct_fields__
    cells = ([getattr(row, name) for name in columns] for row in rows)
    write_artifact(folder, FUNCTIONS_FILE, _csv(columns, cells).encode())


def merge_functions(folder: Path, metric: str, rows: Iterable[FunctionRow]) -> None:
    """Replaces the rows of one metric in `functions.csv`, and keeps those of others. Raises OSError."""
    others = [row for row in read_functions(folder, []) if row.metric != metric]
    write_functions(folder, (*others, *rows))


def write_kernels(folder: Path, rows: Iterable[KernelRow]) -> None:
    """Writes the first ROWS_LIMIT rows, with their units, to `kernels.csv` atomically. Raises OSError."""
    columns = (*KernelRow.__struct_fields__, _UNIT_COLUMN)
    cells = ([getattr(row, name) for name in columns] for row in rows)
    write_artifact(folder, KERNELS_FILE, _csv(columns, cells).encode())


def read_functions(folder: Path, problems: list[str]) -> tuple[FunctionRow, ...]:
    """The rows of `functions.csv`; none if there is no such file.

    Invalid rows are skipped; `problems` gains one line that counts them.
    """
    return _read(folder / FUNCTIONS_FILE, FunctionRow, problems)


def read_kernels(folder: Path, problems: list[str]) -> tuple[KernelRow, ...]:
    """The rows of `kernels.csv`, with the same behaviour as `read_functions`."""
    return _read(folder / KERNELS_FILE, KernelRow, problems)


def _csv(columns: Iterable[str], rows: Iterable[list[object]]) -> str:
    stream = io.StringIO(newline="")
    writer = csv.writer(stream)
    writer.writerow(columns)
    for _, row in zip(range(ROWS_LIMIT), rows, strict=False):
        writer.writerow([_guarded(cell) for cell in row])
    return stream.getvalue()


def _guarded(cell: object) -> object:
    """Text on one line that no spreadsheet evaluates; None is an empty cell."""
    if not isinstance(cell, str):
        return cell
    # A lone surrogate (from a file name that is not valid UTF-8) cannot be written; `printable` escapes it.
    text = printable(cell, CELL_LIMIT)
    return f"'{text}" if _is_formula(text) else text


def _unguarded(text: str) -> str:
    return text[1:] if text.startswith("'") and _is_formula(text[1:]) else text


def _is_formula(text: str) -> bool:
    # Text that already starts with a quote gets another, so that reading restores what was written.
    return text.lstrip(" '").startswith(_FORMULA_STARTS)


def _read(path: Path, kind: type[Row], problems: list[str]) -> tuple[Row, ...]:
    try:
        with open_regular(path) as stream:
            content = stream.read(FILE_LIMIT_BYTES + 1)
    except FileNotFoundError:
        return ()
    except (OSError, AgentError) as error:
        problems.append(str(error))
        return ()
    if len(content) > FILE_LIMIT_BYTES:
        problems.append(f"{path.name}: larger than {FILE_LIMIT_BYTES} bytes, so it is not read")
        return ()
    found: list[Row] = []
    bad = 0
    for cells in _records(content.decode("utf-8", errors="replace")):
        row = _row(cells, kind) if cells is not None else None
        if row is None or len(found) >= ROWS_LIMIT:
            bad += 1
        else:
            found.append(row)
    if bad:
        problems.append(f"{path.name}: {bad} of {bad + len(found)} rows are invalid and were skipped")
    return tuple(found)


def _records(text: str) -> Iterator[dict[str, str] | None]:
    """The cells of each row by column; None for an invalid row."""
    rows = csv.reader(io.StringIO(text, newline=""))
    columns: list[str] | None = None
    while True:
        try:
            row = next(rows)
        except StopIteration:
            return
        except csv.Error:
            yield None
            continue
        if columns is None:
            columns = row
        elif row:
            yield dict(zip(columns, row, strict=False)) if len(row) == len(columns) else None


def _row(cells: Mapping[str, str], kind: type[Row]) -> Row | None:
    given = {key: _unguarded(cell) for key, cell in cells.items() if cell != "" and key != _UNIT_COLUMN}
    try:
        row = msgspec.convert({"name": "", **given}, type=kind, strict=False)
    except (msgspec.ValidationError, ValueError, OverflowError):
        return None
    numbers = (getattr(row, name) for name in row.__struct_fields__)
    return row if all(math.isfinite(each) for each in numbers if isinstance(each, float)) else None
