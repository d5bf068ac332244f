"""`python -m tests.bench [WORD…]`: measures, prints one table, and exits with 1 where a measure is missed.

Words pick some of: sample, run, start, tegrastats, jetson, functions, slowdown, ingest, million, client, services,
playback, left, store, history, report, day, noise. It needs a Docker daemon, PostgreSQL's programs and sqlite3, the
peers of the extra `bench`, statsd_exporter on PATH where `ingest` shall be compared with it, and a machine that does
nothing else; `day` 6 GB in the folder of temporary files, or PROFILEAPP_BENCH_DAY_HOURS=4 for a sixth of a day.
PROFILEAPP_BENCH_CYCLES=200 makes `left` kill as many runs.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import docker
from tests.bench import client as app_client
from tests.bench import database, functions, ingest, jetson, noise, parsing, report, runs, sampling, services, startup
from tests.bench.measure import Measure, show

ROOT = Path(__file__).parents[2]


def image(script: str) -> str:
    """Name of an image of the tests, made where it is not there."""
    return subprocess.run([ROOT / script], check=True, capture_output=True, text=True).stdout.strip()


def main(names: list[str]) -> int:
    load_before = os.getloadavg()[0]
    client = docker.from_env()
    busybox = image("tests/images/busybox-image")
    every: dict[str, Callable[[], list[Measure]]] = {
        "sample": lambda: [sampling.one_sample(client, busybox)],
        "run": lambda: list(runs.ten_hz(busybox)),
        "start": startup.startups,
        "tegrastats": lambda: list(parsing.tegrastats()),
        "jetson": lambda: list(jetson.kernel_files()),
        "functions": lambda: [functions.slowdown()],
        "ingest": ingest.ingest,
        "million": ingest.million,
        "client": app_client.calls,
        "services": lambda: [services.starting(busybox)],
        "playback": lambda: list(services.serving()),
        "left": lambda: [services.leaving(client, busybox)],
        "store": database.ingest,
        "history": database.history,
        "report": report.typical,
        "day": report.day,
        "noise": noise.alarms,
        "slowdown": lambda: [runs.slowdown(client, image("scripts/base-image"))],
    }
    unknown = set(names) - set(every)
    if unknown:
        sys.exit(f"no such measure: {', '.join(sorted(unknown))}; there are {', '.join(every)}")
    measures: list[Measure] = []
    for word, measure in every.items():
        if not names or word in names:
            print(f"measuring: {word}", file=sys.stderr, flush=True)
            measures += measure()
    show(measures, load_before)
    return 0 if all(one.holds for one in measures) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
