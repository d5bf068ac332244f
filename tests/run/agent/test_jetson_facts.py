"""Facts about three fake boards."""

from __future__ import annotations

from pathlib import Path

import pytest

from profileapp.model.run import Jetson
from profileapp.run.agent.facts import agent_facts
from profileapp.run.agent.jetson_facts import jetson_facts, l4t_release, module_name, power_mode
from tests.helpers.fake_jetson import CORES, FakeJetson, agx_orin, nano, xavier_nx


def test_a_nano(tmp_path: Path) -> None:
    facts = agent_facts("docker 20.10.7, nvidia", nano(tmp_path).root)
    assert facts.board == "NVIDIA Jetson Nano Developer Kit"
    assert (facts.cuda, facts.gpu_driver) == ("10.2.300", "")
    assert facts.jetson == Jetson("Nano (p3448-0000)", "32.7.1", "4.6.1", "MAXN (0)", False, "50 %")


def test_a_xavier(tmp_path: Path) -> None:
    facts = agent_facts("docker", xavier_nx(tmp_path).root)
    assert facts.cuda == "11.4.19"
    assert facts.jetson == Jetson(
        "Xavier NX (p3668-0001)", "35.3.1", "5.1.1", "MODE_20W_6CORE (8)", False, "20 %, 1940 rpm"
    )


def test_an_orin_with_locked_clocks(tmp_path: Path) -> None:
    board = agx_orin(tmp_path)
    lock(board)
    facts = agent_facts("docker", board.root)
    assert facts.cuda == "12.2.20230823"
    assert facts.jetson == Jetson("AGX Orin 64GB (p3701-0005)", "36.3.0", "6.0", "MODE_30W (2)", True, "100 %")


def lock(board: FakeJetson) -> None:
    for core in range(CORES):
        board.write(f"sys/devices/system/cpu/cpu{core}/cpufreq/scaling_min_freq", "1479000\n")
    board.write("sys/class/devfreq/17000000.gpu/min_freq", "1301000000\n")


def test_on_other_machines(tmp_path: Path) -> None:
    assert jetson_facts(tmp_path) is None
    (tmp_path / "proc/driver/nvidia").mkdir(parents=True)
    (tmp_path / "proc/driver/nvidia/version").write_text(
        "NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.104.05  Sat Aug 19 01:15:15 UTC 2023\n"
    )
    (tmp_path / "usr/local/cuda-12.2").mkdir(parents=True)
    (tmp_path / "usr/local/cuda").symlink_to("cuda-12.2")
    facts = agent_facts("docker", tmp_path)
    assert (facts.cuda, facts.gpu_driver, facts.jetson) == ("12.2", "535.104.05", None)


def test_the_open_kernel_module_has_another_name(tmp_path: Path) -> None:
    (tmp_path / "proc/driver/nvidia").mkdir(parents=True)
    (tmp_path / "proc/driver/nvidia/version").write_text(
        "NVRM version: NVIDIA UNIX Open Kernel Module for aarch64  540.3.0  Release Build\n"
    )
    assert agent_facts("docker", tmp_path).gpu_driver == "540.3.0"


def test_a_bare_jetson(tmp_path: Path) -> None:
    (tmp_path / "proc/device-tree").mkdir(parents=True)
    (tmp_path / "proc/device-tree/compatible").write_text("nvidia,p9999-0000\0nvidia,tegra999\0")
    assert jetson_facts(tmp_path) == Jetson()


@pytest.mark.parametrize(
    ("text", "release"),
    [
        ("# R28 (release), REVISION: 2.1, GCID: 1", "28.2.1"),
        ("R28", ""),
        ("", ""),
        ("# R35 (release)", ""),
    ],
)
def test_releases(text: str, release: str) -> None:
    assert l4t_release(text) == release


@pytest.mark.parametrize(
    ("compatible", "module"),
    [
        ("nvidia,p2597-0000+p2180-1000\0nvidia,tegra210\0", "TX1 (p2180-1000)"),
        ("nvidia,p3768-0000+p3767-0005-super\0nvidia,tegra234\0", "Orin Nano 8GB (p3767-0005)"),
        ("nvidia,p2972-0000\0nvidia,p2822-0000+p2888-0004\0", "AGX Xavier 32GB (p2888-0004)"),
        ("nvidia,p3767-9999\0", "p3767-9999"),
        ("nvidia,jetson-cv\0nvidia,tegra210\0", "TX1 (jetson-cv)"),
        ("nvidia,quill\0nvidia,tegra186\0", "TX2 (quill)"),
        ("nvidia,p2972-0000\0nvidia,tegra194\0", "AGX Xavier (p2972-0000)"),
        ("nvidia,p3450-0000\0nvidia,jetson-nano\0nvidia,tegra210\0", "Nano (p3450-0000)"),
        ("nvidia,p2822-0000+p2888-0003\0", "AGX Xavier 32GB (p2888-0003)"),
        ("nvidia,p2822-0000+p2888-0006\0", "AGX Xavier 8GB (p2888-0006)"),
        ("nvidia,p3737-0000+p3701-0001\0", "AGX Orin (p3701-0001)"),
        ("nvidia,p3737-0000+p3701-0002\0", "AGX Orin (p3701-0002)"),
        ("raspberrypi,4-model-b\0", ""),
    ],
)
def test_modules(compatible: str, module: str) -> None:
    assert module_name(compatible) == module


@pytest.mark.parametrize(
    ("release", "revision", "jetpack"),
    [
        (36, "4.7", "6.2.1"),
        (36, "5.0", "6.2.2"),
        (38, "2.1", "7.0"),
        (38, "2.2", "7.0"),
        (38, "4.0", "7.1"),
        (39, "2.0", "7.2"),
        (35, "6.2", "5.1.5"),
        (35, "6.3", "5.1.5"),
        (35, "6.4", "5.1.6"),
        (34, "1.0", "5.0 DP"),
        (36, "2.0", "6.0 DP"),
        (36, "99.0", ""),
    ],
)
def test_jetpack_without_its_package(tmp_path: Path, release: int, revision: str, jetpack: str) -> None:
    board = agx_orin(tmp_path)
    board.write("etc/nv_tegra_release", f"# R{release} (release), REVISION: {revision}, GCID: 1, BOARD: generic\n")
    facts = jetson_facts(board.root)
    assert facts is not None
    assert (facts.l4t, facts.jetpack) == (f"{release}.{revision}", jetpack)


def test_a_power_mode_without_a_name() -> None:
    assert power_mode("pmode:0007", "< POWER_MODEL ID=0 NAME=MAXN >") == "7"
    assert power_mode("", "< POWER_MODEL ID=0 NAME=MAXN >") == ""
