"""Writes `metrics.ndjson` as samples arrive, so that a crash loses at most the last half second."""

from __future__ import annotations

import math
import threading
from collections import deque
from collections.abc import Callable
from typing import BinaryIO

import msgspec

from profileapp.model.clock import Clock, format_utc
from profileapp.model.series import Series

FLUSH_INTERVAL_S = 0.5
QUEUE_LIMIT = 500_000
"""Limit of samples queued while the disk is slow; any more are counted as dropped."""
FILE_LIMIT_BYTES = 16 * 1024**3
"""Three days of 40 series at 10 Hz."""


_TIMESTAMP = b',"timestamp":"'


class _Frame(msgspec.Struct, gc=False):
    """The text before the value and after the time in each line of a series, and the number of lines."""

    head: bytes
    tail: bytes
    samples: int = 0


class MetricsWriter:
    """One `metrics.ndjson`. `emit` may be called by any thread, never blocks and never raises.

    A separate thread encodes and writes twice a second. `failure` is set once the file can no longer be written
    (a full disk); `on_failure` is then called from that thread, once. `dropped` counts samples that were not kept:
    not a finite number, more than the queue holds, or more than `file_limit_bytes`.
    """

    def __init__(
        self,
        stream: BinaryIO,
        clock: Clock,
        on_failure: Callable[[OSError], None] | None = None,
        *,
        queue_limit: int = QUEUE_LIMIT,
        file_limit_bytes: int = FILE_LIMIT_BYTES,
    ) -> None:
        self.failure: OSError | None = None
        self.dropped = 0
        self._stream = stream
        self._clock = clock
        self._on_failure = on_failure
        self._queue_limit = queue_limit
        self._room_bytes = file_limit_bytes
        self._queue: deque[tuple[Series, float, int]] = deque()
        self._frames: dict[Series, _Frame] = {}
        self._second = -1
        self._second_text = b""
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._write_until_closed, name="metrics-writer", daemon=True)
        self._thread.start()

    def emit(self, series: Series, value: float, at_ns: int) -> None:
        """Queues one sample; the `Emit` of the collector API."""
        if len(self._queue) >= self._queue_limit or not math.isfinite(value):
            self.dropped += 1
        else:
            self._queue.append((series, value, at_ns))

    def samples_of(self, metric: str) -> int:
        """The number of samples of a metric written so far; all of them after `close`."""
        return sum(frame.samples for series, frame in list(self._frames.items()) if series.metric == metric)

    def names_of(self, metric: str) -> frozenset[str]:
        """Names of the series of a metric written so far."""
        return frozenset(series.name for series in list(self._frames) if series.metric == metric)

    def close(self) -> None:
        """Writes the remaining samples and closes the file. May be called twice."""
        self._closing.set()
        self._thread.join()
        self._stream.close()

    def _write_until_closed(self) -> None:
        closing = False
        while not closing:
            closing = self._closing.wait(FLUSH_INTERVAL_S)
            while self._queue:
                # Few at a time: the thread that reads the app's datagrams, of which the kernel queues ten, must run.
                self._write(self._encode(limit=100))

    def _write(self, content: bytes) -> None:
        self._room_bytes -= len(content)
        view = memoryview(content)
        try:
            while view:
                view = view[self._stream.write(view) :]
        except OSError as error:
            self.failure = error
            if self._on_failure:
                self._on_failure(error)

    def _encode(self, limit: int) -> bytes:
        queue = self._queue
        samples = [queue.popleft() for _ in range(min(len(queue), limit))]
        if self.failure or self._room_bytes <= 0:
            self.dropped += len(samples)
            return b""
        offset_ns = self._clock.wall_ns(0)
        lines: list[bytes] = []
        for series, value, at_ns in samples:
            frame = self._frames.get(series) or self._frame(series)
            frame.samples += 1
            second, nanosecond = divmod(at_ns + offset_ns, 1_000_000_000)
            if second != self._second:
                self._second, self._second_text = second, format_utc(second * 1_000_000_000)[:20].encode()
            lines.append(b"%b%a%b%b%09d%b" % (frame.head, value, _TIMESTAMP, self._second_text, nanosecond, frame.tail))
        return b"".join(lines)

    def _frame(self, series: Series) -> _Frame:
        meta = dict(series.labels) | {"metric": series.metric, "unit": series.unit}
        if series.kind != "gauge":
            meta["kind"] = series.kind
        head = b'{"name":%b,"value":' % msgspec.json.encode(series.name)
        tail = b'Z","meta":%b}\n' % msgspec.json.encode(meta)
        self._frames[series] = frame = _Frame(head, tail)
        return frame
