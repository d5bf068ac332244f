"""Metric `energy` of each NVIDIA GPU, by NVML."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import Any

from profileapp.collect.api import AppHandle, Emit, LaunchRequirements, RunContext
from profileapp.collect.energy import series as names
from profileapp.collect.energy.gpu_energy import GpuEnergy
from profileapp.collect.gpu.nvml_session import Gpu, NvmlSource, Reader, load_pynvml
from profileapp.model.series import Series


class EnergyNvml(NvmlSource):
    """Series `energy.*` of each GPU, from zero at each start of the app."""

    metric = "energy"
    series = (names.TOTAL, names.ABOVE_IDLE, names.IDLE_POWER)

    samples_end = True

    def __init__(self, load: Callable[[], Any] = load_pynvml, idle_s: float = names.IDLE_S) -> None:
        super().__init__(load)
        self._idle_s = idle_s
        self._gpus: list[GpuEnergy] = []
        self._running = False

    def open(self, run: RunContext, emit: Emit) -> LaunchRequirements:
        requirements = super().open(run, emit)
        until_s = time.monotonic() + self._idle_s
        while time.monotonic() < until_s:
            time.sleep(min(names.IDLE_EVERY_S, self._idle_s))
            for read_sample in (read_sample for looks in self._readers.values() for read_sample in looks):
                # A GPU that fails now also fails while the app runs, and is dropped then.
                with suppress(Exception):
                    read_sample(time.monotonic_ns())
        self._running = True
        return requirements

    def readers_of(self, gpu: Gpu) -> Iterable[Reader]:
        return (self._reader(GpuEnergy(self._nvml, gpu)),)

    def attach(self, app: AppHandle) -> None:
        for gpu in self._gpus:
            gpu.begin()
        super().attach(app)

    def _reader(self, gpu: GpuEnergy) -> Reader:
        total = names.TOTAL.of(gpu=gpu.label)
        self._gpus.append(gpu)

        def read_sample(now_ns: int) -> Sequence[tuple[Series, float]]:
            if not self._running:
                return ((total, 0.0),) if gpu.rest(now_ns) else ()
            energy = gpu.run(now_ns)
            return names.of_energy(energy, gpu=gpu.label) if energy else ()

        return read_sample
