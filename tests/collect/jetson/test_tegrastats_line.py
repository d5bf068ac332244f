"""Lines of tegrastats in every format, written by hand and recorded."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from profileapp.collect.jetson.tegrastats_line import MIB, TegrastatsParser
from tests.helpers.paths import RECORDED

TEGRASTATS = RECORDED / "tegrastats"

ORIN = (
    "10-26-2025 05:11:08 RAM 7035/62841MB (lfb 2x4MB) SWAP 86/31420MB (cached 0MB) CPU [32%@883,off,28%@729] "
    "EMC_FREQ 2%@2133 GR3D_FREQ 40%@[305,611] NVENC off NVDEC 79%@166 VIC_FREQ 729 APE 174 NVDLA0_LOAD 3% "
    "cpu@48.312C gpu@-256C tj@48.25C/49.5C VDD_GPU_SOC 3201mW/2953mW VDD_SOC 1497mW VIN_SYS_5V0 7953mW/8332mW/8710mW"
)


def titles(line: str) -> dict[str, float]:
    readings, _ = TegrastatsParser().parse(line)
    return {series.title: value for series, value in readings}


def test_a_line_of_an_orin() -> None:
    parser = TegrastatsParser()
    readings, unknown = parser.parse(ORIN)
    assert unknown == []
    assert {f"{series.title} {series.unit}": value for series, value in readings} == {
        "system.memory.used bytes": 7035 * MIB,
        "system.memory.total bytes": 62841 * MIB,
        "system.memory.largest-blocks ": 2,
        "system.memory.largest-block bytes": 4 * MIB,
        "system.swap.used bytes": 86 * MIB,
        "system.swap.total bytes": 31420 * MIB,
        "system.swap.cached bytes": 0,
        "system.cpu.util[0] %": 32,
        "system.cpu.frequency[0] Hz": 883e6,
        "system.cpu.util[2] %": 28,
        "system.cpu.frequency[2] Hz": 729e6,
        "system.cpu.util %": 30,
        "system.emc.util %": 2,
        "system.emc.clock Hz": 2133e6,
        "system.gpu.util %": 40,
        "system.gpu.clock Hz": 611e6,
        "system.engine.util[nvdec] %": 79,
        "system.engine.clock[nvdec] Hz": 166e6,
        "system.engine.clock[vic] Hz": 729e6,
        "system.engine.clock[ape] Hz": 174e6,
        "system.engine.util[nvdla0] %": 3,
        "system.temperature[cpu] °C": 48.312,
        "system.temperature[tj] °C": 48.25,
        "system.power[vdd_gpu_soc] W": pytest.approx(3.201),
        "system.temperature.peak[tj] °C": 49.5,
        "system.power[vdd_soc] W": pytest.approx(1.497),
        "system.power.mean[vdd_gpu_soc] W": pytest.approx(2.953),
        "system.power.mean[vin_sys_5v0] W": pytest.approx(8.332),
        "system.power.peak[vin_sys_5v0] W": pytest.approx(8.71),
        "system.power[vin_sys_5v0] W": pytest.approx(7.953),
    }
    assert parser.parse(ORIN) == (readings, []), "the same line again, from what is remembered"


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("cpu [17%,13%]@408 EMC 1%@408 APE 25 GR3D 3%@76",
         {"system.cpu.util[0]": 17, "system.cpu.frequency[1]": 408e6, "system.emc.util": 1, "system.gpu.clock": 76e6}),
        ("GR3D_FREQ 99%@1274 GR3D2_FREQ 50%@0", {"system.gpu.util": 99, "system.gpu.util[2]": 50}),
        ("GR3D_FREQ @[0,1000,0] NVENC0_FREQ @1556 EMC_FREQ @3199",
         {"system.gpu.clock": 1e9, "system.engine.clock[nvenc0]": 1556e6, "system.emc.clock": 3199e6}),
        ("GR3D_FREQ 0% EMC_FREQ 0%@[114]", {"system.gpu.util": 0, "system.emc.clock": 114e6}),
        ("IRAM 0/252kB(lfb 252kB) CPU [0%@204]", {"system.cpu.util": 0}),
        ("RAM 1/2MB (lfb 1x512kB) SWAP 3/4MB (cached 5MB) PLL@25.5C", {"system.temperature[pll]": 25.5}),
        ("MTS fg 1% bg 9% PMIC@100C",
         {"system.mts.util[fg]": 1, "system.mts.util[bg]": 9, "system.temperature[pmic]": 100}),
        ("VDD_IN 4199/4027 POM_5V_GPU 122/122", {"system.power[vdd_in]": 4.199, "system.power[pom_5v_gpu]": 0.122}),
        ("GPU 0/0 CPU 216/216 NC 1mW/0mW NC 2mW/0mW",
         {"system.power[cpu]": 0.216, "system.power[nc]": 0.001, "system.power[nc.2]": 0.002}),
        ("EMC 1%@1600 AVP 2%@80 VDE 0 GR3D 0%@76 EDP limit 1734",
         {"system.engine.clock[vde]": 0, "system.gpu.clock": 76e6, "system.cpu.frequency.limit": 1734e6}),
        ("PVA0_FREQ 115 APE 25", {"system.engine.clock[pva0]": 115e6, "system.engine.clock[ape]": 25e6}),
        ("NVDLA0 OFF OFA off PVA0_FREQ off max170xx@38.9C", {"system.temperature[max170xx]": 38.9}),
    ],
)  # fmt: skip
def test_shapes(line: str, expected: dict[str, float]) -> None:
    found = titles(line)
    assert {key: found[key] for key in expected} == pytest.approx(expected)
    assert TegrastatsParser().parse(line)[1] == []


def test_an_unknown_token_is_reported_with_its_number() -> None:
    readings, unknown = TegrastatsParser().parse("RAM 1/2MB NEW_RAIL 12.5V OTHER x9 THIRD 7mW7 cpu@40C")
    raw = {series.title: value for series, value in readings if series.name == "system.raw"}
    assert raw == {"system.raw[new_rail]": 12.5}
    assert unknown == ["NEW_RAIL", "OTHER", "x9", "THIRD", "7mW7"]


@pytest.mark.parametrize(
    ("line", "unknown"),
    [
        ("RAM 1/2MB nvidia@tegra-ubuntu:~$ APE 25", ["nvidia@tegra-ubuntu:~$"]),
        ("Tue Jan 28 14:57:38 UTC 2020", ["Tue", "Jan", "28", "14:57:38", "UTC"]),
        ("CPU [5%@345,off,o", ["CPU", "[5%@345,off,o"]),
        ("MTS fg", ["fg"]),
        ("VDD_IN 12x/3 APE 25", ["VDD_IN", "12x/3"]),
    ],
)
def test_unrecognised_tokens_are_reported_and_the_rest_is_parsed(line: str, unknown: list[str]) -> None:
    assert TegrastatsParser().parse(line)[1] == unknown


@given(st.text(max_size=300) | st.lists(st.sampled_from(ORIN.split()) | st.text(max_size=6)).map(" ".join))
def test_no_input_raises(line: str) -> None:
    TegrastatsParser().parse(line)


@pytest.mark.parametrize(
    "token", ["CPU [" + "1%@1," * 3000, "a@" * 8000, "1/" * 8000, "@" * 16000, "(" * 16000, "a " * 8000]
)
def test_parsing_time_is_linear_in_the_length(token: str) -> None:
    began_s = time.process_time()
    for _ in range(20):
        TegrastatsParser().parse(token * 3)
    assert time.process_time() - began_s < 4


def test_memory_is_bounded_for_any_input() -> None:
    parser = TegrastatsParser()
    for number in range(30_000):
        parser.parse(f"RAIL{number} {number}mW/1mW s{number}@{number % 90}.5C")
    assert len(parser._series_by_key) <= parser.SERIES_LIMIT and parser._cached <= parser.CACHE_LIMIT


@pytest.mark.skipif(not TEGRASTATS.is_dir(), reason="no recorded output beside the checkout")
def test_every_recorded_line_is_recognised() -> None:
    parser = TegrastatsParser()
    lines = 0
    for path in sorted(TEGRASTATS.rglob("*.txt")):
        for line in path.read_text(errors="replace").splitlines():
            if not line.strip() or line.startswith("Tue "):
                continue
            readings, unknown = parser.parse(line)
            lines += 1
            assert len(readings) >= 8, (path.name, line)
            assert not unknown or path.name == "cut-lines.txt", (path.name, unknown)
    assert lines > 1600


@pytest.mark.skipif(not TEGRASTATS.is_dir(), reason="no recorded output beside the checkout")
@pytest.mark.parametrize("board", ["nano.jp461.waggle", "xavier-nx.jp411.waggle"])
def test_values_agree_with_another_parser(board: str) -> None:
    """Waggle's exporter, for the same line (it counts cores from 1)."""
    found = titles((TEGRASTATS / "given" / f"{board}.txt").read_text().splitlines()[0])
    names = {
        "tegra_ram_used_bytes": ("system.memory.used", 1.0),
        "tegra_swap_used_bytes": ("system.swap.used", 1.0),
        "tegra_gpu_util_percentage": ("system.gpu.util", 1.0),
        "tegra_emc_frequency_hz": ("system.emc.clock", 1.0),
        "tegra_temperature_celcius": ("system.temperature", 1.0),
        "tegra_cpu_util_percentage": ("system.cpu.util", 1.0),
        "tegra_wattage_current_milliwatts": ("system.power", 1000.0),
    }
    compared = 0
    for line in (TEGRASTATS / "given" / "expected" / f"{board}.prom").read_text().splitlines():
        metric, _, value = line.rpartition(" ")
        name, _, label = metric.partition("{")
        if line.startswith("#") or name not in names:
            continue
        title, factor = names[name]
        if label:
            text = label.split('"')[1]
            title += f"[{int(text) - 1 if text.isdigit() else text}]"
        assert found[title] * factor == pytest.approx(float(value)), line
        compared += 1
    assert compared >= 12
