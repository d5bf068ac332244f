"""A simulated board, made of files: one rail of known power, for the source that reads a Jetson's rails."""

from __future__ import annotations

from pathlib import Path

from profileapp.collect.jetson.energy import EnergyJetson
from profileapp.errors import Unavailable
from profileapp.selftest.loads.energy import POWER_W

_VOLTAGE_MV = 5000
_IDLE_S = 0.2


def synthetic_energy(root: Path) -> EnergyJetson:
    """The source of `energy` for a board with one rail of POWER_W, whose files are made below `root`."""
    (root / "proc/device-tree").mkdir(parents=True, exist_ok=True)
    (root / "proc/device-tree/compatible").write_bytes(b"nvidia,tegra234\0")
    monitor = root / "sys/class/hwmon/hwmon0"
    monitor.mkdir(parents=True, exist_ok=True)
    files = {"name": "ina3221", "in1_label": "VDD_IN", "in1_input": _VOLTAGE_MV}
    for name, text in (files | {"curr1_input": round(POWER_W / _VOLTAGE_MV * 1e6)}).items():
        (monitor / name).write_text(f"{text}\n")
    return EnergyJetson(root, _IDLE_S, _no_gpu)


def _no_gpu() -> None:
    raise Unavailable("a synthetic board has no GPU")
