"""GPU memory and load of each NVIDIA GPU in NVML: discrete ones and, partially, those of newer Jetsons."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from profileapp.collect.api import AppHandle
from profileapp.collect.gpu import series as names
from profileapp.collect.gpu.nvml_session import Gpu, NvmlSource, Reader, load_pynvml
from profileapp.collect.kernel_file import number_after
from profileapp.collect.process.app_processes import AppProcesses
from profileapp.errors import AppEnded, Unavailable
from profileapp.model.series import DeclaredSeries, Series

# nvmlClockType_t, nvmlTemperatureSensors_t
_CLOCK_SM, _CLOCK_MEMORY, _DIE = 1, 2, 0

# nvmlClocksEventReasons: software power cap and power brake; software and hardware thermal slowdown; hardware slowdown.
_REASONS = ((names.POWER_LIMIT, 0x04 | 0x80), (names.HEAT, 0x20 | 0x40), (names.HARDWARE, 0x08))

# The newest first; the package's default fails on an older driver.
_COMPUTE_PROCESSES = tuple(f"nvmlDeviceGetComputeRunningProcesses{version}" for version in ("_v3", "_v2", ""))
_GRAPHICS_PROCESSES = tuple(f"nvmlDeviceGetGraphicsRunningProcesses{version}" for version in ("_v3", "_v2", ""))

_Pairs = Sequence[tuple[Series, float]]


class GpuMemoryNvml(NvmlSource):
    """Series `gpu.memory.*`: of the device, and of the app by the processes that NVML lists."""

    metric = "gpu-memory"
    series = names.MEMORY

    def __init__(self, load: Callable[[], Any] = load_pynvml, proc: Path = Path("/proc")) -> None:
        super().__init__(load)
        self._proc = proc
        self._app: AppProcesses | None = None
        self._app_is_hidden = False

    def readers_of(self, gpu: Gpu) -> Iterable[Reader]:
        device = self._device(gpu)
        if self.has_data(device):
            return device, self._memory_of_processes(gpu)
        # A GPU that shares the CPU's memory has none of its own. Thor and DGX Spark list the memory of each process;
        # the NVML of an Orin (`nvgpu`) never lists processes: nvmap or CUDA is used instead.
        name = self._nvml.name(gpu)
        if not name or "nvgpu" in name.lower():
            return ()
        return self._all_allocated(gpu), self._memory_of_processes(gpu)

    def attach(self, app: AppHandle) -> None:
        try:
            self._app, self._app_is_hidden = AppProcesses(app, self._proc), False
        except AppEnded:
            raise
        except Unavailable as reason:
            self._app_is_hidden = True
            self._run.warn(f"gpu-memory: measured for the device only; {reason}")
        super().attach(app)

    def detach(self) -> None:
        self._app = None

    def _device(self, gpu: Gpu) -> Reader:
        used, total = names.MEMORY_USED.of(gpu=gpu.label), names.MEMORY_TOTAL.of(gpu=gpu.label)

        def read_sample(_now_ns: int) -> _Pairs:
            memory = self._nvml.memory(gpu)
            return () if memory is None else ((used, memory.used_bytes), (total, memory.total_bytes))

        return read_sample

    def _all_allocated(self, gpu: Gpu) -> Reader:
        """Memory of all processes where CPU and GPU share it; empty if one process's memory is unknown."""
        used, total = names.MEMORY_USED.of(gpu=gpu.label), names.MEMORY_TOTAL.of(gpu=gpu.label)
        total_bytes = self._shared_memory_bytes()

        def read_sample(_now_ns: int) -> _Pairs:
            by_pid = self._processes(gpu)
            if by_pid is None or None in by_pid.values():
                return ()
            pairs = ((used, float(sum(filter(None, by_pid.values())))),)
            return (*pairs, (total, total_bytes)) if total_bytes else pairs

        return read_sample

    def _shared_memory_bytes(self) -> int:
        try:
            return (number_after((self._proc / "meminfo").read_bytes(), b"MemTotal:") or 0) * 1024
        except OSError:
            return 0

    def _processes(self, gpu: Gpu) -> dict[int, int | None] | None:
        """Bytes by process, None for an unknown value; None if the GPU lists no processes."""
        compute = self._nvml.ask(gpu, _COMPUTE_PROCESSES)
        if compute is None:
            return None
        # A process that uses both compute and graphics is in both lists, each time with all of its memory.
        graphics = self._nvml.ask(gpu, _GRAPHICS_PROCESSES) or ()
        return {process.pid: process.usedGpuMemory for process in (*graphics, *compute)}

    def _memory_of_processes(self, gpu: Gpu) -> Reader:
        """Memory of the app's processes; empty if one process's memory is unknown, or the processes cannot be seen."""
        allocated = names.MEMORY_ALLOCATED.of(gpu=gpu.label)

        def read_sample(now_ns: int) -> _Pairs:
            by_pid = None if self._app_is_hidden else self._processes(gpu)
            if by_pid is None:
                return ()
            own = [by_pid[pid] for pid in (self._app.among(by_pid, now_ns) if self._app else ())]
            if None in own:
                return ()
            return ((allocated, float(sum(filter(None, own)))),)

        return read_sample


class GpuSummaryNvml(NvmlSource):
    """Series `gpu.util`, `gpu.memory.util`, `gpu.clock.*`, `gpu.power`, `gpu.temperature` and `gpu.throttled`."""

    metric = "gpu-summary"
    series = names.SUMMARY

    def readers_of(self, gpu: Gpu) -> Iterable[Reader]:
        return (
            self._util(gpu),
            self._number(gpu, names.CLOCK_SM, 1e6, ("nvmlDeviceGetClockInfo",), _CLOCK_SM),
            self._number(gpu, names.CLOCK_MEMORY, 1e6, ("nvmlDeviceGetClockInfo",), _CLOCK_MEMORY),
            self._number(gpu, names.POWER, 1e-3, ("nvmlDeviceGetPowerUsage",)),
            self._number(gpu, names.TEMPERATURE, 1.0, ("nvmlDeviceGetTemperature", "nvmlDeviceGetTemperatureV"), _DIE),
            self._throttled(gpu),
        )

    def _util(self, gpu: Gpu) -> Reader:
        busy, memory_busy = names.UTIL.of(gpu=gpu.label), names.MEMORY_UTIL.of(gpu=gpu.label)

        def read_sample(_now_ns: int) -> _Pairs:
            rates = self._nvml.ask(gpu, ("nvmlDeviceGetUtilizationRates",))
            return () if rates is None else ((busy, rates.gpu), (memory_busy, rates.memory))

        return read_sample

    def _number(
        self, gpu: Gpu, declared: DeclaredSeries, factor: float, functions: tuple[str, ...], *arguments: int
    ) -> Reader:
        series = declared.of(gpu=gpu.label)

        def read_sample(_now_ns: int) -> _Pairs:
            number = self._nvml.ask(gpu, functions, *arguments)
            return () if number is None else ((series, number * factor),)

        return read_sample

    def _throttled(self, gpu: Gpu) -> Reader:
        # Newer drivers and libraries use "event" in place of "throttle".
        functions = ("nvmlDeviceGetCurrentClocksEventReasons", "nvmlDeviceGetCurrentClocksThrottleReasons")
        flags = tuple((names.THROTTLED.of(gpu=gpu.label, reason=reason), mask) for reason, mask in _REASONS)

        def read_sample(_now_ns: int) -> _Pairs:
            reasons = self._nvml.ask(gpu, functions)
            return () if reasons is None else tuple((series, float(bool(reasons & mask))) for series, mask in flags)

        return read_sample
