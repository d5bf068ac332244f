"""How long the tasks of a container waited for CPU, memory and storage."""

from __future__ import annotations

from typing import ClassVar

from profileapp.collect.api import Emit
from profileapp.collect.container import series as names
from profileapp.collect.container.cgroup import V2
from profileapp.collect.container.cgroup_files import pressure_us
from profileapp.collect.container.readers.reader import ContainerFiles, FileReader
from profileapp.collect.kernel_file import KernelFile
from profileapp.collect.rate import Rate
from profileapp.model.series import Series


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
