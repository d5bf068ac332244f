"""A unix stream socket that receives lines from any number of processes, in one thread and bounded memory."""

from __future__ import annotations

import os
import selectors
import socket
import threading
import time
from pathlib import Path

from profileapp.collect.custom.listener import Ingest, Note, Refuse
from profileapp.collect.custom.socket_file import bind_for_all, file_id
from profileapp.collect.line_splitter import LineSplitter

CONNECTION_LIMIT = 256
"""Limit of concurrent connections; any more are closed at once, so that descriptors never run out."""
LINE_LIMIT_BYTES = 64 * 1024
CHECK_INTERVAL_S = 0.5
"""Interval of the check that the socket's file still exists."""
DRAIN_LIMIT_S = 2.0
"""Deadline for reading what was sent before `stop`."""
BATCH_INTERVAL_S = 0.001
"""Wait for more lines if they arrive in quick succession."""

_READ_BYTES = 64 * 1024
_ACCEPTED_AT_ONCE = 64


class LineServer:
    """Listens on `path`, whose folder must exist; every process that can reach it may write.

    `ingest` receives blocks of complete lines; `refuse` a reason (one of a few), an example and the number of lost
    lines; `note` other findings for the report. The server's single thread calls all of them.
    """

    def __init__(self, path: Path, ingest: Ingest, refuse: Refuse, note: Note) -> None:
        self._path = path
        self._ingest = ingest
        self._refuse = refuse
        self._note = note
        self._stopping = threading.Event()
        self._selector = selectors.DefaultSelector()
        self._wake = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._selector.register(self._wake, selectors.EVENT_READ)
        self._listener: socket.socket | None = None
        self._file_id = (0, 0)
        self._connections: dict[socket.socket, LineSplitter] = {}
        self._check_at_s = 0.0
        self._thread = threading.Thread(target=self._serve, name="line-server", daemon=True)

    def start(self) -> None:
        """Starts to listen. Raises OSError if the socket cannot be created."""
        try:
            self._listen()
        except OSError:
            self._shut()
            os.close(self._wake)
            raise
        self._thread.start()

    def stop(self) -> bool:
        """Reads what was sent until now, then closes everything. False if the thread did not end in time."""
        self._stopping.set()
        os.eventfd_write(self._wake, 1)
        self._thread.join(DRAIN_LIMIT_S + 3)
        if self._thread.is_alive():
            return False
        os.close(self._wake)
        return True

    def _listen(self) -> None:
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            listener.setblocking(False)
            self._file_id = bind_for_all(listener, self._path, CONNECTION_LIMIT)
        except OSError:
            listener.close()
            raise
        self._listener = listener
        self._selector.register(listener, selectors.EVENT_READ)

    def _serve(self) -> None:
        deadline_s: float | None = None
        batch_until_s = 0.0
        try:
            while True:
                # Checked before select: everything sent before the stop must be read.
                is_stopping = self._stopping.is_set()
                events = self._selector.select(0 if is_stopping else CHECK_INTERVAL_S)
                now_s = time.monotonic()
                if is_stopping:
                    deadline_s = deadline_s or now_s + DRAIN_LIMIT_S
                    idle = all(key.fileobj == self._wake for key, _ in events)
                    if idle or now_s > deadline_s:
                        return
                elif now_s >= self._check_at_s:
                    self._check_at_s = now_s + CHECK_INTERVAL_S
                    self._renew_if_gone()
                elif events and now_s < batch_until_s:
                    # Waking this thread for every few lines costs more than parsing them.
                    time.sleep(BATCH_INTERVAL_S)
                batch_until_s = now_s + 2 * BATCH_INTERVAL_S
                for key, _ in events:
                    if key.fileobj is self._listener:
                        self._accept()
                    elif isinstance(key.fileobj, socket.socket) and self._read(key.fileobj):
                        batch_until_s = 0.0
        finally:
            self._shut()

    def _accept(self) -> None:
        for _ in range(_ACCEPTED_AT_ONCE):
            if self._listener is None:
                return
            try:
                client, _ = self._listener.accept()
            except BlockingIOError:
                return
            except OSError as error:
                self._note("a connection could not be accepted", error.strerror or "")
                # The connection is still pending, so select returns at once: do not retry at full speed.
                time.sleep(0.01)
                return
            if len(self._connections) >= CONNECTION_LIMIT:
                client.close()
                self._note(f"more than {CONNECTION_LIMIT} concurrent connections, any more were closed", "")
                continue
            client.setblocking(False)
            self._connections[client] = LineSplitter(LINE_LIMIT_BYTES)
            self._selector.register(client, selectors.EVENT_READ)

    def _read(self, client: socket.socket) -> bool:
        """Reads once. Returns whether there may be more to read."""
        splitter = self._connections.get(client)
        if splitter is None:
            return False
        try:
            content = client.recv(_READ_BYTES)
        except BlockingIOError:
            return False
        except OSError:
            content = b""
        if not content:
            self._end(client, splitter)
            return False
        block, too_long = splitter.feed_block(content)
        for start in too_long:
            self._refuse(f"a line of more than {LINE_LIMIT_BYTES // 1024} KiB", repr(start[:40]), 1)
        if block:
            self._ingest(block)
        return len(content) == _READ_BYTES

    def _end(self, client: socket.socket, splitter: LineSplitter) -> None:
        self._selector.unregister(client)
        del self._connections[client]
        client.close()
        left = splitter.end()
        if left.endswith(b"}"):
            # `printf '{…}' | nc -U`, for example, sends no line end.
            self._ingest(left + b"\n")
        elif left:
            self._refuse("an incomplete line at the end of a connection", repr(left[:40]), 1)

    def _renew_if_gone(self) -> None:
        """Creates the socket again if the app deleted it, which the process runtime permits."""
        if self._listener is not None and self._file_id == file_id(self._path):
            return
        if self._listener is not None:
            self._accept()
            self._selector.unregister(self._listener)
            self._listener.close()
            self._listener = None
            self._note("the socket was deleted and has been recreated", str(self._path))
        try:
            self._path.parent.mkdir(mode=0o755, exist_ok=True)
            self._listen()
        except OSError as error:
            self._note("the socket was deleted and cannot be recreated", error.strerror or "")

    def _shut(self) -> None:
        for client, splitter in list(self._connections.items()):
            self._end(client, splitter)
        if self._listener:
            self._listener.close()
        if self._file_id == file_id(self._path):
            self._path.unlink(missing_ok=True)
        self._selector.close()
