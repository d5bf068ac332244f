"""Bytes that a container reads from and writes to storage."""

from __future__ import annotations

import time

from profileapp.collect.api import Emit
from profileapp.collect.container import series as names
from profileapp.collect.container.cgroup import V2
from profileapp.collect.container.cgroup_files import io_bytes_v1, io_bytes_v2
from profileapp.collect.container.readers.reader import ContainerFiles, FileReader, LastingReader, Reader
from profileapp.collect.kernel_file import KernelFile, open_where_there
from profileapp.collect.process.family import IoAccount, pids_of
from profileapp.collect.rate import Rate

_IO_SHARE = 200


class IoV2(LastingReader):
    """Bytes read from and written to storage."""

    __slots__ = ("_reads", "_writes")

    controller = V2
    file_names = ("io.stat",)

    def __init__(self, container: ContainerFiles, files: tuple[KernelFile, ...], emit: Emit) -> None:
        super().__init__(container, files, emit)
        self._reads, self._writes = Rate(), Rate()

    def _read(self, files: tuple[KernelFile, ...], now_ns: int) -> None:
        totals = io_bytes_v2(files[0].read())
        if totals is not None:
            self._emit_rate(names.IO_READ.series, self._reads, totals[0], now_ns)
            self._emit_rate(names.IO_WRITE.series, self._writes, totals[1], now_ns)


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

    __slots__ = ("_account", "_next_ns", "_procs", "_read", "_write")

    def __init__(self, account: IoAccount, procs: KernelFile, emit: Emit) -> None:
        super().__init__(emit)
        self._account, self._procs = account, procs
        self._read, self._write = Rate(), Rate()
        self._next_ns = 0

    @classmethod
    def open(cls, container: ContainerFiles, emit: Emit) -> ProcessIo | None:
        """None unless the kernel allows reading the I/O counts of some process of the container."""
        procs = open_where_there(container.cgroups["blkio"] / "cgroup.procs")
        if procs is None:
            return None
        account = IoAccount(container.proc)
        if account.total_bytes(pids_of(procs.read_records())) is not None:
            return cls(account, procs, emit)
        account.close()
        procs.close()
        return None

    def read(self, now_ns: int) -> None:
        if now_ns < self._next_ns:
            return
        began_ns = time.thread_time_ns()
        totals = self._account.total_bytes(pids_of(self._procs.read_records()))
        # Reading a thousand processes is slow: spend at most a two-hundredth of a core on it.
        self._next_ns = now_ns + (time.thread_time_ns() - began_ns) * _IO_SHARE
        if totals is not None:
            self._emit_rate(names.IO_READ.series, self._read, totals[0], now_ns)
            self._emit_rate(names.IO_WRITE.series, self._write, totals[1], now_ns)

    def close(self) -> None:
        self._account.close()
        self._procs.close()
