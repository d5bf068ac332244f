"""The tables of functions and of kernels for a page; pure."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

import msgspec

from profileapp.model.run import Run
from profileapp.model.table import FunctionRow, KernelKind, KernelRow
from profileapp.report.format import ABSENT, duration, number, quantity

ROWS_SHOWN = 30
"""Limit of rows per table; the CSV files have all."""
_TITLES: dict[KernelKind, str] = {
    "kernel": "Kernels",
    "memory time": "Copies and fills, by time",
    "memory size": "Copies and fills, by size",
    "api": "CUDA API calls",
}


class Table(msgspec.Struct, frozen=True):
    """Header and rows; the first `text_columns` are text, the others numbers. `omitted` counts rows left out."""

    title: str
    note: str
    head: tuple[str, ...]
    text_columns: int
    rows: tuple[tuple[str, ...], ...]
    omitted: int
    file: str


def function_tables(rows: Sequence[FunctionRow], run: Run, file: str) -> tuple[Table, ...]:
    """The tables of py-spy and of TAU, without empty ones."""
    seen = [row for row in rows if row.metric == "functions"]
    timed = [row for row in rows if row.metric == "tau"]
    tables = (
        _table(
            "Hot functions",
            "Sampled by py-spy from outside while the app was measured. Own: in the function itself; total: also in "
            "its callees.",
            ("Function", "Where", "Own", "Total", "Samples"),
            2,
            [
                (row.name, _where(row), _share(row.self_share), _share(row.total_share), _count(row.samples))
                for row in seen
            ],
            file,
        ),
        _table(
            "Functions by TAU",
            f"Time over all threads. {tracing_cost(run)}",
            ("Function", "Where", "Group", "Own", "Own time", "Total time", "Calls"),
            3,
            [
                (
                    row.name,
                    _where(row),
                    row.group,
                    _share(row.self_share),
                    quantity(row.exclusive_s, "s"),
                    quantity(row.inclusive_s, "s"),
                    _count(row.calls if row.samples is None else row.samples),
                )
                for row in timed
            ],
            file,
        ),
    )
    return tuple(table for table in tables if table.rows)


def kernel_tables(rows: Sequence[KernelRow], run: Run, file: str) -> tuple[Table, ...]:
    """One table per kind, in the order of the file, without empty ones."""
    kinds = dict.fromkeys(row.kind for row in rows)
    return tuple(
        _table(
            _TITLES[kind],
            tracing_cost(run) if number_ == 0 else "",
            ("Name", "Share", "Total", "Calls", "Mean", "Min", "Max"),
            1,
            [_kernel_cells(row) for row in rows if row.kind == kind],
            file,
        )
        for number_, kind in enumerate(kinds)
    )


def tracing_cost(run: Run) -> str:
    """The tool's overhead: the app's duration in the traced repeat, and without the tool."""
    traced = [each for each in run.repeats if each.traced and each.ended_ns]
    others = [each for each in run.repeats if not each.traced and each.ended_ns]
    if not traced:
        return ""
    text = "Traced in a separate repeat, which the statistics exclude"
    if not others or any(each.exit_reason != "completed" for each in (*traced, *others)):
        return f"{text}; the tool's overhead is unknown, since the app did not exit by itself."
    with_tool_s = fmean((each.ended_ns - each.started_ns) / 1e9 for each in traced)
    without_s = fmean((each.ended_ns - each.started_ns) / 1e9 for each in others)
    if not without_s:
        return f"{text}."
    more = (with_tool_s / without_s - 1) * 100
    return f"{text}; it took {duration(with_tool_s)}, compared with {duration(without_s)} untraced ({more:+.0f} %)."


def _table(
    title: str, note: str, head: tuple[str, ...], text_columns: int, rows: Sequence[tuple[str, ...]], file: str
) -> Table:
    return Table(title, note, head, text_columns, tuple(rows[:ROWS_SHOWN]), max(0, len(rows) - ROWS_SHOWN), file)


def _kernel_cells(row: KernelRow) -> tuple[str, ...]:
    times = (quantity(each, row.unit) for each in (row.mean, row.min, row.max))
    return row.name, _share(row.share), quantity(row.total, row.unit), _count(row.calls), *times


def _where(row: FunctionRow) -> str:
    return f"{row.file}:{row.line}" if row.file and row.line else row.file or ABSENT


def _share(share: float | None) -> str:
    return ABSENT if share is None else f"{number(share * 100)} %"


def _count(count: int | None) -> str:
    return ABSENT if count is None else f"{count:,}".replace(",", " ")
