"""Energy of NVIDIA GPUs by NVML: the hardware counter if there is one (Volta and newer), else integrated power."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import msgspec

from profileapp.collect.energy.account import CountedEnergy, EnergyMeter, IdlePower, IntegratedEnergy
from profileapp.collect.gpu.nvml_session import FAILURES_IN_A_ROW, Gpu, Nvml, discrete_gpus

_COUNTER = ("nvmlDeviceGetTotalEnergyConsumption",)  # mJ since the driver was loaded
_POWER = ("nvmlDeviceGetPowerUsage",)  # mW


class Energy(msgspec.Struct, frozen=True):
    """Energy since the app's start. `above_idle_j` and `idle_w` are None if idle power was not measured."""

    total_j: float
    above_idle_j: float | None
    idle_w: float | None


class GpuEnergy:
    """The energy of one GPU: first while it idles, then from zero at each `begin`."""

    def __init__(self, nvml: Nvml, gpu: Gpu) -> None:
        self._nvml = nvml
        self._gpu = gpu
        self._functions, self._new_account = _POWER, IntegratedEnergy
        if nvml.ask(gpu, _COUNTER) is not None:
            self._functions, self._new_account = _COUNTER, CountedEnergy
        self._idle = IdlePower(self._new_account())
        self._meter: EnergyMeter | None = None

    _new_account: Callable[[], CountedEnergy | IntegratedEnergy]

    @property
    def label(self) -> str:
        return self._gpu.label

    def rest(self, at_ns: int) -> bool:
        """Reads idle power, before the app starts. False if the GPU reports nothing. Raises pynvml.NVMLError."""
        thousandths = self._nvml.ask(self._gpu, self._functions)
        if thousandths is None:
            return False
        self._idle.update(thousandths / 1000, at_ns)
        return True

    def begin(self) -> None:
        """Resets the energy to zero: the app starts."""
        self._meter = None

    def run(self, at_ns: int) -> Energy | None:
        """Reads the energy while the app runs. None if the GPU reports nothing now. Raises pynvml.NVMLError."""
        thousandths = self._nvml.ask(self._gpu, self._functions)
        if thousandths is None:
            return None
        if self._meter is None:
            self._meter = EnergyMeter(self._new_account(), self._idle.watts)
        return Energy(*self._meter.update(thousandths / 1000, at_ns), self._idle.watts)


class DiscreteGpuEnergy:
    """The energy of GPUs that a board's power monitors do not cover: cards with a separate supply."""

    def __init__(self, load: Callable[[], Any]) -> None:
        self._nvml = Nvml(load)
        self._gpus: list[GpuEnergy] = []
        self._failures: dict[str, int] = {}
        self._warn: Callable[[str], None] = lambda _: None

    def open(self, warn: Callable[[str], None]) -> None:
        """Finds the GPUs; there may be none. Each one lost later is reported to `warn`. Raises nothing."""
        self._warn = warn
        self._gpus = [GpuEnergy(self._nvml, gpu) for gpu in discrete_gpus(self._nvml)]

    def __len__(self) -> int:
        """The number of GPUs found by `open`."""
        return len(self._gpus)

    def rest(self, at_ns: int) -> None:
        """Reads idle power, before the app starts."""
        for gpu in self._gpus:
            with suppress(Exception):
                gpu.rest(at_ns)

    def begin(self) -> None:
        """Resets the energy of each GPU to zero: the app starts."""
        for gpu in self._gpus:
            gpu.begin()

    def run(self, at_ns: int) -> dict[str, Energy]:
        """Energy by GPU number; a GPU that reports nothing now is missing. Raises nothing."""
        found = {gpu.label: self._ask(gpu, at_ns) for gpu in self._gpus}
        return {label: energy for label, energy in found.items() if energy is not None}

    def _ask(self, gpu: GpuEnergy, at_ns: int) -> Energy | None:
        if self._failures.get(gpu.label, 0) >= FAILURES_IN_A_ROW:
            return None
        try:
            energy = gpu.run(at_ns)
        except Exception as error:
            lost = self._nvml.is_lost(error)
            self._failures[gpu.label] = FAILURES_IN_A_ROW if lost else self._failures.get(gpu.label, 0) + 1
            if self._failures[gpu.label] >= FAILURES_IN_A_ROW:
                self._warn(f"energy: GPU {gpu.label} and the device's total are no longer measured ({error})")
            return None
        self._failures[gpu.label] = 0
        return energy

    def close(self) -> None:
        """May be called twice."""
        self._gpus = []
        self._nvml.close()
