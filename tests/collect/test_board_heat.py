"""The hottest sensor of a device."""

from __future__ import annotations

from pathlib import Path

import pytest

from profileapp.collect.board_heat import hottest_c
from profileapp.errors import Unavailable
from tests.helpers.fake_nvml import GPU_IS_LOST, FakeNvml, NVMLError


def no_nvml() -> None:
    raise Unavailable("none here")


def zones(root: Path, *sensors: tuple[str, str]) -> Path:
    for number, (name, content) in enumerate(sensors):
        folder = root / f"sys/class/thermal/thermal_zone{number}"
        folder.mkdir(parents=True)
        (folder / "type").write_text(f"{name}\n")
        (folder / "temp").write_text(content)
    return root


@pytest.mark.parametrize(
    ("sensors", "found_c"),
    [
        ([("CPU-therm", "41500\n"), ("GPU-therm", "43000\n"), ("AO-therm", "39000\n")], 43.0),
        ([("PMIC-Die", "100000\n"), ("CPU-therm", "41500\n"), ("thermal-fan-est", "60000\n")], 41.5),
        ([("cv0-thermal", ""), ("soc0-thermal", "hot\n"), ("tj-thermal", "50125\n")], 50.125),
        ([("tj-thermal", "-256000\n")], None),
        ([], None),
    ],
)
def test_the_hottest_readable_zone(sensors: list[tuple[str, str]], found_c: float | None, tmp_path: Path) -> None:
    assert hottest_c(zones(tmp_path, *sensors), no_nvml) == found_c


def test_a_lost_gpu_is_ignored(tmp_path: Path) -> None:
    zones(tmp_path, ("CPU-therm", "41500\n"))
    lost = {"nvmlDeviceGetTemperature:0": NVMLError(GPU_IS_LOST)}
    nvml = FakeNvml({"nvmlDeviceGetTemperature:0": 64}, lost)
    assert hottest_c(tmp_path, lambda: nvml) == 64
    assert nvml.opened == 0
