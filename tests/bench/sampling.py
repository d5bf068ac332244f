"""(a) One sample of `container`, compared with a request to Docker's stats API."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import docker
from docker.models.containers import Container

from profileapp.collect.api import AppHandle, RunContext
from profileapp.collect.container.cgroup_source import ContainerCgroup
from profileapp.model.clock import Clock
from profileapp.model.target import Target
from tests.bench.measure import Measure
from tests.bench.process import daemon_pids, on_cpu_s

OUR_BATCHES = 20
OUR_SAMPLES = 500
# Some daemons answer at most once a second.
DOCKER_SAMPLES = 25
DOCKER_SOCKET = "/var/run/docker.sock"


def one_sample(client: docker.DockerClient, image: str) -> Measure:
    """CPU time of a sample, ours and through Docker's API (one-shot), of client and daemon together.

    The minimum of each, since other load on the machine can only add to it.
    """
    app = client.containers.run(image, ["sh", "-c", "while true; do sleep 1; done"], detach=True)
    try:
        app.reload()
        with tempfile.TemporaryDirectory() as folder:
            ours_s = _ours(AppHandle(app.attrs["State"]["Pid"], str(app.id)), Path(folder))
        docker_s = _through_docker(app)
    finally:
        app.remove(force=True)
    return Measure(
        "CPU time of one container sample, of one Docker stats sample",
        f"{ours_s * 1e6:.1f} µs",
        f"Docker stats API, one-shot, client and daemon: {docker_s * 1e6:.0f} µs",
        ours_s / docker_s,
        1 / 50,
    )


def _ours(app: AppHandle, folder: Path) -> float:
    kept: list[object] = []
    context = RunContext("bench", Target("bench"), Clock.now(), folder, folder, True, print)
    collector = ContainerCgroup()
    collector.open(context, lambda series, value, at_ns: kept.append((series, value, at_ns)))
    collector.attach(app)
    batches_s = []
    for _ in range(OUR_BATCHES):
        began_s = time.process_time()
        for _ in range(OUR_SAMPLES):
            collector.sample(time.monotonic_ns())
            kept.clear()
        batches_s.append(time.process_time() - began_s)
    collector.close()
    return min(batches_s) / OUR_SAMPLES


def _through_docker(app: Container) -> float:
    pids = daemon_pids(DOCKER_SOCKET, str(app.id))
    samples_s = []
    for _ in range(DOCKER_SAMPLES):
        daemon_s, began_s = on_cpu_s(pids), time.process_time()
        app.stats(stream=False, one_shot=True)
        client_s = time.process_time() - began_s
        samples_s.append(client_s + on_cpu_s(pids) - daemon_s)
    return min(samples_s)
