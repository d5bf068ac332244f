"""A source of another package: one file and one entry point, installed beside profileapp in a venv, and used by a
run.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

DOCS = (ROOT / "docs" / "collectors.md").read_text().partition("## Add a source")[2]
# Everything that a plugin needs, taken from the docs: the file, and the entry point in its pyproject.toml.
SOURCE, ENTRY_POINT = (re.search(rf"```{language}\n(.*?)```", DOCS, re.DOTALL)[1] for language in ("python", "toml"))  # type: ignore[index]
PACKAGE = f"""
[build-system]
requires = ["setuptools"]
build-backend = "setuptools.build_meta"

[project]
name = "rain-gauge"
version = "1.0"

{ENTRY_POINT}

[tool.setuptools]
py-modules = ["rain_gauge"]
"""
APP = """
name: station
profiling:
  targets: [{args: "0.5", timeout: 20}]
  metrics: [system]
  defaults: {interval: 100ms, budgets: {system.rain.mean: "<= 5"}}
"""


@pytest.fixture
def venv(tmp_path: Path) -> Path:
    """A venv with the packages of this one, and the other package."""
    gauge, source, made = tmp_path / "gauge", tmp_path / "rain-gauge", tmp_path / "venv"
    source.mkdir()
    (source / "rain_gauge.py").write_text(SOURCE.replace("/run/rain-gauge", str(gauge)))
    (source / "pyproject.toml").write_text(PACKAGE)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", made], check=True, timeout=60)
    packages = next(made.glob("lib/python*/site-packages"))
    (packages / "beside.pth").write_text(f"{sysconfig.get_path('purelib')}\n{ROOT / 'worker'}\n")
    pip = [sys.executable, "-m", "pip", "--python", made / "bin/python", "install", "--quiet", "--no-deps"]
    subprocess.run(
        [*pip, "--no-build-isolation", "--no-index", "--disable-pip-version-check", source], check=True, timeout=120
    )
    return made


def profileapp(venv: Path, folder: Path, *argv: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [venv / "bin/python", "-m", "profileapp", *argv],
        cwd=folder,
        env={**os.environ, "PROFILEAPP_STATE": str(folder / "state"), "COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_a_source_of_another_package_is_used(venv: Path, tmp_path: Path) -> None:
    (tmp_path / "sage.yaml").write_text(APP)
    (tmp_path / "gauge").write_text("2.5\n")
    argv = ("run", "sage.yaml", "--runtime", "process", "--command", "sleep")
    ran = profileapp(venv, tmp_path, *argv)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    folder = next(path for path in (tmp_path / "profile").iterdir() if (path / "run.json").exists())
    run = json.loads((folder / "run.json").read_text())
    statuses = {status["metric"]: status for status in run["metrics"]}
    assert (statuses["system"]["state"], statuses["system"]["source"]) == ("measured", "rain-gauge")
    (number,) = [each for each in run["summary"] if each["name"] == "system.rain"]
    assert (number["mean"], number["unit"]) == (2.5, "mm")
    assert [(each["key"], each["state"]) for each in run["budgets"]] == [("system.rain.mean", "met")]


def test_if_unavailable_the_next_source_is_used_and_doctor_reports_why(venv: Path, tmp_path: Path) -> None:
    report = profileapp(venv, tmp_path, "doctor", "--json").stdout
    checks = {check["metric"]: check["sources"] for check in json.loads(report)["metrics"] if not check["part"]}
    states = {source["source"]: source["reason"] for source in checks["system"]}
    assert next(iter(states)) == "rain-gauge", "a source of another package precedes ours"
    assert states["rain-gauge"] == "no rain gauge is connected"
