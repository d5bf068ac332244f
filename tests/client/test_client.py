"""The client in real apps: it sends all samples and never blocks or breaks the app."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import profileapp.client
from profileapp.collect.api import RunContext
from profileapp.collect.custom.source import Custom
from profileapp.model.clock import Clock
from profileapp.model.series import Series
from profileapp.model.target import Target

RunApp = Callable[..., subprocess.CompletedProcess[str]]

EVERYTHING = """
import asyncio, time
from client import counter, event, flush, gauge, phase, timer

gauge("fps", 12.5, unit="frames/s")
gauge("seen", 3, camera="left", lane=2)
counter("frames")
counter("bytes", 4096, unit="bytes")
with timer("inference", model="a"):
    time.sleep(0.02)

@timer("step")
def step(a, b=1):
    "What a step does."
    return a + b

@timer("wait")
async def wait():
    await asyncio.sleep(0.02)
    return "waited"

assert step(1, b=2) == 3 and step.__name__ == "step" and step.__doc__ == "What a step does."
loop = asyncio.new_event_loop()
assert loop.run_until_complete(wait()) == "waited"
loop.close()
again = timer("nested")
with again:
    with again:
        pass
try:
    with timer("failed"):
        raise KeyError("the app's own")
except KeyError:
    pass
else:
    raise AssertionError("the app's exception was swallowed")
event("model loaded")
with phase("inference"):
    assert phase("sum")(sum)([1, 2]) == 3
flush()
"""


def test_sends_all_kinds_of_samples_on_each_interpreter(run_app: RunApp, listener: Any, python: str) -> None:
    listener.start()
    before_ns = time.time_ns()
    run_app(EVERYTHING, listener.path, python)
    output = listener.output()
    assert [one["name"] for one in output] == [
        *("fps", "seen", "frames", "bytes", "inference", "step", "wait", "nested", "nested", "failed"),
        *("model loaded", "inference", "sum", "sum", "inference"),
    ]
    assert [(one["value"], one["meta"]) for one in output[-5:]] == [
        (1, {"kind": "event"}),
        *((value, {"kind": "phase"}) for value in (1, 1, 0, 0)),
    ]
    fps, seen, frames, size, inference, *_ = output
    assert (fps["value"], fps["meta"]) == (12.5, {"kind": "gauge", "unit": "frames/s"})
    assert (seen["value"], seen["meta"]) == (3, {"kind": "gauge", "camera": "left", "lane": "2"})
    assert (frames["value"], frames["meta"]) == (1, {"kind": "counter"})
    assert (size["value"], size["meta"]) == (4096, {"kind": "counter", "unit": "bytes"})
    assert inference["meta"] == {"kind": "timer", "unit": "s", "model": "a"}
    assert 0.02 <= inference["value"] < 30
    assert all(before_ns <= one["timestamp"] <= time.time_ns() for one in output)


OFF = """
import os, socket, threading
from client import counter, event, flush, gauge, phase, timer, _SENDER

assert _SENDER is None
@timer("step")
def step():
    return 7
def fails(*_): raise AssertionError("a call was made without a listener")
socket.socket = os.getpid = fails
before = len(os.listdir("/proc/self/fd"))
for _ in range(1000):
    gauge("fps", 12.5, unit="frames/s")
    counter("frames")
    event("loaded")
    with timer("inference"), phase("warm-up"): pass
    assert step() == 7
flush()
assert len(os.listdir("/proc/self/fd")) == before
assert threading.active_count() == 1
"""


def test_does_nothing_without_a_profiler(run_app: RunApp, python: str) -> None:
    """Its cost is measured by `python -m tests.bench client`."""
    run_app(OFF, None, python)


NEVER_BLOCKS = """
import os, time
import client
before = len(os.listdir("/proc/self/fd"))
started = time.monotonic()
for number in range(100000):
    client.gauge("fps", number)
