"""Reports app metrics to the profiler: frames per second, latency, objects found.

    from profileapp.client import counter, event, gauge, phase, timer

    gauge("fps", 12.5, unit="frames/s")
    counter("frames")
    with timer("inference"):
        ...
    with phase("warm-up"):
        ...
    event("model loaded")

Standard library only, Python 3.6 and later, one file: an app may vendor it. Without a profiler (the variable
PROFILEAPP_SOCKET is not set) a call does nothing; with one, no call blocks, raises, or starts a thread.
"""

import atexit
import functools
import inspect
import json
import os
import socket
import sys
import threading
import time
from collections import deque
from typing import Any, Callable, Deque, Dict, List, Optional, Tuple, TypeVar, cast

Function = TypeVar("Function", bound=Callable[..., Any])

__all__ = ["counter", "event", "flush", "gauge", "phase", "timer"]

SOCKET_VARIABLE = "PROFILEAPP_SOCKET"
LINES_LIMIT = 2048
"""Limit of values queued while the profiler is busy; any more are lost."""
BATCH_LINES = 512
BATCH_S = 0.005
"""Values reported within this time of a sent one are queued, until BATCH_LINES are queued or a later one comes."""
HEADS_LIMIT = 1000
LINE_LIMIT_BYTES = 8 * 1024
FIRST_RETRY_S = 0.1
LAST_RETRY_S = 5.0
EXIT_FLUSH_S = 1.0

_CHUNK_LINES = 512
_HAS_FORK_HOOK = hasattr(os, "register_at_fork")
_SEND_FLAGS = getattr(socket, "MSG_NOSIGNAL", 0)


