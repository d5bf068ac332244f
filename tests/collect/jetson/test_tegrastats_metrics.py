"""GPU load and board energy from tegrastats, emulated by a script."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from profileapp.collect.api import AppHandle, RunContext
from profileapp.collect.jetson import tegrastats_metrics
from profileapp.collect.jetson.kernel_source import JetsonGpuSummary
from profileapp.collect.jetson.tegrastats import Tegrastats
from profileapp.collect.jetson.tegrastats_metrics import TegrastatsEnergy, TegrastatsGpuSummary
from profileapp.errors import Unavailable
from profileapp.model.target import Target
from tests.collect.conftest import Taken
from tests.helpers.fake_jetson import xavier_nx
from tests.helpers.fake_nvml import FakeNvml, memory

LINE = "RAM 100/200MB CPU [10%@100] GR3D_FREQ 40%@114 GR3D2_FREQ 7%@115 cpu@50C gpu@41.5C VDD_IN 5000mW/4000mW"


@pytest.fixture
def start(
    tmp_path: Path, run: Callable[..., RunContext], taken: Taken, monkeypatch: pytest.MonkeyPatch
) -> Callable[[type[Tegrastats], str], Tegrastats]:
    monkeypatch.setattr(tegrastats_metrics, "IDLE_S", 0.3)

    def make(kind: type[Tegrastats], line: str) -> Tegrastats:
        program = tmp_path / "tegrastats"
        program.write_text(f'#!/bin/sh\nwhile :; do echo "{line}"; sleep 0.05; done\n')
        program.chmod(0o755)
        source = kind(lambda: program, xavier_nx(tmp_path / "root").root)
        context = msgspec.structs.replace(run(), target=Target("t", interval_s=0.05))
        try:
            source.open(context, taken)
        except Unavailable:
            source.close()
            raise
        return source

    return make


def wait_for(condition: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline_s, "waited in vain"
        time.sleep(0.02)


def test_load_of_the_gpu(start: Callable[[type[Tegrastats], str], Tegrastats], taken: Taken) -> None:
    source = start(TegrastatsGpuSummary, LINE)
    assert not taken.samples
    source.attach(AppHandle(1))
    wait_for(lambda: len(taken.samples) > 10)
    source.sample(time.monotonic_ns())
    source.detach()
    source.close()
    assert taken.last == {
        "gpu.util[0]": 40,
        "gpu.clock.sm[0]": 115e6,
        "gpu.temperature[0]": 41.5,
    }


def test_energy_of_the_board(start: Callable[[type[Tegrastats], str], Tegrastats], taken: Taken) -> None:
    source = start(TegrastatsEnergy, LINE)
    assert not taken.samples
    source.attach(AppHandle(1))
    wait_for(lambda: len(taken.of("energy.total")) > 5)
    source.sample(time.monotonic_ns())
    source.detach()
    source.close()
    times_ns = [at_ns for series, _, at_ns in taken.samples if series.title == "energy.total"]
    assert taken.of("energy.total") == pytest.approx([5 * (at - times_ns[0]) / 1e9 for at in times_ns], abs=1e-6)
    assert taken.last["energy.idle.power"] == pytest.approx(5)
    assert taken.last["energy.above-idle"] == pytest.approx(0, abs=1e-6)


def test_a_board_without_rails(start: Callable[[type[Tegrastats], str], Tegrastats]) -> None:
    with pytest.raises(Unavailable, match="does not report power"):
        start(TegrastatsEnergy, LINE.replace("VDD_IN 5000mW/4000mW", ""))


@pytest.mark.parametrize(
    "line",
    [
        "RAM 100/200MB CPU [10%@100] EMC_FREQ 0%@665 gpu@41.5C VDD_GPU 0mW/0mW",
        "RAM 100/200MB CPU [10%@100] GR3D_FREQ @[314,314,314] gpu@41.5C VDD_GPU 0mW/0mW",
    ],
    ids=["thor-not-root", "thor-root"],
)
def test_lines_without_the_load_of_the_gpu_are_left_to_nvml(
    line: str, start: Callable[[type[Tegrastats], str], Tegrastats]
) -> None:
    with pytest.raises(Unavailable, match="does not report load of the GPU"):
        start(TegrastatsGpuSummary, line)


def test_the_load_of_a_discrete_gpu_is_left_to_nvml(tmp_path: Path, run: Callable[..., RunContext]) -> None:
    nvml = FakeNvml({"nvmlDeviceGetName": "NVIDIA RTX A6000", "nvmlDeviceGetMemoryInfo": memory(1, 2)})
    root = xavier_nx(tmp_path).root
    for source in (
        TegrastatsGpuSummary(lambda: None, root, lambda: nvml),
        JetsonGpuSummary(root, lambda: nvml),
    ):
        with pytest.raises(Unavailable, match="a discrete GPU, which NVML measures"):
            source.open(run(), lambda series, value, at_ns: None)
        source.close()
    assert nvml.opened == 0


def test_throttling_is_sampled_alongside_tegrastats(
    start: Callable[[type[Tegrastats], str], Tegrastats], taken: Taken
) -> None:
    source = start(Tegrastats, LINE)
    source.attach(AppHandle(1))
    source.sample(time.monotonic_ns())
    source.detach()
    source.close()
    assert taken.last["system.throttled[heat]"] == 0
    assert taken.last["system.power-mode"] == 8