print(time.monotonic() - started)
assert len(os.listdir("/proc/self/fd")) <= before + 1
# Not ru_maxrss: that survives exec, and is at least what the test runner used.
with open("/proc/self/status") as status:
    assert int(status.read().split("VmHWM:")[1].split()[0]) < 60000
"""


def test_a_socket_without_a_listener(run_app: RunApp, tmp_path: Path) -> None:
    run_app(NEVER_BLOCKS, tmp_path / "no.sock")


def test_a_listener_that_never_reads(run_app: RunApp, listener: Any) -> None:
    # The connection is never accepted: the kernel buffers a few hundred KB, then no more.
    started = time.monotonic()
    looped_s = float(run_app(NEVER_BLOCKS, listener.path).stdout)
    # At exit the client waits at most a second for the profiler.
    assert time.monotonic() - started - looped_s < 30


HOSTILE = """
import client
class Wild:
    def __float__(self): raise RuntimeError("no")
    def __str__(self): raise RuntimeError("no")
class Half:  # as numpy.float32: no float, but it becomes one
    def __float__(self): return 0.5
client.gauge("a", Wild())
client.gauge("b", None)
client.gauge("c", 1, label=Wild())
client.gauge("d" * 100000, 1)
client.gauge("e", 10 ** 400)
client.gauge(["f"], 1)
client.gauge("g", 1, unit=Wild())
client.gauge("\\ud800", 1)
client.counter("h", "many")
client.gauge("half", Half())
loop = []; loop.append(loop)
client.gauge(loop, 1)
with client.timer(Wild()):
    pass
client.gauge("last", 1)
"""


def test_never_raises_for_any_argument(run_app: RunApp, listener: Any) -> None:
    listener.start()
    run_app(HOSTILE, listener.path)
    output = {str(one["name"]): one["value"] for one in listener.output()}
    assert output["half"] == 0.5
    assert output["last"] == 1
    assert not {"a", "b", "c", "e", "g", "h"} & set(output)
    assert all(len(name) < 8192 for name in output)


FORKS = """
import os, sys
import client
client.gauge("parent", 1)
children = []
for number in range(4):
    child = os.fork()
    if child == 0:
        for value in range(100):
            client.gauge("child%d" % number, value)
        if number % 2:
            client.flush()
            os._exit(0)
        sys.exit(0)
    children.append(child)
for child in children:
    assert os.waitpid(child, 0)[1] == 0
client.gauge("parent", 2)
"""


def test_a_fork_has_a_separate_connection(run_app: RunApp, listener: Any, python: str) -> None:
    listener.start()
    run_app(FORKS, listener.path, python)
    output = listener.output()
    assert [one["value"] for one in output if one["name"] == "parent"] == [1, 2]
    for number in range(4):
        assert [one["value"] for one in output if one["name"] == f"child{number}"] == list(range(100))
    assert len(listener.streams) == 5


WORKERS = """
import multiprocessing
import client
def work(number):
    for value in range(10):
        client.gauge("w", value, worker=str(number))
if __name__ == "__main__":
    client.gauge("before", 1)
    context = multiprocessing.get_context("fork")
    workers = [context.Process(target=work, args=(number,)) for number in range(3)]
    for each in workers: each.start()
    for each in workers: each.join()
"""


def test_a_multiprocessing_worker_flushes_at_exit(run_app: RunApp, listener: Any, python: str) -> None:
    listener.start()
    run_app(WORKERS, listener.path, python)
    output = listener.output()
    for number in range(3):
        assert [one["value"] for one in output if one["meta"].get("worker") == str(number)] == list(range(10))


THREADS = """
import threading
import client
def talk(number):
    for value in range(200):
        client.gauge("t", value, thread=number)
        with shared:
            pass
