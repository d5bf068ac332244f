"""What else the lines of tegrastats tell: the GPU's load, and energy. Each is a tegrastats of its own."""

from __future__ import annotations

import time
from collections.abc import Sequence

from profileapp.collect.energy.rails import RailEnergy
from profileapp.collect.energy.series import IDLE_S
from profileapp.collect.gpu import series as gpu_series
from profileapp.collect.jetson.tegrastats import Tegrastats
from profileapp.collect.jetson.tegrastats_line import Reading
from profileapp.collect.seam import Emit, Provision, RunContext, Subject
from profileapp.errors import Unavailable
from profileapp.model.series import Series


class TegrastatsGpuSummary(Tegrastats):
    """Series `gpu.util`, `gpu.clock.sm`, `gpu.temperature` of a Jetson's GPU."""

    metric = "gpu-summary"
    preference = 25

    def _heard_line(self, readings: Sequence[Reading], now_ns: int) -> None:
        if self._emitting:
            for series, value in readings:
                of_gpu = _of_gpu(series)
                if of_gpu:
                    self._emit(of_gpu, value, now_ns)

    def sample(self, now_ns: int) -> None:
        """Throttling is the metric `system`'s to tell."""
        self._look_whether_lines_come()


class TegrastatsEnergy(Tegrastats):
    """Series `energy.*` of the board, of the power of its rails at the time of each line."""

    metric = "energy"
    preference = 25

    def open(self, run: RunContext, emit: Emit) -> Provision:
        self._energy = RailEnergy()
        self._rails_seen = False
        provision = super().open(run, emit)
        # The first line may come at once, the second an interval later: two make an idle power.
        time.sleep(max(IDLE_S, 2 * self._interval_s))
        if not self._rails_seen:
            raise Unavailable("tegrastats tells of no power on this board, or not to this user; run the worker as root")
        return provision

    def attach(self, subject: Subject) -> None:
        self._energy.begin()
        super().attach(subject)

    def sample(self, now_ns: int) -> None:
        """Throttling is the metric `system`'s to tell."""
        self._look_whether_lines_come()

    def _heard_line(self, readings: Sequence[Reading], now_ns: int) -> None:
        powers = {series.labels[0][1]: value for series, value in readings if series.name == "system.power"}
        if not powers:
            return
        self._rails_seen = True
        if self._emitting:
            self._energy.run(powers, self._emit, now_ns)
        else:
            self._energy.rest(powers, now_ns)


def _of_gpu(series: Series) -> Series | None:
    """The series of `gpu-summary` that a series of `system` is the same as."""
    number = str(int(dict(series.labels).get("gpu", "1")) - 1)
    if series.name == "system.gpu.util":
        return gpu_series.util(number)
    if series.name == "system.gpu.clock":
        return gpu_series.clock_sm(number)
    if series.name == "system.temperature" and series.labels == (("sensor", "gpu"),):
        return gpu_series.temperature("0")
    return None
