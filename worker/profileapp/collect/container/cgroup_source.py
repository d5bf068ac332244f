"""The app's own cost, from the files of its container's cgroup (v1, v2, or both side by side)."""

from __future__ import annotations

import errno
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from profileapp.collect.api import AppHandle, BaseCollector, Emit, LaunchRequirements, RunContext
from profileapp.collect.container import series as names
from profileapp.collect.container.cgroup import V2, find_cgroup
from profileapp.collect.container.cgroup_files import (
    io_bytes_v1,
    io_bytes_v2,
    network_bytes,
    pressure_us,
    single_number,
)
from profileapp.collect.kernel_file import KernelFile, number_after, open_where_there
from profileapp.collect.process.family import IoAccount, pids_in
from profileapp.collect.process.stat import has_ended
from profileapp.collect.rate import Rate
from profileapp.errors import AppEnded, Unavailable
from profileapp.model.series import Series

Reader = Callable[[int], None]
"""Reads its open files and emits samples; its argument is the monotonic clock in ns."""

ReaderFactory = Callable[[list[KernelFile], Emit], Reader]

# Errors of reading a file whose cgroup or process is gone.
_GONE = frozenset({errno.ENODEV, errno.ENOENT, errno.ESRCH})
_INITS = frozenset({b"docker-init", b"tini", b"catatonit"})
_IO_SHARE = 20
_TICKS_PER_S = 100  # USER_HZ, the unit of cpuacct.stat whatever the kernel's HZ


class ContainerCgroup(BaseCollector):
    """Series `container.*` of a container, read from its cgroup and its network namespace."""

    metric = "container"
    source = "cgroup"
    preference = 20
    min_interval_s = 0.01

    def __init__(self, proc: Path = Path("/proc"), root: Path = Path("/")) -> None:
        self._proc = proc
        self._root = root
        self._readers: list[Reader] = []
        self._files: list[KernelFile] = []
        self._warned = False

    def open(self, run: RunContext, emit: Emit) -> LaunchRequirements:
        if not run.contained:
            raise Unavailable("the app is a process of the host, not a container")
        self._emit, self._warn = emit, run.warn
        return LaunchRequirements()

    def attach(self, subject: AppHandle) -> None:
        self.detach()
        try:
            folders = find_cgroup(subject.pid, self._proc, self._root)
        except OSError as error:
            raise AppEnded("the app has already ended, or its process is not visible from here") from error
        # A cgroup shared with other processes would count their cost as the app's.
        own = {controller: folder for controller, folder in folders.items() if subject.container_id in str(folder)}
        if not subject.container_id or not own:
            if has_ended(self._proc, subject.pid):
                raise AppEnded
            raise Unavailable("no separate cgroup of the container is mounted here")
        init = 1 if _is_init(self._proc, subject.pid) else 0
        pids = [(own[where], ("pids.current",), _processes(init)) for where in ("pids", V2) if where in own]
        self._add_first(pids)
        for choices in _READERS:
            self._add_first([(own[where], files, make) for where, files, make in choices if where in own])
        if not self._readers:
            raise Unavailable("the container's cgroup has no readable files")
        if "blkio" in own:
            self._add_io_v1(own["blkio"])
        self._add_first([(self._proc / str(subject.pid) / "net", ("dev",), _network)])
        self.sample(time.monotonic_ns())

    def _add_io_v1(self, folder: Path) -> None:
        """Adds I/O: cgroup v1 does not count writes through the page cache, so these come from the processes."""
        account = IoAccount(self._proc)
        if account.total_bytes(pids_in(folder)) is None:
            # The controller still counts reads.
            self._add_first([(folder, (name,), _read_v1) for name in _IO_FILES_V1])
            if not self._warned:
                self._warned = True
                self._warn("container.io.write: cgroup v1 does not count it, and only root may read /proc/PID/io")
            return
        rates = Rate(), Rate()
        next_ns = 0

        def read_sample(now_ns: int) -> None:
            nonlocal next_ns
            if now_ns < next_ns:
                return
            began_ns = time.monotonic_ns()
            totals = account.total_bytes(pids_in(folder))
            # With a thousand processes a reading is slow: spend at most a twentieth of the time on it.
            next_ns = now_ns + (time.monotonic_ns() - began_ns) * _IO_SHARE
            if totals is not None:
                _emit_rate(self._emit, names.IO_READ, rates[0], totals[0], now_ns)
                _emit_rate(self._emit, names.IO_WRITE, rates[1], totals[1], now_ns)

        self._readers.append(read_sample)

    def sample(self, now_ns: int) -> None:
        failure: OSError | None = None
        for read_sample in self._readers:
            try:
                read_sample(now_ns)
            except OSError as error:
                if error.errno in _GONE:
                    return
                # The other files' samples are still useful.
                failure = error
        if failure:
            raise failure

    def detach(self) -> None:
        for file in self._files:
            file.close()
        self._files, self._readers = [], []

    def close(self) -> None:
        self.detach()

    def _add_first(self, choices: Iterable[tuple[Path, tuple[str, ...], ReaderFactory]]) -> None:
        """Adds the first of the choices whose files all exist."""
        for folder, file_names, make in choices:
            found = [open_where_there(folder / name) for name in file_names]
            files = [file for file in found if file]
            if len(files) == len(file_names):
                self._files += files
                self._readers.append(make(files, self._emit))
                return
            for file in files:
                file.close()


