"""Energy of each NVIDIA GPU: its own counter where it has one (Volta and newer), else power integrated over time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from profileapp.collect import gpu_series as names
from profileapp.collect.energy_account import CountedEnergy, IntegratedEnergy
from profileapp.collect.nvml_session import Gpu, Look, NvmlSource, load_pynvml
from profileapp.collect.seam import Subject
from profileapp.model.series import Series

_COUNTER = ("nvmlDeviceGetTotalEnergyConsumption",)  # mJ since the driver was loaded
_POWER = ("nvmlDeviceGetPowerUsage",)  # mW


class EnergyNvml(NvmlSource):
    """Series `energy.total`, from zero at each start of the app."""

    metric = "energy"

    def __init__(self, load: Callable[[], Any] = load_pynvml) -> None:
        super().__init__(load)
        self._accounts: dict[str, CountedEnergy | IntegratedEnergy] = {}

    def looks_at(self, gpu: Gpu) -> Iterable[Look]:
        if self._nvml.ask(gpu, _COUNTER) is not None:
            return (self._look(gpu, _COUNTER, CountedEnergy),)
        return (self._look(gpu, _POWER, IntegratedEnergy),)

    def attach(self, subject: Subject) -> None:
        self._accounts = {}
        super().attach(subject)

    def _look(
        self, gpu: Gpu, functions: tuple[str, ...], new_account: Callable[[], CountedEnergy | IntegratedEnergy]
    ) -> Look:
        total = names.energy_total(gpu.label)

        def look(now_ns: int) -> Sequence[tuple[Series, float]]:
            thousandths = self._nvml.ask(gpu, functions)
            if thousandths is None:
                return ()
            if gpu.label not in self._accounts:
                self._accounts[gpu.label] = new_account()
            return ((total, self._accounts[gpu.label].update(thousandths / 1000, now_ns)),)

        return look
