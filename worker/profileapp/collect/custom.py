"""What the app itself says: a unix socket that takes newline-delimited JSON from any number of its processes."""

from __future__ import annotations

import os
import selectors
import socket
import threading
import time
from collections import Counter
from pathlib import Path

from profileapp.collect.custom_line import PLAUSIBLE_NS, CustomSample, Refused, parse_line
from profileapp.collect.seam import Emit, Mount, Provision, RunContext, Subject
from profileapp.errors import Unavailable
from profileapp.model.series import Series

CONTAINER_FOLDER = "/run/profileapp"
SOCKET_NAME = "metrics.sock"
SOCKET_VARIABLE = "PROFILEAPP_SOCKET"

CONNECTION_LIMIT = 256
LINE_LIMIT_BYTES = 64 * 1024
SERIES_LIMIT = 1000
RATE_LIMIT_PER_S = 50_000
"""Samples a second that are kept; what an app sends beyond is read, counted and dropped."""
DRAIN_LIMIT_S = 2.0
"""How long what the app has sent is still read after it has ended."""

_READ_BYTES = 256 * 1024


class CustomSocket:
    """Metric `custom`, from the socket that `PROFILEAPP_SOCKET` names in the app's environment.

    One thread serves all connections. Whatever the app sends, memory stays bounded: lines, connections, series and
    samples a second have limits; what goes beyond is counted by reason, and told once at the end.
    """

    metric = "custom"
    source = "socket"
    preference = 10

    def __init__(self) -> None:
        self._refused: Counter[str] = Counter()
        self._examples: dict[str, str] = {}
        self._totals: dict[Series, float] = {}
        self._known: set[Series] = set()
        self._second = 0
        self._in_second = 0
        self._stopping = False
        self._server: socket.socket | None = None
        self._thread: threading.Thread | None = None

    def open(self, run: RunContext, emit: Emit) -> Provision:
        self._run, self._emit = run, emit
        folder = run.scratch / "app"
        # The folder above is private (0700): only whoever is given this one by a mount, or is us, gets to the socket.
        folder.mkdir(mode=0o755)
        folder.chmod(0o755)
        self._path = folder / SOCKET_NAME
        self._selector = selectors.DefaultSelector()
        self._wake_reader, self._wake_writer = os.pipe()
        self._selector.register(self._wake_reader, selectors.EVENT_READ, None)
        try:
            self._listen()
        except OSError as error:
            raise Unavailable(f"no socket can be made in {folder} ({error})") from error
        self._thread = threading.Thread(target=self._serve, name="custom-socket", daemon=True)
        self._thread.start()
        path = f"{CONTAINER_FOLDER}/{SOCKET_NAME}" if run.contained else str(self._path)
        mounts = (Mount(str(folder), CONTAINER_FOLDER),) if run.contained else ()
        return Provision(env={SOCKET_VARIABLE: path}, mounts=mounts)

    def attach(self, subject: Subject) -> None:
        """The socket listens already: an app may speak from its first moment."""

    def sample(self, now_ns: int) -> None:
        """Samples come when the app sends them. A socket that the app has deleted is made again."""
        if not self._path.exists():
            self._note("the socket was deleted; a new one was made", str(self._path))
            os.write(self._wake_writer, b"l")

    def detach(self) -> None:
        """What was sent before the end of the app is still read by the thread."""

    def close(self) -> None:
        if self._thread is None:
            return
        self._stopping = True
        os.write(self._wake_writer, b"s")
        self._thread.join(DRAIN_LIMIT_S + 3)
        self._thread = None
        self._path.unlink(missing_ok=True)
        for reason, count in self._refused.most_common():
            times = f"{count} times" if count > 1 else "once"
            self._run.warn(f"custom metrics: {reason} ({times}; such as {self._examples[reason]})")

    def _listen(self) -> None:
        if self._server:
            self._selector.unregister(self._server)
            self._server.close()
        server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        server.setblocking(False)
        self._path.unlink(missing_ok=True)
        server.bind(str(self._path))
        self._path.chmod(0o666)
        server.listen(CONNECTION_LIMIT)
        self._server = server
        self._selector.register(server, selectors.EVENT_READ, None)

    def _serve(self) -> None:
        connections: dict[int, _Connection] = {}
        deadline_s: float | None = None
        try:
            while True:
                events = self._selector.select(None if deadline_s is None else 0)
                if self._stopping:
                    deadline_s = deadline_s or time.monotonic() + DRAIN_LIMIT_S
                    if not events or time.monotonic() > deadline_s:
                        return
                for key, _ in events:
                    self._serve_one(key.fileobj, connections)
        finally:
            self._shut(connections)

    def _serve_one(self, ready: object, connections: dict[int, _Connection]) -> None:
        if ready == self._wake_reader:
            if b"l" in os.read(self._wake_reader, 64):
                self._listen_again()
        elif ready is self._server:
            self._accept(connections)
        elif isinstance(ready, socket.socket):
            connection = connections[ready.fileno()]
            if not connection.receive():
                self._end(connection, connections)

    def _listen_again(self) -> None:
        try:
            self._listen()
        except OSError as error:
            self._note("the socket could not be made again", str(error))

    def _accept(self, connections: dict[int, _Connection]) -> None:
        if self._server is None:
            return
        try:
            client, _ = self._server.accept()
        except OSError as error:
            self._note("a connection could not be taken", str(error))
            return
        if len(connections) >= CONNECTION_LIMIT:
            client.close()
            self._note(f"more than {CONNECTION_LIMIT} connections at a time; further ones were closed", "a connection")
            return
        client.setblocking(False)
        connections[client.fileno()] = _Connection(client, self)
        self._selector.register(client, selectors.EVENT_READ, None)

    def _end(self, connection: _Connection, connections: dict[int, _Connection]) -> None:
        self._selector.unregister(connection.client)
        del connections[connection.client.fileno()]
        connection.finish()

    def _shut(self, connections: dict[int, _Connection]) -> None:
        for connection in list(connections.values()):
            self._end(connection, connections)
        if self._server:
            self._server.close()
        self._selector.close()
        os.close(self._wake_reader)
        os.close(self._wake_writer)

    def take_line(self, line: bytes) -> None:
        """One line of a connection."""
        now_ns = time.monotonic_ns()
        if not self._within_rate(now_ns):
            self._note(f"more than {RATE_LIMIT_PER_S} values a second; the others were dropped", repr(line[:40]))
            return
        try:
            sample = parse_line(line)
            series = self._bounded(sample.series)
        except Refused as reason:
            self._note(f"refused: {reason}", repr(line[:80]))
            return
        value = sample.value
        if series.kind == "counter":
            value = self._totals[series] = self._totals.get(series, 0.0) + value
        self._emit(series, value, self._at_ns(sample, now_ns))

    def refuse_long_line(self, start: bytes) -> None:
        """A line of more than LINE_LIMIT_BYTES, of which only the start was kept."""
        self._note(f"refused: a line of more than {LINE_LIMIT_BYTES // 1024} KiB", repr(start[:40]))

    def refuse_half_line(self, line: bytes) -> None:
        """What a connection ended with that was no whole line."""
        self._note("refused: half a line at the end of a connection", repr(line[:40]))

    def _within_rate(self, now_ns: int) -> bool:
        second = now_ns // 1_000_000_000
        if second != self._second:
            self._second, self._in_second = second, 0
        self._in_second += 1
        return self._in_second <= RATE_LIMIT_PER_S

    def _bounded(self, series: Series) -> Series:
        if series not in self._known:
            if len(self._known) >= SERIES_LIMIT:
                raise Refused(f"more than {SERIES_LIMIT} different series")
            self._known.add(series)
        return series

    def _at_ns(self, sample: CustomSample, now_ns: int) -> int:
        """The app's own time where it is plausible, else the time of arrival."""
        if sample.wall_ns is None:
            return now_ns
        at_ns = self._run.clock.monotonic_ns(sample.wall_ns)
        if abs(at_ns - now_ns) > PLAUSIBLE_NS:
            self._note("a timestamp more than an hour off; the time of arrival was taken", str(sample.wall_ns))
            return now_ns
        return at_ns

    def _note(self, reason: str, example: str) -> None:
        self._refused[reason] += 1
        self._examples.setdefault(reason, example)


