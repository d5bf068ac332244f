"""GPU memory, load and energy from a fake NVML."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from profileapp.collect.api import AppHandle, RunContext
from profileapp.collect.energy.nvml import EnergyNvml
from profileapp.collect.gpu import nvml_session
from profileapp.collect.gpu.nvml_session import FAILURES_IN_A_ROW, Nvml, NvmlSource, discrete_gpus
from profileapp.collect.gpu.nvml_source import GpuMemoryNvml, GpuSummaryNvml
from profileapp.errors import AppEnded, Unavailable
from tests.helpers.fake_nvml import (
    DRIVER_NOT_LOADED,
    GPU_IS_LOST,
    LIBRARY_NOT_FOUND,
    MEMORY_V2,
    NOT_SUPPORTED,
    FakeNvml,
    NVMLError,
    NVMLLibraryMismatchError,
    memory,
    memory_v2,
    process,
)

GIB = 2**30
SECOND = 1_000_000_000
APP = AppHandle(10, "1a2b")

BUSY = {
    "nvmlDeviceGetUtilizationRates": SimpleNamespace(gpu=97, memory=41),
    "nvmlDeviceGetClockInfo:1": 1980,
    "nvmlDeviceGetClockInfo:2": 2619,
    "nvmlDeviceGetPowerUsage": 693_512,
    "nvmlDeviceGetTemperature:0": 64,
    "nvmlDeviceGetCurrentClocksEventReasons": 0x04 | 0x40,
    "nvmlDeviceGetMemoryInfo": memory(5 * GIB, 80 * GIB),
    "nvmlDeviceGetComputeRunningProcesses": [],
    "nvmlDeviceGetGraphicsRunningProcesses": [],
}


def stat(pid: int, parent: int = 1) -> str:
    return f"{pid} (app) S {parent} {pid} {parent} 0 -1 0 0 0 0 0 1 0 0 0 20 0 3 0 100 0 5" + " 0" * 28


@pytest.fixture
def proc(write_tree: Callable[[dict[str, str]], Path]) -> Path:
    """Processes 10 and 11 belong to container 1a2b; 12 does not."""
    return write_tree(
        {
            "10/stat": stat(10),
            "10/cgroup": "0::/system.slice/docker-1a2b.scope\n",
            "11/cgroup": "0::/../docker-1a2b.scope/inner\n",
            "12/stat": stat(12),
            "12/cgroup": "0::/system.slice/docker-ffff.scope\n",
        }
    )


@pytest.fixture
def opened(run: Callable[..., RunContext], taken: Any) -> Callable[[NvmlSource], NvmlSource]:
    def make(source: NvmlSource) -> NvmlSource:
        source.open(run(), taken)
        return source

    return make


def test_load_clocks_power_heat_and_throttling(opened: Callable[[NvmlSource], NvmlSource], taken: Any) -> None:
    nvml = FakeNvml(BUSY)
    source = opened(GpuSummaryNvml(lambda: nvml))
    assert not taken.samples, "nothing is told before the app runs"
    source.attach(APP)
    assert taken.last == {
        "gpu.util[0]": 97,
        "gpu.memory.util[0]": 41,
        "gpu.clock.sm[0]": 1.98e9,
        "gpu.clock.memory[0]": 2.619e9,
        "gpu.power[0]": pytest.approx(693.512),
        "gpu.temperature[0]": 64,
        "gpu.throttled[0,power]": 1,
        "gpu.throttled[0,heat]": 1,
        "gpu.throttled[0,hardware]": 0,
    }
    assert {series.metric for series, _, _ in taken.samples} == {"gpu-summary"}
    source.close()
    source.close()
    assert nvml.opened == 0


def test_features_that_a_gpu_or_library_lacks_are_omitted(
    opened: Callable[[NvmlSource], NvmlSource], taken: Any, warnings: list[str]
) -> None:
    small = {"nvmlDeviceGetPowerUsage": 5000, "nvmlDeviceGetCurrentClocksThrottleReasons": 0x08}
    nvml = FakeNvml(small, BUSY, missing=("nvmlDeviceGetCurrentClocksEventReasons", "nvmlDeviceGetTemperature"))
    nvml.gpus[0]["nvmlDeviceGetTemperatureV:0"] = 40
    source = opened(GpuSummaryNvml(lambda: nvml))
    source.attach(APP)
    of_first = {title: value for title, value in taken.last.items() if "[0" in title}
    assert of_first == {
        "gpu.power[0]": 5,
        "gpu.temperature[0]": 40,
        "gpu.throttled[0,power]": 0,
        "gpu.throttled[0,heat]": 0,
        "gpu.throttled[0,hardware]": 1,
    }
    assert taken.last["gpu.util[1]"] == 97
    assert "gpu.temperature[1]" not in taken.last
    assert not warnings


def test_a_reading_that_fails_from_the_start_does_not_disable_others(
    opened: Callable[[NvmlSource], NvmlSource], taken: Any, warnings: list[str]
) -> None:
    nvml = FakeNvml({**BUSY, "nvmlDeviceGetPowerUsage": NVMLError(999)})
    opened(GpuSummaryNvml(lambda: nvml)).attach(APP)
    assert taken.last["gpu.util[0]"] == 97
    assert "gpu.power[0]" not in taken.last
    assert warnings == ["gpu-summary: a part is omitted, since NVML fails to read it (NVML error 999)"]


@pytest.mark.parametrize("error", [GPU_IS_LOST, 999])
def test_a_lost_gpu_stops_only_its_series(
    error: int, opened: Callable[[NvmlSource], NvmlSource], taken: Any, warnings: list[str]
) -> None:
    nvml = FakeNvml(dict(BUSY), dict(BUSY))
    source = opened(GpuSummaryNvml(lambda: nvml))
    source.attach(APP)
    nvml.gpus[0].update(dict.fromkeys(BUSY, NVMLError(error)))
    for tick in range(2 * FAILURES_IN_A_ROW):
        source.sample(tick * SECOND)
    assert len(taken.of("gpu.util[0]")) == 1
    assert len(taken.of("gpu.util[1]")) == 1 + 2 * FAILURES_IN_A_ROW
    assert warnings == [f"gpu-summary: GPU 0 is no longer measured, its series end here (NVML error {error})"]


def test_losing_the_last_gpu_fails_the_sample(opened: Callable[[NvmlSource], NvmlSource]) -> None:
    nvml = FakeNvml(dict(BUSY))
    source = opened(GpuSummaryNvml(lambda: nvml))
    nvml.gpus[0].update(dict.fromkeys(BUSY, NVMLError(GPU_IS_LOST)))
    for tick in range(2):
        with pytest.raises(NVMLError, match="15"):
            source.sample(tick * SECOND)


def test_memory_reserved_by_the_driver_is_not_in_use(
    opened: Callable[[NvmlSource], NvmlSource], taken: Any, proc: Path
) -> None:
    gpu = {**BUSY, "nvmlDeviceGetMemoryInfo": memory(GIB, 8 * GIB)}
    gpu[f"nvmlDeviceGetMemoryInfo:{MEMORY_V2}"] = memory_v2(GIB - 300, 300, 8 * GIB)
    opened(GpuMemoryNvml(lambda: FakeNvml(gpu), proc)).attach(APP)
    assert taken.last["gpu.memory.used[0]"] == GIB - 300


@pytest.mark.parametrize("name", ["NVIDIA Thor", b"NVIDIA Thor", "NVIDIA GB10"])
def test_a_gpu_with_shared_memory_is_measured_by_its_processes(
    name: str | bytes, run: Callable[..., RunContext], taken: Any, write_tree: Callable[[dict[str, str]], Path]
) -> None:
    proc = write_tree({"10/stat": stat(10), "10/cgroup": "0::/docker-1a2b.scope\n", "meminfo": "MemTotal: 131072 kB\n"})
    gpu = {"nvmlDeviceGetName": name, "nvmlDeviceGetComputeRunningProcesses": []}
    source = GpuMemoryNvml(lambda: FakeNvml(gpu), proc)
    source.open(run(), taken)
    gpu["nvmlDeviceGetComputeRunningProcesses"] = [process(10, 3 * GIB), process(4000, GIB)]  # type: ignore[assignment]
    source.attach(APP)
    assert taken.last == {
        "gpu.memory.used[0]": 4 * GIB,
        "gpu.memory.allocated[0]": 3 * GIB,
        "gpu.memory.total[0]": 131072 * 1024,
    }
    gpu["nvmlDeviceGetComputeRunningProcesses"] = [process(10, 3 * GIB), process(4000, None)]  # type: ignore[assignment]
    source.sample(SECOND)
    assert len(taken.of("gpu.memory.used[0]")) == 1, "unknown while one process reports nothing"


@pytest.mark.parametrize(
    ("gpu", "expected"),
    [
        ({"nvmlDeviceGetName": "Orin (nvgpu)"}, False),
        ({"nvmlDeviceGetName": "NVIDIA Thor", "nvmlDeviceGetMemoryInfo": memory(1, 2)}, False),
        ({"nvmlDeviceGetName": "NVIDIA RTX 6000 Ada Generation", "nvmlDeviceGetMemoryInfo": memory(1, 2)}, True),
        ({"nvmlDeviceGetMemoryInfo": memory(1, 2)}, True),
        ({}, False),
    ],
)
def test_detection_of_discrete_gpus(gpu: dict[str, Any], expected: bool) -> None:
    nvml = FakeNvml(gpu)
    session = Nvml(lambda: nvml)
    assert bool(discrete_gpus(session)) == expected
    session.close()
    assert nvml.opened == 0


def test_memory_of_the_device_and_of_the_container(
    opened: Callable[[NvmlSource], NvmlSource], taken: Any, proc: Path
) -> None:
    gpu = dict(BUSY)
    gpu["nvmlDeviceGetComputeRunningProcesses"] = [process(10, 2 * GIB), process(12, GIB), process(999, GIB)]
    # 10 also uses graphics, and both lists contain all of its memory.
    gpu["nvmlDeviceGetGraphicsRunningProcesses"] = [process(10, 2 * GIB), process(11, GIB)]
    nvml = FakeNvml(gpu, BUSY)
    source = opened(GpuMemoryNvml(lambda: nvml, proc))
    source.attach(APP)
    assert taken.last == {
        "gpu.memory.used[0]": 5 * GIB,
        "gpu.memory.total[0]": 80 * GIB,
        "gpu.memory.allocated[0]": 3 * GIB,
        "gpu.memory.used[1]": 5 * GIB,
        "gpu.memory.total[1]": 80 * GIB,
        "gpu.memory.allocated[1]": 0,
    }
    # If one process of the app reports no memory, the app's total is unknown.
    gpu["nvmlDeviceGetComputeRunningProcesses"] = [process(10, None)]
    source.sample(SECOND)
    assert len(taken.of("gpu.memory.allocated[0]")) == 1
    assert len(taken.of("gpu.memory.used[0]")) == 2


@pytest.mark.parametrize(
    ("listing", "allocated_bytes"),
    [
        ({"nvmlDeviceGetComputeRunningProcesses_v3": [process(10, GIB)]}, GIB),
        ({"nvmlDeviceGetComputeRunningProcesses_v2": [process(10, GIB)]}, GIB),
        ({}, None),
        ({"nvmlDeviceGetComputeRunningProcesses_v3": NVMLError(999)}, None),
    ],
)
def test_an_older_driver_lists_processes_by_an_older_call_or_not_at_all(
    listing: dict[str, Any],
    allocated_bytes: int | None,
    opened: Callable[[NvmlSource], NvmlSource],
    taken: Any,
    proc: Path,
) -> None:
    mismatch = NVMLLibraryMismatchError("Unversioned function called")
    lists = dict.fromkeys(("nvmlDeviceGetComputeRunningProcesses", "nvmlDeviceGetGraphicsRunningProcesses"), mismatch)
    nvml = FakeNvml({**BUSY, **lists, **listing})
    source = opened(GpuMemoryNvml(lambda: nvml, proc))
    source.attach(APP)
    assert taken.last["gpu.memory.used[0]"] == 5 * GIB
    assert taken.last.get("gpu.memory.allocated[0]") == allocated_bytes


@pytest.mark.parametrize("name", ["Orin (nvgpu)", NVMLError(NOT_SUPPORTED)])
def test_processes_without_device_memory_are_left_to_the_next_source(
    name: str | Exception, run: Callable[..., RunContext], taken: Any
) -> None:
    jetson = {
        "nvmlDeviceGetName": name,
        "nvmlDeviceGetComputeRunningProcesses": [],
        "nvmlDeviceGetUtilizationRates": BUSY,
    }
    with pytest.raises(Unavailable, match="NVML provides no gpu-memory on this GPU"):
        GpuMemoryNvml(lambda: FakeNvml(jetson)).open(run(), taken)


def test_memory_of_a_process_and_its_children(run: Callable[..., RunContext], taken: Any) -> None:
    code = "import subprocess, sys; child = subprocess.Popen(['cat']); print(child.pid, flush=True); child.wait()"
    app = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
    )
    try:
        child = int(app.stdout.readline())  # type: ignore[union-attr]
        listed = [process(app.pid, GIB), process(child, GIB), process(os.getpid(), GIB)]
        nvml = FakeNvml({**BUSY, "nvmlDeviceGetComputeRunningProcesses": listed})
        source = GpuMemoryNvml(lambda: nvml)
        source.open(run(contained=False), taken)
        source.attach(AppHandle(app.pid))
        assert taken.last["gpu.memory.allocated[0]"] == 2 * GIB
    finally:
        app.communicate(b"")


def test_without_visible_processes_only_the_device_is_measured(
    opened: Callable[[NvmlSource], NvmlSource], taken: Any, proc: Path, warnings: list[str]
) -> None:
    source = opened(GpuMemoryNvml(lambda: FakeNvml(BUSY), proc))
    source.attach(AppHandle(12, "1a2b"))
    assert taken.last == {"gpu.memory.used[0]": 5 * GIB, "gpu.memory.total[0]": 80 * GIB}
    assert warnings == ["gpu-memory: measured for the device only; the container's processes are not visible from here"]
    with pytest.raises(AppEnded):
        source.attach(AppHandle(4242, "1a2b"))


def test_energy_from_the_gpus_counter_or_its_power(opened: Callable[[NvmlSource], NvmlSource], taken: Any) -> None:
    counts, draws = {"nvmlDeviceGetTotalEnergyConsumption": 9_000_000}, {"nvmlDeviceGetPowerUsage": 10_000}
    devices = FakeNvml(counts, draws, {"nvmlDeviceGetMemoryInfo": memory(1, 2)})
    source = opened(EnergyNvml(lambda: devices, idle_s=0.05))
    assert not taken.samples, "nothing is told before the app runs"
    source.attach(APP)
    idle = {"energy.idle.power[0]": 0, "energy.idle.power[1]": 10}
    nothing = {f"energy.{what}[{gpu}]": 0 for what in ("total", "above-idle") for gpu in (0, 1)}
    assert taken.last == pytest.approx({**nothing, **idle})
    begun_ns = taken.samples[0][2]
    counts["nvmlDeviceGetTotalEnergyConsumption"] += 1500
    draws["nvmlDeviceGetPowerUsage"] = 30_000
    source.sample(begun_ns + 2 * SECOND)
    used = {"energy.total[0]": 1.5, "energy.total[1]": 40, "energy.above-idle[0]": 1.5, "energy.above-idle[1]": 20}
    assert taken.last == pytest.approx({**used, **idle})
    assert {(series.unit, series.kind) for series, _, _ in taken.samples} == {("J", "counter"), ("W", "gauge")}
    source.detach()
    source.attach(APP)
    assert taken.last == pytest.approx({**nothing, **idle}), "each start of the app begins at zero"


@pytest.mark.parametrize(
    ("nvml", "reason"),
    [
        (FakeNvml(init_error=NVMLError(LIBRARY_NOT_FOUND)), "no NVML on this agent: libnvidia-ml.so.1"),
        (FakeNvml(init_error=NVMLError(DRIVER_NOT_LOADED)), "the NVIDIA driver is installed, but not loaded"),
        (FakeNvml(init_error=NVMLError(18)), "NVML cannot be initialised: NVML error 18"),
        (FakeNvml(), "NVML found no GPU"),
        (FakeNvml({"unusable": 1}), r"NVML found no GPU that can be used \(GPU 0: NVML error 15\)"),
        (FakeNvml({}), "NVML provides no"),
    ],
)
@pytest.mark.parametrize("kind", [GpuMemoryNvml, GpuSummaryNvml, EnergyNvml])
def test_unavailable_with_a_reason(
    kind: type[NvmlSource], nvml: FakeNvml, reason: str, run: Callable[..., RunContext], taken: Any
) -> None:
    source = kind(lambda: nvml)
    with pytest.raises(Unavailable, match=reason):
        source.open(run(), taken)
    source.close()
    assert nvml.opened == 0


def test_without_the_library_the_reason_does_not_suggest_the_package(
    monkeypatch: pytest.MonkeyPatch, run: Callable[..., RunContext], taken: Any
) -> None:
    def no_library(name: str) -> Any:
        raise OSError(f"{name}: cannot open shared object file")

    monkeypatch.setattr(nvml_session, "CDLL", no_library)
    monkeypatch.setitem(sys.modules, "pynvml", None)
    with pytest.raises(Unavailable, match=r"no NVML on this agent: .* is part of the NVIDIA driver"):
        GpuSummaryNvml().open(run(), taken)


def test_without_the_package_the_reason_names_what_to_install(
    monkeypatch: pytest.MonkeyPatch, run: Callable[..., RunContext], taken: Any
) -> None:
    monkeypatch.setattr(nvml_session, "CDLL", str)
    monkeypatch.setitem(sys.modules, "pynvml", None)
    source = GpuSummaryNvml()
    with pytest.raises(Unavailable, match="pip install nvidia-ml-py"):
        source.open(run(), taken)
    source.close()


def test_the_real_package_has_the_functions_used() -> None:
    pynvml = pytest.importorskip("pynvml", reason="nvidia-ml-py is not installed")
    functions = {name.partition(":")[0] for name in BUSY} | {"nvmlDeviceGetTotalEnergyConsumption", "nvmlInit"}
    assert [name for name in (*functions, "nvmlShutdown") if not hasattr(pynvml, name)] == []
    for code, name in (
        (3, "NOT_SUPPORTED"),
        (4, "NO_PERMISSION"),
        (13, "FUNCTION_NOT_FOUND"),
        (21, "NO_DATA"),
        (25, "ARGUMENT_VERSION_MISMATCH"),
        (26, "DEPRECATED"),
    ):
        assert getattr(pynvml, f"NVML_ERROR_{name}") == code
        assert code in nvml_session._UNAVAILABLE
    assert pynvml.nvmlMemory_v2 == MEMORY_V2
    assert {name for name, _ in pynvml.c_nvmlMemory_v2_t._fields_} >= {"used", "reserved", "total"}
    assert pynvml.NVML_ERROR_GPU_IS_LOST == nvml_session._GPU_IS_LOST
    assert (pynvml.NVML_CLOCK_SM, pynvml.NVML_CLOCK_MEM, pynvml.NVML_TEMPERATURE_GPU) == (1, 2, 0)
    assert pynvml.nvmlClocksEventReasonSwPowerCap | pynvml.nvmlClocksEventReasonHwPowerBrakeSlowdown == 0x84
    assert pynvml.nvmlClocksEventReasonSwThermalSlowdown | pynvml.nvmlClocksEventReasonHwThermalSlowdown == 0x60
    assert pynvml.nvmlClocksEventReasonHwSlowdown == 0x08
