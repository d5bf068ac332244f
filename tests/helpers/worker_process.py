"""Runs the worker as a separate process, as a build does."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

WORKER = [sys.executable, "-m", "profileapp"]
SHORT_S = 60.0


class Outcome:
    """Exit code, output and artifacts of a worker in `folder`."""

    def __init__(self, done: subprocess.CompletedProcess[str], folder: Path) -> None:
        self.code = done.returncode
        self.err = done.stderr
        self.out = done.stdout
        self.folder = folder

    def run(self, target: str) -> dict[str, Any]:
        """run.json of a target."""
        return json.loads((self.folder / "profile" / target / "run.json").read_text())

    def log(self, target: str) -> bytes:
        """app.log of a target."""
        return (self.folder / "profile" / target / "app.log").read_bytes()

    def samples(self, target: str) -> list[dict[str, Any]]:
        """Every line of metrics.ndjson of a target."""
        return [json.loads(line) for line in (self.folder / "profile" / target / "metrics.ndjson").open()]


def configure(folder: Path, targets: list[dict[str, Any]], **more: Any) -> None:
    """Writes a sage.yaml (JSON is YAML)."""
    (folder / "sage.yaml").write_text(json.dumps({"name": "app", "profiling": {"targets": targets, **more}}))


def run(folder: Path, *options: str, **env: str) -> Outcome:
    """Runs `profileapp run sage.yaml` without pages, and returns when it ends."""
    done = subprocess.run(
        [*WORKER, "run", "sage.yaml", "--no-report", *options],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **env},
        timeout=170,
    )
    return Outcome(done, folder)


def start(folder: Path, *options: str, **env: str) -> subprocess.Popen[bytes]:
    """Starts the same in the background."""
    return subprocess.Popen(
        [*WORKER, "run", "sage.yaml", "--no-report", *options],
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, **env},
    )


def wait_until(condition: Callable[[], bool], timeout_s: float = SHORT_S) -> None:
    """Returns once `condition` is true; fails after `timeout_s`."""
    deadline_s = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline_s, "waited in vain"
        time.sleep(0.05)


def is_measuring(folder: Path, target: str) -> bool:
    """Whether a target's app runs and its samples reach the disk."""
    metrics = folder / "profile" / target / "metrics.ndjson"
    return metrics.exists() and metrics.stat().st_size > 1000
