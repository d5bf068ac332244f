"""Leaves time for the samplers while many lines are parsed one by one."""

from __future__ import annotations

import time
from collections.abc import Callable

LINES_AT_ONCE = 100
"""About two milliseconds of work."""
PAUSE_S = 0.001


class Pace:
    """Divides one thread's work into bounded parts with pauses.

    Only one thread of the worker runs at a time, because of the interpreter's lock. A sampler that reads a dozen files
    releases the lock at each one, and would have to wait each time for a thread that never pauses; during a pause it
    finishes all of its work.
    """

    def __init__(self, sleep: Callable[[float], None] = time.sleep) -> None:
        self._sleep = sleep
        self._left = LINES_AT_ONCE
        self.is_hurried = False
        """Set when the app has ended: no sampler runs any more."""

    def step(self) -> None:
        """Counts one individually parsed line; pauses after LINES_BEFORE_PAUSE of them."""
        self._left -= 1
        if self._left <= 0:
            self._left = LINES_AT_ONCE
            if not self.is_hurried:
                self._sleep(PAUSE_S)
