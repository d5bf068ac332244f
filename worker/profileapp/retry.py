"""Retries after transient errors: with growing, partly random pauses, and a deadline."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping
from typing import TypeVar

from profileapp.transient import is_transient

TIMEOUT_VARIABLE = "PROFILEAPP_RETRY_TIMEOUT"
TIMEOUT_S = 120.0
FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 15.0

_Result = TypeVar("_Result")


def timeout_s_of(environ: Mapping[str, str]) -> float:
    """The administrator's PROFILEAPP_RETRY_TIMEOUT, in seconds; else TIMEOUT_S."""
    text = environ.get(TIMEOUT_VARIABLE, "")
    return float(text) if text.isascii() and text.isdigit() and len(text) < 7 else TIMEOUT_S


class Patience:
    """How long to retry, `timeout_s` in total; 0: not at all.

    `pause` waits for a number of seconds, and may raise to cancel. Long operations call `check` in between, which may
    raise too.
    """

    def __init__(
        self,
        timeout_s: float = TIMEOUT_S,
        *,
        pause: Callable[[float], None] = time.sleep,
        check: Callable[[], None] = lambda: None,
        now: Callable[[], float] = time.monotonic,
        chance: Callable[[], float] = random.random,  # noqa: S311  (spreads agents, keeps no secret)
    ) -> None:
        self.timeout_s = timeout_s
        self.check = check
        self._pause = pause
        self._now = now
        self._chance = chance

    def begin(self, note: Callable[[str], None], passes: Callable[[BaseException], bool] = is_transient) -> Attempts:
        """Attempts for a loop of the caller."""
        return Attempts(self, note, passes, self._pause, self._now, self._chance)

    def call(
        self,
        act: Callable[[], _Result],
        note: Callable[[str], None],
        passes: Callable[[BaseException], bool] = is_transient,
    ) -> _Result:
        """The result of `act`, called again while its error `passes`; `note` reports each. Raises the last error."""
        attempts = self.begin(note, passes)
        while True:
            try:
                return act()
            except Exception as error:
                attempts.failed(error)


class Attempts:
    """What was tried so far."""

    def __init__(
        self,
        patience: Patience,
        note: Callable[[str], None],
        passes: Callable[[BaseException], bool],
        pause: Callable[[float], None],
        now: Callable[[], float],
        chance: Callable[[], float],
    ) -> None:
        self._patience = patience
        self._note = note
        self._passes = passes
        self._pause = pause
        self._now = now
        self._chance = chance
        self.progressed()

    def progressed(self) -> None:
        """Resets the deadline after progress: the next failure is a new one."""
        self._until_s = self._now() + self._patience.timeout_s
        self._longest_s = FIRST_PAUSE_S

    def failed(self, error: Exception) -> None:
        """Waits before the next attempt; raises `error` if there is none."""
        # Half of it is random, so that agents that lost the same server do not all return at once.
        pause_s = self._longest_s * (0.5 + 0.5 * self._chance())
        if not self._passes(error) or self._now() + pause_s > self._until_s:
            raise error
        self._note(f"{error}; trying again in {pause_s:.1f} s")
        self._pause(pause_s)
        self._longest_s = min(2 * self._longest_s, LONGEST_PAUSE_S)
