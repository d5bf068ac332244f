"""GPU memory as CUDA tells it, on a Jetson too: asked in a helper process, whose own share is taken off."""

from __future__ import annotations

import time
from collections.abc import Callable

from profileapp.collect.api import BaseCollector, Emit, LaunchRequirements, RunContext
from profileapp.collect.gpu import series as names
from profileapp.collect.gpu.cuda_helper import CudaHelper, DeviceMemory, ProbeError
from profileapp.errors import Unavailable

SETTLE_TIMEOUT_S = 2.0
"""How long the driver may take to have back the memory of a process that has ended."""


class GpuMemoryCuda(BaseCollector):
    """Series `gpu.memory.*` of each GPU. The app's share is the rise since before its start, whoever caused it."""

    metric = "gpu-memory"
    source = "pycuda"
    # NVML, where it knows a GPU's memory, knows the app's from others', and costs none.
    preference = 10
    min_interval_s = 0.05

    def __init__(self, new_helper: Callable[[], CudaHelper] = CudaHelper) -> None:
        self._new_helper = new_helper
        self._helper: CudaHelper | None = None

    def open(self, run: RunContext, emit: Emit) -> LaunchRequirements:
        self._emit = emit
        self._helper = self._new_helper()
        self._helper.start()
        try:
            alone = self._helper.ask()
            self._own_bytes = self._cost_bytes(self._helper, alone)
            self._baseline = self._settled(self._helper, alone)
        except ProbeError as error:
            raise Unavailable(str(error)) from error
        self._series = [
            (names.memory_used(gpu), names.memory_total(gpu), names.memory_allocated(gpu))
            for gpu in map(str, range(len(alone)))
        ]
        return LaunchRequirements()

    def sample(self, now_ns: int) -> None:
        if self._helper is None:
            return
        answer = self._helper.ask()
        if len(answer) != len(self._series):
            raise ProbeError(f"the helper process tells of {len(answer)} GPUs instead of {len(self._series)}")
        for (used, total, allocated), memory, before, own_bytes in zip(
            self._series, answer, self._baseline, self._own_bytes, strict=True
        ):
            self._emit(used, max(0, memory.used_bytes - own_bytes), now_ns)
            self._emit(total, memory.total_bytes, now_ns)
            self._emit(allocated, max(0, memory.used_bytes - before.used_bytes), now_ns)

    def close(self) -> None:
        if self._helper:
            self._helper.end()
            self._helper = None

    def _cost_bytes(self, helper: CudaHelper, alone: tuple[DeviceMemory, ...]) -> tuple[int, ...]:
        """What a helper costs on each GPU: how much less is free while there is a second one.

        Where the GPU takes no second process (compute mode "exclusive process"), it is the app that would be refused.
        """
        twin = self._new_helper()
        try:
            twin.start()
            beside = helper.ask()
        except Unavailable as reason:
            raise Unavailable(f"the GPU takes no second process beside the one that asks it ({reason})") from reason
        finally:
            twin.end()
        if len(beside) != len(alone):
            raise ProbeError("the helper process does not tell of the same GPUs twice")
        return tuple(max(0, one.free_bytes - two.free_bytes) for one, two in zip(alone, beside, strict=True))

    def _settled(self, helper: CudaHelper, alone: tuple[DeviceMemory, ...]) -> tuple[DeviceMemory, ...]:
        """Memory before the app starts, when the driver has back what the second helper held."""
        deadline_s = time.monotonic() + SETTLE_TIMEOUT_S
        while True:
            now = helper.ask()
            if len(now) != len(alone):
                raise ProbeError("the helper process does not tell of the same GPUs twice")
            risen = (after.used_bytes - before.used_bytes for before, after in zip(alone, now, strict=True))
            if time.monotonic() >= deadline_s or all(
                rise <= own // 8 for rise, own in zip(risen, self._own_bytes, strict=True)
            ):
                return now
            time.sleep(0.05)
