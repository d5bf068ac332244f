"""A run that ends before anything can be sampled."""

from __future__ import annotations

import time

from profileapp.selftest.load import Account, Load
from profileapp.selftest.loads.cpu import USED

LOADS = (Load("short", "a run of 30 ms of CPU time", "short", ("0.03",), ("0.03",), (USED,)),)


def run(args: tuple[str, ...]) -> Account:
    """Args: CPU seconds, those of starting Python included."""
    until_s = float(args[0])
    while time.process_time() < until_s:
        pass
    return Account({})
