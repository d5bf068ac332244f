"""Energy of NVIDIA GPUs by NVML: their own counter where they have one (Volta and newer), else power over time."""

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
    """Since the app's start. What is above idle, and the idle power, are None where that was not measured."""

    total_j: float
    above_idle_j: float | None
    idle_w: float | None


class GpuEnergy:
    """One GPU: first while it idles, then from zero at each `begin`."""

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
        """The app does not run yet. Whether the GPU tells anything. Raises pynvml.NVMLError."""
        thousandths = self._nvml.ask(self._gpu, self._functions)
        if thousandths is None:
            return False
        self._idle.update(thousandths / 1000, at_ns)
        return True

    def begin(self) -> None:
        """The app starts."""
        self._meter = None

    def run(self, at_ns: int) -> Energy | None:
        """The app runs. None where the GPU tells nothing now. Raises pynvml.NVMLError."""
        thousandths = self._nvml.ask(self._gpu, self._functions)
        if thousandths is None:
            return None
        if self._meter is None:
            self._meter = EnergyMeter(self._new_account(), self._idle.watts)
        return Energy(*self._meter.update(thousandths / 1000, at_ns), self._idle.watts)


class DiscreteGpuEnergy:
    """Those GPUs that a board's own power monitors do not see: cards with a supply of their own."""

    def __init__(self, load: Callable[[], Any]) -> None:
        self._nvml = Nvml(load)
        self._gpus: list[GpuEnergy] = []
        self._failures: dict[str, int] = {}
        self._warn: Callable[[str], None] = lambda _: None

    def open(self, warn: Callable[[str], None]) -> None:
        """Finds them; there may be none. `warn` is told of each that is lost later. Raises nothing."""
        self._warn = warn
        self._gpus = [GpuEnergy(self._nvml, gpu) for gpu in discrete_gpus(self._nvml)]

    def __len__(self) -> int:
        """How many there were at first."""
        return len(self._gpus)

    def rest(self, at_ns: int) -> None:
        """The device idles."""
        for gpu in self._gpus:
            with suppress(Exception):
                gpu.rest(at_ns)

    def begin(self) -> None:
        """The app starts."""
        for gpu in self._gpus:
            gpu.begin()

    def run(self, at_ns: int) -> dict[str, Energy]:
        """By the number of the GPU; one that tells nothing now is missing. Raises nothing."""
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
                self._warn(f"energy: GPU {gpu.label} is given up, and with it the total of the device ({error})")
            return None
        self._failures[gpu.label] = 0
        return energy

    def close(self) -> None:
        """May be called twice."""
        self._gpus = []
        self._nvml.close()
