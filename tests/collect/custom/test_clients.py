"""Samples from unmodified clients: the real `datadog`, `statsd` and `pywaggle`, and a shell."""

from __future__ import annotations

import importlib.util
import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import docker
import pytest

from profileapp.collect.api import LaunchRequirements, RunContext
from profileapp.collect.custom.pywaggle_log import LogFollower, PywaggleParser
from profileapp.collect.custom.source import Custom
from profileapp.model.clock import parse_utc
from tests.helpers.paths import RECORDED

LOGS = RECORDED / "pywaggle"

DATADOG = """
from datadog.dogstatsd import DogStatsd
# By default it drops what the kernel's queue of ten datagrams has no room for.
statsd = DogStatsd(socket_timeout=10)
assert statsd.socket_path, "it did not read DD_DOGSTATSD_URL"
statsd.gauge("fps", 12.5, tags=["camera:left"])
statsd.increment("frames"); statsd.increment("frames", 4); statsd.decrement("frames")
statsd.timing("inference", 250)
statsd.histogram("size", 7); statsd.distribution("weight", 8.5)
statsd.set("users", "ann"); statsd.set("users", "bob"); statsd.set("users", "ann")
with statsd.timed("step", use_ms=True):
    pass
statsd.event("model loaded", "yolo")
statsd.service_check("up", 0)
statsd.flush()
"""
STATSD = """
import os
from statsd.client.stream import UnixSocketStatsClient
client = UnixSocketStatsClient(os.environ["PROFILEAPP_SOCKET"])
client.gauge("level", 10); client.gauge("level", 5, delta=True); client.gauge("level", -7)
client.incr("hits", 3); client.decr("hits"); client.timing("took", 1500); client.set("who", "ann")
with client.pipeline() as pipe:
    pipe.incr("hits"); pipe.gauge("packed", 2)
client.close()
"""
PYWAGGLE = """
import logging, os, pathlib, tempfile
from waggle.plugin import Plugin
with Plugin() as plugin:
    plugin.publish("env.count", 3, meta={"sensor": "a", "units": "C"})
    plugin.publish("app.status", "ready")
    with plugin.timeit("plugin.duration.inference"):
        sum(range(1000))
    path = pathlib.Path(tempfile.mkdtemp(), "clip.txt"); path.write_text("x")
    plugin.upload_file(path)
"""


@pytest.fixture
def opened(run: Callable[..., RunContext], taken: Any) -> Iterator[tuple[Custom, LaunchRequirements]]:
    collector = Custom()
    yield collector, collector.open(run(contained=False), taken)
    collector.close()


