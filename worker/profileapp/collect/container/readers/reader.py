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
