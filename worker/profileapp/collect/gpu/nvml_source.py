"""GPU memory and load of each NVIDIA GPU that NVML knows: discrete ones, and in part those of newer Jetsons."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from profileapp.collect.gpu import series as names
from profileapp.collect.gpu.nvml_session import Gpu, Look, NvmlSource, load_pynvml
from profileapp.collect.process.app_processes import AppProcesses
from profileapp.collect.seam import Subject
from profileapp.errors import AppEnded, Unavailable
from profileapp.model.series import Series

# nvmlClockType_t, nvmlTemperatureSensors_t
_CLOCK_SM, _CLOCK_MEMORY, _DIE = 1, 2, 0

# nvmlClocksEventReasons: software power cap and power brake; software and hardware thermal slowdown; hardware slowdown.
_REASONS = ((names.POWER, 0x04 | 0x80), (names.HEAT, 0x20 | 0x40), (names.HARDWARE, 0x08))

# The newest first; a package's own choice fails on a driver that is older than it.
_COMPUTE_PROCESSES = tuple(f"nvmlDeviceGetComputeRunningProcesses{version}" for version in ("_v3", "_v2", ""))
_GRAPHICS_PROCESSES = tuple(f"nvmlDeviceGetGraphicsRunningProcesses{version}" for version in ("_v3", "_v2", ""))

_Pairs = Sequence[tuple[Series, float]]


class GpuMemoryNvml(NvmlSource):
    """Series `gpu.memory.*`: of the device, and of the app by the processes that NVML lists."""

    metric = "gpu-memory"

    def __init__(self, load: Callable[[], Any] = load_pynvml, proc: Path = Path("/proc")) -> None:
        super().__init__(load)
        self._proc = proc
        self._app: AppProcesses | None = None
        self._app_is_hidden = False

    def looks_at(self, gpu: Gpu) -> Iterable[Look]:
        device = self._device(gpu)
        # A Jetson's NVML may list processes, none ever, and know no memory: CUDA is then to be asked instead.
        return (device, self._held(gpu)) if self.gives(device) else ()

    def attach(self, subject: Subject) -> None:
        try:
            self._app, self._app_is_hidden = AppProcesses(subject, self._proc), False
        except AppEnded:
            raise
        except Unavailable as reason:
            self._app_is_hidden = True
            self._run.warn(f"gpu-memory: of the device only; {reason}")
        super().attach(subject)

    def detach(self) -> None:
        self._app = None

    def _device(self, gpu: Gpu) -> Look:
        used, total = names.memory_used(gpu.label), names.memory_total(gpu.label)

        def look(_now_ns: int) -> _Pairs:
            memory = self._nvml.ask(gpu, ("nvmlDeviceGetMemoryInfo",))
            return () if memory is None else ((used, memory.used), (total, memory.total))

        return look

    def _held(self, gpu: Gpu) -> Look:
        """What the app's processes hold; nothing where one of them does not tell, or they are out of sight."""
        allocated = names.memory_allocated(gpu.label)

        def look(now_ns: int) -> _Pairs:
            compute = None if self._app_is_hidden else self._nvml.ask(gpu, _COMPUTE_PROCESSES)
            if compute is None:
                return ()
            # A process that does both is in both lists, with all of its memory in each.
            graphics = self._nvml.ask(gpu, _GRAPHICS_PROCESSES) or ()
            held = {process.pid: process.usedGpuMemory for process in (*graphics, *compute)}
            own = self._app.among(held, now_ns) if self._app else ()
            if any(held[pid] is None for pid in own):
                return ()
            return ((allocated, sum(held[pid] for pid in own)),)

        return look


class GpuSummaryNvml(NvmlSource):
    """Series `gpu.util`, `gpu.memory.util`, `gpu.clock.*`, `gpu.power`, `gpu.temperature` and `gpu.throttled`."""

    metric = "gpu-summary"

    def looks_at(self, gpu: Gpu) -> Iterable[Look]:
        return (
            self._util(gpu),
            self._number(gpu, names.clock_sm, 1e6, ("nvmlDeviceGetClockInfo",), _CLOCK_SM),
            self._number(gpu, names.clock_memory, 1e6, ("nvmlDeviceGetClockInfo",), _CLOCK_MEMORY),
            self._number(gpu, names.power, 1e-3, ("nvmlDeviceGetPowerUsage",)),
            self._number(gpu, names.temperature, 1.0, ("nvmlDeviceGetTemperature", "nvmlDeviceGetTemperatureV"), _DIE),
            self._throttled(gpu),
        )

    def _util(self, gpu: Gpu) -> Look:
        busy, memory_busy = names.util(gpu.label), names.memory_util(gpu.label)

        def look(_now_ns: int) -> _Pairs:
            rates = self._nvml.ask(gpu, ("nvmlDeviceGetUtilizationRates",))
            return () if rates is None else ((busy, rates.gpu), (memory_busy, rates.memory))

        return look

    def _number(
        self, gpu: Gpu, name: Callable[[str], Series], factor: float, functions: tuple[str, ...], *arguments: int
    ) -> Look:
        series = name(gpu.label)

        def look(_now_ns: int) -> _Pairs:
            number = self._nvml.ask(gpu, functions, *arguments)
            return () if number is None else ((series, number * factor),)

        return look

    def _throttled(self, gpu: Gpu) -> Look:
        # Newer drivers and libraries say "event" where older ones say "throttle".
        functions = ("nvmlDeviceGetCurrentClocksEventReasons", "nvmlDeviceGetCurrentClocksThrottleReasons")
        flags = tuple((names.throttled(gpu.label, reason), mask) for reason, mask in _REASONS)

        def look(_now_ns: int) -> _Pairs:
            reasons = self._nvml.ask(gpu, functions)
            return () if reasons is None else tuple((series, float(bool(reasons & mask))) for series, mask in flags)

        return look
