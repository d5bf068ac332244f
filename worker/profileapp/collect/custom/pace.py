"""Leaves time to the samplers while many lines are parsed one by one."""

from __future__ import annotations

import time
from collections.abc import Callable

LINES_AT_ONCE = 100
"""Some two milliseconds of work."""
PAUSE_S = 0.001


class Pace:
    """One thread's work, a bounded part at a time.

    Only one thread of the worker runs at a time. A sampler that reads a dozen files gives way at each, and would come
    back behind a thread that never waits each time; in a pause of that one it does all it has to.
    """

    def __init__(self, sleep: Callable[[float], None] = time.sleep) -> None:
        self._sleep = sleep
        self._left = LINES_AT_ONCE
        self.is_hurried = False
        """The app has ended: nobody samples any more."""

    def step(self) -> None:
        """A line has been taken by itself."""
        self._left -= 1
        if self._left <= 0:
            self._left = LINES_AT_ONCE
            if not self.is_hurried:
                self._sleep(PAUSE_S)
