"""GPU memory from CUDA, on a Jetson too: queried in a helper process, whose own usage is subtracted."""

from __future__ import annotations

import time
from collections.abc import Callable

from profileapp.collect.api import BaseCollector, Emit, LaunchRequirements, RunContext
from profileapp.collect.gpu import series as names
from profileapp.collect.gpu.cuda_helper import CudaHelper, DeviceMemory, ProbeError
from profileapp.errors import Unavailable

SETTLE_TIMEOUT_S = 2.0
"""Time the driver gets to free the memory of a process that has ended."""


class GpuMemoryCuda(BaseCollector):
    """Series `gpu.memory.*` of each GPU. The app's usage is the increase since before its start, whoever caused it."""

    metric = "gpu-memory"
    source = "pycuda"
    series = names.MEMORY
    # NVML, if it reports a GPU's memory, separates the app's from others' and uses none itself.
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
            (names.MEMORY_USED.of(gpu=gpu), names.MEMORY_TOTAL.of(gpu=gpu), names.MEMORY_ALLOCATED.of(gpu=gpu))
            for gpu in map(str, range(len(alone)))
        ]
        return LaunchRequirements()

    def sample(self, now_ns: int) -> None:
        if self._helper is None:
            return
        answer = self._helper.ask()
        if len(answer) != len(self._series):
            raise ProbeError(f"the helper process reported {len(answer)} GPUs instead of {len(self._series)}")
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
        """Memory a helper uses on each GPU: the decrease of free memory while a second helper runs.

        If the GPU accepts no second process (compute mode "exclusive process"), the helper would lock out the app.
        """
        twin = self._new_helper()
        try:
            twin.start()
            with_twin = helper.ask()
        except Unavailable as reason:
            raise Unavailable(f"the GPU accepts no second process besides the helper process ({reason})") from reason
        finally:
            twin.end()
        if len(with_twin) != len(alone):
            raise ProbeError("the helper process reported a different number of GPUs")
        return tuple(max(0, one.free_bytes - two.free_bytes) for one, two in zip(alone, with_twin, strict=True))

    def _settled(self, helper: CudaHelper, alone: tuple[DeviceMemory, ...]) -> tuple[DeviceMemory, ...]:
        """Memory before the app starts, once the driver has freed the second helper's memory."""
        deadline_s = time.monotonic() + SETTLE_TIMEOUT_S
        while True:
            now = helper.ask()
            if len(now) != len(alone):
                raise ProbeError("the helper process reported a different number of GPUs")
            risen = (after.used_bytes - before.used_bytes for before, after in zip(alone, now, strict=True))
            if time.monotonic() >= deadline_s or all(
                rise <= own // 8 for rise, own in zip(risen, self._own_bytes, strict=True)
            ):
                return now
            time.sleep(0.05)
