"""A unix datagram socket that receives lines from any number of processes, in one thread and bounded memory."""

from __future__ import annotations

import socket
import struct
import threading
import time
from contextlib import suppress
from pathlib import Path

from profileapp.collect.custom.datagram_batch import DatagramBatch
from profileapp.collect.custom.listener import Ingest, Note, Refuse
from profileapp.collect.custom.socket_buffer import socket_with_long_queue
from profileapp.collect.custom.socket_file import bind_for_all, file_id

DATAGRAM_LIMIT_BYTES = 256 * 1024
"""More than Linux allows in one datagram by default."""
CHECK_INTERVAL_S = 0.5
"""Interval of the check that the socket's file still exists."""
DRAIN_LIMIT_S = 2.0
"""Deadline for reading what was sent before `stop`."""
BATCH_INTERVAL_S = 0.001
"""Wait for more datagrams if they arrive in quick succession, and the queue is not full."""

_RECEIVE_BUFFER_BYTES = 4 * 1024**2
_READ_BYTES = 256 * 1024
_PAUSE_S = 0.01
_READ_BY_ONE_CALL = 32
_READ_AT_ONCE = 4096
# The queue fills while a batch is ingested, and clients lose data if it is full.
_READ_AT_ONCE_FROM_FEW = 32
_LONG_QUEUE_DATAGRAMS = 256


class DatagramServer:
    """Listens on `path`, whose folder must exist; every process that can reach it may write.

    `ingest` receives the queued datagrams as one block of lines; `refuse` a reason, an example and the number of lost
    datagrams; `note` other findings for the report. The server's single thread calls all of them.
    """

    def __init__(self, path: Path, ingest: Ingest, refuse: Refuse, note: Note) -> None:
        self._path = path
        self._ingest = ingest
        self._refuse = refuse
        self._note = note
        self._batch = DatagramBatch(_READ_BY_ONE_CALL, DATAGRAM_LIMIT_BYTES)
        self._is_roomy = False
        self._busy_until_s = 0.0
        self._stopping = threading.Event()
        self._socket: socket.socket | None = None
        self._file_id = (0, 0)
        self._thread = threading.Thread(target=self._serve, name="datagram-server", daemon=True)

    def start(self) -> None:
        """Starts to listen. Raises OSError if the socket cannot be created."""
        self._socket = self._bind()
        self._thread.start()

    def stop(self) -> bool:
        """Reads what was sent until now, then closes everything. False if the thread did not end in time."""
        self._stopping.set()
        # An empty datagram wakes the thread; if the socket's file is gone or its queue full, the thread wakes anyway.
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as waker:
            waker.setblocking(False)
            waker.sendto(b"", str(self._path))
        self._thread.join(DRAIN_LIMIT_S + 3)
        return not self._thread.is_alive()

    def _bind(self) -> socket.socket:
        made, queue_datagrams = socket_with_long_queue()
        self._is_roomy = queue_datagrams >= _LONG_QUEUE_DATAGRAMS
        try:
            # Not Python's own timeout, which polls before each call.
            made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", 0, round(CHECK_INTERVAL_S * 1e6)))
            made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER_BYTES)
            self._file_id = bind_for_all(made, self._path)
        except OSError:
            made.close()
            raise
        return made

    def _serve(self) -> None:
        check_at_s = 0.0
        deadline_s: float | None = None
        try:
            while True:
                # Checked before reading: everything sent before the stop must be read.
                is_stopping = self._stopping.is_set()
                is_idle = self._read(wait=not is_stopping)
                now_s = time.monotonic()
                if is_stopping:
                    deadline_s = deadline_s or now_s + DRAIN_LIMIT_S
                    if is_idle or now_s > deadline_s:
                        return
                elif now_s >= check_at_s:
                    check_at_s = now_s + CHECK_INTERVAL_S
                    self._renew_if_gone()
        finally:
            if self._socket:
                self._socket.close()
            if self._file_id == file_id(self._path):
                self._path.unlink(missing_ok=True)

    def _read(self, *, wait: bool) -> bool:
        """Reads some datagrams. Returns whether the queue is empty. `wait` waits for the first and the next ones."""
        if self._socket is None:
            if wait:
                self._stopping.wait(CHECK_INTERVAL_S)
            return True
        blocks: list[bytes] = []
        left, room_bytes = _READ_AT_ONCE if self._is_roomy else _READ_AT_ONCE_FROM_FEW, _READ_BYTES
        while room_bytes > 0 and left > 0:
            try:
                parts = self._batch.read(self._socket.fileno(), wait=wait and not blocks)
            except OSError as error:
                self._note("a datagram could not be read", error.strerror or "")
                # The error may persist: do not retry at full speed.
                self._stopping.wait(_PAUSE_S)
                break
            if not parts:
                break
            if wait and not blocks:
                self._read_batches()
            blocks.append(self._joined(parts))
            left -= len(parts)
            room_bytes -= len(blocks[-1])
        if blocks:
            self._ingest(b"\n".join(blocks))
        return not blocks

    def _joined(self, datagrams: list[memoryview]) -> bytes:
        if max(map(len, datagrams)) <= DATAGRAM_LIMIT_BYTES:
            return b"\n".join(datagrams)
        too_long = [bytes(one[:40]) for one in datagrams if len(one) > DATAGRAM_LIMIT_BYTES]
        for start in too_long:
            self._refuse(f"a datagram of more than {DATAGRAM_LIMIT_BYTES // 1024} KiB", repr(start), 1)
        return b"\n".join(one for one in datagrams if len(one) <= DATAGRAM_LIMIT_BYTES)

    def _read_batches(self) -> None:
        """Waits for more datagrams if they arrive in quick succession: waking for each costs more than parsing them."""
        now_s = time.monotonic()
        if self._is_roomy and now_s < self._busy_until_s:
            time.sleep(BATCH_INTERVAL_S)
        self._busy_until_s = now_s + 2 * BATCH_INTERVAL_S

    def _renew_if_gone(self) -> None:
        """Creates the socket again if the app deleted it, which the process runtime permits."""
        if self._socket is not None and self._file_id == file_id(self._path):
            return
        if self._socket is not None:
            self._read(wait=False)
            self._socket.close()
            self._socket = None
            self._note("the socket was deleted and has been recreated", str(self._path))
        try:
            self._path.parent.mkdir(mode=0o755, exist_ok=True)
            self._socket = self._bind()
        except OSError as error:
            self._note("the socket was deleted and cannot be recreated", error.strerror or "")
