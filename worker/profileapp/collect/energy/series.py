"""The series of the metric `energy`, from any source.

A series without labels covers the whole device: the board and its discrete GPUs. The label `gpu` is the number of one
of these GPUs.
"""

from __future__ import annotations

from profileapp.collect.energy.gpu_energy import Energy
from profileapp.model.series import Series, series

IDLE_S = 2.0
"""Duration of the idle power measurement before the app starts."""
IDLE_EVERY_S = 0.1


def total(**labels: str) -> Series:
    """Energy used since the app's start."""
    return series("energy.total", "J", "energy", kind="counter", **labels)


def above_idle(**labels: str) -> Series:
    """Energy used since the app's start, less what the idle device would have used in that time."""
    return series("energy.above-idle", "J", "energy", kind="counter", **labels)


def idle_power(**labels: str) -> Series:
    """Mean power of the idle device, measured before the app's start."""
    return series("energy.idle.power", "W", "energy", kind="gauge", **labels)


def board() -> Series:
    """Energy measured by the board's own power monitors, without its discrete GPUs."""
    return series("energy.board", "J", "energy", kind="counter")


def of_energy(energy: Energy, **labels: str) -> tuple[tuple[Series, float], ...]:
    """The samples of a reading; unknown values are omitted."""
    if energy.above_idle_j is None or energy.idle_w is None:
        return ((total(**labels), energy.total_j),)
    return (
        (total(**labels), energy.total_j),
        (above_idle(**labels), energy.above_idle_j),
        (idle_power(**labels), energy.idle_w),
    )


def of_rail(rail: str) -> Series:
    """Energy through a rail of the board since the app's start."""
    return series("energy.rail", "J", "energy", "counter", rail=rail)
