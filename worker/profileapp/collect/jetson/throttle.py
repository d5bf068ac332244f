"""Causes of throttling on a Jetson: heat, overcurrent, a change of power mode.

Sources: Jetson Linux Developer Guide, "Thermal Management" (cooling devices, throttle alerts) and "Power Management"
(over-current events, nvpmodel); the cooling devices that NVIDIA's and the mainline kernel register
(drivers/thermal/tegra, drivers/platform/tegra, drivers/soc/tegra/tegra-dvfs, cpufreq_cooling.c, devfreq_cooling.c).
"""

from __future__ import annotations

from pathlib import Path

from profileapp.collect.api import Emit
from profileapp.collect.gpu.series import HEAT, POWER_LIMIT
from profileapp.collect.kernel_file import KernelFile
from profileapp.collect.system import series as names

THROTTLED_FOR_HEAT = names.THROTTLED.of(reason=HEAT)
THROTTLED_FOR_POWER = names.THROTTLED.of(reason=POWER_LIMIT)
SERIES = (names.THROTTLED, names.POWER_MODE)
"""Everything that ThrottleWatch emits."""

POLL_INTERVAL_NS = 1_000_000_000
# Cooling devices that reduce clocks because of heat: `cpu-balanced`, `gpu-throttle-alert`, `cpu-heavy`; the kernel's
# own are called `thermal-cpufreq-0` and `thermal-devfreq-0`, from Linux 5.12 on `cpufreq-cpu0`, `devfreq-17000000.gpu`.
# All others have another purpose, and most are always active: fans; `hot-surface-alert`, which warns; `CORE-floor`,
# `DFLL-floor` and `vdd-gpu-vts`, which *raise* a voltage while the chip is cool; `tegra-eqos`, which tunes the network.
_THROTTLE_SUFFIXES = ("-balanced", "-throttle-alert", "heavy")
_THROTTLE_PREFIXES = ("thermal-cpufreq", "thermal-devfreq", "cpufreq-", "devfreq-")


class ThrottleWatch:
    """Samples throttling at most once a second: these files change slowly."""

    def __init__(self, root: Path) -> None:
        self._coolers = [
            file
            for folder in sorted((root / "sys/class/thermal").glob("cooling_device*"))
            if slows_down(_text(folder / "type"))
            for file in _open_if_readable(folder / "cur_state")
        ]
        self._overcurrents = [
            file
            for path in sorted((root / "sys/class/hwmon").glob("hwmon*/oc*_event_cnt"))
            for file in _open_if_readable(path)
        ]
        self._mode = _open_if_readable(root / "var/lib/nvpmodel/status")
        self._events_before: list[int | None] = []
        self._next_poll_ns = 0

    def begin(self) -> None:
        """Begins a repeat: earlier over-current events do not count."""
        self._events_before = [_number(file) for file in self._overcurrents]
        self._next_poll_ns = 0

    def sample(self, emit: Emit, now_ns: int) -> None:
        """Emits the current state, at most once a second."""
        if now_ns < self._next_poll_ns:
            return
        self._next_poll_ns = now_ns + POLL_INTERVAL_NS
        if self._coolers:
            emit(THROTTLED_FOR_HEAT, float(any(_number(file) for file in self._coolers)), now_ns)
        if self._overcurrents:
            events = [_number(file) for file in self._overcurrents]
            emit(THROTTLED_FOR_POWER, float(events != self._events_before), now_ns)
            self._events_before = events
        for file in self._mode:
            mode = power_mode_number(file.read())
            if mode is not None:
                emit(names.POWER_MODE.series, float(mode), now_ns)

    def close(self) -> None:
        for file in (*self._coolers, *self._overcurrents, *self._mode):
            file.close()


def slows_down(cooling_device: str) -> bool:
    """Whether an active cooling device of this type reduces a clock: `gpu-balanced` does, `pwm-fan` does not."""
    name = cooling_device.strip().lower()
    return name.endswith(_THROTTLE_SUFFIXES) or name.startswith(_THROTTLE_PREFIXES)


def power_mode_number(content: bytes) -> int | None:
    """The mode in /var/lib/nvpmodel/status: `pmode:0002`, after `fmode:quiet ` on some releases."""
    digits = content.partition(b"pmode:")[2][:8].split()
    return int(digits[0]) if digits and digits[0].isdigit() else None


def _open_if_readable(path: Path) -> list[KernelFile]:
    try:
        return [KernelFile(path)]
    except OSError:
        return []


def _number(file: KernelFile) -> int | None:
    try:
        return file.read_number()
    except (OSError, ValueError):
        return None


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").lower()
    except OSError:
        return ""
