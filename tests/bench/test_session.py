"""Measures are printed at once, and are not lost if a later one fails."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.bench.measure import Measure
from tests.bench.session import take_all
from tests.helpers.paths import ROOT

# A job in the background of a shell ignores SIGINT, and so do its children.
_CHILD = """
import signal, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)
from tests.bench.measure import Measure
from tests.bench.session import take_all
def take():
    yield Measure("first", "1 s", "", 1, 2, " s")
    time.sleep(600)
    yield Measure("second", "", "", 1, 2)
sys.exit(take_all({"word": take}))
"""


def first(value: float = 1.0) -> Measure:
    return Measure("first", "1 s", "peer: 2 s", value, 2, "×")


@pytest.fixture(autouse=True)
def _own_signals() -> Iterator[None]:
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


def test_each_measure_is_printed_before_the_next_starts(capsys: pytest.CaptureFixture[str]) -> None:
    printed: list[str] = []

    def take() -> Iterator[Measure]:
        yield first()
        printed.append(capsys.readouterr().out)
        yield Measure("second", "", "", 1, 2)

    assert take_all({"word": take}) == 0
    assert printed == ["holds: first: 1× (limit 2×); 1 s; peer: 2 s\n"]
    output = capsys.readouterr().out
    assert output.startswith("holds: second: 1 (limit 2)\n")
    table = output.partition("\n")[2]
    assert "first" in table
    assert "second" in table


def test_a_missed_measure_sets_the_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    assert take_all({"word": lambda: [first(3.0)]}) == 1
    assert capsys.readouterr().out.startswith("missed: first: 3× (limit 2×)")


def test_a_measure_that_fails_leaves_the_table_of_the_others(capsys: pytest.CaptureFixture[str]) -> None:
    def fail() -> list[Measure]:
        raise ValueError("no peer")

    with pytest.raises(ValueError, match="no peer"):
        take_all({"one": lambda: [first()], "two": fail})
    assert "What measuring costs" in capsys.readouterr().out


@pytest.mark.parametrize(("number", "exit_code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_session_prints_the_measures_taken(number: signal.Signals, exit_code: int) -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", _CHILD], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        assert child.stdout
        # It arrives through the pipe while the child continues to measure.
        assert child.stdout.readline() == "holds: first: 1 s (limit 2 s); 1 s\n"
        child.send_signal(number)
        output, errors = child.communicate(timeout=60)
    finally:
        child.kill()
    assert child.returncode == exit_code
    assert "What measuring costs" in output
    assert "first" in output
    assert "second" not in output
    assert "Traceback" not in errors


def test_without_a_daemon_one_line_names_the_remedy() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench", "sample"],
        cwd=ROOT,
        env={"PATH": "/usr/bin:/bin", "DOCKER_HOST": "unix:///nowhere/docker.sock"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    *_, last = done.stderr.splitlines()
    assert "`make bench` starts one" in last
    assert "Traceback" not in done.stderr
