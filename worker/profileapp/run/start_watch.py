"""Watches a container's cgroup while the container starts: what the runtime uses there before the app is not the app's.

A runtime such as runc prepares the container within its cgroup (hundredths of a second of CPU time), then waits for the
order to start, and becomes the container's first process: the init that every container of ours has.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from profileapp.collect.container.cgroup import V2
from profileapp.collect.container.runtime_init import is_runtime_init
from profileapp.collect.container.totals import CpuTimes, read_cpu_times
from profileapp.run.run_cgroup import RunCgroup

_PAUSE_S = 0.001
_NICENESS = -10
_LIMIT_S = 60.0
_JOIN_S = 2.0
_READ_LIMIT_BYTES = 64 * 1024


class StartWatch:
    """From its making until `end`, in a thread of its own."""

    def __init__(self, cgroup: RunCgroup, proc: Path = Path("/proc")) -> None:
        self._cgroup = cgroup
        self._proc = proc
        self.used: CpuTimes | None = None
        """CPU time that was used, as far as is known, before the container's init ran."""
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="start-watch", daemon=True)
        self._thread.start()

    def end(self) -> CpuTimes | None:
        """CPU time that was used before the container's init ran; None where it was not seen. Never raises."""
        self._ending.set()
        self._thread.join(_JOIN_S)
        return self.used

    def _watch(self) -> None:
        # On a busy machine the moment in which the runtime waits would pass unseen.
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICENESS)
        deadline_s = time.monotonic() + _LIMIT_S
        was_there = False
        while not self._ending.wait(_PAUSE_S) and time.monotonic() < deadline_s:
            folders = self._cgroup.folders()
            if not folders:
                continue
            # Read before it is known that the app has not begun: a moment too early is no fault.
            used = read_cpu_times(folders)
            pids = list(_pids_below(folders))
            if any(is_runtime_init(self._proc, pid) for pid in pids) or (was_there and not pids):
                return
            was_there = was_there or bool(pids)
            if pids and used.total_s is not None:
                self.used = used


def _pids_below(folders: dict[str, Path]) -> Iterator[int]:
    folder = next((folders[each] for each in ("cpuacct", "pids", "memory", V2) if each in folders), None)
    for procs in folder.glob("*/cgroup.procs") if folder else ():
        try:
            with procs.open("rb") as stream:
                words = stream.read(_READ_LIMIT_BYTES).split()
        except OSError:
            continue
        yield from (int(word) for word in words if word.isdigit())
