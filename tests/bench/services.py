"""Services beside an app: start-up cost, throughput of a playback, and no leftovers after kill -9."""

from __future__ import annotations

import http.client
import json
import os
import random
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import docker

from tests.bench.measure import Measure
from tests.bench.process import PROFILEAPP, run
from tests.helpers.leftovers import on_machine

ROUNDS = 7
REQUESTS = 4000
IMAGE_BYTES = 50_000
CYCLES = int(os.environ.get("PROFILEAPP_BENCH_CYCLES", "20"))


def starting(image: str) -> Measure:
    """Network, playback and app, started and stopped, compared with a bare `docker run` of the app; in pairs."""
    with _app(image, "true") as (folder, environment):
        argv = _argv(folder, image)
        pairs = []
        for _ in range(ROUNDS):
            ours = run(argv, env=environment)
            bare = run(["docker", "run", "--rm", "--init", image, "true"])
            if ours.exit_code or bare.exit_code:
                raise SystemExit(f"starting ended with {ours.exit_code}:\n{ours.output}{bare.output}")
            pairs.append((ours.wall_s, bare.wall_s))
    more = [ours - bare for ours, bare in pairs]
    return Measure(
        "starting and stopping network, playback and app, over the app alone",
        f"{statistics.median(ours for ours, _ in pairs):.2f} s, {min(more):.2f} … {max(more):.2f} s more",
        f"docker run: {statistics.median(bare for _, bare in pairs):.2f} s",
        statistics.median(more),
        3,
        " s",
    )


def serving() -> Iterator[Measure]:
    """Image requests per second of a server on one core, interleaved with `python -m http.server`."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "image.jpg").write_bytes(os.urandom(IMAGE_BYTES))
        streams = json.dumps([{"name": "left", "path": str(folder / "image.jpg"), "rate": 1}])
        ours = [sys.executable, "-m", "profileapp.playback", "127.0.0.1", "PORT", "0", streams]
        peer = [sys.executable, "-m", "http.server", "--bind", "127.0.0.1", "--directory", name, "PORT"]
        rates = [(_rate(ours, "/left/image.jpg"), _rate(peer, "/image.jpg")) for _ in range(3)]
    ours_per_s, peer_per_s = (statistics.median(each[index] for each in rates) for index in (0, 1))
    message = f"{ours_per_s:.0f} requests/s", f"http.server: {peer_per_s:.0f} requests/s"
    yield Measure("1,000 image requests to the playback on one core", *message, 1000 / ours_per_s, 1, " s")
    yield Measure("the same, beside http.server", *message, peer_per_s / ours_per_s, 0.5, "×")


def leaving(client: docker.DockerClient, image: str) -> Measure:
    """Runs with a playback and a service, killed at random moments except the last: the leftovers."""
    moments = random.Random(6)  # noqa: S311
    with _app(image, "while :; do sleep 0.1; done") as (folder, environment):
        state = environment["PROFILEAPP_STATE"]
        argv = _argv(folder, image)
        before, made = on_machine(), set()
        for _ in range(CYCLES):
            worker = subprocess.Popen(
                argv, env=os.environ | environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
            time.sleep(moments.uniform(0.1, 4))
            made |= _ours(client, state)
            worker.send_signal(signal.SIGKILL)
            worker.wait()
            made |= _ours(client, state)
        (folder / "sage.yaml").write_text(json.dumps({"name": "b", "profiling": {"targets": [{"args": ["true"]}]}}))
        last = run(argv, env=environment)
        if last.exit_code:
            raise SystemExit(f"the last run ended with {last.exit_code}:\n{last.output}")
        ours = _ours(client, state)
        after = on_machine()
        files = [path.name for path in Path(state).iterdir() if path.suffix != ".lock"]
        # The apps' sockets are below the state folder.
        marks = [state, *(one[:64] for one in made)]
        traces = sum(mark in line for mark in marks for line in (*after["mounts"], *after["sockets"]))
    counts = ", ".join(f"{word} {len(before[word])} → {len(after[word])}" for word in before)
    return Measure(
        f"left after {CYCLES} runs ended by kill -9 ({len(made)} containers and networks were seen)",
        f"of ours: {len(ours)} containers and networks, {len(files)} state files, {traces} mounts or sockets",
        f"the whole machine: {counts}",
        len(ours) + len(files) + traces,
        0,
    )


def _ours(client: docker.DockerClient, state: str) -> set[str]:
    """Ids of the containers and networks of a state folder."""
    listed = [*client.api.containers(all=True), *client.api.networks(filters={"label": "profileapp.state"})]
    return {each["Id"] for each in listed if state in str(each["Labels"])}


@contextmanager
def _app(image: str, script: str) -> Iterator[tuple[Path, dict[str, str]]]:
    """A workspace whose app has a playback, with a separate state folder."""
    with tempfile.TemporaryDirectory(prefix="pa-") as name, tempfile.TemporaryDirectory(prefix="pa-") as state:
        folder = Path(name)
        (folder / "cam").mkdir()
        (folder / "cam/1.jpg").write_bytes(b"\xff\xd8")
        target = {"name": "a", "args": ["sh", "-c", script]}
        services = [{"playback": {"left": "cam"}}]
        (folder / "sage.yaml").write_text(
            json.dumps(
                {"name": "b", "profiling": {"targets": [target], "services": services, "metrics": ["container"]}}
            )
        )
        yield folder, {"PROFILEAPP_STATE": state}


def _argv(folder: Path, image: str) -> list[str]:
    config, out = str(folder / "sage.yaml"), str(folder / "profile")
    return [PROFILEAPP, "run", config, "--image", image, "--out", out, "--no-report"]


def _rate(argv: list[str], path: str) -> float:
    """Requests per second of one client that keeps its connection open if the server allows it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = subprocess.Popen(
        [str(port) if word == "PORT" else word for word in argv],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        preexec_fn=lambda: os.sched_setaffinity(0, {0}),  # noqa: PLW1509
    )
    try:
        while not _is_up(port):
            time.sleep(0.05)
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        began = time.perf_counter()
        for _ in range(REQUESTS):
            connection.request("GET", path)
            content = connection.getresponse().read()
            if len(content) != IMAGE_BYTES:
                raise SystemExit(f"{argv}: {content[:80]!r}")
        return REQUESTS / (time.perf_counter() - began)
    finally:
        server.kill()
        server.wait()


def _is_up(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), 1):
            return True
    except OSError:
        return False
