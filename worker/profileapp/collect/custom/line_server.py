"""A unix stream socket that takes lines from any number of processes, in one thread and in bounded memory."""

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
"""Connections served at a time; those that come on top are closed at once, so that descriptors never run out."""
LINE_LIMIT_BYTES = 64 * 1024
CHECK_INTERVAL_S = 0.5
"""How soon it is seen that the socket's file is gone."""
DRAIN_LIMIT_S = 2.0
"""How long what was sent before `stop` is still read."""
BATCH_INTERVAL_S = 0.001
"""How long is waited for more where one thing was said right behind another."""

_READ_BYTES = 64 * 1024
_ACCEPTED_AT_ONCE = 64


class LineServer:
    """Listens on `path`, whose folder must be there; anybody who gets to it may write.

    `take` is given lines in one piece, each with its end; `refuse` a reason (one of a few), an example, and of how many
    lines it tells; `note` what else the report shall tell. All are called by the one thread of the server.
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
        """Listens from now on. Raises OSError where the socket cannot be made."""
        try:
            self._listen()
        except OSError:
            self._shut()
            os.close(self._wake)
            raise
        self._thread.start()

    def stop(self) -> bool:
        """Reads what was sent until now, then closes all. False where the thread did not come to its end."""
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
                # Asked before looking: what was sent before the stop must not lie unread behind it.
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
                    # A waking of this thread for each few lines costs more than the lines do.
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
                self._note("a connection could not be taken", error.strerror or "")
                # The connection still waits, so that select returns at once: not so fast.
                time.sleep(0.01)
                return
            if len(self._connections) >= CONNECTION_LIMIT:
                client.close()
                self._note(f"more than {CONNECTION_LIMIT} connections at a time, those on top were closed", "")
                continue
            client.setblocking(False)
            self._connections[client] = LineSplitter(LINE_LIMIT_BYTES)
            self._selector.register(client, selectors.EVENT_READ)

    def _read(self, client: socket.socket) -> bool:
        """Whether there may be more to read."""
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
            # Such as `printf '{…}' | nc -U`, which sends no line end.
            self._ingest(left + b"\n")
        elif left:
            self._refuse("half a line at the end of a connection", repr(left[:40]), 1)

    def _renew_if_gone(self) -> None:
        """Makes the socket anew where the app, which has the rights to under the process runtime, deleted it."""
        if self._listener is not None and self._file_id == file_id(self._path):
            return
        if self._listener is not None:
            self._accept()
            self._selector.unregister(self._listener)
            self._listener.close()
            self._listener = None
            self._note("the socket was deleted, and a new one made", str(self._path))
        try:
            self._path.parent.mkdir(mode=0o755, exist_ok=True)
            self._listen()
        except OSError as error:
            self._note("the socket was deleted, and no new one can be made", error.strerror or "")

    def _shut(self) -> None:
        for client, splitter in list(self._connections.items()):
            self._end(client, splitter)
        if self._listener:
            self._listener.close()
        if self._file_id == file_id(self._path):
            self._path.unlink(missing_ok=True)
        self._selector.close()
