"""Further metrics from tegrastats: GPU load and energy. Each runs a separate tegrastats process."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from profileapp.collect.api import AppHandle, Emit, LaunchRequirements, RunContext
from profileapp.collect.energy import series as energy_series
from profileapp.collect.energy.gpu_energy import DiscreteGpuEnergy
from profileapp.collect.energy.rails import RailEnergy
from profileapp.collect.energy.series import IDLE_S
from profileapp.collect.gpu import series as gpu_series
from profileapp.collect.gpu.nvml_session import leave_to_nvml, load_pynvml
from profileapp.collect.jetson.tegrastats import Tegrastats, find_tegrastats
from profileapp.collect.jetson.tegrastats_line import Reading
from profileapp.collect.system import series as names
from profileapp.model.series import Series


class TegrastatsGpuSummary(Tegrastats):
    """Series `gpu.util`, `gpu.clock.sm`, `gpu.temperature` of a Jetson's GPU."""

    metric = "gpu-summary"
    series = (gpu_series.UTIL, gpu_series.CLOCK_SM, gpu_series.TEMPERATURE)
    main = "load of the GPU"
    preference = 25

    def __init__(
        self,
        find: Callable[[], Path | None] = find_tegrastats,
        root: Path = Path("/"),
        load: Callable[[], Any] = load_pynvml,
    ) -> None:
        super().__init__(find, root)
        self._load_nvml = load

    def open(self, run: RunContext, emit: Emit) -> LaunchRequirements:
        leave_to_nvml(self._load_nvml)
        return super().open(run, emit)

    def _is_main(self, readings: Sequence[Reading]) -> bool:
        # Thor's lines contain at most the clocks of its GPU, never its load.
        return any(series.name == names.GPU_UTIL.name for series, _ in readings)

    def _on_line(self, readings: Sequence[Reading], now_ns: int) -> None:
        if not self._emitting:
            return
        found: dict[Series, float] = {}
        for series, value in readings:
            of_gpu = _of_gpu(series)
            if of_gpu:
                # An Orin with two graphics clusters prints one token for each; one of them may be asleep.
                found[of_gpu] = max(value, found.get(of_gpu, value))
        for of_gpu, value in found.items():
            self._emit(of_gpu, value, now_ns)

    def sample(self, now_ns: int) -> None:
        """Only checks that lines arrive: throttling belongs to the metric `system`."""
        self._require_lines()


class TegrastatsEnergy(Tegrastats):
    """Series `energy.*` of the board, from the power of its rails at the time of each line."""

    metric = "energy"
    series = energy_series.ALL
    main = "power"
    preference = 25

    def __init__(
        self,
        find: Callable[[], Path | None] = find_tegrastats,
        root: Path = Path("/"),
        load: Callable[[], Any] = load_pynvml,
    ) -> None:
        super().__init__(find, root)
        self._gpus = DiscreteGpuEnergy(load)
        self._energy = RailEnergy(self._gpus)

    def open(self, run: RunContext, emit: Emit) -> LaunchRequirements:
        self._gpus.open(run.warn)
        requirements = super().open(run, emit)
        # The first line may arrive at once, the second an interval later: idle power needs two.
        time.sleep(max(IDLE_S, 2 * self._interval_s))
        return requirements

    def close(self) -> None:
        super().close()
        self._gpus.close()

    def _is_main(self, readings: Sequence[Reading]) -> bool:
        return any(series.name == names.POWER.name for series, _ in readings)

    def attach(self, app: AppHandle) -> None:
        self._energy.begin()
        super().attach(app)

    def sample(self, now_ns: int) -> None:
        """Only checks that lines arrive: throttling belongs to the metric `system`."""
        self._require_lines()

    def _on_line(self, readings: Sequence[Reading], now_ns: int) -> None:
        powers = {series.labels[0][1]: value for series, value in readings if series.name == names.POWER.name}
        if not powers:
            return
        if self._emitting:
            self._energy.run(powers, self._emit, now_ns)
        else:
            self._energy.rest(powers, now_ns)


def _of_gpu(series: Series) -> Series | None:
    """The series of `gpu-summary` that a series of `system` equals or is part of."""
    if series.name == names.GPU_UTIL.name:
        return gpu_series.UTIL.of(gpu="0")
    if series.name == names.GPU_CLOCK.name:
        return gpu_series.CLOCK_SM.of(gpu="0")
    if series.name == names.TEMPERATURE.name and series.labels == (("sensor", "gpu"),):
        return gpu_series.TEMPERATURE.of(gpu="0")
    return None
