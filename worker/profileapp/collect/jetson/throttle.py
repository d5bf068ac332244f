"""What slows a Jetson down while it is measured: heat, too much current, another power mode.

Sources: Jetson Linux Developer Guide, "Thermal Management" (cooling devices, throttle alerts) and "Power Management"
(over-current events, nvpmodel).
"""

from __future__ import annotations

from pathlib import Path

from profileapp.collect.gpu.series import HEAT, POWER
from profileapp.collect.kernel_file import KernelFile
from profileapp.collect.seam import Emit
from profileapp.model.series import series

THROTTLED_FOR_HEAT = series("system.throttled", "", "system", reason=HEAT)
THROTTLED_FOR_POWER = series("system.throttled", "", "system", reason=POWER)
"""1 while the device is slowed down for this reason, else 0: its mean is a share of time."""
POWER_MODE = series("system.power-mode", "", "system")
"""Number of the power mode that nvpmodel has set."""

LOOK_INTERVAL_NS = 1_000_000_000
# They cool or warn, and slow nothing down.
_NO_THROTTLES = ("fan", "hot-surface")


class ThrottleWatch:
    """Looks once a second at most: these files are slow to change."""

    def __init__(self, root: Path) -> None:
        self._coolers = [
            file
            for folder in sorted((root / "sys/class/thermal").glob("cooling_device*"))
            if not any(word in _text(folder / "type") for word in _NO_THROTTLES)
            for file in _opened(folder / "cur_state")
        ]
        self._overcurrents = [
            file for path in sorted((root / "sys/class/hwmon").glob("hwmon*/oc*_event_cnt")) for file in _opened(path)
        ]
        self._mode = _opened(root / "var/lib/nvpmodel/status")
        self._events_before: list[int | None] = []
        self._look_at_ns = 0

    def begin(self) -> None:
        """A repeat begins: what came before it does not count."""
        self._events_before = [_number(file) for file in self._overcurrents]
        self._look_at_ns = 0

    def look(self, emit: Emit, now_ns: int) -> None:
        """Emits what is so now, at most once a second."""
        if now_ns < self._look_at_ns:
            return
        self._look_at_ns = now_ns + LOOK_INTERVAL_NS
        if self._coolers:
            emit(THROTTLED_FOR_HEAT, float(any(_number(file) for file in self._coolers)), now_ns)
        if self._overcurrents:
            events = [_number(file) for file in self._overcurrents]
            emit(THROTTLED_FOR_POWER, float(events != self._events_before), now_ns)
            self._events_before = events
        for file in self._mode:
            mode = power_mode_number(file.read())
            if mode is not None:
                emit(POWER_MODE, float(mode), now_ns)

    def close(self) -> None:
        for file in (*self._coolers, *self._overcurrents, *self._mode):
            file.close()


def power_mode_number(content: bytes) -> int | None:
    """The mode in /var/lib/nvpmodel/status: `pmode:0002`, after `fmode:quiet ` on some releases."""
    digits = content.partition(b"pmode:")[2][:8].split()
    return int(digits[0]) if digits and digits[0].isdigit() else None


def _opened(path: Path) -> list[KernelFile]:
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
        return path.read_text(errors="replace").lower()
    except OSError:
        return ""
