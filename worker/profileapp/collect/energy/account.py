"""Energy used so far, from a hardware counter or from power readings. Pure arithmetic."""

from __future__ import annotations

import math


class CountedEnergy:
    """Joules since the first reading of a free-running counter."""

    __slots__ = ("_before_j", "_total_j")

    def __init__(self) -> None:
        self._before_j: float | None = None
        self._total_j = 0.0

    def update(self, counter_j: float, at_ns: int) -> float:
        """Joules up to now, never decreasing: after a counter reset (driver reloaded) the total continues to grow."""
        if self._before_j is not None and counter_j > self._before_j:
            self._total_j += counter_j - self._before_j
        self._before_j = counter_j
        return self._total_j


class IntegratedEnergy:
    """Joules since the first power reading, integrated by the trapezoidal rule over the times of the readings.

    A missing reading leaves a longer trapezoid between its neighbours. A reading below zero is valid: a monitor
    has a small offset while a rail draws nothing. It is integrated with its sign, so that errors cancel out; the
    reported total stays constant until the sum exceeds it again.
    """

    __slots__ = ("_at_ns", "_power_w", "_sum_j", "_total_j")

    def __init__(self) -> None:
        self._power_w: float | None = None
        self._at_ns = 0
        self._sum_j = 0.0
        self._total_j = 0.0

    def update(self, power_w: float, at_ns: int) -> float:
        """Joules up to now, never less than before.

        A reading that is not finite, or not later than the previous one, counts as missing.
        """
        if not math.isfinite(power_w) or (self._power_w is not None and at_ns <= self._at_ns):
            return self._total_j
        if self._power_w is not None:
            self._sum_j += (self._power_w + power_w) / 2 * ((at_ns - self._at_ns) / 1e9)
            self._total_j = max(self._total_j, self._sum_j)
        self._power_w, self._at_ns = power_w, at_ns
        return self._total_j


class EnergyMeter:
    """Joules since the first reading, and the part of them above the idle device's use."""

    __slots__ = ("_account", "_began_ns", "_idle_w")

    def __init__(self, account: CountedEnergy | IntegratedEnergy, idle_w: float | None) -> None:
        self._account = account
        self._idle_w = idle_w
        self._began_ns: int | None = None

    def update(self, reading: float, at_ns: int) -> tuple[float, float | None]:
        """All joules up to now, and those above idle; the latter may decrease, and is None if idle power is unknown.

        `reading` is in the unit of the account: W, or J of a counter.
        """
        if self._began_ns is None:
            self._began_ns = at_ns
        total_j = self._account.update(reading, at_ns)
        if self._idle_w is None:
            return total_j, None
        return total_j, total_j - self._idle_w * max(0, at_ns - self._began_ns) / 1e9


class IdlePower:
    """Mean power of readings taken before the app starts."""

    __slots__ = ("_account", "_began_ns", "_ended_ns", "_total_j")

    def __init__(self, account: CountedEnergy | IntegratedEnergy) -> None:
        self._account = account
        self._began_ns: int | None = None
        self._ended_ns = 0
        self._total_j = 0.0

    def update(self, reading: float, at_ns: int) -> None:
        """Adds a reading: W, or J of a counter."""
        if self._began_ns is None:
            self._began_ns = at_ns
        self._total_j, self._ended_ns = self._account.update(reading, at_ns), at_ns

    @property
    def watts(self) -> float | None:
        """Mean power; None without two readings at different times."""
        if self._began_ns is None or self._ended_ns <= self._began_ns:
            return None
        return self._total_j / ((self._ended_ns - self._began_ns) / 1e9)
