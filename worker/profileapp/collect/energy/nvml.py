"""Energy of each NVIDIA GPU: its own counter where it has one (Volta and newer), else power integrated over time."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from profileapp.collect.energy import series as names
from profileapp.collect.energy.account import CountedEnergy, EnergyMeter, IdlePower, IntegratedEnergy
from profileapp.collect.gpu.nvml_session import Gpu, Look, NvmlSource, load_pynvml
from profileapp.collect.seam import Emit, Provision, RunContext, Subject
from profileapp.model.series import Series

_COUNTER = ("nvmlDeviceGetTotalEnergyConsumption",)  # mJ since the driver was loaded
_POWER = ("nvmlDeviceGetPowerUsage",)  # mW


class EnergyNvml(NvmlSource):
    """Series `energy.*` of each GPU, from zero at each start of the app."""

    metric = "energy"

    def __init__(self, load: Callable[[], Any] = load_pynvml, idle_s: float = names.IDLE_S) -> None:
        super().__init__(load)
        self._idle_s = idle_s
        self._idle: dict[str, IdlePower] = {}
        self._meters: dict[str, EnergyMeter] = {}
        self._running = False

    def open(self, run: RunContext, emit: Emit) -> Provision:
        provision = super().open(run, emit)
        until_s = time.monotonic() + self._idle_s
        while time.monotonic() < until_s:
            time.sleep(min(names.IDLE_EVERY_S, self._idle_s))
            for look in self._looks:
                look(time.monotonic_ns())
        self._running = True
        return provision

    def looks_at(self, gpu: Gpu) -> Iterable[Look]:
        if self._nvml.ask(gpu, _COUNTER) is not None:
            return (self._look(gpu, _COUNTER, CountedEnergy),)
        return (self._look(gpu, _POWER, IntegratedEnergy),)

    def attach(self, subject: Subject) -> None:
        self._meters = {}
        super().attach(subject)

    def _look(
        self, gpu: Gpu, functions: tuple[str, ...], new_account: Callable[[], CountedEnergy | IntegratedEnergy]
    ) -> Look:
        label = gpu.label
        total, above_idle, idle_power = names.total(gpu=label), names.above_idle(gpu=label), names.idle_power(gpu=label)
        idle = self._idle.setdefault(label, IdlePower(new_account()))

        def look(now_ns: int) -> Sequence[tuple[Series, float]]:
            thousandths = self._nvml.ask(gpu, functions)
            if thousandths is None:
                return ()
            if not self._running:
                idle.update(thousandths / 1000, now_ns)
                return ((total, 0.0),)
            if label not in self._meters:
                self._meters[label] = EnergyMeter(new_account(), idle.watts)
            total_j, above_idle_j = self._meters[label].update(thousandths / 1000, now_ns)
            if above_idle_j is None or idle.watts is None:
                return ((total, total_j),)
            return (total, total_j), (above_idle, above_idle_j), (idle_power, idle.watts)

        return look
