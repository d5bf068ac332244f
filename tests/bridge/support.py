"""Helpers for the tests of worker.sh."""

from __future__ import annotations

import os
import time
from pathlib import Path

MAKING = "making the worker's environment"


def preinstalled(version: str, extras: str = "none") -> str:
    return f"""
        if [ "$1" = --version ]; then echo "profileapp {version} (extras: {extras})"; exit; fi
        IFS='|'; echo "preinstalled $*"; exit 7"""


def main_of(environment: Path) -> str:
    (main,) = environment.glob("lib/python*/site-packages/profileapp/__main__.py")
    return main.read_text()


def make_older(folder: Path, days: float) -> None:
    then = time.time() - days * 86400
    os.utime(folder, (then, then))


def wait_for(path: Path) -> None:
    deadline = time.monotonic() + 60
    while not path.exists():
        assert time.monotonic() < deadline, f"{path} did not come"
        time.sleep(0.02)
