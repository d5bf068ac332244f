"""Many short-lived children: most start and end between two samples. The load gets their use from wait4."""

from __future__ import annotations

import os
import time

from profileapp.selftest.load import Account, Load
from profileapp.selftest.loads.cpu import USED

_BUSY_S = 0.002

LOADS = (Load("children", "500 children of 2 ms", "children", ("500",), ("500",), (USED,)),)


def run(args: tuple[str, ...]) -> Account:
    """Args: number of children."""
    for _ in range(int(args[0])):
        child = os.fork()
        if child == 0:
            while time.process_time() < _BUSY_S:
                pass
            os._exit(0)
        os.waitpid(child, 0)
    return Account({})
