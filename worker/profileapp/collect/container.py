"""The app's own cost, from the files of its container's cgroup (v1 and v2)."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from profileapp.collect import container_series as names
from profileapp.collect.cgroup import CgroupPaths, find_cgroup
from profileapp.collect.kernel_file import KernelFile, lines_of_words, number_after, open_where_there
from profileapp.collect.rate import Rate
from profileapp.collect.seam import Emit, Provision, RunContext, Subject
from profileapp.errors import Unavailable
from profileapp.model.series import Series

Look = Callable[[int], None]
"""Reads one file and emits what it says; given the monotonic clock in nanoseconds."""


class ContainerCgroup:
    """Series `container.*` of a container, read from its cgroup and its network namespace."""

    metric = "container"
    source = "cgroup"
    preference = 20

    def __init__(self, proc: Path = Path("/proc"), root: Path = Path("/")) -> None:
        self._proc = proc
        self._root = root
        self._looks: list[Look] = []
        self._files: list[KernelFile] = []

    def open(self, run: RunContext, emit: Emit) -> Provision:
        if not run.contained:
            raise Unavailable("the app is a process of the host, not a container")
        self._emit = emit
        return Provision()

    def attach(self, subject: Subject) -> None:
        try:
            paths = find_cgroup(subject.pid, self._proc, self._root)
        except OSError as error:
            raise Unavailable(f"the container's process cannot be seen from here ({error.strerror})") from error
        if subject.container_id and not any(subject.container_id in str(path) for path in paths.folders.values()):
            raise Unavailable("the container's cgroup is not mounted here")
        self._add_unified(paths) if paths.of("memory") is None else self._add_v1(paths)
        self._add(self._proc / str(subject.pid) / "net" / "dev", self._network)
        if not self._looks:
            raise Unavailable("the container's cgroup has no files that can be read")
        self.sample(time.monotonic_ns())

    def sample(self, now_ns: int) -> None:
        for look in self._looks:
            # The app may end between two files: what is gone is not measured any more.
            try:
                look(now_ns)
            except OSError:
                continue

    def detach(self) -> None:
        for file in self._files:
            file.close()
        self._files, self._looks = [], []

    def close(self) -> None:
        self.detach()

    def _add(self, path: Path, make: Callable[[KernelFile], Look]) -> None:
        file = open_where_there(path)
        if file:
            self._files.append(file)
            self._looks.append(make(file))

    def _add_v1(self, paths: CgroupPaths) -> None:
        for controller, name, make in (
            ("cpuacct", "cpuacct.usage", self._cpu_v1),
            ("cpu", "cpu.stat", self._throttled(b"throttled_time ", 1e9)),
            ("pids", "pids.current", self._plain(names.PROCESSES)),
            ("blkio", "blkio.throttle.io_service_bytes", self._io_v1),
        ):
            folder = paths.of(controller)
            if folder:
                self._add(folder / name, make)
        folder = paths.of("memory")
        if folder:
            self._add_memory(folder / "memory.usage_in_bytes", folder / "memory.stat", b"total_")

    def _add_unified(self, paths: CgroupPaths) -> None:
        folder = paths.unified
        if folder is None:
            return
        self._add(folder / "cpu.stat", self._cpu_v2)
        self._add(folder / "cpu.stat", self._throttled(b"throttled_usec ", 1e6))
        self._add(folder / "pids.current", self._plain(names.PROCESSES))
        self._add(folder / "io.stat", self._io_v2)
        self._add_memory(folder / "memory.current", folder / "memory.stat", b"")
        for name, series in (
            ("cpu.pressure", names.CPU_PRESSURE),
            ("memory.pressure", names.MEMORY_PRESSURE),
            ("io.pressure", names.IO_PRESSURE),
        ):
            self._add(folder / name, self._pressure(series))

    def _cpu_v1(self, file: KernelFile) -> Look:
        rate = Rate()
        return lambda now_ns: self._rated(names.CPU, rate, int(file.read()) / 1e9 * 100, now_ns)

    def _cpu_v2(self, file: KernelFile) -> Look:
        rate = Rate()

        def look(now_ns: int) -> None:
            usage_us = number_after(file.read(), b"usage_usec ")
            if usage_us is not None:
                self._rated(names.CPU, rate, usage_us / 1e6 * 100, now_ns)

        return look

    def _throttled(self, key: bytes, per_second: float) -> Callable[[KernelFile], Look]:
        def make(file: KernelFile) -> Look:
            def look(now_ns: int) -> None:
                throttled = number_after(file.read(), key)
                # 0 for ever where the app has no quota: a series of its own only once there is something to see.
                if throttled:
                    self._gauge(names.CPU_THROTTLED, throttled / per_second, now_ns)

            return look

        return make

    def _plain(self, series: Series) -> Callable[[KernelFile], Look]:
        return lambda file: lambda now_ns: self._gauge(series, int(file.read()), now_ns)

    def _add_memory(self, usage_path: Path, stat_path: Path, prefix: bytes) -> None:
        """Used is usage less `inactive_file`, as `docker stats` and the kubelet's working set have it.

        Source: Docker documentation, "docker container stats"; Kubernetes documentation, "Node metrics data".
        """
        usage, stat = open_where_there(usage_path), open_where_there(stat_path)
        if usage is None or stat is None:
            return
        self._files += [usage, stat]
        cache_key = prefix + (b"cache " if prefix else b"file ")

        def look(now_ns: int) -> None:
            total, details = int(usage.read()), stat.read()
            self._gauge(
                names.MEMORY_USED, max(0, total - (number_after(details, prefix + b"inactive_file ") or 0)), now_ns
            )
            cache = number_after(details, cache_key)
            if cache is not None:
                self._gauge(names.MEMORY_CACHE, cache, now_ns)

        self._looks.append(look)

    def _io_v1(self, file: KernelFile) -> Look:
        """Lines are `8:0 Read 4096`; `Total 8192` stands at the end."""
        return self._read_and_written(
            lambda: [(words[1], int(words[2])) for words in lines_of_words(file.read()) if len(words) == 3],
            b"Read",
            b"Write",
        )

    def _io_v2(self, file: KernelFile) -> Look:
        """Lines are `8:0 rbytes=4096 wbytes=0 rios=1 …`."""
        return self._read_and_written(
            lambda: [
                (key, int(value))
                for words in lines_of_words(file.read())
                for key, _, value in (word.partition(b"=") for word in words[1:3])
            ],
            b"rbytes",
            b"wbytes",
        )

    def _network(self, file: KernelFile) -> Look:
        """All interfaces but `lo`, from `/proc/PID/net/dev`: `eth0: RECEIVED 7 more numbers SENT …`."""

        def totals() -> list[tuple[bytes, int]]:
            interfaces = [
                numbers.split()
                for name, colon, numbers in (line.partition(b":") for line in file.read().splitlines())
                if colon and name.strip() != b"lo"
            ]
            return [
                pair
                for numbers in interfaces
                if len(numbers) >= 9
                for pair in ((b"received", int(numbers[0])), (b"sent", int(numbers[8])))
            ]

        return self._read_and_written(totals, b"received", b"sent", into=(names.NETWORK_RECEIVED, names.NETWORK_SENT))

    def _read_and_written(
        self,
        totals: Callable[[], list[tuple[bytes, int]]],
        first: bytes,
        second: bytes,
        into: tuple[Series, Series] = (names.IO_READ, names.IO_WRITE),
    ) -> Look:
        rates = Rate(), Rate()

        def look(now_ns: int) -> None:
            pairs = totals()
            for series, rate, key in zip(into, rates, (first, second), strict=True):
                self._rated(series, rate, sum(value for name, value in pairs if name == key), now_ns)

        return look

    def _pressure(self, series: Series) -> Callable[[KernelFile], Look]:
        """`some avg10=0.00 avg60=0.00 avg300=0.00 total=MICROSECONDS` is the first line."""

        def make(file: KernelFile) -> Look:
            rate = Rate()

            def look(now_ns: int) -> None:
                some, _, _ = file.read().partition(b"\n")
                _, found, total_us = some.rpartition(b"total=")
                if found and total_us.isdigit():
                    self._rated(series, rate, int(total_us) / 1e6 * 100, now_ns)

            return look

        return make

    def _rated(self, series: Series, rate: Rate, total: float, now_ns: int) -> None:
        value = rate.update(total, now_ns)
        if value is not None:
            self._emit(series, value, now_ns)

    def _gauge(self, series: Series, value: float, now_ns: int) -> None:
        self._emit(series, value, now_ns)
