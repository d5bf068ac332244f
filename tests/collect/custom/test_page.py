"""The examples of docs/custom-metrics.md send the same samples in each language."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from profileapp.collect.api import RunContext
from profileapp.collect.custom.source import SOCKET_VARIABLE, Custom
from tests.helpers.paths import ROOT

PAGE = ROOT / "docs/custom-metrics.md"
SAID = {
    "fps": ("gauge", "frames/s", 12.5),
    "frames": ("counter", "", 1),
    "inference[yolo]": ("timer", "s", 0.031),
    "warm-up": ("phase", "", 1),
    "model loaded": ("event", "", 1),
}


def block(language: str) -> str:
    found = re.findall(rf"^```{re.escape(language)}\n(.*?)^```", PAGE.read_text(), re.S | re.M)
    return next(text for text in found if "model loaded" in text)


def build(language: str, folder: Path) -> list[str]:
    if language == "sh":
        (folder / "app.sh").write_text(block("sh"))
        return ["sh", str(folder / "app.sh")]
    source = folder / {"c++": "app.cpp", "go": "app.go"}[language]
    source.write_text(block(language))
    program = str(folder / "app")
    compiler = {"c++": ["g++", "-Wall", "-Wextra", "-Werror", "-o"], "go": ["go", "build", "-o"]}[language]
    subprocess.run([*compiler, program, str(source)], check=True, cwd=folder, timeout=300)
    return [program]


@pytest.mark.parametrize("language", ["sh", "c++", "go"])
def test_every_language_sends_the_same_values(
    language: str, tmp_path: Path, run: Callable[..., RunContext], taken: Any, warnings: list[str]
) -> None:
    needed = {"sh": "nc.openbsd", "c++": "g++", "go": "go"}[language]
    if not shutil.which(needed):
        pytest.skip(f"no {needed} here")
    argv = build(language, tmp_path)
    collector = Custom()
    requirements = collector.open(run(contained=False), taken)
    environment = {"PATH": "/usr/local/bin:/usr/bin:/bin", SOCKET_VARIABLE: requirements.env[SOCKET_VARIABLE]}
    subprocess.run(argv, check=True, env=environment, timeout=60)
    collector.close()
    assert {series.title: (series.kind, series.unit, value) for series, value, _ in taken.samples} == SAID
    assert not warnings
