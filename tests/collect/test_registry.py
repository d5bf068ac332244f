"""Sources from entry points, including those of other packages."""

from importlib.metadata import EntryPoint

import pytest

from profileapp.collect.api import API_VERSION
from profileapp.collect.container.cgroup_source import ContainerCgroup
from profileapp.collect.container.process_tree import ProcessTree
from profileapp.collect.custom.source import Custom
from profileapp.collect.energy.nvml import EnergyNvml
from profileapp.collect.functions.py_spy import PySpy
from profileapp.collect.functions.tau import Tau
from profileapp.collect.gpu.memory_cuda import GpuMemoryCuda
from profileapp.collect.gpu.memory_nvmap import GpuMemoryNvmap
from profileapp.collect.gpu.nvml_source import GpuMemoryNvml, GpuSummaryNvml
from profileapp.collect.jetson.energy import EnergyJetson
from profileapp.collect.jetson.kernel_source import JetsonGpuSummary, JetsonSystem, PartialJetsonSystem
from profileapp.collect.jetson.tegrastats import Tegrastats
from profileapp.collect.jetson.tegrastats_metrics import TegrastatsEnergy, TegrastatsGpuSummary
from profileapp.collect.kernels.trace import Nsys, Nvprof
from profileapp.collect.registry import GROUP, sources
from profileapp.collect.system.psutil_source import PsutilSystem


class Board(PsutilSystem):
    """A source for one kind of device."""

    source = "board"
    preference = 50


class NoSource:
    api_version = API_VERSION
    metric = "system"


class Newer(PsutilSystem):
    """Written for a later version of profileapp."""

    api_version = API_VERSION + 1


class Older:
    """Written before sources had versions."""

    metric = "system"


class Untimed(PsutilSystem):
    min_interval_s = "soon"  # type: ignore[assignment]


def exits() -> None:
    raise SystemExit("no licence\nfound")


exits.api_version = API_VERSION  # type: ignore[attr-defined]


def entry(name: str, value: str) -> EntryPoint:
    return EntryPoint(name, value if ":" in value else f"{__name__}:{value}", GROUP)


@pytest.mark.parametrize(
    ("metric", "expected"),
    [
        ("container", [ContainerCgroup, ProcessTree]),
        ("system", [JetsonSystem, Tegrastats, PartialJetsonSystem, PsutilSystem]),
        ("gpu-memory", [GpuMemoryNvml, GpuMemoryNvmap, GpuMemoryCuda]),
        ("gpu-summary", [JetsonGpuSummary, TegrastatsGpuSummary, Nsys, GpuSummaryNvml, Nvprof]),
        ("energy", [EnergyJetson, TegrastatsEnergy, EnergyNvml]),
        ("custom", [Custom]),
        ("tau", [Tau]),
        ("functions", [PySpy]),
    ],
)
def test_built_in_sources_are_in_order_of_preference(metric: str, expected: list[type], warnings: list[str]) -> None:
    found = sources(metric, warnings.append)
    assert [type(collector) for collector in found if type(collector).__module__.startswith("profileapp.")] == expected
    assert not warnings


def test_each_call_creates_new_sources(warnings: list[str]) -> None:
    assert sources("custom", warnings.append)[0] is not sources("custom", warnings.append)[0]


def test_a_third_party_source_precedes_built_in_ones(warnings: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, __name__, __import__("types").SimpleNamespace(Board=Board))
    found = sources(
        "system",
        warnings.append,
        [entry("system.psutil", "profileapp.collect.system.psutil_source:PsutilSystem"), entry("system.b", "Board")],
    )
    assert [collector.source for collector in found] == ["board", "psutil"]


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("no.such.package:Source", "No module named 'no'"),
        ("profileapp.collect.system.psutil_source:Missing", "no attribute 'Missing'"),
        ("Untimed", "min_interval_s"),
        ("Newer", f"written for version {API_VERSION + 1} of the collector API; this is version {API_VERSION}"),
        ("Older", "written for version None of the collector API"),
        ("NoSource", "lacks the method open, attach, sample, detach, close"),
        ("exits", "no licence found"),
        ("profileapp.collect.custom.source:Custom", "serves the metric 'custom'"),
    ],
)
def test_a_broken_source_is_reported_and_skipped(
    value: str, reason: str, warnings: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    here = __import__("types").SimpleNamespace(
        NoSource=NoSource, Untimed=Untimed, exits=exits, Newer=Newer, Older=Older
    )
    monkeypatch.setitem(__import__("sys").modules, __name__, here)
    good = entry("system.psutil", "profileapp.collect.system.psutil_source:PsutilSystem")
    found = sources(
        "system", warnings.append, [entry("system.broken", value), good, entry("gpu.other", "no.such:Thing")]
    )
    assert [type(collector) for collector in found] == [PsutilSystem]
    assert len(warnings) == 1
    assert reason in warnings[0]
    assert "system.broken" in warnings[0]
