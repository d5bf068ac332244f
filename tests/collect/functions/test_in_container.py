"""Hot functions of apps in real containers, from the real py-spy: sleeping is not counted, and the CPU seconds add
up.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import docker
import msgspec
import pytest

from profileapp.collect.api import AppHandle, RunContext
from profileapp.collect.functions import profiler
from profileapp.collect.functions.py_spy import PySpy
from profileapp.errors import Unavailable
from profileapp.model.stacks import UNSAMPLED
from profileapp.model.table import FunctionRow
from profileapp.record.table_files import read_functions
from tests.collect.conftest import Taken

pytestmark = pytest.mark.docker

APP = """
import hashlib, sys, threading, time

def nap(seconds):
    time.sleep(seconds)

def work(seconds):
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        sum(i * i for i in range(500))

def digest(seconds):
    # Without the interpreter's lock, as most of NumPy is.
    end, data = time.thread_time() + seconds, bytes(2**20)
    while time.thread_time() < end:
        hashlib.sha256(data).digest()

def side():
    for _ in range(20):
        digest(0.06)
        nap(0.02)

time.sleep(1.5)
if sys.argv[1] == "work":
    thread = threading.Thread(target=side)
    thread.start()
    for _ in range(30):
        work(0.06)
        nap(0.04)
    thread.join()
print("done", flush=True)
while True:
    nap(0.05)
"""

Start = Callable[[str], Any]


@pytest.fixture
def start(docker_client: docker.DockerClient, python_image: str) -> Iterator[Start]:
    containers: list[Any] = []

    def make(what: str) -> Any:
        container = docker_client.containers.run(
            python_image, ["python3", "-c", APP, what], detach=True, init=True, labels={"profileapp.test": "functions"}
        )
        containers.append(container)
        container.reload()
        return container

    yield make
    for container in containers:
        container.remove(force=True)


def measured(
    container: Any, context: RunContext, seconds: float = 2.0, machine: str = "x86_64"
) -> dict[str, FunctionRow]:
    """The rows by name, after the app has worked for its full time and sleeps."""
    source = PySpy(machine=machine)
    source.open(context, Taken())
    source.attach(AppHandle(container.attrs["State"]["Pid"], container.id))
    deadline_s = time.monotonic() + 60
    while b"done" not in container.logs():
        assert time.monotonic() < deadline_s, "waited in vain"
        time.sleep(0.1)
    time.sleep(seconds)
    source.detach()
    source.close()
    assert not list(context.scratch.iterdir()), "nothing is left behind"
    return {row.name: row for row in read_functions(context.artifacts, [])}


def used_s(container: Any) -> float:
    """CPU seconds from the container's cgroup."""
    used: int = container.stats(stream=False)["cpu_stats"]["cpu_usage"]["total_usage"]
    return used / 1e9


def own_s(rows: dict[str, FunctionRow], *names: str) -> float:
    return sum(rows[name].exclusive_s or 0.0 for name in names if name in rows)


def test_cpu_seconds_add_up_to_those_of_the_container(start: Start, run: Callable[..., RunContext]) -> None:
    container = start("work")
    rows = measured(container, run())
    in_all_s = sum(row.exclusive_s or 0.0 for row in rows.values())
    assert in_all_s == pytest.approx(used_s(container), rel=0.05)
    assert own_s(rows, "work", "<genexpr>", "work.<locals>.<genexpr>") == pytest.approx(30 * 0.06, rel=0.2)
    assert own_s(rows, "digest") == pytest.approx(20 * 0.06, rel=0.2)
    assert own_s(rows, "nap") < 0.1 * in_all_s, "sleep is no work"
    assert own_s(rows, UNSAMPLED) < 0.3 * in_all_s


def test_only_time_with_the_gil_is_attributed_in_an_old_python(
    start: Start, run: Callable[..., RunContext], monkeypatch: pytest.MonkeyPatch, warnings: list[str]
) -> None:
    monkeypatch.setattr(profiler, "python_version", lambda proc, pid: (3, 8))
    container = start("work")
    rows = measured(container, run(), machine="aarch64")
    in_all_s = sum(row.exclusive_s or 0.0 for row in rows.values())
    assert in_all_s == pytest.approx(used_s(container), rel=0.05)
    assert own_s(rows, "work", "<genexpr>", "work.<locals>.<genexpr>") > 0.5 * 30 * 0.06
    assert own_s(rows, "nap") < 0.1 * in_all_s, "sleep is no work"
    assert own_s(rows, "digest") < 0.5 * 20 * 0.06, "code that runs without the GIL is attributed to no function"
    assert warnings == [
        "functions: for Python 3.8 on aarch64, py-spy cannot see which threads are idle; only time with the "
        "interpreter's lock is attributed to functions, the rest to [not sampled]"
    ]


def test_an_app_that_sleeps_has_no_hot_function(start: Start, run: Callable[..., RunContext]) -> None:
    container = start("sleep")
    context = run()
    try:
        rows = measured(container, context, 3.0)
    except Unavailable:
        return
    assert sum(row.samples or 0 for row in rows.values()) < 15, "of about 300 samples"
    assert own_s(rows, "nap") < 0.1


def test_wall_time_on_request(start: Start, run: Callable[..., RunContext]) -> None:
    container = start("sleep")
    context = run()
    target = msgspec.structs.replace(context.target, function_clock="wall")
    rows = measured(container, msgspec.structs.replace(context, target=target), 3.0)
    assert UNSAMPLED not in rows
    assert own_s(rows, "nap") > 1.5, "of some 3 s"


def test_an_app_that_exits_leaves_its_samples(start: Start, run: Callable[..., RunContext]) -> None:
    """py-spy must outlive the PID namespace: when its first process exits, the kernel kills all others in it."""
    container = start("work")
    context = run()
    source = PySpy()
    source.open(context, Taken())
    source.attach(AppHandle(container.attrs["State"]["Pid"], container.id))
    time.sleep(3.0)
    container.kill()
    time.sleep(0.3)
    source.detach()
    source.close()
    assert {"work", "digest"} <= {row.name for row in read_functions(context.artifacts, [])}


def test_without_the_capability_idle_time_is_not_reported_as_work(
    run: Callable[..., RunContext], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    (tmp_path / "self").mkdir()
    (tmp_path / "self/status").write_text("Name:\tx\nCapEff:\t0000000000080000\nCapBnd:\t0\n")
    with pytest.raises(Unavailable, match="function-clock: wall"):
        PySpy(proc=tmp_path).open(run(), Taken())
    context = run()
    target = msgspec.structs.replace(context.target, function_clock="wall")
    PySpy(proc=tmp_path).open(msgspec.structs.replace(context, target=target), Taken())
    PySpy(proc=tmp_path).open(run(contained=False), Taken())
