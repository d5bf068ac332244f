"""The whole device, where it has no source of its own: psutil, and the kernel's CPU times."""

from __future__ import annotations

import time
from pathlib import Path

import psutil

from profileapp.collect.kernel_file import KernelFile, lines_of_words
from profileapp.collect.seam import Emit, Provision, RunContext, Subject
from profileapp.errors import Unavailable
from profileapp.model.series import Series, series

CPU = series("system.cpu.util", "%", "system")
"""Share of all cores' time that is not idle: 0 to 100."""
MEMORY_USED = series("system.memory.used", "bytes", "system")
"""Total less available: what could not be given to a new program."""
MEMORY_AVAILABLE = series("system.memory.available", "bytes", "system")
SWAP_USED = series("system.swap.used", "bytes", "system")

SLOW_INTERVAL_NS = 1_000_000_000
"""Temperatures and clocks are asked for at most once a second: they are slow to read and slow to change."""


class PsutilSystem:
    """Series `system.*` of any Linux machine."""

    metric = "system"
    source = "psutil"
    preference = 10

    def __init__(self, proc: Path = Path("/proc")) -> None:
        self._proc = proc
        self._stat: KernelFile | None = None
        self._before: dict[bytes, tuple[int, int]] = {}
        self._series: dict[bytes, Series] = {b"cpu": CPU}
        self._slow_at_ns = 0

    def open(self, run: RunContext, emit: Emit) -> Provision:
        self._emit = emit
        try:
            self._stat = KernelFile(self._proc / "stat")
        except OSError as error:
            raise Unavailable(f"{self._proc}/stat cannot be read ({error.strerror})") from error
        return Provision()

    def attach(self, subject: Subject) -> None:
        self._before = {}
        self._slow_at_ns = 0
        self.sample(time.monotonic_ns())

    def sample(self, now_ns: int) -> None:
        self._cpu(now_ns)
        memory = psutil.virtual_memory()
        self._emit(MEMORY_USED, memory.total - memory.available, now_ns)
        self._emit(MEMORY_AVAILABLE, memory.available, now_ns)
        swap = psutil.swap_memory()
        if swap.total:
            self._emit(SWAP_USED, swap.used, now_ns)
        if now_ns >= self._slow_at_ns:
            self._slow_at_ns = now_ns + SLOW_INTERVAL_NS
            self._slow(now_ns)

    def detach(self) -> None:
        """Nothing is held for one repeat alone."""

    def close(self) -> None:
        if self._stat:
            self._stat.close()
            self._stat = None

    def _cpu(self, now_ns: int) -> None:
        """`cpu0 USER NICE SYSTEM IDLE IOWAIT IRQ SOFTIRQ STEAL GUEST GUEST_NICE`; guest time is in user's already.

        Source: proc_stat(5).
        """
        if self._stat is None:
            return
        for words in lines_of_words(self._stat.read()):
            if not words[0].startswith(b"cpu"):
                break
            times = [int(word) for word in words[1:9]]
            total, idle = sum(times), times[3] + times[4]
            before = self._before.get(words[0])
            self._before[words[0]] = total, idle
            if before and total > before[0]:
                busy = 1 - (idle - before[1]) / (total - before[0])
                self._emit(self._cpu_series(words[0]), min(100.0, max(0.0, busy * 100)), now_ns)

    def _cpu_series(self, name: bytes) -> Series:
        found = self._series.get(name)
        if found is None:
            core = name.removeprefix(b"cpu").decode()
            found = self._series[name] = series("system.cpu.util", "%", "system", core=core)
        return found

    def _slow(self, now_ns: int) -> None:
        for chip, sensors in psutil.sensors_temperatures().items():
            for number, sensor in enumerate(sensors):
                label = f"{chip}.{sensor.label or number}"
                self._emit(series("system.temperature", "°C", "system", sensor=label), sensor.current, now_ns)
        frequency = psutil.cpu_freq()
        if frequency and frequency.current:
            self._emit(series("system.cpu.clock", "Hz", "system"), frequency.current * 1e6, now_ns)
