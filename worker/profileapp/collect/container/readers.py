"""One reader per quantity in a container's kernel files: opened once, read at each sample."""

from __future__ import annotations

import errno
import time
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

import msgspec

from profileapp.collect.api import Emit
from profileapp.collect.container import series as names
from profileapp.collect.container.cgroup import V2
from profileapp.collect.container.cgroup_files import (
    io_bytes_v1,
    io_bytes_v2,
    network_bytes,
    pressure_us,
    single_number,
)
from profileapp.collect.kernel_file import KernelFile, number_after, open_where_there
from profileapp.collect.process.family import IoAccount, pids_in
from profileapp.collect.rate import Rate
from profileapp.model.series import Series

_IO_SHARE = 20
_TICKS_PER_S = 100  # USER_HZ, the unit of cpuacct.stat whatever the kernel's HZ


class ContainerFiles(msgspec.Struct, frozen=True):
    """The location of one container's kernel files."""

    proc: Path
    pid: int
    """The container's first process."""
    cgroups: Mapping[str, Path]
    """The folders of its cgroup, by v1 controller and `V2`."""
    init_processes: int = 0
    """The number of init processes that the runtime added to it: 0 or 1."""


class Reader:
    """Reads its open files at each sample, and emits their values."""

    __slots__ = ("_emit",)

    def __init__(self, emit: Emit) -> None:
        self._emit = emit

    def read(self, now_ns: int) -> None:
        """Emits samples at `now_ns` of the monotonic clock. Raises OSError."""
        raise NotImplementedError

    def close(self) -> None:
        """Closes its files. May be called twice."""

    def _emit_rate(self, series: Series, rate: Rate, total: float, now_ns: int) -> None:
        value = rate.update(total, now_ns)
        if value is not None:
            self._emit(series, value, now_ns)


class FileReader(Reader):
    """A reader of files of one cgroup folder. A subclass names the controller and the files, and reads them."""

    __slots__ = ("_files",)

    controller: ClassVar[str]
    file_names: ClassVar[tuple[str, ...]]

    def __init__(self, container: ContainerFiles, files: tuple[KernelFile, ...], emit: Emit) -> None:
        super().__init__(emit)
        self._files = files

    @classmethod
    def open(cls, container: ContainerFiles, emit: Emit) -> FileReader | None:
        """Opens its files; None unless all of them exist and are readable."""
        folder = cls.folder(container)
        if folder is None:
            return None
        found = [open_where_there(folder / name) for name in cls.file_names]
        files = tuple(file for file in found if file)
        if len(files) == len(found):
            return cls(container, files, emit)
        for file in files:
            file.close()
        return None

    @classmethod
    def folder(cls, container: ContainerFiles) -> Path | None:
        """The folder of its files; None if the container has no separate cgroup with this controller."""
        return container.cgroups.get(cls.controller)

    def close(self) -> None:
        for file in self._files:
            file.close()


class NumberReader(FileReader):
    """Emits the number that a file contains."""

    __slots__ = ("_file",)

    series: ClassVar[Series]

    def __init__(self, container: ContainerFiles, files: tuple[KernelFile, ...], emit: Emit) -> None:
        super().__init__(container, files, emit)
        (self._file,) = files

    def read(self, now_ns: int) -> None:
        number = single_number(self._file.read())
        if number is not None:
            self._emit(self.series, number, now_ns)


class MemoryPeakV1(NumberReader):
    """Peak memory since the container was created."""

    __slots__ = ()

    controller = "memory"
    file_names = ("memory.max_usage_in_bytes",)
    series = names.MEMORY_PEAK.series


class MemoryPeakV2(NumberReader):
    """The same in the unified hierarchy, from Linux 5.19 on."""

    __slots__ = ()

    controller = V2
    file_names = ("memory.peak",)
    series = names.MEMORY_PEAK.series


class ProcessesV1(FileReader):
    """The number of processes and threads, without the runtime's init."""

    __slots__ = ("_current", "_init")

    controller = "pids"
    file_names = ("pids.current",)

    def __init__(self, container: ContainerFiles, files: tuple[KernelFile, ...], emit: Emit) -> None:
        super().__init__(container, files, emit)
        (self._current,) = files
        self._init = container.init_processes

    def read(self, now_ns: int) -> None:
        tasks = single_number(self._current.read())
        if tasks is None:
            return
        if tasks <= self._init:
            # The app has ended: until its cgroup is removed, it is empty or contains only the init.
            raise ProcessLookupError(errno.ESRCH, "no process remains")
        self._emit(names.PROCESSES.series, tasks - self._init, now_ns)


class ProcessesV2(ProcessesV1):
    """The same file in the unified hierarchy."""

    __slots__ = ()

    controller = V2


