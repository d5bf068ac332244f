"""Which readers there are for a container."""

from __future__ import annotations

from profileapp.collect.container.readers.cpu import CpuV1, CpuV2, ThrottledV1
from profileapp.collect.container.readers.memory import MemoryPeakV1, MemoryPeakV2, MemoryV1, MemoryV2
from profileapp.collect.container.readers.pressure import CpuPressure, IoPressure, MemoryPressure
from profileapp.collect.container.readers.processes import ProcessesV1, ProcessesV2
from profileapp.collect.container.readers.reader import FileReader
from profileapp.collect.container.readers.storage import IoReadsOldV1, IoReadsV1, IoV2

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
