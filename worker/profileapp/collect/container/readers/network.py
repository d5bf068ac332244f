"""Bytes that a container receives and sends."""

from __future__ import annotations

from pathlib import Path

from profileapp.collect.api import Emit
from profileapp.collect.container import series as names
from profileapp.collect.container.cgroup_files import network_bytes
from profileapp.collect.container.readers.reader import ContainerFiles, FileReader
from profileapp.collect.kernel_file import KernelFile
from profileapp.collect.rate import Rate


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
