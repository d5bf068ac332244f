"""A process's own CPU time and age. Standard library only."""

from __future__ import annotations

import os
import resource
import time


def cpu_s() -> float:
    """CPU time so far of this process and of its reaped children, from the kernel."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def lived_s() -> float:
    """Seconds since the start of this process, with a resolution of a tick (proc_pid_stat(5), starttime)."""
    with open("/proc/self/stat", encoding="utf-8") as stream:  # noqa: PTH123  (pathlib takes CPU time to import)
        fields = stream.read().rpartition(")")[2].split()
    return time.clock_gettime(time.CLOCK_BOOTTIME) - int(fields[19]) / os.sysconf("SC_CLK_TCK")
