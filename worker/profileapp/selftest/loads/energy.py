"""Time on a synthetic board of 10 W: the load knows how long it ran."""

from __future__ import annotations

import time

from profileapp.selftest.load import Account, Load, Quantity
from profileapp.selftest.own_times import lived_s

POWER_W = 10.0
START_S = 0.05
"""Limit of the time by which a repeat may exceed the life of its app, to start and reap it."""

LOADS = (
    Load(
        "energy",
        "10 W on a synthetic rail",
        "energy",
        ("6",),
        ("2",),
        (Quantity("energy", "J", "energy_j", "statistic", "energy.total", "last", POWER_W * START_S),),
        metrics=("energy",),
    ),
)


def run(args: tuple[str, ...]) -> Account:
    """Args: seconds."""
    time.sleep(float(args[0]))
    return Account({"energy_j": POWER_W * lived_s()})
