"""The slowdown of a busy Python app by sampling its functions: pairs of runs, with py-spy at 100 Hz and without."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from profileapp.collect.api import AppHandle, RunContext
from profileapp.collect.functions.py_spy import RATE_HZ, PySpy
from profileapp.model.clock import Clock
from profileapp.model.target import Target
from tests.bench.measure import Measure, spread

PAIRS = 11
# A fixed amount of work that takes some seconds; it prints its duration.
_WORK = """
import sys, time
def inner(n):
    total = 0
    for i in range(n):
        total += i * i
    return total
sys.stdin.readline()
began = time.perf_counter()
for _ in range(4000):
    inner(20000)
print(time.perf_counter() - began)
"""


def slowdown() -> Measure:
    """Median of the ratios; the order within pairs alternates."""
    ratios = []
    for number in range(PAIRS):
        if number % 2:
            without_s, with_s = _run(False), _run(True)
        else:
            with_s, without_s = _run(True), _run(False)
        ratios.append(with_s / without_s)
    slower = (median(ratios) - 1) * 100
    return Measure(
        f"slowdown of a pure-Python app by `functions` at {RATE_HZ} Hz",
        f"{slower:+.1f} %, quartiles {spread(ratios)}",
        "the same app alone",
        slower,
        3,
        " %",
    )


def _run(profiled: bool) -> float:
    with tempfile.TemporaryDirectory() as folder:
        app = subprocess.Popen([sys.executable, "-c", _WORK], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        source = PySpy()
        if profiled:
            context = RunContext("b", Target("b"), Clock.now(), Path(folder), Path(folder), True, print)
            source.open(context, lambda *_: None)
            source.attach(AppHandle(app.pid))
            time.sleep(1)
        message, _ = app.communicate("go\n")
        if profiled:
            source.detach()
        source.close()
        return float(message)
