"""Measures a Jetson from its kernel's files: no program is started, and 100 samples per second cost little."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from profileapp.collect.api import AppHandle, BaseCollector, Emit, LaunchRequirements, RunContext
from profileapp.collect.device_tree import is_jetson
from profileapp.collect.gpu import series as gpu_series
from profileapp.collect.gpu.nvml_session import leave_to_nvml, load_pynvml
from profileapp.collect.jetson import files as jetson_files
from profileapp.collect.jetson import throttle
from profileapp.collect.jetson.files import SENSOR_OFF_C, Gauge
from profileapp.collect.jetson.throttle import ThrottleWatch
from profileapp.collect.system import proc_load
from profileapp.collect.system import series as names
from profileapp.collect.system.proc_load import ProcLoad
from profileapp.errors import Unavailable
from profileapp.model.series import DeclaredSeries, Series

NOT_A_JETSON = "this is not a Jetson"
_LOAD = "load of the GPU"


def rail_power(rail: str) -> Series:
    """Power of a rail of the board."""
    return names.POWER.of(rail=rail)


class JetsonSystem(BaseCollector):
    """Series `system.*` of a Jetson whose kernel reports GPU load, temperatures and power; else tegrastats is used."""

    metric = "system"
    source = "jetson-kernel"
    series = (
        *proc_load.SERIES,
        names.CPU_FREQUENCY,
        names.TEMPERATURE,
        names.GPU_UTIL,
        names.GPU_CLOCK,
        names.EMC_CLOCK,
        names.ENGINE_CLOCK,
        names.POWER,
        names.FAN_DRIVE,
        names.FAN_SPEED,
        *throttle.SERIES,
    )
    preference = 30
    min_interval_s = 0.01
    needs_all = True

    def __init__(self, root: Path = Path("/")) -> None:
        self._root = root
        self._gauges: list[Gauge] = []
        self._load: ProcLoad | None = None
        self._watch: ThrottleWatch | None = None

    def open(self, run: RunContext, emit: Emit) -> LaunchRequirements:
        self._emit = emit
        if not is_jetson(self._root):
            raise Unavailable(NOT_A_JETSON)
        parts = {
            _LOAD: jetson_files.gpu_load(self._root, _gpu_util),
            "temperatures": jetson_files.temperatures(self._root),
            "power of the rails": jetson_files.rails(self._root, rail_power),
        }
        self._gauges = [gauge for gauges in parts.values() for gauge in gauges]
        missing = [what for what, gauges in parts.items() if not gauges]
        if missing and self.needs_all:
            raise Unavailable(_why_not(self._root, missing))
        self._gauges += [
            *jetson_files.gpu_clocks(self._root, _gpu_clock),
            *jetson_files.cpu_clocks(self._root),
            *jetson_files.engine_clocks(self._root),
            *jetson_files.fans(self._root),
        ]
        self._load = ProcLoad(self._root / "proc")
        self._watch = ThrottleWatch(self._root)
        return LaunchRequirements()

    def attach(self, app: AppHandle) -> None:
        if self._load and self._watch:
            self._load.begin()
            self._watch.begin()
        self.sample(time.monotonic_ns())

    def sample(self, now_ns: int) -> None:
        if self._load is None or self._watch is None:
            return
        emit = self._emit
        self._load.sample(emit, now_ns)
        for gauge in self._gauges:
            value = gauge.read()
            if value is not None and (value > SENSOR_OFF_C or gauge.series.name != names.TEMPERATURE.name):
                emit(gauge.series, value, now_ns)
        self._watch.sample(emit, now_ns)

    def close(self) -> None:
        _close(self._gauges)
        self._gauges = []
        if self._load:
            self._load.close()
        if self._watch:
            self._watch.close()
        self._load = self._watch = None


class PartialJetsonSystem(JetsonSystem):
    """The subset of `system.*` that this user can read: for a Jetson without tegrastats."""

    source = "jetson-kernel (in part)"
    preference = 15
    needs_all = False


class JetsonGpuSummary(BaseCollector):
    """Series `gpu.util`, `gpu.clock.sm`, `gpu.temperature` of a Jetson's GPU."""

    metric = "gpu-summary"
    source = "jetson-kernel"
    series = (gpu_series.UTIL, gpu_series.CLOCK_SM, gpu_series.TEMPERATURE)
    # NVML, if it works on a Jetson at all, does not provide its GPU's load.
    preference = 30
    min_interval_s = 0.01

    def __init__(self, root: Path = Path("/"), load: Callable[[], Any] = load_pynvml) -> None:
        self._root = root
        self._load_nvml = load
        self._gauges: list[Gauge] = []

    def open(self, run: RunContext, emit: Emit) -> LaunchRequirements:
        self._emit = emit
        if not is_jetson(self._root):
            raise Unavailable(NOT_A_JETSON)
        leave_to_nvml(self._load_nvml)
        load = jetson_files.gpu_load(self._root, _util)
        if not load:
            raise Unavailable(_why_not(self._root, [_LOAD]))
        self._gauges = [*load, *jetson_files.gpu_clocks(self._root, _clock_sm), *self._temperatures()]
        return LaunchRequirements()

    def sample(self, now_ns: int) -> None:
        for gauge in self._gauges:
            value = gauge.read()
            if value is not None and value > SENSOR_OFF_C:
                self._emit(gauge.series, value, now_ns)

    def close(self) -> None:
        _close(self._gauges)
        self._gauges = []

    def _temperatures(self) -> list[Gauge]:
        """The gauge of the zone named `gpu`; the others are closed."""
        zones = jetson_files.temperatures(self._root)
        own = [zone for zone in zones if dict(zone.series.labels)["sensor"] == "gpu"]
        _close([zone for zone in zones if zone not in own])
        return [zone.as_series(gpu_series.TEMPERATURE.of(gpu="0")) for zone in own]


def _why_not(root: Path, missing: Sequence[str]) -> str:
    if list(missing) == [_LOAD] and not jetson_files.has_gpu_load(root):
        return f"the kernel of this board does not report the {_LOAD}; NVML may"
    return f"this user cannot read from /sys: {', '.join(missing)}; run the worker as root"


def _util(number: str) -> Series:
    return gpu_series.UTIL.of(gpu=number)


def _clock_sm(number: str) -> Series:
    return gpu_series.CLOCK_SM.of(gpu=number)


def _gpu_util(number: str) -> Series:
    return _of_gpu(names.GPU_UTIL, number)


def _gpu_clock(number: str) -> Series:
    return _of_gpu(names.GPU_CLOCK, number)


def _of_gpu(declared: DeclaredSeries, number: str) -> Series:
    """The series of a GPU, labelled as by tegrastats: only from the second GPU on, counted from 1."""
    return declared.series if number == "0" else declared.of(gpu=str(int(number) + 1))


def _close(gauges: Sequence[Gauge]) -> None:
    for gauge in gauges:
        gauge.close()
