"""The whole device, where it has no source of its own: /proc for what changes fast, psutil for the rest."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import psutil

from profileapp.collect.kernel_file import KernelFile, lines_of_words, number_after
from profileapp.collect.seam import Emit, Provision, RunContext, Subject
from profileapp.errors import Unavailable
from profileapp.model.series import Series, series

CPU = series("system.cpu.util", "%", "system")
"""Share of all cores' time that is not idle: 0 to 100. With the label `core`, of that core."""
CPU_FREQUENCY = series("system.cpu.frequency", "Hz", "system")
"""Clock of the cores, their mean."""
MEMORY_USED = series("system.memory.used", "bytes", "system")
"""Total less available: what could not be given to a new program."""
MEMORY_AVAILABLE = series("system.memory.available", "bytes", "system")
SWAP_USED = series("system.swap.used", "bytes", "system")
"""Only where the device has swap."""

SLOW_INTERVAL_NS = 1_000_000_000
"""Temperatures and clocks are asked for at most once a second: they are slow to read and slow to change."""


class PsutilSystem:
    """Series `system.*` of any Linux machine."""

    metric = "system"
    source = "psutil"
    # Sources that know a kind of device, such as a Jetson, come before it.
    preference = 10

    def __init__(self, proc: Path = Path("/proc")) -> None:
        self._proc = proc
        self._stat: KernelFile | None = None
        self._meminfo: KernelFile | None = None
        self._before: dict[bytes, tuple[int, int]] = {}
        self._cores: dict[bytes, Series] = {b"cpu": CPU}
        self._sensors: dict[str, Series] = {}
        self._slow_at_ns = 0
        self._slow_looks: list[Callable[[int], None]] = [self._temperatures, self._frequency]

    def open(self, run: RunContext, emit: Emit) -> Provision:
        self._run, self._emit = run, emit
        try:
            self._stat = KernelFile(self._proc / "stat")
            self._meminfo = KernelFile(self._proc / "meminfo")
        except OSError as error:
            raise Unavailable(f"{error.filename} cannot be read ({error.strerror})") from error
        return Provision()

    def attach(self, subject: Subject) -> None:
        self._before = {}
        self._slow_at_ns = 0
        self.sample(time.monotonic_ns())

    def sample(self, now_ns: int) -> None:
        if self._stat is None or self._meminfo is None:
            return
        self._cpu(self._stat.read(), now_ns)
        self._memory(self._meminfo.read(), now_ns)
        if now_ns >= self._slow_at_ns:
            self._slow_at_ns = now_ns + SLOW_INTERVAL_NS
            for look in tuple(self._slow_looks):
                self._look_slowly(look, now_ns)

    def detach(self) -> None:
        """Nothing is held for one repeat alone."""

    def close(self) -> None:
        for file in (self._stat, self._meminfo):
            if file:
                file.close()
        self._stat = self._meminfo = None

    def _cpu(self, content: bytes, now_ns: int) -> None:
        for name, total, idle in parse_cpu_times(content):
            before = self._before.get(name)
            self._before[name] = total, idle
            # A core that was taken away and came back may begin anew.
            if before and total > before[0]:
                busy = 1 - (idle - before[1]) / (total - before[0])
                self._emit(self._cores.get(name) or self._core(name), min(100.0, max(0.0, busy * 100)), now_ns)

    def _core(self, name: bytes) -> Series:
        self._cores[name] = series(CPU.name, CPU.unit, CPU.metric, core=name.removeprefix(b"cpu").decode())
        return self._cores[name]

    def _memory(self, content: bytes, now_ns: int) -> None:
        """Numbers of /proc/meminfo are in KiB, though it writes kB. Source: proc_meminfo(5)."""
        total, available = number_after(content, b"MemTotal:"), number_after(content, b"MemAvailable:")
        if total is not None and available is not None:
            self._emit(MEMORY_USED, (total - available) * 1024, now_ns)
            self._emit(MEMORY_AVAILABLE, available * 1024, now_ns)
        swap, swap_free = number_after(content, b"SwapTotal:"), number_after(content, b"SwapFree:")
        if swap and swap_free is not None:
            self._emit(SWAP_USED, (swap - swap_free) * 1024, now_ns)

    def _look_slowly(self, look: Callable[[int], None], now_ns: int) -> None:
        """A sensor that fails must not take the rest along: it is told of once, and not asked again."""
        try:
            look(now_ns)
        except Exception as error:
            self._slow_looks.remove(look)
            what = look.__name__.strip("_")
            self._run.warn(f"system: no {what} from now on, reading failed ({type(error).__name__}: {error})")

    def _temperatures(self, now_ns: int) -> None:
        for chip, sensors in psutil.sensors_temperatures().items():
            for number, sensor in enumerate(sensors):
                if sensor.current is not None:
                    self._emit(self._sensor(f"{chip}.{sensor.label or number}"), sensor.current, now_ns)

    def _sensor(self, name: str) -> Series:
        if name not in self._sensors:
            self._sensors[name] = series("system.temperature", "°C", "system", sensor=name)
        return self._sensors[name]

    def _frequency(self, now_ns: int) -> None:
        frequency = psutil.cpu_freq()
        if frequency and frequency.current:
            self._emit(CPU_FREQUENCY, frequency.current * 1e6, now_ns)


def parse_cpu_times(content: bytes) -> list[tuple[bytes, int, int]]:
    """Name, all ticks and idle ticks of each `cpu` line of /proc/stat.

    `cpu0 USER NICE SYSTEM IDLE IOWAIT IRQ SOFTIRQ STEAL GUEST GUEST_NICE`; guest time is in user's already.
    Source: proc_stat(5).
    """
    found = []
    for words in lines_of_words(content):
        if not words[0].startswith(b"cpu"):
            break
        try:
            times = [int(word) for word in words[1:9]]
        except ValueError:
            continue
        if len(times) >= 4:
            found.append((words[0], sum(times), times[3] + (times[4] if len(times) > 4 else 0)))
    return found
