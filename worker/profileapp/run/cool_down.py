"""Waits for the device to cool to the target's limit before the app starts."""

from __future__ import annotations

import time
from collections.abc import Callable

import msgspec

from profileapp.model.target import Target
from profileapp.run.progress import Progress
from profileapp.run.stop import Stop, Wake

POLL_INTERVAL_S = 1.0
REPORT_INTERVAL_S = 10.0

Thermometer = Callable[[], float | None]
"""The highest temperature of the device in °C; None if unavailable."""


class CoolDownResult(msgspec.Struct, frozen=True):
    """How long the wait was, the device's temperature after it (°C), and a warning for the report."""

    waited_s: float = 0.0
    temperature_c: float | None = None
    warning: str = ""


def cool_down(target: Target, hottest_c: Thermometer, progress: Progress, stop: Stop, wake: Wake) -> CoolDownResult:
    """Returns when the device is cool, at the timeout, or on a stop request; at once if the target has no limit."""
    began_s = time.monotonic()
    now_c = hottest_c()
    limit_c = target.cool_below_c
    if limit_c is None:
        return CoolDownResult(temperature_c=now_c)
    if now_c is None:
        return CoolDownResult(
            warning=f"this agent has no temperature sensor: did not wait for it to cool below {limit_c:g} °C"
        )
    report_at_s = began_s
    while now_c is not None and now_c >= limit_c and not stop.signal:
        waited_s = time.monotonic() - began_s
        if waited_s >= target.cool_timeout_s:
            warning = (
                f"a repeat began at {now_c:.1f} °C: the device did not cool below {limit_c:g} °C "
                f"in {target.cool_timeout_s:g} s"
            )
            return CoolDownResult(waited_s, now_c, warning)
        if time.monotonic() >= report_at_s:
            report_at_s += REPORT_INTERVAL_S
            progress.waiting(f"{target.name}: waiting for the device to cool from {now_c:.1f} to below {limit_c:g} °C")
        wake.wait(min(POLL_INTERVAL_S, target.cool_timeout_s - waited_s))
        now_c = hottest_c()
    return CoolDownResult(time.monotonic() - began_s, now_c)
