"""The series of the metric `energy`, from any source.

A series without labels covers the whole device: the board and its discrete GPUs. The label `gpu` is the number of one
of these GPUs.
"""

from __future__ import annotations

from profileapp.collect.energy.gpu_energy import Energy
from profileapp.model.series import DeclaredSeries, Series

IDLE_S = 2.0
"""Duration of the idle power measurement before the app starts."""
IDLE_EVERY_S = 0.1


TOTAL = DeclaredSeries(
    "energy.total",
    "J",
    "energy",
    "from 0 at each start of the app: the whole device with its discrete GPUs or, with the label, one GPU",
    ("gpu",),
    kind="counter",
)
ABOVE_IDLE = DeclaredSeries(
    "energy.above-idle",
    "J",
    "energy",
    "`energy.total` minus what the idle device would have used in that time",
    ("gpu",),
    kind="counter",
)
IDLE_POWER = DeclaredSeries(
    "energy.idle.power",
    "W",
    "energy",
    "power of the idle device: its mean over the 2 s before the first start of the app",
    ("gpu",),
)
BOARD = DeclaredSeries(
    "energy.board",
    "J",
    "energy",
    "the part of `energy.total` measured by the board's rails, if there is also a discrete GPU",
    kind="counter",
)
RAIL = DeclaredSeries(
    "energy.rail",
    "J",
    "energy",
    "through a rail of the board, from 0 at each start",
    ("rail",),
    kind="counter",
)

ALL = (TOTAL, ABOVE_IDLE, IDLE_POWER, BOARD, RAIL)
"""The series of a board with power monitors; a GPU alone has the first three."""


def of_energy(energy: Energy, **labels: str) -> tuple[tuple[Series, float], ...]:
    """The samples of a reading; unknown values are omitted."""
    if energy.above_idle_j is None or energy.idle_w is None:
        return ((TOTAL.of(**labels), energy.total_j),)
    return (
        (TOTAL.of(**labels), energy.total_j),
        (ABOVE_IDLE.of(**labels), energy.above_idle_j),
        (IDLE_POWER.of(**labels), energy.idle_w),
    )
