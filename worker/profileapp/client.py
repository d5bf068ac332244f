"""Tells the profiler what only the app knows: frames per second, latency, objects found.

    from profileapp.client import counter, event, gauge, phase, timer

    gauge("fps", 12.5, unit="frames/s")
    counter("frames")
    with timer("inference"):
        ...
    with phase("warm-up"):
        ...
    event("model loaded")

Standard library only, Python 3.6 and later, one file: an app may copy it in. Where no profiler listens (the variable
PROFILEAPP_SOCKET is not set) a call does nothing; where one does, no call blocks, raises, or starts a thread.
"""

import atexit
import functools
import inspect
import json
import os
import socket
import threading
import time
from collections import deque
from typing import Any, Callable, Deque, Dict, List, Optional, TypeVar, cast

Function = TypeVar("Function", bound=Callable[..., Any])

__all__ = ["counter", "event", "flush", "gauge", "phase", "timer"]

SOCKET_VARIABLE = "PROFILEAPP_SOCKET"
LINES_LIMIT = 2048
"""Values kept while the profiler is busy; those that come on top are lost."""
LINE_LIMIT_BYTES = 8 * 1024
FIRST_RETRY_S = 0.1
LAST_RETRY_S = 5.0
EXIT_FLUSH_S = 1.0

_CHUNK_LINES = 256
_SEND_FLAGS = getattr(socket, "MSG_NOSIGNAL", 0)


