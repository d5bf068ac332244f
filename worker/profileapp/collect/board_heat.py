"""The device's current temperature: the highest reading of the kernel's thermal zones and NVML.

Sources: the kernel's documentation of `thermal/sysfs-api`; "NVIDIA Management Library (NVML) API Reference".
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from profileapp.collect.gpu.nvml_session import Nvml, load_pynvml
from profileapp.errors import Unavailable

_DIE = 0
_PLAUSIBLE_C = (-50.0, 200.0)
# The power management chip of a TX1 or TX2 reports one of two limits, 50 or 100 °C, and nothing in between.
_NO_TEMPERATURES = ("pmic", "thermal-fan-est")


def hottest_c(root: Path = Path("/"), load: Callable[[], Any] = load_pynvml) -> float | None:
    """The highest temperature in °C; None if no sensor can be read. Call it at most once a second: sensors are slow."""
    return max((*_zones_c(root), *_gpus_c(load)), default=None)


def _zones_c(root: Path) -> list[float]:
    readings_c = []
    for zone in (root / "sys/class/thermal").glob("thermal_zone*"):
        # The sensor of a sleeping part cannot be read.
        with suppress(OSError, ValueError):
            if not (zone / "type").read_text().strip().lower().startswith(_NO_TEMPERATURES):
                readings_c.append(int((zone / "temp").read_text()) / 1000)
    return [each for each in readings_c if _PLAUSIBLE_C[0] < each < _PLAUSIBLE_C[1]]


def _gpus_c(load: Callable[[], Any]) -> list[float]:
    nvml = Nvml(load)
    readings_c = []
    try:
        for gpu in nvml.open():
            # A lost GPU must not prevent reading the others.
            with suppress(Exception):
                answer = nvml.ask(gpu, ("nvmlDeviceGetTemperature", "nvmlDeviceGetTemperatureV"), _DIE)
                if answer is not None:
                    readings_c.append(float(answer))
    except Unavailable:
        return []
    finally:
        nvml.close()
    return readings_c
