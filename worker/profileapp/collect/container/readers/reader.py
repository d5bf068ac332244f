"""What readers have in common: files opened once and read at each sample."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

import msgspec

from profileapp.collect.api import Emit
from profileapp.collect.container.cgroup_files import single_number
from profileapp.collect.kernel_file import KernelFile, open_where_there
from profileapp.collect.rate import Rate
from profileapp.model.series import Series

LEAST_GAP_NS = 50_000_000
"""Over less time, a rate at the end is that of a few of the kernel's clock ticks: a busy app may seem idle."""


class ContainerFiles(msgspec.Struct, frozen=True):
    """The location of one container's kernel files."""

    proc: Path
    pid: int
    """The container's first process."""
    cgroups: Mapping[str, Path]
    """The folders of its cgroup, by v1 controller and `V2`."""
    init_processes: int = 0
    """The number of init processes that the runtime added to it: 0 or 1."""
    lasting: Mapping[str, Path] = {}
    """The same for the run's cgroup around it, which counts the same and outlives the container; {} without one."""


class Reader:
    """Reads its open files at each sample, and emits their values."""

    __slots__ = ("_emit",)

    def __init__(self, emit: Emit) -> None:
        self._emit = emit

    def read(self, now_ns: int) -> None:
        """Emits samples at `now_ns` of the monotonic clock. Raises OSError."""
        raise NotImplementedError

    def finish(self, now_ns: int) -> None:
        """Emits at the end of the measurement what was counted since the last sample, where that can still be read."""

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


class LastingReader(FileReader):
    """Reads counts that go on: at the end from the run's cgroup, since the container's own may be gone."""

    __slots__ = ("_lasting", "_read_at_ns")

    def __init__(self, container: ContainerFiles, files: tuple[KernelFile, ...], emit: Emit) -> None:
        super().__init__(container, files, emit)
        folder = container.lasting.get(self.controller)
        found = [open_where_there(folder / name) for name in self.file_names] if folder else []
        self._lasting = tuple(file for file in found if file)
        self._read_at_ns = 0

    def read(self, now_ns: int) -> None:
        self._read(self._files, now_ns)
        self._read_at_ns = now_ns

    def finish(self, now_ns: int) -> None:
        if len(self._lasting) == len(self._files) and now_ns - self._read_at_ns >= LEAST_GAP_NS:
            self._read(self._lasting, now_ns)

    def close(self) -> None:
        super().close()
        for file in self._lasting:
            file.close()

    def _read(self, files: tuple[KernelFile, ...], now_ns: int) -> None:
        raise NotImplementedError


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
