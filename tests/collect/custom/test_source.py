"""App-reported metrics over real sockets, from well-behaved and hostile apps."""

from __future__ import annotations

import json
import os
import resource
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import docker
import pytest

from profileapp.collect.api import LaunchRequirements, RunContext
from profileapp.collect.custom import ingestor as custom_ingestor
from profileapp.collect.custom import line_server
from profileapp.collect.custom.line_server import CONNECTION_LIMIT
from profileapp.collect.custom.source import Custom
from profileapp.errors import Unavailable

HOUR_NS = 3_600_000_000_000


def volumes_of(requirements: LaunchRequirements) -> dict[str, dict[str, str]]:
    """The mounts in the format of the docker package."""
    return {
        mount.host_path: {"bind": mount.container_path, "mode": "rw" if mount.writable else "ro"}
        for mount in requirements.mounts
    }


class Opened:
    """An open collector, with the app's end of its socket."""

    def __init__(self, collector: Custom, requirements: LaunchRequirements) -> None:
        self.collector = collector
        self.requirements = requirements
        self.path = requirements.env["PROFILEAPP_SOCKET"]

    def connect(self) -> socket.socket:
        app = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        app.settimeout(30)
        app.connect(self.path)
        return app

    def send_lines(self, *texts: bytes) -> None:
        with self.connect() as app:
            for text in texts:
                app.sendall(text)


@pytest.fixture
def opened(run: Callable[..., RunContext], taken: Any) -> Iterator[Opened]:
    collector = Custom()
    yield Opened(collector, collector.open(run(contained=False), taken))
    collector.close()


def line(name: str = "fps", value: Any = 1, **rest: Any) -> bytes:
    return json.dumps({"name": name, "value": value} | rest).encode() + b"\n"


def descriptors() -> set[str]:
    return {path.name for path in Path("/proc/self/fd").iterdir()}


