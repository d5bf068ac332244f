"""Fixtures for tests of collectors: the context of a run, and a recorder of samples."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from profileapp.collect.api import Collector, Emit, LaunchRequirements, RunContext
from profileapp.collect.registry import registered_classes
from profileapp.model.clock import Clock
from profileapp.model.series import Series
from profileapp.model.target import Target
from tests.helpers.catalogue import is_known


class Taken:
    """Records samples: `samples` in order, `last` by series title."""

    def __init__(self) -> None:
        self.samples: list[tuple[Series, float, int]] = []

    def __call__(self, series: Series, value: float, at_ns: int) -> None:
        assert series.metric == "custom" or is_known(series), f"not in the catalogue: {series}"
        self.samples.append((series, value, at_ns))

    @property
    def last(self) -> dict[str, float]:
        return {series.title: value for series, value, _ in self.samples}

    def of(self, title: str) -> list[float]:
        return [value for series, value, _ in self.samples if series.title == title]


@pytest.fixture(autouse=True)
def _require_declared_series(monkeypatch: pytest.MonkeyPatch) -> None:
    """In every test, a source may emit only series that its class declares, so that the docs list them."""
    for kind in {kind for _, kind in registered_classes() if kind.metric != "custom"}:
        monkeypatch.setattr(kind, "open", _checked(kind.open))


def _checked(open_source: Callable[..., LaunchRequirements]) -> Callable[..., LaunchRequirements]:
    def opened(source: Collector, run: RunContext, emit: Emit) -> LaunchRequirements:
        declared = {each.name for each in type(source).series}

        def emit_declared(series: Series, value: float, at_ns: int) -> None:
            assert series.name in declared, f"{type(source).__name__} does not declare {series.name}"
            emit(series, value, at_ns)

        return open_source(source, run, emit_declared)

    return opened


@pytest.fixture
def taken() -> Taken:
    return Taken()


@pytest.fixture
def warnings() -> list[str]:
    """Warnings of the collectors under test."""
    return []


@pytest.fixture
def run(tmp_path: Path, warnings: list[str]) -> Callable[..., RunContext]:
    """Creates the context of a run, in a container if `contained`."""

    def make(contained: bool = True) -> RunContext:
        scratch = tmp_path / "s"
        scratch.mkdir(mode=0o700, exist_ok=True)
        return RunContext("run-1", Target("default"), Clock.now(), scratch, tmp_path, contained, warnings.append)

    return make


@pytest.fixture
def write_tree(tmp_path: Path) -> Callable[[dict[str, str]], Path]:
    """Writes files below a root and returns the root. Existing files change in place, as open descriptors see it."""

    def write(files: dict[str, str]) -> Path:
        root = tmp_path / "root"
        for name, content in files.items():
            path = root / name.removeprefix("/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.encode())
        return root

    return write
