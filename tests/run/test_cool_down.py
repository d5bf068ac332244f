"""Waiting until the device is cool."""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from pathlib import Path

import pytest

from profileapp.model.target import Target
from profileapp.run import cool_down as module
from profileapp.run.cool_down import CoolDownResult, cool_down
from profileapp.run.stop import Stop, Wake
from tests.helpers.worker_process import configure, run


class FakeProgress:
    """Records only the calls of `waiting`."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def waiting(self, text: str) -> None:
        self.lines.append(text)


def cooled(
    target: Target, *readings: float | None, progress: FakeProgress | None = None, stop: Stop | None = None
) -> CoolDownResult:
    """Waits with a thermometer that reports the readings in order, then repeats the last."""
    left = list(readings)
    wake = Wake()
    return cool_down(
        target,
        lambda: left.pop(0) if len(left) > 1 else left[0],
        progress or FakeProgress(),  # type: ignore[arg-type]
        stop or Stop(wake),
        wake,
    )


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "POLL_INTERVAL_S", 0.01)


def test_without_a_setting_it_does_not_wait() -> None:
    assert cooled(Target("a"), 71.5) == CoolDownResult(temperature_c=71.5)
    assert cooled(Target("a"), None) == CoolDownResult()


def test_waits_until_the_temperature_is_below_the_limit() -> None:
    progress = FakeProgress()
    found = cooled(Target("a", cool_below_c=45), 60.0, 50.0, 45.0, 44.5, progress=progress)
    assert found.temperature_c == 44.5
    assert found.waited_s >= 0.03
    assert found.warning == ""
    assert progress.lines == ["a: waiting for the device to cool from 60.0 to below 45 °C"]


def test_a_cool_device_does_not_wait() -> None:
    assert cooled(Target("a", cool_below_c=45), 40.0).waited_s < 0.01


def test_it_has_a_deadline() -> None:
    found = cooled(Target("a", cool_below_c=45, cool_timeout_s=0.05), 60.0)
    assert (found.temperature_c, 0.05 <= found.waited_s < 5) == (60.0, True)
    assert found.warning == "a repeat began at 60.0 °C: the device did not cool below 45 °C in 0.05 s"


@pytest.mark.parametrize("readings", [(None,), (60.0, None)])
def test_no_temperature_is_no_failure(readings: tuple[float | None, ...]) -> None:
    found = cooled(Target("a", cool_below_c=45), *readings)
    assert found.temperature_c is None
    assert bool(found.warning) == (readings == (None,))


def test_a_stop_ends_the_wait() -> None:
    stop = Stop(Wake())
    threading.Timer(0.05, stop.request, (15,)).start()
    began_s = time.monotonic()
    assert cooled(Target("a", cool_below_c=45), 60.0, stop=stop).temperature_c == 60.0
    assert time.monotonic() - began_s < 10


def test_the_waiting_time_is_recorded(tmp_path: Path) -> None:
    """Uses the thermal zones of this machine; without any, the run warns and succeeds."""
    configure(tmp_path, [{"name": "a", "cool-down": {"below": "119 °C", "timeout": "1s"}}], metrics=[])
    outcome = run(tmp_path, "--runtime", "process", "--command", f"{sys.executable} -c pass", **os.environ)
    assert outcome.code == 0, outcome.err
    done = outcome.run("a")
    assert (done["target"]["cool_below_c"], done["target"]["cool_timeout_s"]) == (119, 1)
    if done["repeats"][0].get("start_c") is None:
        assert "has no temperature sensor" in json.dumps(done["warnings"])
