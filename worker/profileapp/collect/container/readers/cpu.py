"""CPU times of a container, and how long a quota throttled it."""

from __future__ import annotations

from profileapp.collect.api import Emit
from profileapp.collect.container import series as names
from profileapp.collect.container.cgroup import V2
from profileapp.collect.container.cgroup_files import single_number
from profileapp.collect.container.readers.reader import ContainerFiles, FileReader, LastingReader
from profileapp.collect.kernel_file import KernelFile, number_after
from profileapp.collect.rate import Rate

_TICKS_PER_S = 100  # USER_HZ, the unit of cpuacct.stat whatever the kernel's HZ


class CpuV2(LastingReader):
    """Reads `usage_usec`, `user_usec`, `system_usec`; with the cpu controller also `nr_periods`, `throttled_usec`."""

    __slots__ = ("_rated",)

    controller = V2
    file_names = ("cpu.stat",)

    def __init__(self, container: ContainerFiles, files: tuple[KernelFile, ...], emit: Emit) -> None:
        super().__init__(container, files, emit)
        self._rated = (
            (names.CPU.series, Rate(), b"usage_usec "),
            (names.CPU_USER.series, Rate(), b"user_usec "),
            (names.CPU_SYSTEM.series, Rate(), b"system_usec "),
        )

    def _read(self, files: tuple[KernelFile, ...], now_ns: int) -> None:
        content = files[0].read()
        for series, rate, key in self._rated:
            used_us = number_after(content, key)
            if used_us is not None:
                self._emit_rate(series, rate, used_us / 1e4, now_ns)
        if files is self._files:
            _emit_throttled(self._emit, content, b"throttled_usec ", 1e6, now_ns)


class CpuV1(LastingReader):
    """Reads cpuacct.usage, in ns, and cpuacct.stat with `user TICKS` and `system TICKS`."""

    __slots__ = ("_parts", "_total")

    controller = "cpuacct"
    file_names = ("cpuacct.usage", "cpuacct.stat")

    def __init__(self, container: ContainerFiles, files: tuple[KernelFile, ...], emit: Emit) -> None:
        super().__init__(container, files, emit)
        self._total = Rate()
        self._parts = ((names.CPU_USER.series, Rate(), b"user "), (names.CPU_SYSTEM.series, Rate(), b"system "))

    def _read(self, files: tuple[KernelFile, ...], now_ns: int) -> None:
        used_ns, content = single_number(files[0].read()), files[1].read()
        if used_ns is not None:
            self._emit_rate(names.CPU.series, self._total, used_ns / 1e7, now_ns)
        for series, rate, key in self._parts:
            ticks = number_after(content, key)
            if ticks is not None:
                self._emit_rate(series, rate, ticks * 100 / _TICKS_PER_S, now_ns)


class ThrottledV1(FileReader):
    """The time for which a quota throttled the app."""

    __slots__ = ("_stat",)

    controller = "cpu"
    file_names = ("cpu.stat",)

    def __init__(self, container: ContainerFiles, files: tuple[KernelFile, ...], emit: Emit) -> None:
        super().__init__(container, files, emit)
        (self._stat,) = files

    def read(self, now_ns: int) -> None:
        _emit_throttled(self._emit, self._stat.read(), b"throttled_time ", 1e9, now_ns)


def _emit_throttled(emit: Emit, content: bytes, key: bytes, per_second: float, now_ns: int) -> None:
    # Zero periods mean that the app has no quota, or that no controller enforces one.
    if number_after(content, b"nr_periods "):
        throttled = number_after(content, key)
        if throttled is not None:
            emit(names.CPU_THROTTLED.series, throttled / per_second, now_ns)
