"""CPU of the worker while it samples: of its whole process, over LENGTH_S, as the kernel counts it."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator

import docker
from docker.models.containers import Container

from tests.bench.measure import Measure

LENGTH_S = 30
RATES_HZ = (1, 10, 100)
PROCESSES = (1, 100, 1000)
LIMIT_PERCENT = 2.0
_START_TIMEOUT_S = 120.0
_START = "i=1; while [ $i -lt {} ]; do sleep 100000 & i=$((i+1)); done; sleep 100000"

# The sources of `container` and `system` and the writer, as a run has them, in a process of nothing else.
_SAMPLE = """
import json, sys, tempfile, time
from pathlib import Path
from profileapp.collect.api import AppHandle, RunContext
from profileapp.model.clock import Clock
from profileapp.model.target import Target
from profileapp.collect.registry import sources
from profileapp.record.folder import RunFolder
from profileapp.run.freeze_gc import freeze_gc
from profileapp.run.sources import Sources

pid, container_id, interval_s, length_s = int(sys.argv[1]), sys.argv[2], float(sys.argv[3]), float(sys.argv[4])
with tempfile.TemporaryDirectory() as folder:
    out, scratch = RunFolder.create(Path(folder), "bench"), Path(folder, "scratch")
    scratch.mkdir()
    target, clock = Target("bench", metrics=("container", "system"), interval_s=interval_s), Clock.now()
    writer = out.open_metrics(clock)
    context = RunContext("bench", target, clock, scratch, out.path, True, print)
    found = Sources(context, writer.emit, sources)
    freeze_gc()
    found.attach(AppHandle(pid, container_id))
    began_s, used_s = time.monotonic(), time.process_time()
    time.sleep(length_s)
    percent = (time.process_time() - used_s) / (time.monotonic() - began_s) * 100
    found.close()
    writer.close()
    print(json.dumps({"percent": percent, "missed": sum(one.missed for one in found.statuses(writer.samples_of))}))
"""


def sampling(client: docker.DockerClient, image: str) -> Iterator[Measure]:
    """One measure for each rate and number of processes in the container; only 100 Hz has a limit that is close."""
    for count in PROCESSES:
        app = client.containers.run(image, ["sh", "-c", _START.format(count)], detach=True, init=True)
        try:
            _await_processes(app, count)
            for rate_hz in RATES_HZ:
                yield _measure(app, count, rate_hz)
        finally:
            app.remove(force=True)


def _measure(app: Container, count: int, rate_hz: int) -> Measure:
    app.reload()
    arguments = [str(app.attrs["State"]["Pid"]), str(app.id), str(1 / rate_hz), str(LENGTH_S)]
    done = subprocess.run([sys.executable, "-c", _SAMPLE, *arguments], check=True, capture_output=True, text=True)
    answer = json.loads(done.stdout.splitlines()[-1])
    return Measure(
        f"CPU of the worker at {rate_hz} Hz, {count} processes in the container",
        f"{answer['percent'] * 10:.1f} ms a second, over {LENGTH_S} s; {answer['missed']} samples missed",
        "one core",
        answer["percent"],
        LIMIT_PERCENT,
        " %",
    )


def _await_processes(app: Container, count: int) -> None:
    deadline_s = time.monotonic() + _START_TIMEOUT_S
    while len(app.top()["Processes"]) < count:
        if time.monotonic() > deadline_s:
            raise SystemExit(f"the container did not start {count} processes")
        time.sleep(0.2)
