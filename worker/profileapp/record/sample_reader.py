"""Sorts the lines of `metrics.ndjson` into series: block by block or, if a block is irregular, line by line."""

from __future__ import annotations

from array import array
from collections import deque
from pathlib import Path
from typing import Any, cast, get_args

import msgspec

from profileapp.model.series import Kind, Series
from profileapp.record.series_data import Chunk, Column, Overflow, SeriesData
from profileapp.record.time_column import TIME_LETTERS, time_of, times_of

LINE_LIMIT_BYTES = 256 * 1024
SERIES_LIMIT = 20_000
BUFFER_LIMIT = 4_000_000
"""Limit of samples in memory, of 16 bytes each; any more are spilled to a file."""

_MARK = b',"timestamp":"'
_NO_SAMPLE = (msgspec.DecodeError, ValueError, OverflowError, RecursionError)
_REMEMBERED_LIMIT_BYTES = 32 * 1024**2
_STEP_BYTES = 500
"""Memory of a step, excluding its key."""
_FEW_MISPREDICTIONS = 10_000
"""Lines behind others that they never followed before, up to which an order may still show."""

_Columns = tuple["array[int]", "array[float]"]
"""The times and the values of a series."""
# The text between the time of a line and the value of the next one -> where samples of the line go, and the same
# for the next line. Neither the end of a line's frame nor its beginning alone identifies its series.
_Steps = dict[bytes, tuple["array[int]", "array[float]", "_Steps"]]


class SampleLine(msgspec.Struct, frozen=True):
    """One line of `metrics.ndjson`, in the format of the Sage data API.

    `timestamp` is RFC 3339 in UTC with nanoseconds. `meta` has `metric`, `unit` and, except for a gauge, `kind`; all
    its other keys are labels.
    """

    name: str
    value: float
    timestamp: str
    meta: dict[str, str] = {}


class _SeriesBuffer:
    """Samples of a series: the latest in memory, and the position of earlier ones in the overflow."""

    __slots__ = ("time_chunks", "times_ns", "value_chunks", "values")

    def __init__(self) -> None:
        self.times_ns: array[int] = array("q")
        self.values: array[float] = array("d")
        self.time_chunks: list[Chunk] = []
        self.value_chunks: list[Chunk] = []


class _NotPlain(ValueError):
    """A block contains a line that differs from our own format."""