def run_app(code: str, requirements: LaunchRequirements, **env: str) -> None:
    finished = subprocess.run(
        [sys.executable, "-W", "error::UserWarning", "-c", code],
        env={"PATH": "/usr/bin:/bin", **requirements.env, **env},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr


def test_datadog(opened: tuple[Custom, LaunchRequirements], taken: Any, warnings: list[str]) -> None:
    collector, requirements = opened
    run_app(DATADOG, requirements)
    collector.close()
    titles = {series.title: (series.kind, value) for series, value, _ in taken.samples}
    assert titles.pop("step")[0] == "timer"
    assert titles == {
        "fps[left]": ("gauge", 12.5),
        "frames": ("counter", 4),
        "inference": ("timer", 0.25),
        "size": ("gauge", 7),
        "weight": ("gauge", 8.5),
        "users": ("gauge", 2),
        "model loaded": ("event", 1),
    }
    assert collector._ingestor.refused == 0
    assert len(warnings) == 1  # The three members of the set were aggregated.


def test_statsd_over_the_stream_socket(opened: tuple[Custom, LaunchRequirements], taken: Any) -> None:
    collector, requirements = opened
    run_app(STATSD, requirements)
    collector.close()
    assert taken.of("level") == [10, 15, 0, -7]
    assert (taken.of("hits"), taken.of("took"), taken.of("who"), taken.of("packed")) == ([3, 2, 3], [1.5], [1], [2])


@pytest.mark.parametrize("zone", ["UTC", "America/Chicago", "Asia/Kathmandu"])
def test_pywaggle(zone: str, opened: tuple[Custom, LaunchRequirements], taken: Any, warnings: list[str]) -> None:
    collector, requirements = opened
    run_app(PYWAGGLE, requirements, TZ=zone)
    collector.close()
    assert taken.of("env.count[a]") == [3]
    assert {series.unit for series, _, _ in taken.samples if series.name == "env.count"} == {"C"}
    ((duration, seconds, at_ns),) = [each for each in taken.samples if "duration" in each[0].name]
    assert (duration.kind, duration.unit, 0 < seconds < 10) == ("timer", "s", True)
    assert taken.of("uploads") == [1]
    # The time zone was detected: the time is that of the publish call, not off by hours.
    assert abs(at_ns - taken.samples[0][2]) < 60e9
    assert abs(collector._run.clock.wall_ns(at_ns) - collector._run.clock.anchor_wall_ns) < 300e9
    assert any("a string published" in text and "once" in text for text in warnings)
    assert not any("a timestamp" in text for text in warnings)


def test_a_recorded_log_is_read_completely() -> None:
    if not LOGS.is_dir():
        pytest.skip("no recordings beside the checkout")
    for name, offset_h in (("data.ndjson", 0), ("data.tz-america-chicago.ndjson", -6)):
        lines = (LOGS / name).read_bytes().splitlines()
        parser, samples, refused = PywaggleParser(), [], 0
        for line in lines:
            parsed = json.loads(line)["timestamp"]
            now_ns = parse_utc(f"{parsed[:19]}Z") - offset_h * 3_600_000_000_000 if "." in parsed else 0
            try:
                samples.append(parser.parse(line, now_ns))
            except ValueError:
                refused += 1
        assert len(samples) + refused == len(lines)
        by_name = {sample.series.name: sample for sample in samples}
        assert by_name["app.tiny"].value == 1.5e-9
        assert by_name["app.flag"].value == 1
        assert "app.nan" not in by_name
        # 2023-11-14T22:13:20Z, which Python prints without a fraction.
        assert by_name["fixed.time.zero_ns"].wall_ns == 1_700_000_000_000_000_000


class Followed:
    """A followed log and its samples."""

    def __init__(self, folder: Path) -> None:
        self.lines: list[bytes] = []
        self.notes: list[str] = []
        self.skipped: list[tuple[str, int, int]] = []
        self.refused = 0
        self.path = folder / "data.ndjson"
        self.follower = LogFollower(
            folder,
            lambda block: self.lines.extend(block.splitlines()),
            self._refuse,
            lambda reason, _: self.notes.append(reason),
            lambda *skipped: self.skipped.append(skipped),
        )

    def _refuse(self, reason: str, example: str, lines: int) -> None:
        self.refused += lines

    def write(self, content: bytes) -> None:
        with self.path.open("ab") as stream:
            stream.write(content)


def test_partial_lines_rotation_and_truncation_are_followed(tmp_path: Path) -> None:
    followed = Followed(tmp_path)
    read = followed.follower._read
    read()
    followed.write(b'{"a":1}\n{"b"')
    read()
    assert followed.lines == [b'{"a":1}']
    followed.write(b":2}\n")
    read()
    assert followed.lines == [b'{"a":1}', b'{"b":2}']
    followed.write(b'{"late":3}\n')
    followed.path.rename(tmp_path / "data.ndjson.1")
    followed.write(b'{"c":4}\n')
    read()
    assert followed.lines[2:] == [b'{"late":3}', b'{"c":4}']
    followed.path.write_bytes(b"{}\n")
    read()
    assert followed.lines[4:] == [b"{}"]
    assert followed.notes == ["pywaggle's log was truncated and is read from the start"]
    followed.write(b'{"half"')
    read()
    assert followed.refused == 0
    followed.follower._end_file()
    assert followed.refused == 1


def test_only_regular_files_are_read(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text('{"name":"a","value":1}\n')
    folder = tmp_path / "log"
    folder.mkdir()
    followed = Followed(folder)
    followed.path.symlink_to(secret)
    followed.follower.start()
    assert followed.follower.stop()
    assert followed.lines == []
    assert followed.notes
    assert "not a regular file" in followed.notes[0]


@pytest.mark.docker
def test_clients_in_a_container(
    docker_client: docker.DockerClient, python_image: str, run: Callable[..., RunContext], taken: Any
) -> None:
    """The packages of this environment, run as a user who is not root, with all three listeners at once."""
    collector = Custom()
    requirements = collector.open(run(), taken)
    packages = []
    for name in ("datadog", "statsd"):
        spec = importlib.util.find_spec(name)
        assert spec is not None
        assert spec.origin is not None
        packages.append(Path(spec.origin).parent)
    # pywaggle's requirements are compiled for this machine's Python; its output is tested above.
    log = "open(os.environ['PYWAGGLE_LOG_DIR'] + '/data.ndjson', 'a').write('{\"name\":\"logged\",\"value\":1}')"
    docker_client.containers.run(
        python_image,
        ["python3", "-c", f"{STATSD}\n{log}\nimport sys; sys.path.insert(0, '/p')\n{_WITHOUT_REQUESTS}{DATADOG}"],
        entrypoint="",
        user="1000",
        environment={**requirements.env, "PYTHONPATH": "/p"},
        cap_drop=["ALL"],
        security_opt=["no-new-privileges"],
        network_mode="none",
        volumes={
            **{mount.host_path: {"bind": mount.container_path, "mode": "rw" if mount.writable else "ro"}
               for mount in requirements.mounts},
            **{str(path): {"bind": f"/p/{path.name}", "mode": "ro"} for path in packages},
        },
        remove=True,
    )  # fmt: skip
    collector.close()
    assert taken.last["fps[left]"] == 12.5
    assert taken.last["hits"] == 3
    assert taken.last["logged"] == 1


# `datadog` imports `requests` for calls to Datadog's servers, which this test does not make.
_WITHOUT_REQUESTS = "sys.modules.setdefault('requests', type(sys)('requests'))\n"


def test_a_shell_sends_with_nc(opened: tuple[Custom, LaunchRequirements], taken: Any) -> None:
    collector, requirements = opened
    nc = shutil.which("nc.openbsd")
    if nc is None:
        pytest.skip("OpenBSD's nc is not installed")
    send = 'printf \'{"name":"fps","value":12.5}\\n\' | "$NC" -U -N "$PROFILEAPP_SOCKET"'
    subprocess.run(["sh", "-c", send], env={**requirements.env, "NC": nc}, check=True, timeout=60)
    collector.close()
    assert taken.of("fps") == [12.5]
