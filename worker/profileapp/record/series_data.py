"""The samples of a series: in memory or, if a run has tens of millions, in an unnamed temporary file."""

from __future__ import annotations

import os
import tempfile
import weakref
from array import array
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Generic, Literal, TypeVar, overload

from profileapp.model.vector import is_ascending

Number = TypeVar("Number", int, float)
Chunk = tuple[int, int]
"""The offset in the file (bytes) and the count of some numbers."""
_NUMBER_BYTES = 8
_READ_NUMBERS = 64 * 1024


class SeriesData:
    """The samples of a series: `times_ns` (UTC nanoseconds since 1970) and `values`, of one length, in file order.

    Complete once it is made. A slice of either is an array.
    """

    __slots__ = ("_is_in_order", "times_ns", "values")

    def __init__(self, times_ns: Sequence[int], values: Sequence[float]) -> None:
        self.times_ns = times_ns
        self.values = values
        self._is_in_order: bool | None = None

    def __len__(self) -> int:
        return len(self.values)

    @property
    def is_in_order(self) -> bool:
        """Whether the times are in ascending order."""
        if self._is_in_order is None:
            self._is_in_order = is_ascending(self.times_ns[:])
        return self._is_in_order


class Overflow:
    """An unnamed temporary file for samples, which disappears with this process."""

    def __init__(self, folder: Path) -> None:
        """Creates it in `folder`, else in the folder of temporary files. Raises OSError."""
        try:
            stream = tempfile.TemporaryFile(dir=folder, buffering=0)  # noqa: SIM115  (closed with this object)
        except OSError:
            stream = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115
        self._stream = stream
        self._size = 0
        self._finalizer = weakref.finalize(self, stream.close)

    def add(self, numbers: array[Number]) -> Chunk:
        """Appends numbers. If it raises OSError, none were added."""
        view = memoryview(numbers).cast("B")
        start = at = self._size
        while view:
            written = os.pwrite(self._stream.fileno(), view, at)
            view, at = view[written:], at + written
        self._size = at
        return start, len(numbers)

    def read(self, start: int, count: int) -> bytes:
        """`count` numbers from the byte `start` on. Raises OSError."""
        content = os.pread(self._stream.fileno(), count * _NUMBER_BYTES, start)
        if len(content) != count * _NUMBER_BYTES:
            raise OSError("a file of samples was truncated while it was read")
        return content


class Column(Sequence[Number], Generic[Number]):
    """Numbers in an Overflow, read on demand."""

    def __init__(self, file: Overflow, typecode: Literal["q", "d"], chunks: Sequence[Chunk]) -> None:
        self._file = file
        self._typecode = typecode
        self._chunks = chunks
        self._length = sum(count for _, count in chunks)

    def __len__(self) -> int:
        return self._length

    @overload
    def __getitem__(self, index: int) -> Number: ...
    @overload
    def __getitem__(self, index: slice) -> array[Number]: ...
    def __getitem__(self, index: int | slice) -> Number | array[Number]:
        if isinstance(index, slice):
            first, end, step = index.indices(self._length)
            return self._read(first, end) if step == 1 else self._read(0, self._length)[index]
        place = index + self._length if index < 0 else index
        if not 0 <= place < self._length:
            raise IndexError(index)
        return self._read(place, place + 1)[0]

    def __iter__(self) -> Iterator[Number]:
        for first in range(0, self._length, _READ_NUMBERS):
            yield from self._read(first, min(first + _READ_NUMBERS, self._length))

    def _read(self, first: int, end: int) -> array[Number]:
        numbers: array[Number] = array(self._typecode)
        passed = 0
        for start, count in self._chunks:
            low, high = max(first - passed, 0), min(end - passed, count)
            if low < high:
                numbers.frombytes(self._file.read(start + low * _NUMBER_BYTES, high - low))
            passed += count
            if passed >= end:
                break
        return numbers