class CpuV2(FileReader):
    """Reads `usage_usec`, `user_usec`, `system_usec`; with the cpu controller also `nr_periods`, `throttled_usec`."""

    __slots__ = ("_rated", "_stat")

    controller = V2
    file_names = ("cpu.stat",)

    def __init__(self, container: ContainerFiles, files: tuple[KernelFile, ...], emit: Emit) -> None:
        super().__init__(container, files, emit)
        (self._stat,) = files
        self._rated = (
            (names.CPU.series, Rate(), b"usage_usec "),
            (names.CPU_USER.series, Rate(), b"user_usec "),
            (names.CPU_SYSTEM.series, Rate(), b"system_usec "),
        )

    def read(self, now_ns: int) -> None:
        content = self._stat.read()
        for series, rate, key in self._rated:
            used_us = number_after(content, key)
            if used_us is not None:
                self._emit_rate(series, rate, used_us / 1e4, now_ns)
        _emit_throttled(self._emit, content, b"throttled_usec ", 1e6, now_ns)


class CpuV1(FileReader):
    """Reads cpuacct.usage, in ns, and cpuacct.stat with `user TICKS` and `system TICKS`."""

    __slots__ = ("_parts", "_stat", "_total", "_usage")

    controller = "cpuacct"
    file_names = ("cpuacct.usage", "cpuacct.stat")

    def __init__(self, container: ContainerFiles, files: tuple[KernelFile, ...], emit: Emit) -> None:
        super().__init__(container, files, emit)
        self._usage, self._stat = files
        self._total = Rate()
        self._parts = ((names.CPU_USER.series, Rate(), b"user "), (names.CPU_SYSTEM.series, Rate(), b"system "))

    def read(self, now_ns: int) -> None:
        used_ns, content = single_number(self._usage.read()), self._stat.read()
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


class MemoryReader(FileReader):
    """Used memory is usage less `inactive_file`, as in `docker stats` and the kubelet's working set.

    Sources: Docker documentation, "docker container stats"; Kubernetes documentation, "Node metrics data".
    """

    __slots__ = ("_stat", "_usage")

    inactive_key: ClassVar[bytes]
    cache_key: ClassVar[bytes]

    def __init__(self, container: ContainerFiles, files: tuple[KernelFile, ...], emit: Emit) -> None:
        super().__init__(container, files, emit)
        self._usage, self._stat = files

    def read(self, now_ns: int) -> None:
        total, details = single_number(self._usage.read()), self._stat.read()
        if total is not None:
            used = total - (number_after(details, self.inactive_key) or 0)
            self._emit(names.MEMORY_USED.series, max(0, used), now_ns)
        cache = number_after(details, self.cache_key)
        if cache is not None:
            self._emit(names.MEMORY_CACHE.series, cache, now_ns)


class MemoryV1(MemoryReader):
    """Memory, including child cgroups."""

    __slots__ = ()

    controller = "memory"
    file_names = ("memory.usage_in_bytes", "memory.stat")
    inactive_key = b"total_inactive_file "
    cache_key = b"total_cache "


class MemoryV2(MemoryReader):
    """Memory; in the unified hierarchy all numbers include child cgroups."""

    __slots__ = ()

    controller = V2
    file_names = ("memory.current", "memory.stat")
    inactive_key = b"inactive_file "
    cache_key = b"file "


class PressureReader(FileReader):
    """The share of time for which some task waited."""

    __slots__ = ("_file", "_rate")

    controller = V2
    series: ClassVar[Series]

    def __init__(self, container: ContainerFiles, files: tuple[KernelFile, ...], emit: Emit) -> None:
        super().__init__(container, files, emit)
        (self._file,) = files
        self._rate = Rate()

    def read(self, now_ns: int) -> None:
        waited_us = pressure_us(self._file.read())
        if waited_us is not None:
            self._emit_rate(self.series, self._rate, waited_us / 1e4, now_ns)


class CpuPressure(PressureReader):
    """Waiting for the CPU."""

    __slots__ = ()

    file_names = ("cpu.pressure",)
    series = names.CPU_PRESSURE.series


class MemoryPressure(PressureReader):
    """Waiting for memory."""

    __slots__ = ()

    file_names = ("memory.pressure",)
    series = names.MEMORY_PRESSURE.series


class IoPressure(PressureReader):
    """Waiting for storage."""

    __slots__ = ()

    file_names = ("io.pressure",)
    series = names.IO_PRESSURE.series


