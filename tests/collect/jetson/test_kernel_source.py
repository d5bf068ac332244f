"""A Jetson's metrics from kernel files of three fake boards."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from profileapp.collect.api import AppHandle, RunContext
from profileapp.collect.jetson.kernel_source import JetsonGpuSummary, JetsonSystem, PartialJetsonSystem
from profileapp.collect.jetson.throttle import power_mode_number, slows_down
from profileapp.errors import Unavailable
from tests.collect.conftest import Taken
from tests.helpers.fake_jetson import BOARDS, FakeJetson, agx_orin, nano, proc_stat, xavier_nx

APP = AppHandle(1)
SECOND = 1_000_000_000


@pytest.fixture
def context(run: Callable[..., RunContext]) -> RunContext:
    return run()


def test_a_nano(tmp_path: Path, context: RunContext, taken: Taken) -> None:
    board = nano(tmp_path / "root")
    source = JetsonSystem(board.root)
    source.open(context, taken)
    source.attach(APP)
    board.write("proc/stat", proc_stat(75, 25))
    source.sample(SECOND)
    source.close()
    assert taken.last == pytest.approx(
        {
            "system.cpu.util": 75,
            **{f"system.cpu.util[{core}]": 75 for core in range(4)},
            **{f"system.cpu.frequency[{core}]": 1_190_400_000 for core in range(4)},
            "system.memory.used": (4051048 - 2000000) * 1024,
            "system.memory.available": 2000000 * 1024,
            "system.swap.used": 520 * 1024,
            "system.temperature[ao]": 41,
            "system.temperature[cpu]": 33.5,
            "system.temperature[gpu]": 32,
            "system.temperature[pll]": 31.5,
            "system.temperature[pmic-die]": 100,
            "system.gpu.util": 43.7,
            "system.gpu.clock": 460_800_000,
            "system.emc.clock": 1_600_000_000,
            "system.power[pom_5v_in]": 4.21,
            "system.power[pom_5v_gpu]": 0.815,
            "system.power[pom_5v_cpu]": 1.304,
            "system.fan.drive": 128 / 2.55,
            "system.throttled[heat]": 0,
            "system.power-mode": 0,
        }
    )


def test_a_xavier_multiplies_voltage_and_current(tmp_path: Path, context: RunContext, taken: Taken) -> None:
    source = JetsonSystem(xavier_nx(tmp_path).root)
    source.open(context, taken)
    source.attach(APP)
    source.close()
    assert taken.last["system.power[vdd_in]"] == pytest.approx(5.080 * 1.210)
    assert taken.last["system.power[vdd_soc]"] == pytest.approx(5.072 * 0.250)
    assert taken.last["system.fan.speed"] == 1940
    assert taken.last["system.fan.drive"] == 20
    assert taken.last["system.power-mode"] == 8
    assert taken.last["system.throttled[heat]"] == 0, "neither the fan nor a hot surface slows anything down"


def test_an_orin_with_a_suspended_gpu(tmp_path: Path, context: RunContext, taken: Taken) -> None:
    board = agx_orin(tmp_path)
    source = JetsonSystem(board.root)
    source.open(context, taken)
    source.attach(APP)
    assert {name for name in taken.last if "temperature" in name} == {
        f"system.temperature[{sensor}]" for sensor in ("cpu", "soc0", "tj", "tboard")
    }
    assert {name for name in taken.last if "power[" in name} == {
        f"system.power[{rail}]" for rail in ("vdd_gpu_soc", "vdd_cpu_cv", "vin_sys_5v0", "vddq_vdd2_1v8ao")
    }
    assert taken.last["system.engine.clock[vic]"] == 115_200_000
    board.write("sys/class/thermal/thermal_zone1/temp", "51250\n")
    source.sample(SECOND)
    source.close()
    assert taken.last["system.temperature[gpu]"] == 51.25, "it woke up"


def test_a_failing_sensor_affects_only_its_series(tmp_path: Path, context: RunContext, taken: Taken) -> None:
    board = nano(tmp_path)
    source = JetsonSystem(board.root)
    source.open(context, taken)
    board.write("sys/class/thermal/thermal_zone1/temp", "")
    board.write("sys/class/thermal/thermal_zone2/temp", "hot\n")
    source.attach(APP)
    source.close()
    assert "system.temperature[cpu]" not in taken.last
    assert "system.temperature[gpu]" not in taken.last
    assert taken.last["system.temperature[pll]"] == 31.5


def test_throttling_is_reported(tmp_path: Path, context: RunContext, taken: Taken) -> None:
    board = xavier_nx(tmp_path)
    source = JetsonSystem(board.root)
    source.open(context, taken)
    source.attach(APP)
    assert taken.last["system.throttled[power]"] == 0, "what came before the app is not the app's"
    board.write("sys/class/hwmon/hwmon3/oc1_event_cnt", "4\n")
    board.write("sys/class/thermal/cooling_device2/cur_state", "1\n")
    board.write("var/lib/nvpmodel/status", "pmode:0000")
    far_ns = 10**18
    source.sample(far_ns)
    assert taken.last["system.throttled[power]"] == 1
    assert taken.last["system.throttled[heat]"] == 1
    assert taken.last["system.power-mode"] == 0
    count = len(taken.of("system.throttled[heat]"))
    source.sample(far_ns + SECOND // 2)
    assert len(taken.of("system.throttled[heat]")) == count, "looked at once a second"
    source.sample(far_ns + SECOND)
    source.close()
    assert taken.last["system.throttled[power]"] == 0, "no further event of over-current"


@pytest.mark.parametrize("board", BOARDS)
def test_close_closes_all_descriptors(board: Callable[[Path], FakeJetson], tmp_path: Path, context: RunContext) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    for source in (JetsonSystem(board(tmp_path).root), JetsonGpuSummary(tmp_path)):
        source.open(context, Taken())
        source.close()
        source.close()
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_it_is_unavailable_on_other_machines(tmp_path: Path, context: RunContext, taken: Taken) -> None:
    for source in (JetsonSystem(tmp_path), PartialJetsonSystem(tmp_path), JetsonGpuSummary(tmp_path)):
        with pytest.raises(Unavailable, match="not a Jetson"):
            source.open(context, taken)
        source.close()


def test_unreadable_rails_are_left_to_tegrastats_or_to_a_partial_source(
    tmp_path: Path, context: RunContext, taken: Taken
) -> None:
    board = nano(tmp_path)
    board.remove("sys/class/devfreq/57000000.gpu/device/load")
    source = JetsonSystem(board.root)
    with pytest.raises(Unavailable, match="load of the GPU"):
        source.open(context, taken)
    source.close()
    part = PartialJetsonSystem(board.root)
    part.open(context, taken)
    part.attach(APP)
    part.close()
    assert taken.last["system.power[pom_5v_in]"] == 4.21
    assert "system.gpu.util" not in taken.last


def test_the_gpu_alone(tmp_path: Path, context: RunContext, taken: Taken) -> None:
    source = JetsonGpuSummary(xavier_nx(tmp_path).root)
    source.open(context, taken)
    source.attach(APP)
    source.close()
    assert taken.last == pytest.approx(
        {"gpu.util[0]": 99.5, "gpu.clock.sm[0]": 1_109_250_000, "gpu.temperature[0]": 37}
    )


@pytest.mark.parametrize(
    ("device", "is_one"),
    [
        ("cpu-balanced", True),
        ("gpu-balanced", True),
        ("emergency-balanced", True),
        ("gpu-throttle-alert", True),
        ("cpu-heavy", True),
        ("heavy", True),
        ("thermal-cpufreq-0", True),
        ("cpufreq-cpu0", True),
        ("thermal-devfreq-0", True),
        ("devfreq-17000000.gpu", True),
        ("pwm-fan", False),
        ("hot-surface-alert", False),
        ("CORE-floor", False),
        ("DFLL-floor", False),
        ("vdd-gpu-vts", False),
        ("tegra-eqos", False),
        ("", False),
    ],
)
def test_selection_of_throttling_cooling_devices(device: str, is_one: bool) -> None:
    assert slows_down(device) == is_one


@pytest.mark.parametrize(
    "cool",
    [
        {"CORE-floor": 1, "DFLL-floor": 1, "vdd-gpu-vts": 2, "cpu-balanced": 0},
        {"tegra-eqos": 3, "pwm-fan": 4, "cpu-balanced": 0},
    ],
    ids=["nano-39.5-degrees", "tx2"],
)
def test_a_cool_board_is_not_throttled(cool: dict[str, int], tmp_path: Path, context: RunContext, taken: Taken) -> None:
    board = nano(tmp_path)
    for number, (name, state) in enumerate(cool.items()):
        board.write(f"sys/class/thermal/cooling_device{number}/type", f"{name}\n")
        board.write(f"sys/class/thermal/cooling_device{number}/cur_state", f"{state}\n")
    source = JetsonSystem(board.root)
    source.open(context, taken)
    source.attach(APP)
    assert taken.last["system.throttled[heat]"] == 0
    balanced = list(cool).index("cpu-balanced")
    board.write(f"sys/class/thermal/cooling_device{balanced}/cur_state", "1\n")
    source.sample(10**18)
    source.close()
    assert taken.last["system.throttled[heat]"] == 1


def test_a_fan_with_pwm_and_tachometer(tmp_path: Path, context: RunContext, taken: Taken) -> None:
    board = nano(tmp_path)
    board.write("sys/class/hwmon/hwmon1/rpm", "2210\n")
    source = JetsonSystem(board.root)
    source.open(context, taken)
    source.attach(APP)
    source.close()
    assert taken.last["system.fan.drive"] == pytest.approx(128 / 2.55)
    assert taken.last["system.fan.speed"] == 2210


@pytest.mark.parametrize(
    ("content", "mode"),
    [(b"pmode:0002", 2), (b"fmode:quiet pmode:0000\n", 0), (b"", None), (b"pmode:x", None), (b"mode:1", None)],
)
def test_parsing_of_the_power_mode(content: bytes, mode: int | None) -> None:
    assert power_mode_number(content) == mode
