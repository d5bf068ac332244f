"""How many processes and threads a container has."""

from __future__ import annotations

import errno

from profileapp.collect.api import Emit
from profileapp.collect.container import series as names
from profileapp.collect.container.cgroup import V2
from profileapp.collect.container.cgroup_files import single_number
from profileapp.collect.container.readers.reader import ContainerFiles, FileReader
from profileapp.collect.kernel_file import KernelFile


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
