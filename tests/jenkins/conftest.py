"""Artifacts of a build, made by the real worker, and a fake Jenkins that serves them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.jenkins.fake_jenkins import FakeJenkins, served

TARGETS = ["first", "second"]
_SAGE_YAML = """\
name: app
version: "1.0"
profiling:
  targets:
    - {name: first, args: "-interval 1", timeout: 2}
    - {name: second, args: "", timeout: 2, budgets: {"container.memory.used.max": "<= 4 GiB"}}
  metrics: ['container', 'tau']
"""


@pytest.fixture(scope="session")
def archived(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder whose profile/ has the artifacts of a real run of two targets."""
    folder = tmp_path_factory.mktemp("archived")
    config = tmp_path_factory.mktemp("app") / "sage.yaml"
    config.write_text(_SAGE_YAML)
    state = tmp_path_factory.mktemp("state")
    profileapp = [sys.executable, "-m", "profileapp"]
    process = ["--runtime", "process", "--command", "sh -c 'sleep 30'"]
    ran = subprocess.run(
        [*profileapp, "run", config, "--out", folder / "profile", *process],
        # Not the state folder of this machine's real runs, for which a test run would wait.
        env={**os.environ, "PROFILEAPP_STATE": str(state)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert (folder / "profile" / "index.html").exists(), ran.stderr
    return folder


@pytest.fixture
def jenkins(archived: Path, tmp_path: Path) -> Iterator[FakeJenkins]:
    """A Jenkins without problems; a test may change it and its artifacts."""
    workspace = tmp_path / "archive"
    shutil.copytree(archived, workspace)
    stages = [(name, "SUCCESS") for name in ("Profile: plan", *TARGETS, "Profile: summary")]
    # For each target: run, container and custom pass, tau is skipped; the second also has a budget.
    with served(FakeJenkins(workspace, stages=stages, counts=(7, 0, 2))) as fake:
        yield fake
