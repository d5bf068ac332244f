"""Energy of a board from its rails, read from kernel files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from profileapp.collect.api import AppHandle, RunContext
from profileapp.collect.energy.account import CountedEnergy, EnergyMeter, IdlePower, IntegratedEnergy
from profileapp.collect.energy.board_power import total_rails
from profileapp.collect.energy.rails import RailEnergy
from profileapp.collect.jetson.energy import EnergyJetson
from profileapp.errors import Unavailable
from tests.collect.conftest import Taken
from tests.helpers.fake_jetson import agx_orin, nano
from tests.helpers.fake_nvml import GPU_IS_LOST, FakeNvml, NVMLError, memory

SECOND = 1_000_000_000


@pytest.mark.parametrize(
    ("rails", "total"),
    [
        ({"pom_5v_in", "pom_5v_gpu", "pom_5v_cpu"}, ("pom_5v_in",)),
        ({"vdd_in", "vdd_cpu_gpu_cv", "vdd_soc"}, ("vdd_in",)),
        (
            {"vdd_gpu_soc", "vdd_cpu_cv", "vin_sys_5v0", "vddq_vdd2_1v8ao"},
            ("vdd_cpu_cv", "vdd_gpu_soc", "vin_sys_5v0"),
        ),
        ({"gpu", "cpu", "soc", "cv", "vddrq", "sys5v"}, ("cpu", "cv", "gpu", "soc", "sys5v", "vddrq")),
        ({"vdd_gpu", "vdd_cpu_soc_mss", "vin_sys_5v0", "vin"}, ("vin",)),
        ({"vdd_gpu", "vdd_cpu_soc_mss", "vin_sys_5v0"}, ("vdd_cpu_soc_mss", "vdd_gpu", "vin_sys_5v0")),
        ({"vdd_3v3_wifi"}, ()),
        (set(), ()),
    ],
)
def test_selection_of_the_total_rails(rails: set[str], total: tuple[str, ...]) -> None:
    assert total_rails(rails) == total


def test_idle_energy_is_separated() -> None:
    energy, taken = RailEnergy(), Taken()
    for second in range(3):
        energy.rest({"vdd_in": 4.0, "vdd_soc": 1.0}, second * SECOND)
    energy.begin()
    for second in range(10, 15):
        energy.run({"vdd_in": 10.0, "vdd_soc": 2.0}, taken, second * SECOND)
    assert taken.last == {
        "energy.total": 40,
        "energy.above-idle": 24,
        "energy.idle.power": 4,
        "energy.rail[vdd_in]": 40,
        "energy.rail[vdd_soc]": 8,
    }
    energy.begin()
    energy.run({"vdd_in": 10.0}, taken, 100 * SECOND)
    assert taken.last["energy.total"] == 0, "each start of the app begins at zero"


def test_unknown_rails_have_no_total() -> None:
    energy, taken = RailEnergy(), Taken()
    energy.rest({"vdd_3v3": 1.0}, 0)
    energy.begin()
    energy.run({"vdd_3v3": 1.0}, taken, 0)
    energy.run({"vdd_3v3": 1.0}, taken, SECOND)
    assert taken.last == {"energy.rail[vdd_3v3]": 1}


def test_idle_power_of_a_counter_and_of_too_few_readings() -> None:
    idle = IdlePower(CountedEnergy())
    assert idle.watts is None
    idle.update(1000, 5 * SECOND)
    assert idle.watts is None
    idle.update(1030, 7 * SECOND)
    assert idle.watts == 15


def test_power_below_idle_reduces_the_energy_above_idle() -> None:
    meter = EnergyMeter(IntegratedEnergy(), 5.0)
    assert meter.update(3, 0) == (0, 0)
    assert meter.update(3, SECOND) == (3, -2)
    assert EnergyMeter(IntegratedEnergy(), None).update(3, 0) == (0, None)


def test_a_nano(tmp_path: Path, run: Callable[..., RunContext], taken: Taken) -> None:
    board = nano(tmp_path / "root")
    source = EnergyJetson(board.root, idle_s=0.05)
    source.open(run(), taken)
    assert not taken.samples, "the app does not run yet"
    board.write("sys/bus/i2c/drivers/ina3221x/6-0040/iio:device0/in_power0_input", "8420\n")
    source.attach(AppHandle(1))
    began_ns = taken.samples[0][2]
    source.sample(began_ns + 10 * SECOND)
    source.detach()
    source.close()
    assert taken.last["energy.total"] == pytest.approx(84.2)
    assert taken.last["energy.above-idle"] == pytest.approx(42.1)
    assert taken.last["energy.idle.power"] == pytest.approx(4.21)
    assert taken.last["energy.rail[pom_5v_gpu]"] == pytest.approx(8.15)


def test_an_orin_is_the_sum_of_three(tmp_path: Path, run: Callable[..., RunContext], taken: Taken) -> None:
    source = EnergyJetson(agx_orin(tmp_path / "root").root, idle_s=0.01)
    source.open(run(), taken)
    source.attach(AppHandle(1))
    source.sample(taken.samples[0][2] + SECOND)
    source.close()
    assert taken.last["energy.total"] == pytest.approx(19.880 * 0.160 + 19.880 * 0.040 + 4.992 * 1.010)


def card(mj: int) -> dict[str, Any]:
    """A discrete GPU with an energy counter."""
    return {
        "nvmlDeviceGetName": "NVIDIA RTX A6000",
        "nvmlDeviceGetMemoryInfo": memory(1, 48 * 2**30),
        "nvmlDeviceGetTotalEnergyConsumption": mj,
    }


def test_a_board_with_a_discrete_gpu_sums_both(tmp_path: Path, run: Callable[..., RunContext], taken: Taken) -> None:
    own = {"nvmlDeviceGetName": "Orin (nvgpu)", "nvmlDeviceGetPowerUsage": 5000}
    nvml = FakeNvml(own, card(7_000_000))
    source = EnergyJetson(agx_orin(tmp_path / "root").root, idle_s=0.3, load=lambda: nvml)
    source.open(run(), taken)
    source.attach(AppHandle(1))
    began_ns = taken.samples[0][2]
    nvml.gpus[1]["nvmlDeviceGetTotalEnergyConsumption"] += 300_000
    source.sample(began_ns + 2 * SECOND)
    board_w = 19.880 * 0.160 + 19.880 * 0.040 + 4.992 * 1.010
    assert taken.last["energy.board"] == pytest.approx(2 * board_w)
    assert taken.last["energy.total[1]"] == 300
    assert taken.last["energy.total"] == pytest.approx(2 * board_w + 300)
    assert taken.last["energy.above-idle"] == pytest.approx(300)
    assert taken.last["energy.idle.power"] == pytest.approx(board_w)
    assert "energy.total[0]" not in taken.last, "the integrated GPU is behind the rails"
    source.close()
    source.close()
    assert nvml.opened == 0


def test_without_its_discrete_gpu_there_is_no_total_of_the_device(
    tmp_path: Path, run: Callable[..., RunContext], taken: Taken, warnings: list[str]
) -> None:
    nvml = FakeNvml(card(7_000_000), card(0))
    source = EnergyJetson(agx_orin(tmp_path / "root").root, idle_s=0.01, load=lambda: nvml)
    source.open(run(), taken)
    source.attach(AppHandle(1))
    nvml.gpus[0].update(nvmlDeviceGetTotalEnergyConsumption=NVMLError(GPU_IS_LOST))
    for second in range(10):
        source.sample(taken.samples[0][2] + (second + 1) * SECOND)
    source.close()
    assert len(taken.of("energy.total")) == len(taken.of("energy.total[0]")) == 1
    assert len(taken.of("energy.total[1]")) == len(taken.of("energy.board")) == 11
    assert warnings == [
        "energy: GPU 0 and the device's total are no longer measured (NVML error 15)",
    ]


def test_a_board_without_rails(tmp_path: Path, run: Callable[..., RunContext], taken: Taken) -> None:
    with pytest.raises(Unavailable, match="not a Jetson"):
        EnergyJetson(tmp_path).open(run(), taken)
    board = nano(tmp_path / "root")
    for channel in range(3):
        board.remove(f"sys/bus/i2c/drivers/ina3221x/6-0040/iio:device0/in_power{channel}_input")
    with pytest.raises(Unavailable, match="run the worker as root"):
        EnergyJetson(board.root).open(run(), taken)
