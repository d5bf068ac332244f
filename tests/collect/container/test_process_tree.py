"""Resource usage of a process and all its descendants, with real processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from profileapp.collect.api import AppHandle, RunContext
from profileapp.collect.container.process_tree import ProcessTree
from profileapp.errors import Unavailable

# Uses CPU time in children that live for a few milliseconds each, reports it, and waits to be killed.
BURST = """
import os, sys, time
while sum(os.times()[2:4]) < 0.4:
    child = os.fork()
    if child == 0:
        stop = time.process_time() + 0.005
        while time.process_time() < stop: pass
        os._exit(0)
    os.waitpid(child, 0)
print("done", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def start() -> Iterator[Callable[[str], subprocess.Popen[bytes]]]:
    started: list[subprocess.Popen[bytes]] = []

    def make(code: str) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [sys.executable, "-S", "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
        )
        started.append(process)
        return process

    yield make
    for process in started:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        for stream in (process.stdin, process.stdout):
            if stream:
                stream.close()


def test_cpu_time_of_short_lived_children_is_counted(
    start: Callable[[str], subprocess.Popen[bytes]], run: Callable[..., RunContext], taken: Any
) -> None:
    app = start(BURST)
    collector = ProcessTree()
    collector.open(run(contained=False), taken)
    collector.attach(AppHandle(app.pid))
    deadline = time.monotonic() + 60
    os.set_blocking(app.stdout.fileno(), False)  # type: ignore[union-attr]
    while app.stdout.read() is None and time.monotonic() < deadline:  # type: ignore[union-attr]
        time.sleep(0.05)
        collector.sample(time.monotonic_ns())
    collector.sample(time.monotonic_ns())
    app.stdin.close()  # type: ignore[union-attr]
    _, _, usage = os.wait4(app.pid, 0)
    app.returncode = 0

    moments = sorted({at_ns for series, _, at_ns in taken.samples if series.name == "container.cpu.util"})
    first_ns = taken.samples[0][2]
    spans_s = [(to - since) / 1e9 for since, to in zip([first_ns, *moments], moments, strict=False)]
    counted_s = sum(rate / 100 * span_s for rate, span_s in zip(taken.of("container.cpu.util"), spans_s, strict=True))
    # All CPU time between the first and the last sample, in ticks of 10 ms.
    assert counted_s == pytest.approx(usage.ru_utime + usage.ru_stime, abs=0.15)
    assert counted_s > 0.2


def test_memory_and_processes_of_all_descendants(
    start: Callable[[str], subprocess.Popen[bytes]], run: Callable[..., RunContext], taken: Any
) -> None:
    app = start("import os, sys\nheap = b'x' * 50_000_000\nif os.fork(): print('up', flush=True)\nsys.stdin.read()")
    app.stdout.readline()  # type: ignore[union-attr]
    collector = ProcessTree()
    collector.open(run(contained=False), taken)
    collector.attach(AppHandle(app.pid))
    assert taken.last["container.processes"] == 2
    assert taken.last["container.memory.used"] > 100_000_000
    assert "container.network.received" not in taken.last
    before = len(taken.samples)
    os.killpg(app.pid, signal.SIGKILL)
    app.wait()
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        collector.sample(time.monotonic_ns())
        if len(taken.samples) == before:
            break
        before = len(taken.samples)
        time.sleep(0.05)
    else:
        pytest.fail("samples of a process that is gone")
    with pytest.raises(Unavailable, match="ended before"):
        collector.attach(AppHandle(app.pid))
    collector.close()


def test_measuring_a_container_by_its_processes_warns(
    run: Callable[..., RunContext], taken: Any, warnings: list[str], write_tree: Callable[[dict[str, str]], Path]
) -> None:
    fields = "10 (app) S 1 10 10 0 -1 0 0 0 0 0 1 0 0 0 20 0 3 0 100 0 5" + " 0" * 28
    root = write_tree({"10/stat": fields, "10/cgroup": "0::/../1a2b\n"})
    collector = ProcessTree(root)
    collector.open(run(contained=True), taken)
    collector.attach(AppHandle(10, "1a2b"))
    collector.attach(AppHandle(10, "1a2b"))
    assert taken.last["container.processes"] == 3
    assert len(warnings) == 1
    # Another process that has the same pid in the worker's namespace.
    with pytest.raises(Unavailable, match="not visible"):
        collector.attach(AppHandle(10, "ffff"))
