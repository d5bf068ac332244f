"""GPU memory of a Jetson by process, from its memory manager nvmap; read by root, or in a helper container.

Source: drivers/video/tegra/nvmap of NVIDIA's kernel, `debugfs` file `iovmm/clients`. Up to Orin, CUDA allocates through
nvmap; from Thor on (JetPack 7, drivers as on servers) it does not, though the file may exist for the cameras.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from profileapp.collect.api import AppHandle, BaseCollector, Emit, LaunchRequirements, RunContext
from profileapp.collect.device_tree import is_jetson, tegra_chips
from profileapp.collect.gpu import series as names
from profileapp.collect.kernel_file import KernelFile, number_after
from profileapp.collect.process.app_processes import AppProcesses
from profileapp.collect.root_file import RootFile
from profileapp.errors import Unavailable

CLIENTS = "sys/kernel/debug/nvmap/iovmm/clients"
_CUDA_BY_NVMAP = frozenset({"nvidia,tegra210", "nvidia,tegra186", "nvidia,tegra194", "nvidia,tegra234"})
_UNITS = {b"K": 1024, b"M": 1024**2, b"G": 1024**3}


class GpuMemoryNvmap(BaseCollector):
    """Series `gpu.memory.*`: memory allocated through the GPU's driver by the app's processes, and by all."""

    metric = "gpu-memory"
    source = "nvmap"
    series = names.MEMORY
    # It separates the app's memory from others', which CUDA's free memory cannot.
    preference = 15
    min_interval_s = 0.02

    def __init__(self, root: Path = Path("/"), open_file: Callable[[Path], KernelFile] = KernelFile) -> None:
        self._root = root
        self._open_file = open_file
        self._clients: KernelFile | RootFile | None = None
        self._last_ns = 0
        self._app: AppProcesses | None = None

    def open(self, run: RunContext, emit: Emit) -> LaunchRequirements:
        self._emit = emit
        try:
            total_kib = number_after((self._root / "proc/meminfo").read_bytes(), b"MemTotal:")
            self._clients = self._open_file(self._root / CLIENTS)
            self.source = GpuMemoryNvmap.source
        except PermissionError:
            self._clients = self._in_helper(run)
            self.source = f"{GpuMemoryNvmap.source} in a helper container"
        except OSError as error:
            raise Unavailable(f"/{CLIENTS} does not exist: not a Jetson, or a kernel without it") from error
        if self._cuda_allocates_elsewhere():
            raise Unavailable("CUDA does not allocate through nvmap on this board")
        self._total_bytes = (total_kib or 0) * 1024
        return LaunchRequirements()

    def attach(self, app: AppHandle) -> None:
        self._app = AppProcesses(app, self._root / "proc")
        self.sample(time.monotonic_ns())

    def sample(self, now_ns: int) -> None:
        if self._clients is None or self._app is None:
            return
        at_ns, content = self._read(self._clients, now_ns)
        if at_ns == self._last_ns:
            return
        self._last_ns = at_ns
        by_pid, total_bytes = parse_clients(content)
        own = self._app.among(by_pid, now_ns)
        self._emit(names.MEMORY_ALLOCATED.of(gpu="0"), sum(by_pid[pid] for pid in own), at_ns)
        self._emit(names.MEMORY_USED.of(gpu="0"), total_bytes, at_ns)
        if self._total_bytes:
            self._emit(names.MEMORY_TOTAL.of(gpu="0"), self._total_bytes, at_ns)

    def _cuda_allocates_elsewhere(self) -> bool:
        """Decides by the chip; for an unknown chip, by whether any process has memory in nvmap."""
        board = tegra_chips(self._root)
        if board:
            return _CUDA_BY_NVMAP.isdisjoint(board)
        return self._clients is not None and parse_clients(self._read(self._clients, 0)[1])[1] == 0

    def _in_helper(self, run: RunContext) -> RootFile:
        if not is_jetson(self._root):
            raise Unavailable("this is not a Jetson")
        reason = f"only root can read /{CLIENTS}; run the worker as root"
        if run.helpers is None or run.helpers.reason:
            raise Unavailable(f"{reason}; {run.helpers.reason}" if run.helpers else reason)
        return RootFile(run.helpers, self._root / CLIENTS, max(self.min_interval_s, run.target.interval_s))

    @staticmethod
    def _read(clients: KernelFile | RootFile, now_ns: int) -> tuple[int, bytes]:
        return (now_ns, clients.read_records()) if isinstance(clients, KernelFile) else clients.latest()

    def detach(self) -> None:
        self._app = None

    def close(self) -> None:
        if self._clients:
            self._clients.close()
            self._clients = None


def parse_clients(content: bytes) -> tuple[dict[int, int], int]:
    """Bytes of each process, and the total, from lines `user  python3  4711  63808K` and `total  111376K`.

    A name may contain spaces. A process may have several lines; any other line is ignored.
    """
    by_pid: dict[int, int] = {}
    total_bytes = 0
    for line in content.splitlines():
        words = line.split()
        size_bytes = _size_bytes(words[-1]) if len(words) > 1 else None
        if size_bytes is None:
            continue
        if words[0] == b"total":
            total_bytes = size_bytes
        elif words[0] == b"user" and len(words) > 3 and words[-2].isdigit() and len(words[-2]) < 10:
            pid = int(words[-2])
            by_pid[pid] = by_pid.get(pid, 0) + size_bytes
    return by_pid, total_bytes or sum(by_pid.values())


def _size_bytes(word: bytes) -> int | None:
    number, unit = (word[:-1], _UNITS[word[-1:]]) if word[-1:] in _UNITS else (word, 1)
    return int(number) * unit if number.isdigit() and len(number) < 16 else None
