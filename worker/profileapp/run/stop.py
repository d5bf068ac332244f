"""Treats Ctrl-C, SIGTERM and SIGHUP as a request to stop, so that a run ends in order and keeps its measurements."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from queue import Empty, SimpleQueue
from types import FrameType

from profileapp.retry import Patience, timeout_s_of

_POLL_S = 0.1


class Wake:
    """Wakes the thread that waits for the app. `set` may be called from a signal handler (`SimpleQueue` allows it)."""

    def __init__(self) -> None:
        self._queue: SimpleQueue[None] = SimpleQueue()

    def set(self) -> None:
        """Wakes the waiting thread."""
        self._queue.put(None)

    def wait(self, timeout_s: float) -> None:
        """Returns when `set` was called, or after `timeout_s`."""
        try:
            self._queue.get(timeout=max(0.0, timeout_s))
        except Empty:
            return


class Stop:
    """Whether the run has to stop: `signal` is the number of the first signal, 0 for none; `count` how many arrived."""

    def __init__(self, wake: Wake) -> None:
        self.signal = 0
        self.count = 0
        self._wake = wake

    def request(self, number: int) -> None:
        """Asks to stop, as a signal does."""
        self.signal = self.signal or number
        self.count += 1
        self._wake.set()


class StoppedError(Exception):
    """This worker was asked to stop before anything was measured."""


def patience_of(stop: Stop, environ: Mapping[str, str]) -> Patience:
    """The retry patience of a run: a stop request ends its waits with StoppedError."""

    def check() -> None:
        if stop.signal:
            raise StoppedError

    def pause(seconds: float) -> None:
        until_s = time.monotonic() + seconds
        while time.monotonic() < until_s:
            check()
            time.sleep(min(_POLL_S, seconds))
        check()

    return Patience(timeout_s_of(environ), pause=pause, check=check)


@contextmanager
def stop_on_signals(stop: Stop) -> Iterator[None]:
    """Routes SIGINT, SIGTERM and SIGHUP to `stop` until the end of the block. Only in the main thread."""

    def handle(number: int, _: FrameType | None) -> None:
        stop.request(number)

    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, handle) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
