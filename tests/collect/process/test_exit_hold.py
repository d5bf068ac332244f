"""A process that is stopped at its exit: it runs undisturbed until then, and its exit is unchanged."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from profileapp.collect.process.exit_hold import ExitHold
from profileapp.collect.process.stat import read_stat

PROC = Path("/proc")
READY = "import os, sys, time; print(1, flush=True); sys.stdin.read(); "


def started(code: str) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(
        [sys.executable, "-c", READY + code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0
    )
    assert process.stdout and process.stdout.read(1) == b"1"
    return process


def go_on(process: subprocess.Popen[bytes]) -> None:
    assert process.stdin
    process.stdin.close()


@pytest.mark.parametrize(
    ("code", "end", "expected"),
    [
        ("sys.exit(3)", go_on, 3),
        ("time.sleep(600)", lambda process: process.send_signal(signal.SIGTERM), -signal.SIGTERM),
        ("time.sleep(600)", lambda process: process.kill(), -signal.SIGKILL),
    ],
    ids=["exits", "is terminated", "is killed"],
)
def test_it_is_stopped_with_its_counts_and_then_exits(
    code: str, end: Callable[[subprocess.Popen[bytes]], None], expected: int
) -> None:
    process = started(code)
    hold = ExitHold(process.pid)
    assert not hold.is_exiting()
    end(process)
    assert hold.wait()
    assert read_stat(PROC, process.pid) and (PROC / str(process.pid) / "io").read_bytes()
    assert process.poll() is None
    hold.release()
    assert process.wait(30) == expected


def test_signals_that_it_handles_and_stops_pass(tmp_path: Path) -> None:
    path = tmp_path / "heard"
    handle = f"import signal; signal.signal(signal.SIGUSR1, lambda *_: open({str(path)!r}, 'w').close()); "
    process = started("sys.exit(0)")
    process.kill()
    process.wait()
    process = subprocess.Popen(
        [
            sys.executable,
            "-c",
            f"{handle}print(1, flush=True); time_ = __import__('time')\nwhile True: time_.sleep(0.01)",
        ],
        stdout=subprocess.PIPE,
    )
    assert process.stdout and process.stdout.read(1) == b"1"
    hold = ExitHold(process.pid)
    for number in (signal.SIGSTOP, signal.SIGCONT, signal.SIGUSR1):
        os.kill(process.pid, number)
        time.sleep(0.05)
        hold.is_exiting()
    deadline_s = time.monotonic() + 30
    while not path.exists():
        assert time.monotonic() < deadline_s
        assert not hold.is_exiting()
        time.sleep(0.01)
    process.kill()
    assert hold.wait()
    hold.release()
    assert process.wait(30) == -signal.SIGKILL


def test_a_process_that_has_ended_is_not_stopped() -> None:
    process = subprocess.Popen(["true"])
    process.wait()
    hold = ExitHold(process.pid)
    assert not hold.is_exiting() and not hold.wait()
