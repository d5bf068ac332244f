"""The table of names and units says what the sources give."""

from __future__ import annotations

import ast
from pathlib import Path

from tests.helpers.catalogue import is_known

import profileapp
from profileapp.model.catalogue import CATALOGUE
from profileapp.model.series import METRICS, series

COLLECT = Path(profileapp.__file__).parent / "collect"


def literal_series() -> set[tuple[str, str, str]]:
    """Name, unit and metric of every series that a source makes of constants."""
    found = set()
    for path in COLLECT.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "series":
                argv = [arg.value for arg in node.args[:3] if isinstance(arg, ast.Constant)]
                if len(argv) == 3:
                    found.add(tuple(map(str, argv)))
    return found  # type: ignore[return-value]


def test_every_series_of_the_sources_is_in_it() -> None:
    made = literal_series()
    assert len(made) > 40, "the sources make their series in another way now: mend this test"
    known = {(each.name, each.unit, metric) for metric, all_of in CATALOGUE.items() for each in all_of}
    assert made <= known


def test_names_are_told_once_and_metrics_are_those_of_the_yaml() -> None:
    names = [each.name for all_of in CATALOGUE.values() for each in all_of]
    assert len(names) == len(set(names))
    assert set(CATALOGUE) <= set(METRICS)


def test_what_is_known() -> None:
    assert is_known(series("system.power", "W", "system", rail="vdd_in"))
    assert is_known(series("system.cpu.util", "%", "system"))
    assert not is_known(series("system.power", "mW", "system", rail="vdd_in"))
    assert not is_known(series("system.power", "W", "container", rail="vdd_in"))
    assert not is_known(series("system.power", "W", "system", sensor="cpu"))
    assert not is_known(series("energy.total", "J", "energy"))
