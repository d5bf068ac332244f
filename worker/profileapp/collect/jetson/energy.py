"""Energy of a Jetson: the power of its rails, read from the kernel and integrated by the trapezoidal rule; and the
energy of discrete GPUs, from NVML.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from profileapp.collect.api import AppHandle, BaseCollector, Emit, LaunchRequirements, RunContext
from profileapp.collect.device_tree import is_jetson
from profileapp.collect.energy import series as energy_series
from profileapp.collect.energy.gpu_energy import DiscreteGpuEnergy
from profileapp.collect.energy.rails import RailEnergy
from profileapp.collect.energy.series import IDLE_EVERY_S, IDLE_S
from profileapp.collect.gpu.nvml_session import load_pynvml
from profileapp.collect.jetson import files as jetson_files
from profileapp.collect.jetson.files import Gauge
from profileapp.collect.jetson.kernel_source import NOT_A_JETSON, rail_power
from profileapp.errors import Unavailable


class EnergyJetson(BaseCollector):
    """Series `energy.*` of the board and its discrete GPUs."""

    metric = "energy"
    source = "jetson-kernel"
    series = energy_series.ALL
    # On a Jetson, NVML measures at most the energy of the GPU.
    preference = 30
    min_interval_s = 0.01
    samples_end = True

    def __init__(self, root: Path = Path("/"), idle_s: float = IDLE_S, load: Callable[[], Any] = load_pynvml) -> None:
        self._root = root
        self._idle_s = idle_s
        self._gauges: list[Gauge] = []
        self._gpus = DiscreteGpuEnergy(load)
        self._energy = RailEnergy(self._gpus)

    def open(self, run: RunContext, emit: Emit) -> LaunchRequirements:
        self._emit = emit
        if not is_jetson(self._root):
            raise Unavailable(NOT_A_JETSON)
        self._gauges = jetson_files.rails(self._root, rail_power)
        if not self._powers():
            raise Unavailable("this user cannot read the power of the rails from /sys; run the worker as root")
        self._gpus.open(run.warn)
        until_s = time.monotonic() + self._idle_s
        while time.monotonic() < until_s:
            self._energy.rest(self._powers(), time.monotonic_ns())
            time.sleep(IDLE_EVERY_S)
        self._energy.rest(self._powers(), time.monotonic_ns())
        return LaunchRequirements()

    def attach(self, app: AppHandle) -> None:
        self._energy.begin()
        self.sample(time.monotonic_ns())

    def sample(self, now_ns: int) -> None:
        self._energy.run(self._powers(), self._emit, now_ns)

    def close(self) -> None:
        for gauge in self._gauges:
            gauge.close()
        self._gauges = []
        self._gpus.close()

    def _powers(self) -> dict[str, float]:
        """Power in W of each rail that can be read now."""
        powers: dict[str, float] = {}
        for gauge in self._gauges:
            value = gauge.read()
            if value is not None:
                powers[gauge.series.labels[0][1]] = value
        return powers
