"""`scripts/wheels`: a folder from which an agent without a network installs the worker."""

from __future__ import annotations

import configparser
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.bridge.stand_in import write_wheel

ROOT = Path(__file__).parents[2]
VERSION = (ROOT / "resources/profileapp/VERSION").read_text().strip()
BINARY = "msgspec"
"""A dependency with a wheel for each machine."""


def wheels(*argv: str | Path, index: Path) -> subprocess.CompletedProcess[str]:
    environ = {**os.environ, "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(index), "PIP_CONFIG_FILE": os.devnull}
    return subprocess.run(
        [sys.executable, ROOT / "scripts/wheels", *argv], env=environ, capture_output=True, text=True, check=False
    )


@pytest.fixture
def index(tmp_path: Path) -> Path:
    """Fake packages for the dependencies of the worker without extras."""
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    folder = tmp_path / "index"
    folder.mkdir()
    for line in setup["options"]["install_requires"].split("\n"):
        name = re.split("[>=]", line)[0].replace("-", "_")
        if name and not name.startswith("#"):
            made = write_wheel(folder, name, "99.0")
            if name == BINARY:
                for tag in ("manylinux_2_17_x86_64", "manylinux_2_27_aarch64"):
                    (folder / f"{name}-99.0-cp310-cp310-{tag}.whl").write_bytes(made.read_bytes())
                made.unlink()
    return folder


def test_it_has_the_worker_and_what_it_needs_for_each_machine(index: Path, tmp_path: Path) -> None:
    out = tmp_path / "wheels"
    done = wheels("--out", out, "--python", "3.10", "--extras", "", index=index)
    assert done.returncode == 0, done.stderr
    names = {each.name for each in out.iterdir()}
    assert f"profileapp-{VERSION}-py3-none-any.whl" in names and "click-99.0-py3-none-any.whl" in names
    assert {name for name in names if name.startswith(BINARY)} == {
        f"{BINARY}-99.0-cp310-cp310-manylinux_2_17_x86_64.whl",
        f"{BINARY}-99.0-cp310-cp310-manylinux_2_27_aarch64.whl",
    }
    assert done.stdout.startswith(f"{len(names)} wheels, ")


def test_the_error_names_a_missing_wheel(index: Path, tmp_path: Path) -> None:
    for wheel in index.glob(f"{BINARY}-*aarch64.whl"):
        wheel.unlink()
    out = tmp_path / "wheels"
    done = wheels("--out", out, "--machine", "aarch64", "--python", "3.10", "--extras", "", index=index)
    assert done.returncode == 1
    (error,) = [line for line in done.stderr.splitlines() if line.startswith("wheels: Python 3.10 on aarch64: ")]
    assert BINARY in error


def test_an_extra_is_a_name(tmp_path: Path) -> None:
    done = wheels("--out", tmp_path / "wheels", "--extras", "report;x", index=tmp_path)
    assert done.returncode == 2 and "must be names of extras" in done.stderr


def test_make_has_a_target_for_it() -> None:
    done = subprocess.run(["make", "-n", "wheels"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert "scripts/wheels" in done.stdout
