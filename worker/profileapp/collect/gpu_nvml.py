"""GPU memory and load of each NVIDIA GPU that NVML knows: discrete ones, and in part those of newer Jetsons."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from profileapp.collect import gpu_series as names
from profileapp.collect.app_processes import AppProcesses
from profileapp.collect.nvml_session import Gpu, Look, NvmlSource, load_pynvml
from profileapp.collect.seam import Subject
from profileapp.errors import AppEnded, Unavailable
from profileapp.model.series import Series

# nvmlClockType_t, nvmlTemperatureSensors_t
_CLOCK_SM, _CLOCK_MEMORY, _DIE = 1, 2, 0

# nvmlClocksEventReasons: software power cap and power brake; software and hardware thermal slowdown; hardware slowdown.
_REASONS = ((names.POWER, 0x04 | 0x80), (names.HEAT, 0x20 | 0x40), (names.HARDWARE, 0x08))

_Pairs = Sequence[tuple[Series, float]]


class GpuMemoryNvml(NvmlSource):
    """Series `gpu.memory.*`: of the device, and of the app by the processes that NVML lists."""

    metric = "gpu-memory"

    def __init__(self, load: Callable[[], Any] = load_pynvml, proc: Path = Path("/proc")) -> None:
        super().__init__(load)
        self._proc = proc
        self._app: AppProcesses | None = None

    def looks_at(self, gpu: Gpu) -> Iterable[Look]:
        used, total, allocated = (
            names.memory_used(gpu.label),
            names.memory_total(gpu.label),
            names.memory_allocated(gpu.label),
        )

        def look(now_ns: int) -> _Pairs:
            memory = self._nvml.ask(gpu, ("nvmlDeviceGetMemoryInfo",))
            if memory is None:
                return ()
            held = self._held_bytes(gpu, now_ns)
            device = ((used, memory.used), (total, memory.total))
            return device if held is None else (*device, (allocated, held))

        return (look,)

    def attach(self, subject: Subject) -> None:
        self._app = None
        try:
            self._app = AppProcesses(subject, self._proc)
        except AppEnded:
            raise
        except Unavailable as reason:
            self._run.warn(f"gpu-memory: of the device only; {reason}")
        super().attach(subject)

    def detach(self) -> None:
        self._app = None

    def _held_bytes(self, gpu: Gpu, now_ns: int) -> int | None:
        """What the app's processes hold on a GPU; None where it cannot be known."""
        app = self._app
        compute = self._nvml.ask(gpu, ("nvmlDeviceGetComputeRunningProcesses",)) if app else None
        if app is None or compute is None:
            return None
        graphics = self._nvml.ask(gpu, ("nvmlDeviceGetGraphicsRunningProcesses",)) or ()
        # A process that does both is in both lists, with all of its memory in each.
        held = {process.pid: process.usedGpuMemory for process in (*graphics, *compute)}
        own = app.among(held, now_ns)
        if any(held[pid] is None for pid in own):
            return None
        return sum(int(held[pid]) for pid in own)


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
