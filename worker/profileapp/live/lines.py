"""Plain output: one line per target and interval, JSON lines, or one table."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TextIO

from profileapp.live.columns import Column, cells_of, columns_of, device_text
from profileapp.live.snapshot import Snapshot, TargetRow, json_line
from profileapp.model.clock import format_utc
from profileapp.model.text import printable

NAME_LIMIT = 40
FIRST_COMPLETE = 2
"""The first interval at whose end every source has its second sample."""


class Quiet:
    """Shows no values, and has no keys; notes go to `notes`."""

    def __init__(self, notes: TextIO) -> None:
        self._notes = notes

    def show(self, snapshot: Snapshot) -> None:
        """Shows nothing."""

    def react(self) -> bool:
        return False

    def note(self, text: str) -> None:
        self._notes.write(f"profileapp: {text}\n")
        self._notes.flush()


class PlainLines(Quiet):
    """One line for each running target once an interval, for a log or a pipe; notes go to `notes`.

    With `every_s`, no more often than that.
    """

    def __init__(self, stream: TextIO, notes: TextIO, every_s: float = 0.0) -> None:
        super().__init__(notes)
        self._stream = stream
        self._every_ns = round(every_s * 1e9)
        self._next_ns = 0

    def show(self, snapshot: Snapshot) -> None:
        if snapshot.at_ns < self._next_ns:
            return
        self._next_ns = snapshot.at_ns + self._every_ns
        time = format_utc(snapshot.at_ns)[11:19]
        columns = columns_of(snapshot)
        lines = [f"{time} device  {device_text(snapshot)}"] if snapshot.device else []
        lines += [f"{time} {_line(row, columns)}" for row in snapshot.targets if row.state == "running"]
        self._stream.write("".join(f"{line}\n" for line in lines))
        self._stream.flush()


class JsonLines(Quiet):
    """One line of JSON once an interval; notes go to `notes`."""

    def __init__(self, stream: TextIO, notes: TextIO) -> None:
        super().__init__(notes)
        self._stream = stream

    def show(self, snapshot: Snapshot) -> None:
        self._stream.write(json_line(snapshot).decode() + "\n")
        self._stream.flush()


class Once(Quiet):
    """Shows the first interval in which all sources had time for two samples, then calls `on_end`."""

    def __init__(self, stream: TextIO, notes: TextIO, *, as_json: bool) -> None:
        self.on_end: Callable[[], None] = lambda: None
        super().__init__(notes)
        self._stream = stream
        self._as_json = as_json
        self._shown = 0

    def show(self, snapshot: Snapshot) -> None:
        self._shown += 1
        # A rate needs two samples: one at once, the next an interval later.
        if self._shown < FIRST_COMPLETE:
            return
        self._stream.write(json_line(snapshot).decode() + "\n" if self._as_json else table(snapshot))
        self._stream.flush()
        self.on_end()

    def note(self, text: str) -> None:
        """Shows nothing: only one table is printed."""


def table(snapshot: Snapshot) -> str:
    """All targets as one plain-text table, below the device's values."""
    columns = columns_of(snapshot)
    header = ("target", "state", *(column.title for column in columns))
    rows = [(printable(row.title, NAME_LIMIT), _state(row), *cells_of(row, columns)) for row in snapshot.targets]
    widths = [max(len(each[index]) for each in (header, *rows)) for index in range(len(header))]
    lines = [f"device  {device_text(snapshot)}"] if snapshot.device else []
    lines += [_padded(cells, widths) for cells in (header, *rows)]
    return "".join(f"{line.rstrip()}\n" for line in lines)


def _line(row: TargetRow, columns: Iterable[Column]) -> str:
    columns = tuple(columns)
    cells = (f"{column.title} {cell}" for column, cell in zip(columns, cells_of(row, columns), strict=True))
    return "  ".join((printable(row.title, NAME_LIMIT), *cells))


def _state(row: TargetRow) -> str:
    times = f" ({row.starts} starts)" if row.starts > 1 else ""
    return f"{row.state}{times}"


def _padded(cells: tuple[str, ...], widths: list[int]) -> str:
    first, *rest = (
        cell.ljust(width) if index < 2 else cell.rjust(width)
        for index, (cell, width) in enumerate(zip(cells, widths, strict=True))
    )
    return "  ".join((first, *rest))
