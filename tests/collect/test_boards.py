"""Every metric on every board, as root and as another user: source, value and unit are right."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest

from profileapp.collect.api import AppHandle, Collector, RunContext
from profileapp.collect.energy.nvml import EnergyNvml
from profileapp.collect.gpu.cuda_helper import CudaHelper
from profileapp.collect.gpu.memory_cuda import GpuMemoryCuda
from profileapp.collect.gpu.memory_nvmap import GpuMemoryNvmap
from profileapp.collect.gpu.nvml_source import GpuMemoryNvml, GpuSummaryNvml
from profileapp.collect.jetson import tegrastats_metrics
from profileapp.collect.jetson.energy import EnergyJetson
from profileapp.collect.jetson.kernel_source import JetsonGpuSummary, JetsonSystem, PartialJetsonSystem
from profileapp.collect.jetson.tegrastats import Tegrastats
from profileapp.collect.jetson.tegrastats_metrics import TegrastatsEnergy, TegrastatsGpuSummary
from profileapp.collect.registry import sources
from profileapp.collect.system.psutil_source import PsutilSystem
from profileapp.model.run import MetricStatus
from profileapp.model.target import Target
from profileapp.run.agent.jetson_facts import jetson_facts
from profileapp.run.sources import Sources
from tests.collect.conftest import Taken
from tests.helpers.boards import (
    APP_CONTAINER,
    APP_PID,
    BOARDS,
    CUDA_OTHERS,
    KIB,
    TICKS_BUSY,
    TICKS_IDLE,
    Board,
    expected,
)

METRICS = ("system", "gpu-summary", "gpu-memory", "energy")
AGENTS = [pytest.param(board, as_root, id=f"{board.name}-{'root' if as_root else 'user'}")
          for board in BOARDS for as_root in (True, False)]  # fmt: skip

INCIDENTAL = {
    *(f"gpu.{what}[0]" for what in ("power", "memory.util")),
    *(f"energy.{what}{gpu}" for what in ("above-idle", "idle.power") for gpu in ("", "[0]")),
}
"""Series that the truth does not name, and that follow from those that it does."""

# A driver that reads its free memory from a file; the helper's own context uses no memory.
CUDA = """
import sys
print("ready", flush=True)
for line in sys.stdin:
    print(line.strip(), open({state!r}).read().strip(), flush=True)
