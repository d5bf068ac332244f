"""One deadline for a whole operation, with a regular check for cancellation."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TypeVar

POLL_S = 0.1
"""Interval of the check during a wait."""

_Result = TypeVar("_Result")


class TooLate(OSError):
    """The deadline has passed."""

    def __init__(self, timeout_s: float) -> None:
        super().__init__(f"not done within {timeout_s:g} s")
        self.strerror = str(self)


class Deadline:
    """Expires `timeout_s` from now, for a whole operation. `tick` is called during waits; it may raise to cancel."""

    def __init__(self, timeout_s: float, tick: Callable[[], object] = lambda: None) -> None:
        self.timeout_s = timeout_s
        self._until_s = time.monotonic() + timeout_s
        self._tick = tick

    def check(self) -> float:
        """Seconds that remain. Raises TooLate, and whatever `tick` raises."""
        self._tick()
        left_s = self._until_s - time.monotonic()
        if left_s <= 0:
            raise TooLate(self.timeout_s)
        return left_s

    def pause(self, seconds: float) -> None:
        """Waits. Raises TooLate, and whatever `tick` does, at once."""
        until_s = time.monotonic() + seconds
        self.check()
        while (left_s := until_s - time.monotonic()) > 0:
            time.sleep(min(POLL_S, left_s))
            self.check()

    def within(self, timeout_s: float) -> Deadline:
        """A deadline `timeout_s` from now, but no later than this one."""
        return Deadline(min(timeout_s, max(0.0, self._until_s - time.monotonic())), self._tick)


def call(function: Callable[[], _Result], deadline: Deadline) -> _Result:
    """The result of `function`, which has no deadline and cannot be cancelled (the system's resolver, a library).

    It runs in a thread, which is abandoned on a timeout. Raises what it raises, TooLate, and what `tick` raises.
    """
    results: list[_Result] = []
    errors: list[BaseException] = []
    done = threading.Event()

    def run() -> None:
        try:
            results.append(function())
        except BaseException as error:
            errors.append(error)
        finally:
            done.set()

    threading.Thread(target=run, daemon=True).start()
    while not done.wait(min(POLL_S, deadline.check())):
        pass
    if errors:
        raise errors[0]
    return results[0]