class _Sender:
    """This process's connection. Threads and signal handlers share it; a forked child opens another one."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._socket: Optional[socket.socket] = None
        self._begin()
        if _HAS_FORK_HOOK:
            os.register_at_fork(after_in_child=self._begin)

    def _begin(self) -> None:
        """Resets the state, also in a forked child: the connection, unsent values and lock belong to the parent."""
        self._lock = threading.Lock()
        self._disconnect()
        self._lines: Deque[bytes] = deque()
        self._heads: Dict[Tuple[Any, ...], bytes] = {}
        self._ends_with_multiprocessing = False
        self._pushed_s = 0.0
        self._unsent = b""
        self._is_line_cut = False
        self._retry_at_s = 0.0
        self._retry_after_s = FIRST_RETRY_S
        self._pid = os.getpid()

    def send(self, name: str, value: float, kind: str, unit: str, labels: Dict[str, Any]) -> None:
        """Never raises, whatever its arguments: an app must not fail because it is measured."""
        try:
            key = (name, kind, unit, *labels.items()) if labels else (name, kind, unit)
            # Labels that are not strings may be unhashable, or equal though their texts differ.
            is_cached = not labels or set(map(type, labels.values())) == {str}
            head = self._heads.get(key) if is_cached else None
            if head is None:
                head = self._head(name, kind, unit, labels)
                if is_cached:
                    self._keep_head(key, head)
            now_s = time.time()
            # float() also accepts NumPy's numbers and the like, which JSON cannot encode.
            line = b'%b%a,"timestamp":%d}\n' % (head, float(value), now_s * 1e9)
            if not _HAS_FORK_HOOK and os.getpid() != self._pid:
                self._begin()
            lines = self._lines
            if len(line) <= LINE_LIMIT_BYTES and len(lines) < LINES_LIMIT:
                lines.append(line)
            # The first value of a burst is sent at once; those that follow closely are batched.
            if len(lines) >= BATCH_LINES or not 0 <= now_s - self._pushed_s < BATCH_S:
                self._pushed_s = now_s
                self._push()
        except Exception:
            return

    def _keep_head(self, key: Tuple[Any, ...], head: bytes) -> None:
        if len(self._heads) >= HEADS_LIMIT:
            self._heads.clear()
        self._heads[key] = head
        util = sys.modules.get("multiprocessing.util")
        if util is not None and not self._ends_with_multiprocessing:
            # A multiprocessing worker runs its own finalizers at exit, not atexit's.
            self._ends_with_multiprocessing = True
            util.Finalize(None, self.end, exitpriority=0)

    @staticmethod
    def _head(name: str, kind: str, unit: str, labels: Dict[str, Any]) -> bytes:
        """The beginning of a line, up to its value."""
        meta = {key: str(text) for key, text in labels.items()}
        meta["kind"] = kind
        if unit:
            meta["unit"] = unit
        return json.dumps({"name": name, "meta": meta, "value": 0}).encode("ascii")[:-2]

    def flush(self, timeout_s: float) -> None:
        """Sends the queued values, for at most `timeout_s` seconds."""
        deadline_s = time.monotonic() + timeout_s
        while os.getpid() == self._pid:
            self._push()
            if not self._has_more() or self._socket is None or time.monotonic() > deadline_s:
                return
            time.sleep(0.005)

    def end(self) -> None:
        """Sends the queued values, for at most EXIT_FLUSH_S seconds, and disconnects."""
        self.flush(EXIT_FLUSH_S)
        self._disconnect()

    def _disconnect(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _has_more(self) -> bool:
        return bool(self._lines or self._unsent)

    def _push(self) -> None:
        # No thread waits for the lock: its owner also sends the others' lines, and checks again after releasing it.
        while self._has_more() and self._lock.acquire(False):
            try:
                if not self._send_all():
                    return
            finally:
                self._lock.release()

    def _send_all(self) -> bool:
        """Returns False if the profiler accepts no more at the moment."""
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
            self._disconnect()
            if self._is_line_cut:
                # The next connection must begin with a whole line.
                self._unsent = self._unsent[self._unsent.find(b"\n") + 1 :]
                self._is_line_cut = False
            self._back_off()
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
            self._back_off()
            return None
        self._socket = connection
        self._retry_after_s = FIRST_RETRY_S
        return connection

    def _back_off(self) -> None:
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
    """Reports a current value, such as frames per second; `labels` distinguish series of one name."""
    if _SENDER is not None:
        _SENDER.send(name, value, "gauge", unit, labels)


def counter(name: str, increment: float = 1, unit: str = "", **labels: Any) -> None:
    """Adds to a count, such as frames processed; the profiler keeps the total."""
    if _SENDER is not None:
        _SENDER.send(name, increment, "counter", unit, labels)


class timer:  # noqa: N801  (it is used like a function)
    """Reports how long something takes, in seconds: `with timer("inference"):`, or `@timer("inference")` on a function.

    The function may be a coroutine function (`async def`). A `timer` can be reused, nested in itself and shared by
    threads; concurrent coroutines need one each.
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
                self._record(ended - started.pop())
            if not started:
                self._started.pop(thread, None)

    def __call__(self, function: Function) -> Function:
        if inspect.iscoroutinefunction(function):

            async def timed_coroutine(*args: Any, **kwargs: Any) -> Any:
                started = time.perf_counter()
                try:
                    return await function(*args, **kwargs)
                finally:
                    self._record(time.perf_counter() - started)

            return cast(Function, functools.wraps(function)(timed_coroutine))

        def timed(*args: Any, **kwargs: Any) -> Any:
            started = time.perf_counter()
            try:
                return function(*args, **kwargs)
            finally:
                self._record(time.perf_counter() - started)

        return cast(Function, functools.wraps(function)(timed))

    def _record(self, elapsed_s: float) -> None:
        if _SENDER is not None:
            _SENDER.send(self._name, elapsed_s, "timer", "s", self._labels)


class phase:  # noqa: N801  (it is used like a function)
    """A phase of the app, shown in plots and usable in budgets: `with phase("warm-up"):`, or `begin()` and `end()`.

    Also `@phase("warm-up")` on a function that is not a coroutine function. If a phase begins again before it has
    ended, for example in another thread, it lasts until every beginning has its end.
    """

    def __init__(self, name: str) -> None:
        self._name = name

    def begin(self) -> None:
        """Begins the phase."""
        if _SENDER is not None:
            _SENDER.send(self._name, 1, "phase", "", {})

    def end(self) -> None:
        """Ends the phase."""
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
    """Reports something that happened just now, such as a model having been loaded; shown in plots."""
    if _SENDER is not None:
        _SENDER.send(name, 1, "event", "", {})


def flush(timeout_s: float = EXIT_FLUSH_S) -> None:
    """Waits at most `timeout_s` seconds until the profiler has received everything; runs automatically at exit."""
    if _SENDER is not None:
        _SENDER.flush(timeout_s)