class SampleReader:
    """Reads lines, one sample each; counts invalid ones (`bad_lines`), and samples of too many series."""

    def __init__(self, folder: Path, buffer_limit: int = BUFFER_LIMIT) -> None:
        """Samples beyond `buffer_limit` are spilled to a file in `folder`, if possible."""
        self.lines = 0
        self.bad_lines = 0
        self.over_limit = 0
        self._folder = folder
        self._buffer_limit = buffer_limit
        self._buffered = 0
        self._overflow: Overflow | None = None
        self._series: dict[Series, _SeriesBuffer] = {}
        self._decode = msgspec.json.Decoder(SampleLine).decode
        self._decode_values = msgspec.json.Decoder(list[float]).decode
        self._heads: dict[bytes, _Steps] = {}
        self._frames: dict[tuple[bytes, bytes], _Columns] = {}
        self._remembered_bytes = 0
        self._mispredictions = 0

    def series(self) -> dict[Series, SeriesData]:
        """Every series with its samples; no more lines may be added afterwards."""
        if self._overflow is not None:
            self._spill()
        every = {one: self._data(buffer) for one, buffer in self._series.items()}
        return {one: data for one, data in every.items() if len(data)}

    def take_block(self, block: bytes) -> None:
        """Reads whole lines, each with its line end."""
        try:
            self._take_plain(block)
        except _NO_SAMPLE:
            for line in block.split(b"\n"):
                if line.strip():
                    self.take_line(line if len(line) < LINE_LIMIT_BYTES else None)

    def take_line(self, line: bytes | None) -> None:
        """Reads one line; None is a line that was too long."""
        self.lines += 1
        try:
            sample = self._decode(line or b"")
            time_ns = time_of(sample.timestamp)
            buffer = self._of(_series_of(sample))
        except _NO_SAMPLE:
            self.bad_lines += 1
            return
        if buffer is None:
            self.over_limit += 1
            return
        buffer.times_ns.append(time_ns)
        buffer.values.append(sample.value)
        self._added(1)

    def _take_plain(self, block: bytes) -> None:
        """Reads lines in exactly MetricsWriter's format. Raises before it uses any part of the block.

        The frame of a line, all but its value and its time, is decoded once; where it recurs, bytes are compared.
        """
        head, *parts = block.split(_MARK)
        if not parts:
            raise _NotPlain
        first_frame, _, first_number = head.rpartition(b":")
        # The last line has no successor.
        middle = [part[TIME_LETTERS:].rpartition(b":") for part in parts[:-1]]
        frames = [frame for frame, _, _ in middle]
        frames.append(parts[-1][TIME_LETTERS:])
        numbers = [number for _, _, number in middle]
        numbers.insert(0, first_number)
        columns = self._columns(first_frame, frames)
        times_ns = times_of([part[:TIME_LETTERS] for part in parts])
        # A comma in one would make two of it.
        values = self._decode_values(b"[%b]" % b",".join(numbers))
        if len(values) != len(times_ns):
            raise _NotPlain
        # A loop takes half as long again.
        deque(map(array.append, [each[0] for each in columns], times_ns), maxlen=0)
        deque(map(array.append, [each[1] for each in columns], values), maxlen=0)
        self.lines += len(values)
        self._added(len(values))

    def _columns(self, head: bytes, frames: list[bytes]) -> list[Any]:
        """The buffers for the time and the value of each line."""
        if self._mispredictions > _FEW_MISPREDICTIONS and 4 * self._mispredictions > self.lines:
            return self._columns_of_any_order(head, frames)
        after = self._heads.get(head)
        if after is None:
            after = self._heads[head] = {}
        steps: list[Any] = []
        for frame in frames:
            try:
                step = after[frame]
            except KeyError:
                if steps:
                    head = frames[len(steps) - 1].partition(b"\n")[2]
                self._mispredictions += 1
                next_head, columns = self._of_frame(head, frame)
                step = after[frame] = *columns, self._heads.setdefault(next_head, {})
            steps.append(step)
            after = step[2]
        return steps

    def _columns_of_any_order(self, head: bytes, frames: list[bytes]) -> list[Any]:
        """The same without predicting which line follows which: an app may report its series in any order."""
        columns: list[Any] = []
        known = self._frames
        for frame in frames:
            tail, _, next_head = frame.partition(b"\n")
            columns.append(known.get((head, tail)) or self._of_frame(head, frame)[1])
            head = next_head
        return columns

    def _of_frame(self, head: bytes, frame: bytes) -> tuple[bytes, _Columns]:
        """The beginning of the next line, and the columns of the series of this one."""
        tail, end, next_head = frame.partition(b"\n")
        if not end or b"\n" in next_head:
            raise _NotPlain
        if self._remembered_bytes >= _REMEMBERED_LIMIT_BYTES:
            self._remembered_bytes = 0
            self._heads.clear()
            self._frames.clear()
        self._remembered_bytes += _STEP_BYTES + 2 * len(frame)
        columns = self._frames.get((head, tail))
        if columns is None:
            buffer = self._series_of_frame(head, tail)
            columns = self._frames[head, tail] = buffer.times_ns, buffer.values
        return next_head, columns

    def _series_of_frame(self, head: bytes, tail: bytes) -> _SeriesBuffer:
        """The series of a frame. Raises where the two gaps in it are not just the sample's value and time."""
        if len(head) + len(tail) > LINE_LIMIT_BYTES // 2:
            raise _NotPlain
        found = None
        for value, time in ((7.25, b"2001-01-01T00:00:00.123456789"), (-8.0, b"2002-02-02T00:00:00.000000000")):
            sample = self._decode(b"%b:%b%b%b%b" % (head, repr(value).encode(), _MARK, time, tail))
            if (sample.value, sample.timestamp) != (value, f"{time.decode()}Z"):
                raise _NotPlain
            found = self._of(_series_of(sample))
        if found is None:
            raise _NotPlain
        return found

    def _of(self, one: Series) -> _SeriesBuffer | None:
        """The buffer of a series' samples; None if there are too many series."""
        buffer = self._series.get(one)
        if buffer is None and len(self._series) < SERIES_LIMIT:
            buffer = self._series[one] = _SeriesBuffer()
        return buffer

    def _added(self, samples: int) -> None:
        self._buffered += samples
        if self._buffered > self._buffer_limit:
            self._spill()

    def _spill(self) -> None:
        """Moves the samples in memory to the overflow; if that fails, they remain in memory."""
        self._buffered = 0
        try:
            if self._overflow is None:
                self._overflow = Overflow(self._folder)
            for buffer in self._series.values():
                if buffer.values:
                    chunks = self._overflow.add(buffer.times_ns), self._overflow.add(buffer.values)
                    buffer.time_chunks.append(chunks[0])
                    buffer.value_chunks.append(chunks[1])
                    # Emptied, not replaced: steps hold them.
                    del buffer.times_ns[:], buffer.values[:]
        except OSError:
            self._buffer_limit *= 2

    def _data(self, buffer: _SeriesBuffer) -> SeriesData:
        if self._overflow is None or not buffer.value_chunks:
            return SeriesData(buffer.times_ns, buffer.values)
        if buffer.values:
            # The file could not store all of it.
            times_ns: Column[int] = Column(self._overflow, "q", buffer.time_chunks)
            values: Column[float] = Column(self._overflow, "d", buffer.value_chunks)
            return SeriesData(times_ns[:] + buffer.times_ns, values[:] + buffer.values)
        return SeriesData(
            Column(self._overflow, "q", buffer.time_chunks), Column(self._overflow, "d", buffer.value_chunks)
        )


def _series_of(sample: SampleLine) -> Series:
    meta = dict(sample.meta)
    metric, unit, kind = meta.pop("metric", "custom"), meta.pop("unit", ""), meta.pop("kind", "gauge")
    if kind not in get_args(Kind):
        raise ValueError(f"unknown kind {kind!r}")
    return Series(sample.name, unit, metric, tuple(sorted(meta.items())), cast(Kind, kind))
