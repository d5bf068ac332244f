"""Memory of a container: used, cached, and its peak."""

from __future__ import annotations

from typing import ClassVar

from profileapp.collect.api import Emit
from profileapp.collect.container import series as names
from profileapp.collect.container.cgroup import V2
from profileapp.collect.container.cgroup_files import single_number
from profileapp.collect.container.readers.reader import ContainerFiles, FileReader, NumberReader
from profileapp.collect.kernel_file import KernelFile, number_after


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
