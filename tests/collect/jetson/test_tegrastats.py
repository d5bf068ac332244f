"""The program tegrastats, correct and faulty, emulated by a script."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from profileapp.collect.api import AppHandle, RunContext
from profileapp.collect.jetson import tegrastats as module
from profileapp.collect.jetson.tegrastats import Tegrastats, find_tegrastats
from profileapp.errors import Unavailable
from profileapp.model.clock import Clock
from profileapp.model.target import Target

LINE = "RAM 100/200MB (lfb 2x4MB) CPU [10%@100,20%@100] GR3D_FREQ 40% VDD_IN 5000mW/4000mW"


@pytest.fixture
def program(tmp_path: Path) -> Callable[[str], Path]:
    def make(script: str) -> Path:
        path = tmp_path / "tegrastats"
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
        return path

    return make


@pytest.fixture
def warnings() -> list[str]:
    return []


@pytest.fixture
def run(tmp_path: Path, warnings: list[str]) -> RunContext:
    return RunContext(
        run_id="r",
        target=Target("t", interval_s=0.1),
        clock=Clock.now(),
        scratch=tmp_path,
        artifacts=tmp_path,
        contained=True,
        warn=warnings.append,
    )


class Taken:
    def __init__(self) -> None:
        self.samples: list[tuple[str, float]] = []

    def __call__(self, series: Any, value: float, at_ns: int) -> None:
        self.samples.append((series.title, value))


def wait_for(condition: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline_s, "waited in vain"
        time.sleep(0.02)


def starts(path: Path) -> int:
    message = Path(f"{path}.starts")
    return message.read_text().count("started") if message.exists() else 0


def running(path: Path) -> bool:
    return bool(subprocess.run(["pgrep", "-f", str(path)], capture_output=True, check=False).stdout)


def test_lines_become_samples_and_the_program_is_stopped(
    program: Callable[[str], Path], run: RunContext, warnings: list[str]
) -> None:
    path = program(f'echo "$@" >"$0.args"; while :; do echo "{LINE}"; sleep 0.1; done')
    taken = Taken()
    source = Tegrastats(lambda: path)
    source.open(run, taken)
    assert taken.samples == [], "the app does not run yet"
    source.attach(AppHandle(1))
    wait_for(lambda: len(taken.samples) > 20)
    source.sample(time.monotonic_ns())
    source.detach()
    source.close()
    count = len(taken.samples)
    assert ("system.gpu.util", 40.0) in taken.samples and ("system.power[vdd_in]", 5.0) in taken.samples
    assert Path(f"{path}.args").read_text() == "--interval 100\n"
    wait_for(lambda: not running(path))
    assert len(taken.samples) == count and warnings == []


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("exit 1", "printed no line of tegrastats"),
        ("sleep 60", "printed no line of tegrastats"),
        ("while :; do echo garbage; sleep 0.1; done", "printed no line of tegrastats"),
    ],
)
def test_an_unusable_program_is_unavailable_with_a_reason(
    program: Callable[[str], Path], run: RunContext, monkeypatch: pytest.MonkeyPatch, script: str, reason: str
) -> None:
    monkeypatch.setattr(module, "FIRST_LINE_S", 0.5)
    path = program(script)
    with pytest.raises(Unavailable, match=reason):
        Tegrastats(lambda: path).open(run, Taken())
    wait_for(lambda: not running(path))


def test_a_missing_or_forbidden_program_is_unavailable_with_a_reason(
    program: Callable[[str], Path], run: RunContext
) -> None:
    with pytest.raises(Unavailable, match="not a Jetson"):
        Tegrastats(lambda: None).open(run, Taken())
    path = program("echo")
    path.write_text("not a program")
    path.chmod(0o644)
    with pytest.raises(Unavailable, match="cannot be run"):
        Tegrastats(lambda: path).open(run, Taken())


def test_the_program_on_the_path_precedes_the_default_locations(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_path, usual, no_program = (tmp_path / name / "tegrastats" for name in ("path", "home", "text"))
    for each in (on_path, usual, no_program):
        each.parent.mkdir()
        each.write_text("#!/bin/sh\n")
    on_path.chmod(0o755)
    usual.chmod(0o755)
    monkeypatch.setattr(module, "USUAL_PLACES", (no_program, tmp_path / "missing", usual))
    monkeypatch.setenv("PATH", str(on_path.parent))
    assert find_tegrastats() == on_path
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    assert find_tegrastats() == usual
    usual.chmod(0o644)
    monkeypatch.setattr(module, "USUAL_PLACES", (tmp_path / "missing",))
    assert find_tegrastats() is None


def test_a_program_that_exits_is_restarted(
    program: Callable[[str], Path], run: RunContext, monkeypatch: pytest.MonkeyPatch, warnings: list[str]
) -> None:
    monkeypatch.setattr(module, "FIRST_RESTART_S", 0.05)
    path = program(f'echo "{LINE}"; echo started >>"$0.starts"')
    taken = Taken()
    source = Tegrastats(lambda: path)
    source.open(run, taken)
    source.attach(AppHandle(1))
    wait_for(lambda: starts(path) >= 3)
    source.close()
    assert len(taken.samples) >= 6
    assert any("exited unexpectedly" in line and "restarted" in line for line in warnings)


def test_a_program_that_hangs_is_killed_and_restarted(
    program: Callable[[str], Path], run: RunContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SILENCE_S", 0.3)
    monkeypatch.setattr(module, "FIRST_RESTART_S", 0.05)
    path = program(f'trap "" TERM; echo "{LINE}"; echo started >>"$0.starts"; while :; do sleep 0.1; done')
    monkeypatch.setattr(module, "END_S", 0.3)
    source = Tegrastats(lambda: path)
    source.open(run, Taken())
    source.attach(AppHandle(1))
    wait_for(lambda: Path(f"{path}.starts").exists())
    time.sleep(0.6)
    with pytest.raises(RuntimeError, match="printed nothing"):
        source.sample(time.monotonic_ns())
    wait_for(lambda: starts(path) >= 2)
    source.close()
    wait_for(lambda: not running(path))


def test_a_flood_and_an_endless_line_use_bounded_memory(
    program: Callable[[str], Path], run: RunContext, warnings: list[str]
) -> None:
    path = program(
        f'echo "{LINE} WHAT"; head -c 5000000 /dev/zero | tr "\\0" x; echo; yes "{LINE}" | head -n 2000; sleep 60'
    )
    taken = Taken()
    source = Tegrastats(lambda: path)
    source.open(run, taken)
    source.attach(AppHandle(1))
    wait_for(lambda: len(taken.samples) > 8000)
    source.close()
    assert any("1 tokens of tegrastats were not recognised, such as 'WHAT'" in line for line in warnings)
