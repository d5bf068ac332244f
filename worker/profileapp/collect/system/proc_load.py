"""Load and memory of any Linux machine, from /proc: for every source of `system` without a better way."""

from __future__ import annotations

from pathlib import Path

from profileapp.collect.api import Emit
from profileapp.collect.kernel_file import KernelFile, lines_of_words, number_after
from profileapp.collect.system import series as names
from profileapp.errors import Unavailable
from profileapp.model.series import Series

SERIES = (names.CPU_UTIL, names.MEMORY_USED, names.MEMORY_AVAILABLE, names.SWAP_USED)
"""Everything that ProcLoad emits."""


class ProcLoad:
    """Keeps /proc/stat and /proc/meminfo open. Raises Unavailable if they cannot be read."""

    def __init__(self, proc: Path) -> None:
        self._before: dict[bytes, tuple[int, int]] = {}
        self._cores: dict[bytes, Series] = {b"cpu": names.CPU_UTIL.series}
        try:
            self._stat = KernelFile(proc / "stat")
            try:
                self._meminfo = KernelFile(proc / "meminfo")
            except OSError:
                self._stat.close()
                raise
        except OSError as error:
            raise Unavailable(f"{error.filename} cannot be read ({error.strerror})") from error

    def begin(self) -> None:
        """Begins a repeat: rates are computed from here on."""
        self._before = {}

    def sample(self, emit: Emit, now_ns: int) -> None:
        """Emits load (from the second sample on) and memory. Raises OSError."""
        self._cpu(self._stat.read(), emit, now_ns)
        _memory(self._meminfo.read(), emit, now_ns)

    def close(self) -> None:
        self._stat.close()
        self._meminfo.close()

    def _cpu(self, content: bytes, emit: Emit, now_ns: int) -> None:
        for name, total, idle in parse_cpu_times(content):
            before = self._before.get(name)
            self._before[name] = total, idle
            # A core that was taken offline and came back may restart from zero.
            if before and total > before[0]:
                busy = 1 - (idle - before[1]) / (total - before[0])
                emit(self._cores.get(name) or self._core(name), min(100.0, max(0.0, busy * 100)), now_ns)

    def _core(self, name: bytes) -> Series:
        self._cores[name] = names.CPU_UTIL.of(core=name.removeprefix(b"cpu").decode())
        return self._cores[name]


def _memory(content: bytes, emit: Emit, now_ns: int) -> None:
    """Emits the numbers of /proc/meminfo, which are in KiB, though it prints kB. Source: proc_meminfo(5)."""
    total, available = number_after(content, b"MemTotal:"), number_after(content, b"MemAvailable:")
    if total is not None and available is not None:
        emit(names.MEMORY_USED.series, (total - available) * 1024, now_ns)
        emit(names.MEMORY_AVAILABLE.series, available * 1024, now_ns)
    swap, swap_free = number_after(content, b"SwapTotal:"), number_after(content, b"SwapFree:")
    if swap and swap_free is not None:
        emit(names.SWAP_USED.series, (swap - swap_free) * 1024, now_ns)


def parse_cpu_times(content: bytes) -> list[tuple[bytes, int, int]]:
    """Name, all ticks and idle ticks of each `cpu` line of /proc/stat.

    `cpu0 USER NICE SYSTEM IDLE IOWAIT IRQ SOFTIRQ STEAL GUEST GUEST_NICE`; guest time is already part of user time.
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
