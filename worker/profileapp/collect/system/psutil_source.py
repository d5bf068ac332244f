"""The whole device, if there is no source for its kind: /proc for quantities that change fast, psutil for the rest."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import psutil

from profileapp.collect.api import AppHandle, BaseCollector, Emit, LaunchRequirements, RunContext
from profileapp.collect.system import proc_load
from profileapp.collect.system import series as names
from profileapp.collect.system.proc_load import ProcLoad
from profileapp.model.series import Series

SLOW_INTERVAL_NS = 1_000_000_000
"""Temperatures and clocks are read at most once a second: they are slow to read and slow to change."""


class PsutilSystem(BaseCollector):
    """Series `system.*` of any Linux machine."""

    metric = "system"
    source = "psutil"
    series = (*proc_load.SERIES, names.CPU_FREQUENCY, names.TEMPERATURE)
    # Sources for a kind of device, such as a Jetson, are preferred.
    preference = 10
    min_interval_s = 0.01

    def __init__(self, proc: Path = Path("/proc")) -> None:
        self._proc = proc
        self._load: ProcLoad | None = None
        self._sensors: dict[str, Series] = {}
        self._slow_at_ns = 0
        self._slow_readers: list[Callable[[int], None]] = [self._temperatures, self._frequency]

    def open(self, run: RunContext, emit: Emit) -> LaunchRequirements:
        self._run, self._emit = run, emit
        self._load = ProcLoad(self._proc)
        return LaunchRequirements()

    def attach(self, app: AppHandle) -> None:
        if self._load:
            self._load.begin()
        self._slow_at_ns = 0
        self.sample(time.monotonic_ns())

    def sample(self, now_ns: int) -> None:
        if self._load is None:
            return
        self._load.sample(self._emit, now_ns)
        if now_ns >= self._slow_at_ns:
            self._slow_at_ns = now_ns + SLOW_INTERVAL_NS
            for read in tuple(self._slow_readers):
                self._read_slowly(read, now_ns)

    def close(self) -> None:
        if self._load:
            self._load.close()
            self._load = None

    def _read_slowly(self, read: Callable[[int], None], now_ns: int) -> None:
        """Reads a slow sensor. One that fails must not affect the others: it is reported once and not read again."""
        try:
            read(now_ns)
        except Exception as error:
            self._slow_readers.remove(read)
            what = read.__name__.strip("_")
            self._run.warn(f"system: no {what} from now on, reading failed ({type(error).__name__}: {error})")

    def _temperatures(self, now_ns: int) -> None:
        for chip, sensors in psutil.sensors_temperatures().items():
            for number, sensor in enumerate(sensors):
                if sensor.current is not None:
                    self._emit(self._sensor(f"{chip}.{sensor.label or number}"), sensor.current, now_ns)

    def _sensor(self, name: str) -> Series:
        if name not in self._sensors:
            self._sensors[name] = names.TEMPERATURE.of(sensor=name)
        return self._sensors[name]

    def _frequency(self, now_ns: int) -> None:
        frequency = psutil.cpu_freq()
        if frequency and frequency.current:
            self._emit(names.CPU_FREQUENCY.series, frequency.current * 1e6, now_ns)