shared = client.timer("shared")
threads = [threading.Thread(target=talk, args=(number,)) for number in range(8)]
for thread in threads: thread.start()
for thread in threads: thread.join()
assert not shared._started
"""


def test_threads_share_the_connection_and_lose_no_samples(run_app: RunApp, listener: Any) -> None:
    listener.start()
    run_app(THREADS, listener.path)
    output = listener.output()
    for number in range(8):
        assert [one["value"] for one in output if one["meta"].get("thread") == str(number)] == list(range(200))
    assert len([one for one in output if one["name"] == "shared"]) == 1600


SIGNALS = """
import signal, time
import client
count = 0
def handle(number, frame):
    global count
    count += 1
    client.gauge("from-handler", count)
signal.signal(signal.SIGALRM, handle)
signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0005)
end = time.monotonic() + 0.5
while time.monotonic() < end:
    client.gauge("from-main", 1)
signal.setitimer(signal.ITIMER_REAL, 0)
assert count
"""


def test_a_signal_handler_can_send_while_the_app_sends(run_app: RunApp, listener: Any) -> None:
    listener.start()
    run_app(SIGNALS, listener.path)
    assert {"from-handler", "from-main"} <= {one["name"] for one in listener.output()}


LATE = """
import client
for value in range(2000):
    client.gauge("v", value, text="x" * 400)
"""


def test_buffered_samples_are_sent_at_exit(run_app: RunApp, listener: Any) -> None:
    # The app sends more than the kernel buffers before the listener reads; the listener starts as the app exits.
    threading.Timer(0.3, listener.start).start()
    run_app(LATE, listener.path)
    assert [one["value"] for one in listener.output()] == list(range(2000))


COMES_BACK = """
import time
import client
deadline = time.monotonic() + 60
value = 0
while time.monotonic() < deadline:
    client.gauge("v", value, text="x" * 2000)
    value += 1
    time.sleep(0.001)
    with open(__file__ + ".stop", "a+") as stream:
        stream.seek(0)
        if stream.read():
            break
"""


def test_it_reconnects_and_begins_with_a_complete_line(run_app: RunApp, listener: Any, tmp_path: Path) -> None:
    app = threading.Thread(target=run_app, args=(COMES_BACK, listener.path))
    app.start()
    try:
        with listener.accept() as first:
            # The listener reads nothing until the kernel's buffer is full, so that the last write ends within a line.
            time.sleep(0.5)
            assert first.recv(5000)
        with listener.accept() as second, second.makefile("rb") as lines:
            earlier, later = (json.loads(next(lines)) for _ in range(2))
            assert later["value"] > earlier["value"]
    finally:
        (tmp_path / "app" / "app.py.stop").write_text("stop")
        app.join(60)
    assert not app.is_alive()


def test_it_reaches_the_worker(run_app: RunApp, tmp_path: Path, python: str) -> None:
    taken: list[tuple[Series, float]] = []
    warnings: list[str] = []
    collector = Custom()
    scratch = tmp_path / "s"
    scratch.mkdir(mode=0o700)
    context = RunContext("run-1", Target("default"), Clock.now(), scratch, tmp_path, False, warnings.append)
    requirements = collector.open(context, lambda series, value, at_ns: taken.append((series, value)))
    run_app(EVERYTHING, Path(requirements.env["PROFILEAPP_SOCKET"]), python)
    collector.close()
    assert warnings == []
    assert [(series.title, series.unit, series.kind) for series, _ in taken[:5]] == [
        ("fps", "frames/s", "gauge"),
        ("seen[left,2]", "", "gauge"),
        ("frames", "", "counter"),
        ("bytes", "bytes", "counter"),
        ("inference[a]", "s", "timer"),
    ]
    assert len(taken) == 15


def test_it_imports_only_the_standard_library() -> None:
    tree = ast.parse(Path(profileapp.client.__file__).read_text())
    imported = {
        (node.module if isinstance(node, ast.ImportFrom) else alias.name)
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }
    assert imported <= sys.stdlib_module_names