class _Sender:
    """One connection of this process. Threads and signal handlers share it; a fork gets one of its own."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._socket: Optional[socket.socket] = None
        self._begin()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._begin)

    def _begin(self) -> None:
        """After a fork the parent's connection, its unsent values, and a lock that a thread of it may hold go."""
        self._lock = threading.Lock()
        self._hang_up()
        self._lines: Deque[bytes] = deque()
        self._unsent = b""
        self._is_line_cut = False
        self._retry_at_s = 0.0
        self._retry_after_s = FIRST_RETRY_S
        self._pid = os.getpid()

    def send(self, name: str, value: float, kind: str, unit: str, labels: Dict[str, Any]) -> None:
        """Never raises, whatever it is given: an app must not fail because it is measured."""
        try:
            meta = {key: str(text) for key, text in labels.items()}
            meta["kind"] = kind
            if unit:
                meta["unit"] = unit
            # float() takes what NumPy and its like give; JSON knows no others.
            said = {"name": name, "value": float(value), "timestamp": int(time.time() * 1e9), "meta": meta}
            line = json.dumps(said).encode("ascii") + b"\n"
            if os.getpid() != self._pid:
                self._begin()
            if len(line) <= LINE_LIMIT_BYTES and len(self._lines) < LINES_LIMIT:
                self._lines.append(line)
            self._push()
        except Exception:
            return

    def flush(self, timeout_s: float) -> None:
        """Sends what is left, for at most `timeout_s` seconds."""
        deadline_s = time.monotonic() + timeout_s
        while os.getpid() == self._pid:
            self._push()
            if not self._has_more() or self._socket is None or time.monotonic() > deadline_s:
                return
            time.sleep(0.005)

    def end(self) -> None:
        """Sends what is left, for at most EXIT_FLUSH_S seconds, and hangs up."""
        self.flush(EXIT_FLUSH_S)
        self._hang_up()

    def _hang_up(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _has_more(self) -> bool:
        return bool(self._lines or self._unsent)

    def _push(self) -> None:
        # Nobody waits for the lock: whoever has it sends the others' lines too, and looks again once it let go of it.
        while self._has_more() and self._lock.acquire(False):
            try:
                if not self._send_all():
                    return
            finally:
                self._lock.release()

    def _send_all(self) -> bool:
        """False where the profiler takes no more for now."""
        connection = self._socket or self._connect()
        if connection is None:
            return False
        try:
            while self._has_more():
                if not self._unsent:
                    count = min(len(self._lines), _CHUNK_LINES)
                    self._unsent = b"".join([self._lines.popleft() for _ in range(count)])
                sent = connection.send(self._unsent, _SEND_FLAGS)
                self._is_line_cut = self._unsent[sent - 1 : sent] != b"\n"
                self._unsent = self._unsent[sent:]
        except BlockingIOError:
            return False
        except OSError:
            self._hang_up()
            if self._is_line_cut:
                # The next connection begins with a whole line.
                self._unsent = self._unsent[self._unsent.find(b"\n") + 1 :]
                self._is_line_cut = False
            self._wait_longer()
            return False
        return True

    def _connect(self) -> Optional[socket.socket]:
        if time.monotonic() < self._retry_at_s:
            return None
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            connection.setblocking(False)
            connection.connect(self._path)
        except OSError:
            connection.close()
            self._wait_longer()
            return None
        self._socket = connection
        self._retry_after_s = FIRST_RETRY_S
        return connection

    def _wait_longer(self) -> None:
        self._retry_at_s = time.monotonic() + self._retry_after_s
        self._retry_after_s = min(2 * self._retry_after_s, LAST_RETRY_S)


def _sender() -> Optional[_Sender]:
    path = os.environ.get(SOCKET_VARIABLE)
    if not path or not hasattr(socket, "AF_UNIX"):
        return None
    sender = _Sender(path)
    atexit.register(sender.end)
    return sender


_SENDER = _sender()


def gauge(name: str, value: float, unit: str = "", **labels: Any) -> None:
    """A value as it is now, such as frames a second; `labels` tell series of one name apart."""
    if _SENDER is not None:
        _SENDER.send(name, value, "gauge", unit, labels)


def counter(name: str, increment: float = 1, unit: str = "", **labels: Any) -> None:
    """So many more of something since the last call, such as frames; the profiler keeps the total."""
    if _SENDER is not None:
        _SENDER.send(name, increment, "counter", unit, labels)


class timer:  # noqa: N801  (it is used like a function)
    """How long something takes, in seconds: `with timer("inference"):`, or `@timer("inference")` on a function.

    A function may be a coroutine function (`async def`). One `timer` may be used again, within itself, and by several
    threads; coroutines that run side by side make one each.
    """

    def __init__(self, name: str, **labels: Any) -> None:
        self._name = name
        self._labels = labels
        self._started: Dict[int, List[float]] = {}

    def __enter__(self) -> "timer":
        if _SENDER is not None:
            self._started.setdefault(threading.get_ident(), []).append(time.perf_counter())
        return self

    def __exit__(self, *raised: object) -> None:
        if _SENDER is not None:
            ended = time.perf_counter()
            thread = threading.get_ident()
            started = self._started.get(thread)
            if started:
                self._tell(ended - started.pop())
            if not started:
                self._started.pop(thread, None)

    def __call__(self, function: Function) -> Function:
        if inspect.iscoroutinefunction(function):

            async def timed_coroutine(*args: Any, **kwargs: Any) -> Any:
                started = time.perf_counter()
                try:
                    return await function(*args, **kwargs)
                finally:
                    self._tell(time.perf_counter() - started)

            return cast(Function, functools.wraps(function)(timed_coroutine))

        def timed(*args: Any, **kwargs: Any) -> Any:
            started = time.perf_counter()
            try:
                return function(*args, **kwargs)
            finally:
                self._tell(time.perf_counter() - started)

        return cast(Function, functools.wraps(function)(timed))

    def _tell(self, elapsed_s: float) -> None:
        if _SENDER is not None:
            _SENDER.send(self._name, elapsed_s, "timer", "s", self._labels)


class phase:  # noqa: N801  (it is used like a function)
    """A part of the app's life, shown in plots and usable in budgets: `with phase("warm-up"):`, or `begin()`, `end()`.

    Also `@phase("warm-up")` on a function that is no coroutine. A phase that is begun again before it has ended, as by
    another thread, lasts until all of them have ended.
    """

    def __init__(self, name: str) -> None:
        self._name = name

    def begin(self) -> None:
        """The phase begins."""
        if _SENDER is not None:
            _SENDER.send(self._name, 1, "phase", "", {})

    def end(self) -> None:
        """The phase ends."""
        if _SENDER is not None:
            _SENDER.send(self._name, 0, "phase", "", {})

    def __enter__(self) -> "phase":
        self.begin()
        return self

    def __exit__(self, *raised: object) -> None:
        self.end()

    def __call__(self, function: Function) -> Function:
        def in_phase(*args: Any, **kwargs: Any) -> Any:
            with self:
                return function(*args, **kwargs)

        return cast(Function, functools.wraps(function)(in_phase))


def event(name: str) -> None:
    """Something that happened just now, such as a model that was loaded; shown in plots."""
    if _SENDER is not None:
        _SENDER.send(name, 1, "event", "", {})


def flush(timeout_s: float = EXIT_FLUSH_S) -> None:
    """Waits at most `timeout_s` seconds until the profiler has taken what was said; done at exit by itself."""
    if _SENDER is not None:
        _SENDER.flush(timeout_s)