def _number(series: Series) -> ReaderFactory:
    def make(files: list[KernelFile], emit: Emit) -> Reader:
        (file,) = files

        def read_sample(now_ns: int) -> None:
            number = single_number(file.read())
            if number is not None:
                emit(series, number, now_ns)

        return read_sample

    return make


def _is_init(proc: Path, pid: int) -> bool:
    """Whether the container's first process is an init that the runtime added, not part of the app."""
    try:
        return (proc / str(pid) / "comm").read_bytes().strip() in _INITS
    except OSError:
        return False


def _processes(init: int) -> ReaderFactory:
    """The number of processes, less `init` of them that are not the app's."""

    def make(files: list[KernelFile], emit: Emit) -> Reader:
        (current,) = files

        def read_sample(now_ns: int) -> None:
            tasks = single_number(current.read())
            if tasks is not None and tasks <= init:
                # The app has ended: until its cgroup is removed, it contains nothing, or only the init.
                raise ProcessLookupError(errno.ESRCH, "no process remains")
            if tasks is not None:
                emit(names.PROCESSES, tasks - init, now_ns)

        return read_sample

    return make


def _cpu_v2(files: list[KernelFile], emit: Emit) -> Reader:
    """Reads `usage_usec`, `user_usec`, `system_usec`; with the cpu controller also `nr_periods`, `throttled_usec`."""
    (stat,) = files
    rated = tuple(
        (series, Rate(), key)
        for series, key in (
            (names.CPU, b"usage_usec "),
            (names.CPU_USER, b"user_usec "),
            (names.CPU_SYSTEM, b"system_usec "),
        )
    )

    def read_sample(now_ns: int) -> None:
        content = stat.read()
        for series, rate, key in rated:
            used_us = number_after(content, key)
            if used_us is not None:
                _emit_rate(emit, series, rate, used_us / 1e4, now_ns)
        _emit_throttled(emit, content, b"throttled_usec ", 1e6, now_ns)

    return read_sample


def _cpu_v1(files: list[KernelFile], emit: Emit) -> Reader:
    """Reads cpuacct.usage, in ns, and cpuacct.stat with `user TICKS` and `system TICKS`."""
    usage, stat = files
    total = Rate()
    parts = ((names.CPU_USER, Rate(), b"user "), (names.CPU_SYSTEM, Rate(), b"system "))

    def read_sample(now_ns: int) -> None:
        used_ns, content = single_number(usage.read()), stat.read()
        if used_ns is not None:
            _emit_rate(emit, names.CPU, total, used_ns / 1e7, now_ns)
        for series, rate, key in parts:
            ticks = number_after(content, key)
            if ticks is not None:
                _emit_rate(emit, series, rate, ticks * 100 / _TICKS_PER_S, now_ns)

    return read_sample


def _throttled_v1(files: list[KernelFile], emit: Emit) -> Reader:
    (stat,) = files
    return lambda now_ns: _emit_throttled(emit, stat.read(), b"throttled_time ", 1e9, now_ns)