class IoV2(FileReader):
    """Bytes read from and written to storage."""

    __slots__ = ("_file", "_read", "_write")

    controller = V2
    file_names = ("io.stat",)

    def __init__(self, container: ContainerFiles, files: tuple[KernelFile, ...], emit: Emit) -> None:
        super().__init__(container, files, emit)
        (self._file,) = files
        self._read, self._write = Rate(), Rate()

    def read(self, now_ns: int) -> None:
        totals = io_bytes_v2(self._file.read())
        if totals is not None:
            self._emit_rate(names.IO_READ.series, self._read, totals[0], now_ns)
            self._emit_rate(names.IO_WRITE.series, self._write, totals[1], now_ns)


class IoReadsV1(FileReader):
    """Bytes read from storage: cgroup v1 does not count writes through the page cache."""

    __slots__ = ("_file", "_rate")

    controller = "blkio"
    file_names = ("blkio.throttle.io_service_bytes_recursive",)

    def __init__(self, container: ContainerFiles, files: tuple[KernelFile, ...], emit: Emit) -> None:
        super().__init__(container, files, emit)
        (self._file,) = files
        self._rate = Rate()

    def read(self, now_ns: int) -> None:
        totals = io_bytes_v1(self._file.read())
        if totals is not None:
            self._emit_rate(names.IO_READ.series, self._rate, totals[0], now_ns)


class IoReadsOldV1(IoReadsV1):
    """The same on a kernel that does not include child cgroups."""

    __slots__ = ()

    file_names = ("blkio.throttle.io_service_bytes",)


class ProcessIo(Reader):
    """Bytes read from and written to storage, summed over the processes of a v1 cgroup."""

    __slots__ = ("_account", "_folder", "_next_ns", "_read", "_write")

    def __init__(self, account: IoAccount, folder: Path, emit: Emit) -> None:
        super().__init__(emit)
        self._account, self._folder = account, folder
        self._read, self._write = Rate(), Rate()
        self._next_ns = 0

    @classmethod
    def open(cls, container: ContainerFiles, emit: Emit) -> ProcessIo | None:
        """None unless the kernel allows reading the I/O counts of some process of the container."""
        account, folder = IoAccount(container.proc), container.cgroups["blkio"]
        return None if account.total_bytes(pids_in(folder)) is None else cls(account, folder, emit)

    def read(self, now_ns: int) -> None:
        if now_ns < self._next_ns:
            return
        began_ns = time.monotonic_ns()
        totals = self._account.total_bytes(pids_in(self._folder))
        # Reading a thousand processes is slow: spend at most a twentieth of the time on it.
        self._next_ns = now_ns + (time.monotonic_ns() - began_ns) * _IO_SHARE
        if totals is not None:
            self._emit_rate(names.IO_READ.series, self._read, totals[0], now_ns)
            self._emit_rate(names.IO_WRITE.series, self._write, totals[1], now_ns)


class Network(FileReader):
    """Bytes received and sent, from the container's network namespace."""

    __slots__ = ("_file", "_received", "_sent")

    file_names = ("dev",)

    def __init__(self, container: ContainerFiles, files: tuple[KernelFile, ...], emit: Emit) -> None:
        super().__init__(container, files, emit)
        (self._file,) = files
        self._received, self._sent = Rate(), Rate()

    @classmethod
    def folder(cls, container: ContainerFiles) -> Path:
        return container.proc / str(container.pid) / "net"

    def read(self, now_ns: int) -> None:
        totals = network_bytes(self._file.read_records())
        if totals is not None:
            self._emit_rate(names.NETWORK_RECEIVED.series, self._received, totals[0], now_ns)
            self._emit_rate(names.NETWORK_SENT.series, self._sent, totals[1], now_ns)


def _emit_throttled(emit: Emit, content: bytes, key: bytes, per_second: float, now_ns: int) -> None:
    # Zero periods mean that the app has no quota, or that no controller enforces one.
    if number_after(content, b"nr_periods "):
        throttled = number_after(content, key)
        if throttled is not None:
            emit(names.CPU_THROTTLED.series, throttled / per_second, now_ns)


CGROUP_READERS: tuple[tuple[type[FileReader], ...], ...] = (
    # First: it detects that the app has ended, and then nothing else is read.
    (ProcessesV1, ProcessesV2),
    # The unified hierarchy has CPU times next to v1 too, with exact user and system times.
    (CpuV2, CpuV1),
    (ThrottledV1,),
    (MemoryV1, MemoryV2),
    (MemoryPeakV1, MemoryPeakV2),
    (IoV2,),
    (CpuPressure,),
    (MemoryPressure,),
    (IoPressure,),
)
"""The readers of a cgroup, in this order; of each row, the first one whose files exist."""
IO_READERS_V1: tuple[type[FileReader], ...] = (IoReadsV1, IoReadsOldV1)
"""The readers of blkio for when the processes' I/O counts are not readable."""
