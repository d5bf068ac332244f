"""The app's resource use without a readable cgroup: of its process and descendants, from /proc."""

from __future__ import annotations

import os
import time
from pathlib import Path

from profileapp.collect.api import AppHandle, BaseCollector, Emit, LaunchRequirements, RunContext
from profileapp.collect.container import series as names
from profileapp.collect.process.family import CpuAccount, Family, IoAccount
from profileapp.collect.process.stat import read_stat
from profileapp.collect.rate import Rate
from profileapp.errors import AppEnded, Unavailable
from profileapp.model.series import Series

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


class ProcessTree(BaseCollector):
    """Series `container.*` of a process: sums over its session and descendants.

    For the process runtime; for a container only if its cgroup cannot be read, and then with a warning. CPU time is
    counted in ticks of 10 ms. Memory is resident memory, in which shared pages count once per process.
    """

    metric = "container"
    source = "processes"
    series = (names.CPU, names.MEMORY_USED, names.IO_READ, names.IO_WRITE, names.PROCESSES, *names.PROCESS_TOTALS)
    preference = 10
    min_interval_s = 0.05

    def __init__(self, proc: Path = Path("/proc")) -> None:
        self._proc = proc
        self._family: Family | None = None
        self._io: IoAccount | None = None
        self._warned = False

    def open(self, run: RunContext, emit: Emit) -> LaunchRequirements:
        self._run, self._emit = run, emit
        return LaunchRequirements()

    def attach(self, app: AppHandle) -> None:
        self.detach()
        first = read_stat(self._proc, app.pid)
        if first is None or first.is_dead:
            raise AppEnded
        if app.container_id:
            self._check_container(app)
        self._family = Family(first, self._proc)
        self._cpu, self._io = CpuAccount(), IoAccount(self._proc)
        self._rates = {series: Rate() for series in (names.CPU.series, names.IO_READ.series, names.IO_WRITE.series)}
        self.sample(time.monotonic_ns())

    def sample(self, now_ns: int) -> None:
        members = self._family.scan(now_ns) if self._family else []
        alive = [member for member in members if not member.is_dead]
        if not alive:
            return
        self._rated(names.CPU.series, self._cpu.total_ticks(members) / _TICKS_PER_S * 100, now_ns)
        moved = self._io.total_bytes(member.pid for member in members) if self._io else None
        if moved is not None:
            self._rated(names.IO_READ.series, moved[0], now_ns)
            self._rated(names.IO_WRITE.series, moved[1], now_ns)
        self._emit(names.MEMORY_USED.series, sum(member.resident_pages for member in alive) * _PAGE_BYTES, now_ns)
        self._emit(names.PROCESSES.series, sum(member.threads for member in alive), now_ns)

    def detach(self) -> None:
        self._family = None
        if self._io:
            self._io.close()
            self._io = None

    def close(self) -> None:
        self.detach()

    def _check_container(self, app: AppHandle) -> None:
        """Raises Unavailable if the PID is another process here, as for a worker that runs in a container."""
        try:
            cgroup = (self._proc / str(app.pid) / "cgroup").read_bytes()
        except OSError:
            cgroup = b""
        if app.container_id.encode() not in cgroup:
            raise Unavailable("the container's processes are not visible from here")
        if not self._warned:
            self._warned = True
            self._run.warn(
                "container: its cgroup cannot be read on this agent; the sums over its processes are used instead"
            )

    def _rated(self, series: Series, total: float, now_ns: int) -> None:
        value = self._rates[series].update(total, now_ns)
        if value is not None:
            self._emit(series, value, now_ns)