"""


class Agent:
    """A board and a user as the sources see them; `measure` runs an app on it for a moment."""

    def __init__(self, board: Board, as_root: bool, folder: Path) -> None:
        self.board = board
        self._as_root = as_root
        self._tree = board.tree(folder / "root", as_root)
        self.root = self._tree.root
        self._tegrastats = folder / "tegrastats"
        self._tegrastats.write_text(
            f'#!/bin/sh\nwhile :; do echo "{board.tegrastats_line(as_root)}"; sleep 0.03; done\n'
        )
        self._tegrastats.chmod(0o755)
        self._cuda = folder / "cuda-state"
        self._set_cuda(CUDA_OTHERS)
        self._driver = folder / "driver.py"
        self._driver.write_text(CUDA.format(state=str(self._cuda)))
        self._nvml = board.nvml()

    def find(self, metric: str, warn: Callable[[str], None]) -> list[Collector]:
        """The registered sources in order of preference, created for this agent."""
        registered = [type(each) for each in sources(metric, warn) if not each.part]
        return [self._made(kind) for kind in registered if kind.__module__.startswith("profileapp.")]

    def _made(self, kind: type[Any]) -> Collector:
        find = lambda: self._tegrastats if self.board.has_tegrastats else None  # noqa: E731
        proc, nvml = self.root / "proc", self._nvml
        make: dict[type[Any], Callable[[], Any]] = {
            JetsonSystem: lambda: JetsonSystem(self.root),
            PartialJetsonSystem: lambda: PartialJetsonSystem(self.root),
            Tegrastats: lambda: Tegrastats(find, self.root),
            PsutilSystem: lambda: PsutilSystem(proc),
            JetsonGpuSummary: lambda: JetsonGpuSummary(self.root, nvml),
            TegrastatsGpuSummary: lambda: TegrastatsGpuSummary(find, self.root, nvml),
            GpuSummaryNvml: lambda: GpuSummaryNvml(nvml),
            GpuMemoryNvml: lambda: GpuMemoryNvml(nvml, proc),
            GpuMemoryNvmap: lambda: GpuMemoryNvmap(self.root),
            GpuMemoryCuda: lambda: GpuMemoryCuda(partial(CudaHelper, [sys.executable, "-I", str(self._driver)])),
            EnergyJetson: lambda: EnergyJetson(self.root, 0.05, nvml),
            TegrastatsEnergy: lambda: TegrastatsEnergy(find, self.root, nvml),
            EnergyNvml: lambda: EnergyNvml(nvml, 0.05),
        }
        made: Collector = make[kind]()
        return made

    def measure(self, context: RunContext, taken: Taken) -> dict[str, MetricStatus]:
        """The status of each metric by name."""
        chosen = Sources(context, taken, lambda metric, warn: [] if metric == "custom" else self.find(metric, warn))
        self._set_cuda(CUDA_OTHERS + self.board.nvmap_app_kib * KIB)
        chosen.attach(AppHandle(APP_PID, APP_CONTAINER))
        self._tree.write("proc/stat", self.board.proc_stat(TICKS_BUSY, TICKS_IDLE))
        time.sleep(0.35)
        chosen.close()
        statuses = chosen.statuses(
            lambda metric: sum(series.metric == metric for series, _, _ in taken.samples),
            lambda metric: frozenset(series.name for series, _, _ in taken.samples if series.metric == metric),
        )
        return {status.metric: status for status in statuses}

    def _set_cuda(self, used_bytes: int) -> None:
        total_bytes = self.board.memory_kib * KIB
        self._cuda.write_text(f"{total_bytes - used_bytes} {total_bytes}")


def watts(taken: Taken, title: str) -> float:
    """Average rate of a counter, in units per second."""
    readings = [(at_ns, value) for series, value, at_ns in taken.samples if series.title == title]
    assert len(readings) > 1, title
    return (readings[-1][1] - readings[0][1]) / ((readings[-1][0] - readings[0][0]) / 1e9)


@pytest.mark.parametrize(("board", "as_root"), AGENTS)
def test_every_metric_on_every_board(
    board: Board,
    as_root: bool,
    tmp_path: Path,
    run: Callable[..., RunContext],
    taken: Taken,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tegrastats_metrics, "IDLE_S", 0.1)
    context = msgspec.structs.replace(run(), target=Target("t", metrics=METRICS, interval_s=0.05))
    statuses = Agent(board, as_root, tmp_path).measure(context, taken)
    units = {series.title: series.unit for series, _, _ in taken.samples}
    for metric in METRICS:
        source, truth = expected(board, metric, as_root)
        status = statuses[metric]
        assert (status.state, status.source) == ("measured" if source else "skipped", source), status.reason
        assert bool(status.reason) == (not source)
        for title, (value, unit) in truth.items():
            found = watts(taken, title) if metric == "energy" else taken.last[title]
            # tegrastats rounds clocks to MHz and loads to integer percent.
            rounded = 0.02 if source == "tegrastats" else 1e-6
            assert (title, found, units[title]) == (title, pytest.approx(value, rel=rounded), unit)
        emitted = {series.title for series, _, _ in taken.samples if series.metric == metric}
        assert metric == "system" or emitted - set(truth) - INCIDENTAL == set(), "no unexpected series"


@pytest.mark.parametrize("board", [board for board in BOARDS if board.compatible], ids=lambda board: str(board.name))
def test_facts_of_every_board(board: Board, tmp_path: Path) -> None:
    facts = jetson_facts(board.tree(tmp_path, as_root=False).root)
    assert facts is not None
    release, revision = board.l4t
    assert (facts.module, facts.jetpack, facts.l4t) == (board.module, board.jetpack, f"{release}.{revision}")
    assert facts.power_mode == f"THIS_ONE ({board.power_mode})"
    assert facts.clocks_locked is False
    drive = [f"{board.fan_pwm / 255 * 100:.0f} %"] if board.fan_pwm is not None else []
    tachometer = [f"{board.fan_rpm} rpm"] if board.fan_rpm is not None else []
    assert facts.fan == ", ".join((*drive, *tachometer))
