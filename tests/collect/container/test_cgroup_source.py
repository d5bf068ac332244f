"""The container's resource usage from its cgroup: recorded trees of each layout, and real containers."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import docker
import pytest
from docker.errors import NotFound
from docker.models.containers import Container

from profileapp.collect.api import AppHandle, RunContext
from profileapp.collect.container import cgroup_source as container
from profileapp.collect.container.cgroup_source import ContainerCgroup
from profileapp.collect.container.readers.reader import LEAST_GAP_NS
from profileapp.errors import Unavailable

ID = "4ebf982db385896655a023ace265d7d41fdf2aed055b5da2f8097c6ce1c44a64"
SUBJECT = AppHandle(77, ID)
SECOND = 1_000_000_000
OUTER = re.compile(r"(docker|system\.slice)/")

NET_DEV = """Inter-|   Receive                           |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier
    lo:     900       9    0    0    0     0          0         0      900       9    0    0    0     0       0
  eth0:{:8}       2    0    0    0     0          0         0 {:8}       3    0    0    0     0       0
"""
PRESSURE = "some avg10=0.00 avg60=0.00 avg300=0.00 total={}\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=0\n"


def v1_tree(step: int) -> dict[str, str]:
    """A v1 host with combined controllers; the app uses 1.5 cores in the second between two steps."""
    own = f"docker/{ID}"
    cgroup = "sys/fs/cgroup"
    return {
        "proc/77/cgroup": (
            f"9:pids:/{own}\n7:blkio:/{own}\n4:memory:/{own}\n2:cpu,cpuacct:/{own}\n1:name=systemd:/{own}\n"
        ),
        "proc/77/net/dev": NET_DEV.format(200 + 1000 * step, 100 + 500 * step),
        "proc/self/mountinfo": "".join(
            f"35 31 0:32 / /{cgroup}/{each} rw - cgroup cgroup rw,{each}\n"
            for each in ("pids", "blkio", "memory", "cpu,cpuacct")
        ),
        f"{cgroup}/cpu,cpuacct/{own}/cpuacct.usage": f"{60905771 + 1500000000 * step}\n",
        f"{cgroup}/cpu,cpuacct/{own}/cpuacct.stat": f"user {4 + 100 * step}\nsystem {2 + 50 * step}\n",
        f"{cgroup}/cpu,cpuacct/{own}/cpu.stat": (
            f"nr_periods {10 * step}\nnr_throttled {5 * step}\nthrottled_time {250000000 * step}\n"
        ),
        f"{cgroup}/memory/{own}/memory.usage_in_bytes": "10485760\n",
        f"{cgroup}/memory/{own}/memory.max_usage_in_bytes": "12582912\n",
        f"{cgroup}/memory/{own}/memory.stat": (
            "cache 1\nrss 2\ninactive_file 3\ntotal_cache 4194304\ntotal_rss 6291456\ntotal_inactive_file 3145728\n"
        ),
        f"{cgroup}/pids/{own}/pids.current": "5\n",
        f"{cgroup}/blkio/{own}/cgroup.procs": "77\n",
        "proc/77/io": f"rchar: 1\nread_bytes: {4096 * step}\nwrite_bytes: {8192 * step}\n",
        f"{cgroup}/blkio/{own}/blkio.throttle.io_service_bytes": (
            f"8:0 Read {4096 * step}\n8:0 Write {8192 * step}\n8:0 Total {12288 * step}\nTotal {12288 * step}\n"
        ),
    }


def v2_tree(step: int) -> dict[str, str]:
    """A v2 host with the systemd driver, with the same app."""
    own = f"system.slice/docker-{ID}.scope"
    return {
        "proc/77/cgroup": f"0::/{own}\n",
        "proc/77/net/dev": NET_DEV.format(200 + 1000 * step, 100 + 500 * step),
        "proc/self/mountinfo": "42 31 0:29 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw,nsdelegate\n",
        f"sys/fs/cgroup/{own}/cpu.stat": (
            f"usage_usec {60905 + 1500000 * step}\nuser_usec {40000 + 1000000 * step}\n"
            f"system_usec {20905 + 500000 * step}\n"
            f"nr_periods {10 * step}\nnr_throttled {5 * step}\nthrottled_usec {250000 * step}\n"
        ),
        f"sys/fs/cgroup/{own}/memory.current": "10485760\n",
        f"sys/fs/cgroup/{own}/memory.peak": "12582912\n",
        f"sys/fs/cgroup/{own}/memory.stat": "anon 6291456\nfile 4194304\nkernel 0\ninactive_file 3145728\n",
        f"sys/fs/cgroup/{own}/pids.current": "5\n",
        f"sys/fs/cgroup/{own}/io.stat": f"8:0 rbytes={4096 * step} wbytes={8192 * step} rios=1 wios=2\n",
        f"sys/fs/cgroup/{own}/cpu.pressure": PRESSURE.format(6295 + 100000 * step),
        f"sys/fs/cgroup/{own}/memory.pressure": PRESSURE.format(0),
        f"sys/fs/cgroup/{own}/io.pressure": PRESSURE.format(20000 * step),
    }


def hybrid_tree(step: int) -> dict[str, str]:
    """A host with v1 controllers and also the unified hierarchy (recorded on Linux 6.18)."""
    own = f"docker/{ID}"
    tree = v1_tree(step)
    tree["proc/77/cgroup"] += f"0::/{own}\n"
    tree["proc/self/mountinfo"] += "41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n"
    unified = f"sys/fs/cgroup/unified/{own}"
    tree[f"{unified}/cpu.stat"] = (
        f"usage_usec {96908 + 1500000 * step}\nuser_usec {75882 + 1000000 * step}\n"
        f"system_usec {21025 + 500000 * step}\nnice_usec 0\n"
    )
    for name in ("cpu", "memory", "io"):
        tree[f"{unified}/{name}.pressure"] = PRESSURE.format({"cpu": 100000, "memory": 0, "io": 20000}[name] * step)
    return tree


EVERYWHERE = {
    "container.cpu.util": 150.0,
    "container.cpu.user": 100.0,
    "container.cpu.system": 50.0,
    "container.cpu.throttled": 0.25,
    "container.memory.used": 10485760 - 3145728,
    "container.memory.cache": 4194304,
    "container.memory.peak": 12582912,
    "container.io.read": 4096,
    "container.io.write": 8192,
    "container.network.received": 1000,
    "container.network.sent": 500,
    "container.processes": 5,
}
PRESSURES = {"container.pressure.cpu": 10.0, "container.pressure.memory": 0.0, "container.pressure.io": 2.0}

Tree = Callable[[int], dict[str, str]]


@pytest.fixture
def measured(
    monkeypatch: pytest.MonkeyPatch,
    run: Callable[..., RunContext],
    taken: Any,
    write_tree: Callable[[dict[str, str]], Path],
) -> Iterator[Callable[[dict[str, str]], ContainerCgroup]]:
    """A collector attached to the app of a tree, at second 0."""
    made: list[ContainerCgroup] = []

    def attach(files: dict[str, str]) -> ContainerCgroup:
        monkeypatch.setattr(container.time, "monotonic_ns", lambda: 0)
        root = write_tree(files)
        collector = ContainerCgroup(root / "proc", root)
        made.append(collector)
        collector.open(run(), taken)
        collector.attach(SUBJECT)
        return collector

    yield attach
    for collector in made:
        collector.close()


@pytest.mark.parametrize(
    ("tree", "expected"),
    [(v1_tree, EVERYWHERE), (v2_tree, EVERYWHERE | PRESSURES), (hybrid_tree, EVERYWHERE | PRESSURES)],
)
def test_every_layout_gives_the_same_series(
    tree: Tree, expected: dict[str, float], measured: Any, taken: Any, write_tree: Any
) -> None:
    collector = measured(tree(0))
    # Rates need two samples; other values are emitted at once, for apps that exit soon.
    assert "container.cpu.util" not in taken.last
    assert taken.last["container.memory.used"] == expected["container.memory.used"]
    write_tree(tree(1))
    collector.sample(SECOND)
    assert taken.last == pytest.approx(expected)
    assert {at_ns for _, _, at_ns in taken.samples} == {0, SECOND}


@pytest.mark.parametrize("tree", [v1_tree, v2_tree, hybrid_tree])
def test_the_run_s_cgroup_closes_the_gap_after_the_last_sample(
    tree: Tree, measured: Any, taken: Any, write_tree: Any
) -> None:
    def of_run(step: int) -> dict[str, str]:
        found = tree(step)
        return {OUTER.sub("profileapp_1/", name): OUTER.sub("profileapp_1/", text) for name, text in found.items()}

    def around(step: int) -> dict[str, str]:
        return {re.sub(rf"/[^/]*{ID}[^/]*", "", name): text for name, text in of_run(step).items() if ID in name}

    collector = measured(of_run(0) | around(0))
    write_tree(of_run(1))
    collector.sample(SECOND)
    # The container and its cgroup are gone; the app used as much again in a quarter of a second.
    write_tree({name: "" for name in of_run(1) if ID in name})
    write_tree(around(2))
    # In a moment the kernel's clock has not ticked: a rate over it would be nearly anything.
    before = dict(taken.last)
    collector.finish(SECOND + LEAST_GAP_NS - 1)
    assert taken.last == before
    collector.finish(SECOND * 5 // 4)
    assert taken.last["container.cpu.util"] == pytest.approx(600)
    assert taken.last["container.memory.used"] == EVERYWHERE["container.memory.used"]


@pytest.mark.parametrize("tree", [v1_tree, v2_tree])
@pytest.mark.parametrize(
    ("missing", "lost_series"),
    [
        ("memory.stat", {"container.memory.used", "container.memory.cache"}),
        ("pids.current", {"container.processes"}),
        ("net/dev", {"container.network.received", "container.network.sent"}),
        ("memory.max_usage_in_bytes memory.peak", {"container.memory.peak"}),
        ("blkio.throttle.io_service_bytes cgroup.procs io.stat", {"container.io.read", "container.io.write"}),
        ("cpuacct.usage", {"container.cpu.util", "container.cpu.user", "container.cpu.system"}),
    ],
)
def test_a_missing_file_removes_only_its_series(
    tree: Tree, missing: str, lost_series: set[str], measured: Any, taken: Any, write_tree: Any
) -> None:
    def without(step: int) -> dict[str, str]:
        return {name: text for name, text in tree(step).items() if not name.endswith(tuple(missing.split()))}

    if missing == "cpuacct.usage" and tree is v2_tree:
        missing = "cpu.stat"
        lost_series = lost_series | {"container.cpu.throttled"}
    collector = measured(without(0))
    write_tree(without(1))
    collector.sample(SECOND)
    assert set(EVERYWHERE) - set(taken.last) == lost_series


@pytest.mark.parametrize("tree", [v1_tree, v2_tree])
def test_incomplete_files_are_skipped(tree: Tree, measured: Any, taken: Any, write_tree: Any) -> None:
    files = tree(0)
    collector = measured(files)
    before = len(taken.samples)
    write_tree({name: "?" for name in files if name.startswith("sys/") or name.endswith("net/dev")})
    collector.sample(SECOND)
    assert len(taken.samples) == before


def test_an_app_without_a_quota_is_not_throttled(measured: Any, taken: Any) -> None:
    measured(v1_tree(0))
    assert "container.cpu.throttled" not in taken.last


def test_an_app_that_has_exited_raises_no_error(measured: Any, taken: Any, write_tree: Any) -> None:
    collector = measured(v2_tree(0))
    before = len(taken.samples)
    write_tree({name: "0\n" for name in v2_tree(0) if name.endswith("pids.current")})
    collector.sample(SECOND)
    assert len(taken.samples) == before


def test_a_controller_shared_with_the_host_is_ignored(measured: Any, taken: Any) -> None:
    tree = v1_tree(0)
    tree["proc/77/cgroup"] = tree["proc/77/cgroup"].replace(f"4:memory:/docker/{ID}", "4:memory:/")
    tree["sys/fs/cgroup/memory/memory.usage_in_bytes"] = "999\n"
    tree["sys/fs/cgroup/memory/memory.stat"] = "total_inactive_file 0\n"
    measured(tree)
    assert "container.memory.used" not in taken.last
    assert taken.last["container.processes"] == 5


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"proc/77/cgroup": "0::/\n", "proc/77/stat": "77 (app) S 1" + " 1" * 30}, "no separate cgroup"),
        ({"proc/77/cgroup": "0::/\n", "proc/77/stat": "77 (app) Z 1" + " 1" * 30}, "ended before"),
        ({"proc/self/mountinfo": "", "proc/77/stat": "77 (app) S 1" + " 1" * 30}, "mounted here"),
    ],
)
def test_unavailable_cgroups_are_reported_with_a_reason(change: dict[str, str], reason: str, measured: Any) -> None:
    with pytest.raises(Unavailable, match=reason):
        measured(v2_tree(0) | change)


def test_processes_of_the_host_are_left_to_other_sources(run: Callable[..., RunContext], taken: Any) -> None:
    with pytest.raises(Unavailable, match="not a container"):
        ContainerCgroup().open(run(contained=False), taken)


@pytest.fixture
def start(docker_client: docker.DockerClient, busybox_image: str) -> Iterator[Callable[..., Container]]:
    """Starts containers that are removed after the test."""
    started: list[Container] = []

    def make(command: str, **options: Any) -> Container:
        found = docker_client.containers.run(busybox_image, ["sh", "-c", command], detach=True, **options)
        started.append(found)
        found.reload()
        return found

    yield make
    for each in started:
        with suppress(NotFound):
            each.remove(force=True)


def app_handle(running: Container) -> AppHandle:
    return AppHandle(running.attrs["State"]["Pid"], str(running.id))


def cpu_ns_of(running: Container) -> int:
    stats: Any = running.stats(stream=False, one_shot=True)
    return int(stats["cpu_stats"]["cpu_usage"]["total_usage"])


@pytest.mark.docker
@pytest.mark.parametrize("init", [False, True])
def test_agrees_with_docker_stats(
    init: bool, start: Callable[..., Container], run: Callable[..., RunContext], taken: Any
) -> None:
    running = start("dd if=/dev/zero of=/blob bs=1M count=20; while true; do true; done", init=init)
    collector = ContainerCgroup()
    collector.open(run(), taken)
    before_all = cpu_ns_of(running)
    # The app is the child of Docker's init, if there is one; the cgroup contains both.
    collector.attach(app_handle(running))
    before = cpu_ns_of(running)
    time.sleep(1.5)
    after = cpu_ns_of(running)
    collector.sample(time.monotonic_ns())
    stats = running.stats(stream=False, one_shot=True)
    collector.close()

    # The share of a core that the loop gets depends on the machine; we test that it equals Docker's value. Both count
    # up to the kernel's last tick.
    (rate,) = taken.of("container.cpu.util")
    ours_ns = rate / 100 * (taken.samples[-1][2] - taken.samples[0][2])
    tick_ns = 20_000_000
    assert after - before - tick_ns <= ours_ns <= stats["cpu_stats"]["cpu_usage"]["total_usage"] - before_all + tick_ns
    assert ours_ns > tick_ns
    details = stats["memory_stats"]["stats"]
    inactive = details.get("total_inactive_file", details.get("inactive_file"))
    usage = stats["memory_stats"]["usage"]
    assert taken.last["container.memory.used"] == pytest.approx(usage - inactive, abs=2**20)
    assert taken.last["container.memory.cache"] >= 20 * 2**20
    assert stats["pids_stats"]["current"] == 1 + init
    assert taken.last["container.processes"] == 1, "Docker's init is none of the app's"


@pytest.mark.docker
def test_a_container_that_exits_between_samples_raises_no_error(
    start: Callable[..., Container], run: Callable[..., RunContext], taken: Any
) -> None:
    running = start("sleep 1000")
    collector = ContainerCgroup()
    collector.open(run(), taken)
    collector.attach(app_handle(running))
    running.kill()
    running.wait()
    before = len(taken.samples)
    collector.sample(time.monotonic_ns())
    running.remove()
    collector.sample(time.monotonic_ns())
    assert len(taken.samples) == before
    collector.detach()
    with pytest.raises(Unavailable):
        collector.attach(app_handle(running))
    collector.close()


@pytest.mark.docker
def test_the_network_of_a_container_is_measured_separately(
    start: Callable[..., Container], run: Callable[..., RunContext], taken: Any
) -> None:
    running = start("sleep 1000", network_mode="none")
    collector = ContainerCgroup()
    collector.open(run(), taken)
    collector.attach(app_handle(running))
    collector.sample(time.monotonic_ns())
    collector.close()
    assert taken.last["container.processes"] == 1
    assert "container.network.received" not in taken.last


def test_unknown_page_cache_writes_are_absent_not_0(
    write_tree: Callable[[dict[str, str]], Path], run: Callable[..., RunContext], taken: Any, warnings: list[str]
) -> None:
    """cgroup v1 does not count them, and only root may read the counters of the processes: then there is no value."""
    tree = {name: text for name, text in v1_tree(1).items() if name != "proc/77/io"}
    root = write_tree(tree)
    collector = ContainerCgroup(root / "proc", root)
    collector.open(run(), taken)
    collector.attach(SUBJECT)
    collector.sample(time.monotonic_ns())
    collector.close()
    assert "container.io.write" not in taken.last
    assert "container.io.read" in taken.last
    assert any("only root may read /proc/PID/io" in line for line in warnings)


def test_the_last_sample_is_not_of_docker_init_alone(
    write_tree: Callable[[dict[str, str]], Path], run: Callable[..., RunContext], taken: Any
) -> None:
    tree = {**v1_tree(0), "proc/77/comm": "docker-init\n"}
    root = write_tree(tree)
    collector = ContainerCgroup(root / "proc", root)
    collector.open(run(), taken)
    collector.attach(SUBJECT)
    assert taken.of("container.processes") == [4]
    count = len(taken.samples)
    write_tree({next(name for name in tree if name.endswith("pids.current")): "1\n"})
    collector.sample(time.monotonic_ns())
    assert len(taken.samples) == count
    collector.close()
