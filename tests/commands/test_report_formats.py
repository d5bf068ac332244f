"""End-to-end tests of `profileapp report --format …`."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.report.sample_runs import write_samples


def report(folder: Path, form: str) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "profileapp", "report", str(folder), "--format", form]
    return subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60)


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recorded folder of four targets without any report."""
    folder = tmp_path_factory.mktemp("formats")
    write_samples(folder)
    return folder


@pytest.mark.parametrize("form", ["markdown", "json"])
def test_it_writes_only_to_stdout_and_keeps_the_exit_code_of_the_run(recorded: Path, form: str) -> None:
    before = {path: path.stat().st_mtime_ns for path in recorded.rglob("*")}
    done = report(recorded, form)
    assert done.returncode == 4 and done.stderr == ""
    assert {path: path.stat().st_mtime_ns for path in recorded.rglob("*")} == before
    if form == "json":
        verdicts = {each["verdict"] for each in json.loads(done.stdout)["targets"]}
        assert verdicts == {"passed", "over budget", "app failed", "incomplete"}
    else:
        assert done.stdout.startswith("### Profile of <code>object-counter") and done.stdout.endswith("\n")
