"""What `profileapp live` costs: itself, beside `docker stats` of the same containers, and the app that it watches."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import docker
import psutil

from tests.bench.measure import Measure, spread
from tests.bench.process import PROFILEAPP

LABELS = {"profileapp-bench": "live"}
LABEL = "profileapp-bench=live"
CONTAINERS = (1, 10, 50)
MEASURED_S = 30.0
SETTLE_S = 8.0
SHORT = 20
PAIRS = int(os.environ.get("PROFILEAPP_BENCH_PAIRS", "15"))
_WORK = "import time; s = time.perf_counter(); sum(i * i for i in range(20_000_000)); print(time.perf_counter() - s)"


def live(client: docker.DockerClient, image: str) -> Iterator[Measure]:
    """All of them."""
    yield from watching(client, image)
    yield catching(client, image)
    yield slowing()


def watching(client: docker.DockerClient, image: str) -> Iterator[Measure]:
    """CPU and memory of a live at 1 Hz for 1, 10 and 50 idle containers, and of `docker stats` of the ten."""
    cost: dict[int, float] = {}
    made = 0
    try:
        for count in CONTAINERS:
            for _ in range(count - made):
                client.containers.run(image, ["sleep", "3600"], detach=True, labels=LABELS)
            made = count
            with _live("--label", LABEL, "--json") as process:
                cost[count] = _core_percent([process])
                memory_mb = process.memory_info().rss / 1e6
            if count == 10:
                stats, daemon = _docker_stats(client)
                yield Measure(
                    "a core's time for a live of 10 containers at 1 Hz",
                    f"{cost[10]:.2f} %",
                    f"docker stats: client {stats:.2f} %, daemon {daemon:.2f} % more",
                    cost[10],
                    1,
                    " %",
                )
                yield Measure("memory of a live of 10 containers", f"{memory_mb:.1f} MB", "", memory_mb, 80, " MB")
    finally:
        for each in client.containers.list(all=True, filters={"label": LABEL}):
            each.remove(force=True)
    first, rest = (cost[10] - cost[1]) / 9, (cost[50] - cost[10]) / 40
    yield Measure(
        "cost of one more container: of the 11th to 50th, over the 2nd to 10th",
        f"{rest:.3f} % of a core each",
        f"{first:.3f} %",
        rest / first,
        1.5,
        "×",
    )


def catching(client: docker.DockerClient, image: str) -> Measure:
    """Containers that live for 2 s and were not measured, of SHORT."""
    with tempfile.TemporaryFile("w+") as lines:
        with _live("--label", LABEL, "--json", "--interval", "500ms", stdout=lines):
            for _ in range(SHORT):
                client.containers.run(image, ["sleep", "2"], detach=True, labels=LABELS, remove=True)
            time.sleep(4)
        lines.seek(0)
        seen = {
            target["container_id"]
            for line in lines
            for target in json.loads(line)["targets"]
            if "container.cpu.util" in target["values"]
        }
    missed = SHORT - len(seen)
    return Measure(
        "containers that lived 2 s and were missed", f"{missed} of {SHORT}", "", 100 * missed / SHORT, 1, " %"
    )


def slowing() -> Measure:
    """A CPU-bound process watched at 1 Hz, over the same alone; in pairs, in alternating order."""
    ratios = []
    for number in range(PAIRS):
        took_s: dict[bool, float] = {}
        for watched in (True, False) if number % 2 else (False, True):
            with subprocess.Popen([sys.executable, "-c", f"input(); {_WORK}"], stdin=-1, stdout=-1, text=True) as app:
                if watched:
                    with _live("--pid", str(app.pid), "--json"):
                        took_s[True] = float(app.communicate("\n")[0])
                else:
                    time.sleep(SETTLE_S)
                    took_s[False] = float(app.communicate("\n")[0])
        ratios.append(took_s[True] / took_s[False])
    slower = 100 * (statistics.median(ratios) - 1)
    return Measure(f"a CPU-bound app beside a live of it, {PAIRS} pairs", spread(ratios), "", slower, 1, " % slower")


@contextmanager
def _live(*args: str, stdout: object = subprocess.DEVNULL) -> Iterator[psutil.Process]:
    """A live that has settled."""
    with tempfile.TemporaryDirectory(prefix="pa-") as state:
        process = subprocess.Popen(
            [PROFILEAPP, "live", *args],
            stdout=stdout,  # type: ignore[call-overload]
            stderr=subprocess.DEVNULL,
            env={**os.environ, "PROFILEAPP_STATE": str(Path(state))},
        )
        try:
            time.sleep(SETTLE_S)
            yield psutil.Process(process.pid)
        finally:
            process.terminate()
            process.wait()


def _core_percent(processes: list[psutil.Process]) -> float:
    """CPU time of processes, in % of a core, over MEASURED_S."""
    before_s, started_s = [sum(each.cpu_times()[:2]) for each in processes], time.monotonic()
    time.sleep(MEASURED_S)
    used_s = sum(sum(each.cpu_times()[:2]) - before for each, before in zip(processes, before_s, strict=True))
    return 100 * used_s / (time.monotonic() - started_s)


def _docker_stats(client: docker.DockerClient) -> tuple[float, float]:
    """CPU of `docker stats` of the containers, and how much more the daemon takes meanwhile, in % of a core."""
    daemons = [each for each in psutil.process_iter() if each.name() in ("dockerd", "containerd")]
    idle = _core_percent(daemons)
    ids = [each.id for each in client.containers.list(filters={"label": LABEL})]
    with subprocess.Popen(["docker", "stats", *ids], stdout=subprocess.DEVNULL) as process:
        time.sleep(SETTLE_S)
        stats, busy = _core_percents(psutil.Process(process.pid), daemons)
        # It ignores SIGTERM.
        process.kill()
    return stats, busy - idle


def _core_percents(one: psutil.Process, others: list[psutil.Process]) -> tuple[float, float]:
    before_s, started_s = sum(one.cpu_times()[:2]), time.monotonic()
    busy = _core_percent(others)
    return 100 * (sum(one.cpu_times()[:2]) - before_s) / (time.monotonic() - started_s), busy
