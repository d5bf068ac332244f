"""Watches a container's cgroup while it starts: resources that the runtime uses before the app runs are not the app's.

A runtime such as runc prepares the container within its cgroup (hundredths of a second of CPU time), then waits for the
order to start, and becomes the container's first process: the init that every container of ours has. That takes another
few milliseconds to start the app, which the kernel counts for this one process.

Source: Linux kernel documentation, "Scheduler Statistics", /proc/PID/schedstat: time on a CPU, in ns.
"""

from __future__ import annotations

import os
import threading
import time
from contextlib import suppress
from pathlib import Path

from profileapp.collect.container.runtime_init import is_runtime_init
from profileapp.collect.container.totals import CpuTimes, read_cpu_times
from profileapp.run.run_cgroup import RunCgroup

_PAUSE_S = 0.001
_NICENESS = -10
_LIMIT_S = 60.0
_JOIN_S = 2.0


class StartWatch:
    """Watches in a separate thread, from its creation until `end`."""

    def __init__(self, cgroup: RunCgroup, proc: Path = Path("/proc")) -> None:
        self._cgroup = cgroup
        self._proc = proc
        self.used: CpuTimes | None = None
        """CPU time used before the container's init ran, as far as known."""
        self._on_cpu_ns: dict[int, int] = {}
        self._init_pid = 0
        self.init_ns = 0
        """Time on a CPU of the init, as far as is known; 0 before it runs."""
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="start-watch", daemon=True)
        self._thread.start()

    def end(self) -> CpuTimes | None:
        """CPU time that was used before the app ran, as far as it was seen; None where it was not. Never raises."""
        self._ending.set()
        self._thread.join(_JOIN_S)
        if self.used is None or self._init_pid not in self._on_cpu_ns:
            return self.used
        init_s = max(0, self.init_ns - self._on_cpu_ns[self._init_pid]) / 1e9
        used = self.used
        return CpuTimes(_sum(used.total_s, init_s), used.user_s, _sum(used.system_s, init_s))

    def _watch(self) -> None:
        # Else a busy machine could miss the moment in which the runtime waits.
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICENESS)
        deadline_s = time.monotonic() + _LIMIT_S
        was_there = False
        while not self._ending.wait(_PAUSE_S) and time.monotonic() < deadline_s:
            folders = self._cgroup.folders()
            if not folders:
                continue
            # Read the use before checking that the app has not begun: slightly too early does no harm.
            used = read_cpu_times(folders)
            on_cpu_ns = {pid: _on_cpu_ns(self._proc, pid) for pid in self._cgroup.pids()}
            pids = list(on_cpu_ns)
            init = next((pid for pid in pids if is_runtime_init(self._proc, pid)), 0)
            if init:
                self._follow(init)
                return
            if was_there and not pids:
                return
            was_there = was_there or bool(pids)
            if pids and used.total_s is not None:
                self.used, self._on_cpu_ns = used, on_cpu_ns

    def _follow(self, init: int) -> None:
        """Reads what the init uses, until the container has started or the init is gone."""
        self._init_pid = init
        deadline_s = time.monotonic() + _LIMIT_S
        while time.monotonic() < deadline_s:
            self.init_ns = max(self.init_ns, now_ns := _on_cpu_ns(self._proc, init))
            if not now_ns or self._ending.wait(_PAUSE_S):
                return


def _sum(seconds: float | None, more_s: float) -> float | None:
    return None if seconds is None else seconds + more_s


def _on_cpu_ns(proc: Path, pid: int) -> int:
    """Time on a CPU of a process's first thread; 0 where it is gone, or the kernel does not say."""
    try:
        return int((proc / str(pid) / "schedstat").read_bytes().split()[0])
    except (OSError, ValueError, IndexError):
        return 0
