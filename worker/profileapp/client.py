"""Tells the profiler what only the app knows: frames per second, latency, objects found.

    from profileapp.client import counter, gauge, timer

    gauge("fps", 12.5, unit="frames/s")
    counter("frames")
    with timer("inference"):
        ...

Standard library only, Python 3.6 and later, one file: an app may copy it in. Where no profiler listens (the variable
PROFILEAPP_SOCKET is not set) a call does nothing; where one does, no call blocks, raises, or starts a thread.
"""

import atexit
import functools
import json
import os
import socket
import threading
import time
from typing import Any, Callable, Dict, Optional, TypeVar

Result = TypeVar("Result")

__all__ = ["counter", "flush", "gauge", "timer"]

SOCKET_VARIABLE = "PROFILEAPP_SOCKET"
BUFFER_LIMIT_BYTES = 256 * 1024
"""What is kept while the profiler is busy; values that come on top are lost."""
RETRY_AFTER_S = 1.0
EXIT_FLUSH_S = 1.0


class _Sender:
    """One connection of this process. Threads share it; a fork gets one of its own."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._forget()

    def _forget(self) -> None:
        self._pid = os.getpid()
        self._socket: Optional[socket.socket] = None
        self._buffer = bytearray()
        self._retry_at_s = 0.0

    def send(self, name: str, value: float, kind: str, unit: str, labels: Dict[str, str]) -> None:
        """Never raises: an app must not fail because it is measured."""
        try:
            meta = {str(key): str(text) for key, text in labels.items()}
            meta["kind"] = kind
            if unit:
                meta["unit"] = unit
            said = {"name": name, "value": value, "timestamp": int(time.time() * 1e9), "meta": meta}
            line = json.dumps(said).encode("utf-8") + b"\n"
        except (TypeError, ValueError, OverflowError, RecursionError):
            return
        if os.getpid() != self._pid:
            # After a fork the parent's connection, and a lock that one of its threads may hold, are not ours.
            self._lock = threading.Lock()
            self._forget()
        with self._lock:
            if len(self._buffer) + len(line) <= BUFFER_LIMIT_BYTES:
                self._buffer += line
            self._push()

    def flush(self, timeout_s: float) -> None:
        """Sends what is left, for at most `timeout_s` seconds."""
        if os.getpid() != self._pid:
            return
        deadline_s = time.time() + timeout_s
        while True:
            with self._lock:
                self._push()
                if not self._buffer or self._socket is None:
                    return
            if time.time() > deadline_s:
                return
            time.sleep(0.005)

    def _push(self) -> None:
        connection = self._socket or self._connect()
        if connection is None:
            return
        try:
            while self._buffer:
                sent = connection.send(self._buffer)
                del self._buffer[:sent]
        except BlockingIOError:
            return
        except OSError:
            # The line that was cut in two is lost on both sides: the next connection begins with a whole one.
            connection.close()
            self._socket = None
            self._retry_at_s = time.time() + RETRY_AFTER_S
            del self._buffer[: self._buffer.find(b"\n") + 1]

    def _connect(self) -> Optional[socket.socket]:
        now_s = time.time()
        if now_s < self._retry_at_s:
            return None
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            connection.setblocking(False)
            connection.connect(self._path)
        except OSError:
            connection.close()
            self._retry_at_s = now_s + RETRY_AFTER_S
            return None
        self._socket = connection
        return connection


def _sender() -> Optional[_Sender]:
    path = os.environ.get(SOCKET_VARIABLE)
    if not path or not hasattr(socket, "AF_UNIX"):
        return None
    sender = _Sender(path)
    atexit.register(sender.flush, EXIT_FLUSH_S)
    return sender


_SENDER = _sender()


def gauge(name: str, value: float, unit: str = "", **labels: str) -> None:
    """A value as it is now, such as frames a second; `labels` tell series of one name apart."""
    if _SENDER is not None:
        _SENDER.send(name, value, "gauge", unit, labels)


def counter(name: str, increment: float = 1, unit: str = "", **labels: str) -> None:
    """So many more of something since the last call, such as frames; the profiler keeps the total."""
    if _SENDER is not None:
        _SENDER.send(name, increment, "counter", unit, labels)


class timer:  # noqa: N801  (it is used like a function)
    """How long something takes, in seconds: `with timer("inference"):`, or `@timer("inference")` on a function."""

    def __init__(self, name: str, **labels: str) -> None:
        self._name = name
        self._labels = labels
        # Uses of one timer may lie within one another, and in several threads.
        self._local = threading.local()

    def __enter__(self) -> "timer":
        started = self._local.__dict__.setdefault("started_s", [])
        started.append(time.perf_counter())
        return self

    def __exit__(self, *raised: object) -> None:
        elapsed_s = time.perf_counter() - self._local.started_s.pop()
        if _SENDER is not None:
            _SENDER.send(self._name, elapsed_s, "timer", "s", self._labels)

    def __call__(self, function: Callable[..., Result]) -> Callable[..., Result]:
        @functools.wraps(function)
        def timed(*args: Any, **kwargs: Any) -> Result:
            with self:
                return function(*args, **kwargs)

        return timed


def flush(timeout_s: float = EXIT_FLUSH_S) -> None:
    """Waits at most `timeout_s` seconds until the profiler has taken what was said; done at exit by itself."""
    if _SENDER is not None:
        _SENDER.flush(timeout_s)
