"""`python -m tests.bench [WORD…]`: prints each measure, then one table; exits with 1 where a measure is missed.

Words pick some of: sample, rates, run, loads, start, tegrastats, jetson, functions, slowdown, ingest, million,
client, live, services, playback, left, store, history, report, day, noise. `make bench` brings what it needs: a Docker
daemon, PostgreSQL's programs and sqlite3, the peers of the extra `bench`, and, where Go is, statsd_exporter on PATH,
with which `ingest` is compared. It also needs a machine that does nothing else; `day` 6 GB in the folder of temporary
files, or PROFILEAPP_BENCH_DAY_HOURS=4 for a sixth of a day. PROFILEAPP_BENCH_CYCLES=200 makes `left` kill as many
runs.
"""

from __future__ import annotations

import subprocess
import sys
from functools import cache
from pathlib import Path

import docker
from docker.errors import DockerException

from tests.bench import client as app_client
from tests.bench import (
    database,
    functions,
    ingest,
    jetson,
    known_loads,
    live,
    noise,
    parsing,
    rates,
    report,
    runs,
    sampling,
    services,
    startup,
)
from tests.bench.session import Take, take_all

ROOT = Path(__file__).parents[2]


@cache
def client() -> docker.DockerClient:
    try:
        return docker.from_env()
    except DockerException as error:
        sys.exit(f"this measure needs a Docker daemon, and none answers ({error}): `make bench` starts one")


@cache
def image(script: str) -> str:
    """Name of an image of the tests, made where it is not there."""
    client()
    return subprocess.run([ROOT / script], check=True, capture_output=True, text=True).stdout.strip()


def busybox() -> str:
    return image("tests/images/busybox-image")


EVERY: dict[str, Take] = {
    "sample": lambda: [sampling.one_sample(client(), busybox())],
    "rates": lambda: rates.sampling(client(), busybox()),
    "run": lambda: [runs.peak_memory(busybox())],
    "loads": known_loads.errors,
    "start": startup.startups,
    "tegrastats": parsing.tegrastats,
    "jetson": jetson.kernel_files,
    "functions": lambda: [functions.slowdown()],
    "ingest": ingest.ingest,
    "million": ingest.million,
    "client": app_client.calls,
    "live": lambda: live.live(client(), busybox()),
    "services": lambda: [services.starting(busybox())],
    "playback": services.serving,
    "left": lambda: [services.leaving(client(), busybox())],
    "store": database.ingest,
    "history": database.history,
    "report": report.typical,
    "day": report.day,
    "noise": noise.alarms,
    "slowdown": lambda: [runs.slowdown(client(), image("scripts/base-image"))],
}


def main(words: list[str]) -> int:
    unknown = set(words) - set(EVERY)
    if unknown:
        sys.exit(f"no such measure: {', '.join(sorted(unknown))}; there are {', '.join(EVERY)}")
    return take_all({word: take for word, take in EVERY.items() if not words or word in words})


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
