"""Writes `app.log`: the app's output as it arrives, up to a limit."""

from __future__ import annotations

import threading
from collections import deque
from pathlib import Path

from profileapp.record.files import create_new
from profileapp.run.mask import MaskedStream

HEAD_LIMIT_BYTES = 8 * 1024**2
TAIL_LIMIT_BYTES = 64 * 1024


class AppLog:
    """Writes the first `head_limit` bytes as they arrive; of the rest, the last `tail_limit` bytes at the end.

    `masked` masks secrets. Raises OSError if the file cannot be created. A disk that fills up later ends the writing,
    not the run.
    """

    def __init__(
        self,
        path: Path,
        head_limit: int = HEAD_LIMIT_BYTES,
        tail_limit: int = TAIL_LIMIT_BYTES,
        masked: MaskedStream | None = None,
    ) -> None:
        self._masked = masked
        self._stream = create_new(path)
        self._room = head_limit
        self._tail_limit = tail_limit
        self._tail: deque[bytes] = deque()
        self._tail_bytes = 0
        self._left_out_bytes = 0
        self._lock = threading.Lock()
        self._closed = False

    def write(self, content: bytes) -> None:
        """Writes output of the app. Any thread; never raises."""
        with self._lock:
            if not self._closed:
                self._take(self._masked.feed(content) if self._masked else content)

    def close(self) -> None:
        """Writes the retained tail, and how many bytes were dropped before it. May be called twice."""
        with self._lock:
            if self._closed:
                return
            if self._masked:
                self._take(self._masked.end())
            self._closed = True
            tail = b"".join(self._tail)
            if tail:
                if self._left_out_bytes:
                    self._put(b"\n[profileapp: %d bytes dropped here]\n" % self._left_out_bytes)
                self._put(tail)
            self._stream.close()

    def _take(self, content: bytes) -> None:
        head, rest = content[: self._room], content[self._room :]
        if head:
            self._room -= len(head)
            self._put(head)
        if rest:
            self._tail.append(rest[-self._tail_limit :])
            self._tail_bytes += len(self._tail[-1])
            self._left_out_bytes += len(rest) - len(self._tail[-1])
            while self._tail_bytes - len(self._tail[0]) >= self._tail_limit:
                self._tail_bytes -= len(self._tail[0])
                self._left_out_bytes += len(self._tail.popleft())

    def _put(self, content: bytes) -> None:
        view = memoryview(content)
        try:
            while view:
                view = view[self._stream.write(view) :]
        except OSError:
            # The metrics' writer fails on the same full disk, and ends the run with a clear error.
            self._room = 0
