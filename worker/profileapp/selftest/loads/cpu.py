"""A steady share of the CPU: 100 is one core. The load gets its CPU time from its own clocks."""

from __future__ import annotations

import os
import time

from profileapp.selftest.load import Account, Load, Quantity

_REST_S = 0.002
_REACHED = 0.97
END_S = 0.0025
"""CPU time of ending a process, after it last reads its own account, and that of a container's init."""

USED = Quantity("CPU time", "s", "cpu_s", "total", "cpu_s", resolution=END_S)
SHARE = Quantity("mean CPU", "%", "cpu_percent", "statistic", "container.cpu.util")


def _load(percent: int, about: str) -> Load:
    args = (str(percent), "6"), (str(percent), "2")
    return Load(f"cpu-{percent}", about, "cpu", *args, (USED, SHARE))


LOADS = (
    _load(5, "a core that mostly rests"),
    _load(37, "a third of a core"),
    _load(100, "one core"),
    _load(150, "one and a half cores, in two processes"),
)


def run(args: tuple[str, ...]) -> Account:
    """Args: percent of a core, seconds."""
    share, length_s = float(args[0]) / 100, float(args[1])
    until_s = time.monotonic() + length_s
    children = []
    while share > 1:
        children.append(_in_child(1.0, until_s))
        share -= 1
    reached = [keep_busy(share, until_s)]
    reached += [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0 for child in children]
    return Account({}, disturbed="" if all(reached) else "the agent was too busy for the load's own plan")


def keep_busy(share: float, until_s: float) -> bool:
    """Uses a share of one core until a time of the monotonic clock. Returns whether it got that much."""
    began_s, used_s = time.monotonic(), time.process_time()
    while (now_s := time.monotonic()) < until_s:
        if time.process_time() - used_s < share * (now_s - began_s):
            sum(range(2000))
        else:
            time.sleep(_REST_S)
    return time.process_time() - used_s >= share * _REACHED * (time.monotonic() - began_s)


def _in_child(share: float, until_s: float) -> int:
    child = os.fork()
    if child == 0:
        os._exit(0 if keep_busy(share, until_s) else 1)
    return child
