"""Judged runs for reports."""

from __future__ import annotations

from pathlib import Path

import pytest

from profileapp.judge.verdict import JudgedRun
from tests.report.sample_runs import judged_devices, judged_samples


@pytest.fixture(scope="session")
def samples(tmp_path_factory: pytest.TempPathFactory) -> list[JudgedRun]:
    """One target that passed, one over budget, one whose app failed, one cut off by a crash. Read-only."""
    return judged_samples(tmp_path_factory.mktemp("samples"))


@pytest.fixture
def own_samples(tmp_path: Path) -> list[JudgedRun]:
    """The same in a writable folder: `tmp_path / "profile"`."""
    return judged_samples(tmp_path / "profile")


@pytest.fixture(scope="session")
def on_devices(tmp_path_factory: pytest.TempPathFactory) -> list[JudgedRun]:
    """Two targets on three devices each. Read-only."""
    return judged_devices(tmp_path_factory.mktemp("devices"))
