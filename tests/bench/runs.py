"""(c), (e): what a whole run costs, with `profileapp run` as a user calls it."""

from __future__ import annotations

import statistics
import tempfile
from pathlib import Path

import docker
import yaml

from tests.bench.measure import Measure, spread
from tests.bench.process import PROFILEAPP, Ended, run

LENGTH_S = 10
PAIRS = 30

# A fixed amount of work on one core, and how long it took.
WORK = """
import time
def work(rounds):
    total = 0
    for number in range(rounds):
        total = (total * 31 + number) % 1000003
    return total
work(200000)
began = time.perf_counter()
work(12000000)
print("took", time.perf_counter() - began, flush=True)
"""


def peak_memory(image: str) -> Measure:
    """Peak memory of the worker in a run at 10 Hz."""
    ended = _profile(image, ["sh", "-c", f"sleep {LENGTH_S}"])
    return Measure("peak memory of the worker", "VmHWM in a run at 10 Hz", "", ended.peak_bytes / 1e6, 60, " MB")


def slowdown(client: docker.DockerClient, image: str) -> Measure:
    """How much longer a CPU-bound app takes while it is profiled: pairs of runs, each the other way round."""
    ratios, alone_s = [], []
    for number in range(PAIRS):
        if number % 2:
            with_s, without_s = _profiled_s(image), _alone_s(client, image)
        else:
            without_s, with_s = _alone_s(client, image), _profiled_s(image)
        ratios.append(with_s / without_s)
        alone_s.append(without_s)
    return Measure(
        "slowdown of a CPU-bound app",
        f"quartiles of the ratios: {spread(ratios)}",
        f"the same container without profiling: {statistics.median(alone_s):.2f} s",
        (statistics.median(ratios) - 1) * 100,
        1,
        " %",
    )


def _profiled_s(image: str) -> float:
    return _took_s(_profile(image, ["python3", "-c", WORK]).output)


def _alone_s(client: docker.DockerClient, image: str) -> float:
    return _took_s(client.containers.run(image, ["python3", "-c", WORK], remove=True, init=True).decode())


def _took_s(output: str) -> float:
    return next(float(line.split()[1]) for line in output.splitlines() if line.startswith("took "))


def _profile(image: str, args: list[str]) -> Ended:
    """One run at 10 Hz; its output is the app's."""
    target = {"name": "bench", "args": args, "interval": "100ms"}
    config = {"name": "bench", "profiling": {"targets": [target], "metrics": ["container", "system"]}}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "sage.yaml")
        path.write_text(yaml.safe_dump(config))
        out = Path(folder, "profile")
        command = [PROFILEAPP, "run", str(path), "--image", image, "--out", str(out), "--no-report"]
        ended = run(command, watch_memory=True)
        if ended.exit_code:
            raise SystemExit(f"{' '.join(command)} ended with {ended.exit_code}:\n{ended.output}")
        output = Path(out, "bench", "app.log").read_text()
    return Ended(ended.exit_code, ended.wall_s, ended.cpu_s, ended.peak_bytes, output)
