"""The series of the metric `energy`, whichever source they come from.

Without a label they are of the whole board; the label `gpu` is the number of a discrete GPU.
"""

from __future__ import annotations

from profileapp.model.series import Series, series

IDLE_S = 2.0
"""For how long, before the app starts, power is measured as that of the idle device."""
IDLE_EVERY_S = 0.1


def total(**labels: str) -> Series:
    """Energy used since the app's start."""
    return series("energy.total", "J", "energy", kind="counter", **labels)


def above_idle(**labels: str) -> Series:
    """The same, less what the device would have used in that time had it gone on idling."""
    return series("energy.above-idle", "J", "energy", kind="counter", **labels)


def idle_power(**labels: str) -> Series:
    """Power before the app's start."""
    return series("energy.idle.power", "W", "energy", kind="gauge", **labels)


def of_rail(rail: str) -> Series:
    """Energy through a rail of the board since the app's start."""
    return series("energy.rail", "J", "energy", "counter", rail=rail)