def eventually(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline, "it never came to hold"
        time.sleep(0.01)


def test_receives_values_before_and_after_attach(opened: Opened, taken: Any) -> None:
    opened.send_lines(line(value=12.5), line("latency", 0.25, meta={"kind": "timer"}))
    opened.send_lines(line(value=13.5, meta={"camera": "left"}))
    opened.collector.close()
    assert taken.last == {"fps": 12.5, "latency": 0.25, "fps[left]": 13.5}
    assert [series.unit for series, _, _ in taken.samples if series.name == "latency"] == ["s"]


def test_a_counter_is_a_running_total_of_its_series(opened: Opened, taken: Any) -> None:
    counter = {"kind": "counter", "unit": "frames"}
    opened.send_lines(line("n", 1, meta=counter), line("n", 2, meta=counter), line("n", 7, meta=counter | {"cam": "b"}))
    opened.send_lines(line("n", 3, meta=counter))
    opened.collector.close()
    assert taken.of("n") == [1, 3, 6]
    assert taken.of("n[b]") == [7]


def test_plausible_timestamps_are_used_and_implausible_ones_are_not(
    run: Callable[..., RunContext], taken: Any, warnings: list[str]
) -> None:
    context = run(contained=False)
    collector = Custom()
    opened = Opened(collector, collector.open(context, taken))
    start_ns = context.clock.anchor_wall_ns
    before_ns = time.monotonic_ns()
    opened.send_lines(
        line("own", timestamp=start_ns + 5),
        line("early", timestamp=start_ns - 10**9),
        line("none"),
        line("too-early", timestamp=start_ns - 3 * 10**9),
        line("too-late", timestamp=start_ns + HOUR_NS),
        line("bad", timestamp="yesterday"),
    )
    collector.close()
    after_ns = time.monotonic_ns()
    at_ns = {series.name: at_ns for series, _, at_ns in taken.samples}
    assert context.clock.wall_ns(at_ns["own"]) == start_ns + 5
    assert context.clock.wall_ns(at_ns["early"]) == start_ns - 10**9
    assert all(before_ns <= at_ns[name] <= after_ns for name in ("none", "too-early", "too-late", "bad"))
    assert len(warnings) == 2
    assert any("from before the run or in the future" in text and "2 times" in text for text in warnings)


def test_garbage_affects_no_other_line(opened: Opened, taken: Any, warnings: list[str]) -> None:
    opened.send_lines(
        b"\x00\xff\xfegarbage\n", line(), b"\n\n", b'{"name":"fps","value":NaN}\n', line(value=2), line(value="3"),
        line(value=True), line("system.cpu.util"), line(value=4), b'{"name":"half',
    )  # fmt: skip
    opened.collector.close()
    assert taken.of("fps") == [1, 2, 4]
    reasons = "\n".join(warnings)
    assert "not JSON" in reasons
    assert "2 times" in reasons
    assert "begins with system." in reasons
    assert "an incomplete line" in reasons
    assert all("\n" not in text and text.isprintable() for text in warnings)


def test_every_line_is_recorded_aggregated_or_refused(
    opened: Opened, monkeypatch: pytest.MonkeyPatch, warnings: list[str]
) -> None:
    """Valid, overlong, truncated, meaningless and excess lines and datagrams: the counts add up."""
    monkeypatch.setattr(custom_ingestor, "RATE_LIMIT_PER_S", 100)
    usual = [line(value=number) for number in range(300)]
    opened.send_lines(*usual, line("x" * 70_000), b"nonsense\n", line(value="text"), b'{"name":"cut')
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as app:
        app.connect(opened.requirements.env["DD_DOGSTATSD_URL"].removeprefix("unix://"))
        for text in (b"a:1|g\nb:2|c\n", b"a:1:2:3|ms", b"who:x:y|s", b"a:1|?", b"a:1:x|g", b"{}"):
            app.send(text)
    opened.collector.close()
    ingestor = opened.collector._ingestor
    assert ingestor.kept + ingestor.aggregated + ingestor.refused == 304 + 2 + 3 + 2 + 1 + 2 + 1
    assert ingestor.refused == 4 + 1 + 2 + 1
    assert ingestor.aggregated > 100
    assert f"of {304 + 11} values {ingestor.kept} were recorded" in "\n".join(warnings)


def test_a_last_line_without_a_line_end_is_accepted(opened: Opened, taken: Any) -> None:
    opened.send_lines(line(value=7).rstrip())
    opened.collector.close()
    assert taken.of("fps") == [7]


def test_lines_of_ten_megabytes_are_skipped_and_the_next_is_read(
    opened: Opened, taken: Any, warnings: list[str]
) -> None:
    before_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with opened.connect() as app:
        for number in range(3):
            for _ in range(160):
                app.sendall(b"x" * 65536)
            app.sendall(b"\n" + line(value=number))
    opened.collector.close()
    assert taken.of("fps") == [0, 1, 2]
    assert any("more than 64 KiB" in text and "3 times" in text for text in warnings)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kib < 8 * 1024


def test_ten_thousand_connections_leave_descriptors_and_values(opened: Opened, taken: Any, warnings: list[str]) -> None:
    # Another process opens them, since ends in this process would count against our limit.
    flood = """
import socket, sys
connections, served = [], 0
for number in range(10_000):
    app = socket.socket(socket.AF_UNIX)
    app.connect(sys.argv[1])
    connections.append(app)
    if len(connections) > 900:
        connections.pop(0).close()
print('done', flush=True)
sys.stdin.read()
"""
    process = subprocess.Popen(
        [sys.executable, "-c", flood, opened.path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"done\n"
    assert len(descriptors()) < CONNECTION_LIMIT + 100
    process.communicate(timeout=30)

    # After they are closed, others are served again.
    def served() -> bool:
        opened.send_lines(line(value=5))
        return bool(taken.of("fps"))

    eventually(served)
    opened.collector.close()
    assert any(f"more than {CONNECTION_LIMIT} concurrent connections" in text for text in warnings)


def test_series_and_rate_are_bounded(
    opened: Opened, taken: Any, warnings: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(custom_ingestor, "RATE_LIMIT_PER_S", 3000)
    with opened.connect() as app:
        app.sendall(b"".join(line(f"name{number}", number) for number in range(1500)))
        app.sendall(line("name7", 70))
        eventually(lambda: taken.last.get("name7") == 70)
        app.sendall(line("name3") * 200_000)
    opened.collector.close()
    own = {series for series, _, _ in taken.samples if ".aggregated" not in series.name}
    assert len(own) == custom_ingestor.SERIES_LIMIT
    assert any(f"more than {custom_ingestor.SERIES_LIMIT} different series (" in text for text in warnings)
    ingestor = opened.collector._ingestor
    assert ingestor.refused == 1500 - custom_ingestor.SERIES_LIMIT
    assert ingestor.kept + ingestor.aggregated + ingestor.refused == 201_501
    assert ingestor.aggregated == sum(taken.of("name3.aggregated.count")) > 0
    assert f"of 201501 values {ingestor.kept} were recorded" in warnings[0]


def test_a_hundred_thousand_names_cost_no_memory_and_no_other_value(
    opened: Opened, taken: Any, warnings: list[str]
) -> None:
    opened.send_lines(line("first", 1))
    eventually(lambda: bool(taken.of("first")))
    with opened.connect() as app:
        for start in range(0, 100_000, 1000):
            app.sendall(b"".join(b'{"name":"n%d","value":1}\n' % number for number in range(start, start + 1000)))
    opened.send_lines(line("first", 2))
    opened.collector.close()
    assert taken.of("first") == [1, 2]
    assert len({series for series, _, _ in taken.samples}) == custom_ingestor.SERIES_LIMIT
    ingestor = opened.collector._ingestor
    assert (ingestor.kept + ingestor.aggregated, ingestor.refused) == (custom_ingestor.SERIES_LIMIT + 1, 99_001)
    assert len(ingestor._known) == custom_ingestor.SERIES_LIMIT
    assert len(opened.collector._json._known) <= opened.collector._json.KNOWN_LIMIT
    assert any("more than 1000 different series" in text and "99001 times" in text for text in warnings)


def test_slow_writers_do_not_delay_others(opened: Opened, taken: Any, warnings: list[str]) -> None:
    """Two hundred connections send single bytes, beside one that sends normally."""
    slow = [opened.connect() for _ in range(200)]
    text = line("slow", 1)
    for byte in text[:20]:
        for app in slow:
            app.sendall(bytes([byte]))
    opened.send_lines(line("quick", 1))
    eventually(lambda: bool(taken.of("quick")))
    assert not taken.of("slow")
    for app in slow[:150]:
        app.sendall(text[20:])
    for app in slow:
        app.close()
    opened.collector.close()
    assert len(taken.of("slow")) == 150
    assert opened.collector._ingestor.refused == 50
    assert any("an incomplete line" in text and "50 times" in text for text in warnings)


@pytest.mark.parametrize(("ahead_s", "warning"), [(-30, "behind"), (30, "ahead"), (0.5, "")])
def test_a_clock_difference_is_detected(
    ahead_s: float, warning: str, run: Callable[..., RunContext], taken: Any, warnings: list[str]
) -> None:
    collector = Custom()
    opened = Opened(collector, collector.open(run(contained=False), taken))
    for _ in range(12):
        opened.send_lines(line(timestamp=time.time() + ahead_s))
    collector.close()
    assert len(taken.of("fps")) == 12
    assert any("clock is " + warning in text for text in warnings) if warning else not warnings


def test_a_counter_that_overflows_is_refused(opened: Opened, taken: Any, warnings: list[str]) -> None:
    opened.send_lines(line("n", 1e308, meta={"kind": "counter"}) * 2, line("n", 1, meta={"kind": "counter"}))
    opened.collector.close()
    assert taken.of("n") == [1e308, 1e308]
    assert any("became infinite" in text for text in warnings)


@pytest.mark.parametrize("instead", ["nothing", "a file", "a folder"])
def test_a_deleted_socket_is_recreated(
    instead: str, opened: Opened, taken: Any, warnings: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(line_server, "CHECK_INTERVAL_S", 0.02)
    path = Path(opened.path)
    with opened.connect() as connected:
        if instead == "nothing":
            path.unlink()
        elif instead == "a file":
            # The socket may be recreated at any moment, so the file replaces it atomically.
            other = path.with_name("other")
            other.write_text("")
            other.rename(path)
        elif instead == "a folder":
            while not path.is_dir():
                # The socket may be recreated between these two steps.
                path.unlink(missing_ok=True)
                with suppress(FileExistsError):
                    path.mkdir()
            time.sleep(0.1)
            path.rmdir()
        eventually(path.is_socket)
        opened.send_lines(line(value=1))
        # Earlier connections stay open.
        connected.sendall(line(value=2))
    opened.collector.close()
    assert sorted(taken.of("fps")) == [1, 2]
    assert any("deleted and has been recreated (" in text for text in warnings)
    assert not path.exists()


def test_close_reads_pending_data_and_leaves_nothing(opened: Opened, taken: Any, warnings: list[str]) -> None:
    before = descriptors()
    many = 3000
    opened.send_lines(b"".join(line(value=number) for number in range(many)))
    opened.collector.close()
    opened.collector.close()
    assert taken.of("fps") == list(range(many))
    assert not warnings
    assert not Path(opened.path).exists()
    assert descriptors() < before


def test_an_app_that_never_stops_sending_does_not_delay_close(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(line_server, "DRAIN_LIMIT_S", 0.1)
    talk = (
        "import socket, sys\na = socket.socket(socket.AF_UNIX)\na.connect(sys.argv[1])\nwhile True: a.sendall(b'x\\n')"
    )
    process = subprocess.Popen([sys.executable, "-c", talk, opened.path], stderr=subprocess.DEVNULL)
    try:
        eventually(lambda: bool(opened.collector._ingestor._noted))
        opened.collector.close()
        # Its connection is closed, so that it exits.
        assert process.wait(30) != 0
    finally:
        process.kill()
        process.wait()


def test_an_internal_error_on_one_line_stops_nothing(opened: Opened, taken: Any, warnings: list[str]) -> None:
    def fails_once(series: Any, value: float, at_ns: int) -> None:
        opened.collector._ingestor._emit = taken
        raise RuntimeError("a fault of ours")

    opened.collector._ingestor._emit = fails_once
    opened.send_lines(line(value=1), line(value=2))
    opened.collector.close()
    assert taken.of("fps") == [2]
    assert any("RuntimeError" in text for text in warnings)


def test_a_socket_that_cannot_be_created_is_unavailable(run: Callable[..., RunContext], taken: Any) -> None:
    context = run()
    (context.scratch / "app").write_text("")
    collector = Custom()
    with pytest.raises(Unavailable, match="cannot create"):
        collector.open(context, taken)
    collector.close()


def test_only_the_app_can_connect_to_the_socket(run: Callable[..., RunContext], taken: Any) -> None:
    context = run()
    collector = Custom()
    requirements = collector.open(context, taken)
    mount, waggle = requirements.mounts
    folder = Path(mount.host_path)
    assert (mount.writable, waggle.writable) == (False, True)
    assert (folder / "statsd.sock").stat().st_mode & 0o777 == 0o666
    assert Path(waggle.host_path).parent == folder.parent
    assert requirements.env["DD_DOGSTATSD_URL"] == "unix:///run/profileapp/statsd.sock"
    assert requirements.env["STATSD_SOCKET_PATH"] == "/run/profileapp/statsd.sock"
    assert requirements.env["PYWAGGLE_LOG_DIR"] == waggle.container_path
    assert (folder.stat().st_mode & 0o777, (folder / "metrics.sock").stat().st_mode & 0o777) == (0o755, 0o666)
    assert folder.parent.stat().st_mode & 0o077 == 0
    assert requirements.env["PROFILEAPP_SOCKET"] == "/run/profileapp/metrics.sock"
    collector.close()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may become another user")
def test_another_user_of_the_host_can_use_no_listener(
    run: Callable[..., RunContext], taken: Any, tmp_path: Path
) -> None:
    collector = Custom()
    requirements = collector.open(run(), taken)
    folder = Path(requirements.mounts[0].host_path)
    # All folders above the run's are accessible, so that only this folder excludes other users.
    for above in folder.parent.parents:
        if above.stat().st_uid == os.geteuid() and tmp_path.parents[2] in (above, *above.parents):
            above.chmod(0o755)
    paths = [str(folder / "metrics.sock"), str(folder / "statsd.sock"), requirements.mounts[1].host_path + "/uploads"]
    probe = (
        "import os, socket, sys\n"
        "os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
        "for path, kind in zip(sys.argv[1:], (socket.SOCK_STREAM, socket.SOCK_DGRAM)):\n"
        "    try:\n        socket.socket(socket.AF_UNIX, kind).connect(path); print('in')\n"
        "    except OSError as error:\n        print(type(error).__name__)\n"
        "try:\n    os.listdir(sys.argv[3]); print('in')\n"
        "except OSError as error:\n    print(type(error).__name__)\n"
        "os.listdir(sys.argv[4])\n"
    )
    argv = [sys.executable, "-S", "-c", probe, *paths, str(folder.parents[1])]
    parsed = subprocess.run(argv, check=True, capture_output=True, text=True, cwd="/").stdout
    collector.close()
    assert parsed.split() == ["PermissionError"] * 3


@pytest.mark.docker
def test_any_user_of_a_container_can_send_but_not_delete(
    docker_client: docker.DockerClient, python_image: str, run: Callable[..., RunContext], taken: Any
) -> None:
    collector = Custom()
    requirements = collector.open(run(), taken)
    say = (
        "import os, socket\n"
        "path = os.environ['PROFILEAPP_SOCKET']\n"
        "a = socket.socket(socket.AF_UNIX)\na.connect(path)\n"
        'a.sendall(b\'{"name":"uid","value":%d}\\n\' % os.getuid())\n'
        "try:\n    os.unlink(path)\nexcept OSError as error:\n    print(type(error).__name__, error.errno)\n"
    )
    for user in ("0", "1000"):
        docker_client.containers.run(
            python_image,
            ["python3", "-c", say],
            entrypoint="",
            user=user,
            environment=requirements.env,
            cap_drop=["ALL"],
            security_opt=["no-new-privileges"],
            volumes=volumes_of(requirements),
            remove=True,
        )
    assert Path(requirements.mounts[0].host_path, "metrics.sock").is_socket()
    collector.close()
    assert taken.of("uid") == [0, 1000]
