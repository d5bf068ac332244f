"""Each series is declared once, by its source; the catalogue and the docs come from these declarations."""

from __future__ import annotations

import ast
from importlib import import_module
from importlib.metadata import EntryPoint
from pathlib import Path
from types import SimpleNamespace

import pytest

import profileapp
from profileapp.collect.api import BaseCollector
from profileapp.collect.catalogue import catalogue
from profileapp.collect.registry import GROUP, registered_classes, sources
from profileapp.model.series import METRICS, DeclaredSeries, Series, series
from tests.helpers.catalogue import is_known

COLLECT = Path(profileapp.__file__).parent / "collect"
RAIN = DeclaredSeries("system.rain", "mm", "system", "rain since midnight", ("sensor",))


class RainGauge(BaseCollector):
    metric = "system"
    source = "rain-gauge"
    series = (RAIN,)

    def sample(self, now_ns: int) -> None:
        self._emit(RAIN.series, 2.5, now_ns)


class OtherUnit(RainGauge):
    series = (DeclaredSeries("system.rain", "cm", "system", "rain since midnight"),)


class OtherMetric(RainGauge):
    series = (DeclaredSeries("energy.rain", "J", "energy", "energy of the drops"),)


class Undeclared(RainGauge):
    series = ("system.rain",)  # type: ignore[assignment]


@pytest.fixture
def entry(monkeypatch: pytest.MonkeyPatch) -> object:
    """Creates the entry point of a class in this file."""
    here = SimpleNamespace(RainGauge=RainGauge, OtherUnit=OtherUnit, OtherMetric=OtherMetric, Undeclared=Undeclared)
    monkeypatch.setitem(__import__("sys").modules, "gauges", here)
    return lambda name: EntryPoint(f"system.{name.lower()}", f"gauges:{name}", GROUP)


def test_no_source_builds_undeclared_series() -> None:
    """Except in `custom`, whose series are the app's, no code in `collect` builds a Series from a name and a unit."""
    found = []
    for path in COLLECT.rglob("*.py"):
        if path.relative_to(COLLECT).parts[0] == "custom":
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("series", "Series"):
                found.append(f"{path.name}:{node.lineno}")
    assert not found


def test_every_declaration_belongs_to_a_source() -> None:
    declared = {
        each
        for path in COLLECT.rglob("series.py")
        for each in vars(import_module(f"profileapp.collect.{path.parent.name}.series")).values()
        if isinstance(each, DeclaredSeries)
    }
    assert len(declared) > 60
    assert declared == {entry.series for entries in catalogue().values() for entry in entries}


def test_every_source_of_samples_declares_its_series() -> None:
    # Other sources produce tables and stacks, or app-reported series.
    without = {kind.metric for _, kind in registered_classes() if not kind.series}
    assert without == {"custom", "functions", "tau", "gpu-summary"}
    assert {kind.part for _, kind in registered_classes() if not kind.series and kind.metric == "gpu-summary"} == {
        "kernels"
    }


def test_names_are_unique_and_have_a_description() -> None:
    entries = [entry.series for of_metric in catalogue().values() for entry in of_metric]
    names = [each.name for each in entries]
    assert len(names) == len(set(names))
    assert all(each.description and "\n" not in each.description for each in entries)
    assert list(catalogue()) == [metric for metric in METRICS if metric in catalogue()]


def test_sources_are_listed_once_in_order_of_preference() -> None:
    (power,) = [entry for entry in catalogue()["system"] if entry.series.name == "system.power"]
    assert power.sources == ("jetson-kernel", "tegrastats")


def test_a_source_of_another_package_is_listed(entry) -> None:  # type: ignore[no-untyped-def]
    assert catalogue([entry("RainGauge")])["system"][0].series is RAIN
    assert catalogue([entry("RainGauge")])["system"][0].sources == ("rain-gauge",)


@pytest.mark.parametrize(
    ("names", "reason"),
    [
        (("RainGauge", "OtherUnit"), "gauges:RainGauge and gauges:OtherUnit declare system.rain differently"),
        (("OtherMetric",), "gauges:OtherMetric serves system and declares energy.rain"),
    ],
)
def test_contradictions_are_errors(names: tuple[str, ...], reason: str, entry) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ValueError, match=reason):
        catalogue([entry(name) for name in names])


def test_a_source_with_other_declarations_is_not_used(entry, warnings: list[str]) -> None:  # type: ignore[no-untyped-def]
    assert sources("system", warnings.append, [entry("Undeclared")]) == []
    assert "its `series` must be a tuple of DeclaredSeries" in warnings[0]


def test_a_declaration_builds_its_series_with_its_labels_only() -> None:
    assert RAIN.series == series("system.rain", "mm", "system")
    assert RAIN.of(sensor="roof") == Series("system.rain", "mm", "system", (("sensor", "roof"),))
    with pytest.raises(ValueError, match=r"system\.rain declares no label place"):
        RAIN.of(place="roof")


def test_known_series() -> None:
    assert is_known(series("system.power", "W", "system", rail="vdd_in"))
    assert is_known(series("system.cpu.util", "%", "system"))
    assert not is_known(series("system.power", "mW", "system", rail="vdd_in"))
    assert not is_known(series("system.power", "W", "container", rail="vdd_in"))
    assert not is_known(series("system.power", "W", "system", sensor="cpu"))
    assert not is_known(series("energy.total", "J", "energy"))