class _Connection:
    """Bytes of one client, cut into lines; a line that is too long is skipped to its end."""

    def __init__(self, client: socket.socket, owner: CustomSocket) -> None:
        self.client = client
        self._owner = owner
        self._rest = b""
        self._skipping = False

    def receive(self) -> bool:
        """Takes what is there; False where the client has gone."""
        try:
            content = self.client.recv(_READ_BYTES)
        except BlockingIOError:
            return True
        except OSError:
            return False
        if not content:
            return False
        self._cut(content)
        return True

    def finish(self) -> None:
        """The client has gone: what is left is half a line, unless it makes sense as a whole one."""
        self.client.close()
        if self._rest.strip() and not self._skipping:
            if self._rest.rstrip().endswith(b"}"):
                self._owner.take_line(self._rest)
            else:
                self._owner.refuse_half_line(self._rest)

    def _cut(self, content: bytes) -> None:
        *lines, rest = content.split(b"\n")
        if lines and self._skipping:
            self._skipping = False
            lines = lines[1:]
        elif lines:
            lines[0] = self._rest + lines[0]
        elif not self._skipping:
            rest = self._rest + rest
        if self._skipping:
            return
        for line in lines:
            if len(line) > LINE_LIMIT_BYTES:
                self._owner.refuse_long_line(line)
            elif line.strip():
                self._owner.take_line(line)
        self._rest = rest
        if len(rest) > LINE_LIMIT_BYTES:
            self._owner.refuse_long_line(rest)
            self._rest, self._skipping = b"", True


def socket_path_fits(scratch: Path) -> bool:
    """Whether a socket below `scratch` stays within the 107 bytes that a unix socket's path may have (unix(7))."""
    return len(os.fsencode(scratch / "app" / SOCKET_NAME)) <= 107