def _emit_throttled(emit: Emit, content: bytes, key: bytes, per_second: float, now_ns: int) -> None:
    # Zero periods mean that the app has no quota, or that no controller enforces one.
    if number_after(content, b"nr_periods "):
        throttled = number_after(content, key)
        if throttled is not None:
            emit(names.CPU_THROTTLED, throttled / per_second, now_ns)


def _memory(prefix: bytes, cache_name: bytes) -> ReaderFactory:
    """Used memory is usage less `inactive_file`, as in `docker stats` and the kubelet's working set.

    Sources: Docker documentation, "docker container stats"; Kubernetes documentation, "Node metrics data".
    """
    inactive_key, cache_key = prefix + b"inactive_file ", prefix + cache_name

    def make(files: list[KernelFile], emit: Emit) -> Reader:
        usage, stat = files

        def read_sample(now_ns: int) -> None:
            total, details = single_number(usage.read()), stat.read()
            if total is not None:
                used = total - (number_after(details, inactive_key) or 0)
                emit(names.MEMORY_USED, max(0, used), now_ns)
            cache = number_after(details, cache_key)
            if cache is not None:
                emit(names.MEMORY_CACHE, cache, now_ns)

        return read_sample

    return make


def _two_rates(
    parse: Callable[[bytes], tuple[int, int] | None], first: Series, second: Series, *, records: bool = False
) -> ReaderFactory:
    """Reads two totals in bytes from one file, and emits each as a rate."""

    def make(files: list[KernelFile], emit: Emit) -> Reader:
        (file,) = files
        read = file.read_records if records else file.read
        rates = Rate(), Rate()

        def read_sample(now_ns: int) -> None:
            totals = parse(read())
            if totals is not None:
                _emit_rate(emit, first, rates[0], totals[0], now_ns)
                _emit_rate(emit, second, rates[1], totals[1], now_ns)

        return read_sample

    return make


def _pressure(series: Series) -> ReaderFactory:
    def make(files: list[KernelFile], emit: Emit) -> Reader:
        (file,) = files
        rate = Rate()

        def read_sample(now_ns: int) -> None:
            waited_us = pressure_us(file.read())
            if waited_us is not None:
                _emit_rate(emit, series, rate, waited_us / 1e4, now_ns)

        return read_sample

    return make


def _emit_rate(emit: Emit, series: Series, rate: Rate, total: float, now_ns: int) -> None:
    value = rate.update(total, now_ns)
    if value is not None:
        emit(series, value, now_ns)


_network = _two_rates(network_bytes, names.NETWORK_RECEIVED, names.NETWORK_SENT, records=True)


def _read_v1(files: list[KernelFile], emit: Emit) -> Reader:
    (file,) = files
    rate = Rate()

    def read_sample(now_ns: int) -> None:
        totals = io_bytes_v1(file.read())
        if totals is not None:
            _emit_rate(emit, names.IO_READ, rate, totals[0], now_ns)

    return read_sample


_IO_FILES_V1 = ("blkio.throttle.io_service_bytes_recursive", "blkio.throttle.io_service_bytes")

# The readers, in this order. For each: controllers and files that provide it; the first that exists is used.
_READERS: tuple[tuple[tuple[str, tuple[str, ...], ReaderFactory], ...], ...] = (
    # The unified hierarchy has CPU times next to v1 too, with exact user and system times.
    ((V2, ("cpu.stat",), _cpu_v2), ("cpuacct", ("cpuacct.usage", "cpuacct.stat"), _cpu_v1)),
    (("cpu", ("cpu.stat",), _throttled_v1),),
    (
        ("memory", ("memory.usage_in_bytes", "memory.stat"), _memory(b"total_", b"cache ")),
        (V2, ("memory.current", "memory.stat"), _memory(b"", b"file ")),
    ),
    (
        ("memory", ("memory.max_usage_in_bytes",), _number(names.MEMORY_PEAK)),
        (V2, ("memory.peak",), _number(names.MEMORY_PEAK)),
    ),
    ((V2, ("io.stat",), _two_rates(io_bytes_v2, names.IO_READ, names.IO_WRITE)),),
    ((V2, ("cpu.pressure",), _pressure(names.CPU_PRESSURE)),),
    ((V2, ("memory.pressure",), _pressure(names.MEMORY_PRESSURE)),),
    ((V2, ("io.pressure",), _pressure(names.IO_PRESSURE)),),
)
