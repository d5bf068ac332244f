"""Total resource usage of a cgroup in each layout; known loads in real containers and processes."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import docker
import pytest

from profileapp.collect.container.totals import CpuTimes, emit_totals, read_totals
from profileapp.model.run import Totals
from profileapp.model.series import Series
from profileapp.run.run_cgroup import RunCgroups, run_cgroups
from profileapp.run.start_watch import StartWatch
from tests.helpers.worker_process import Outcome, configure, run

pytestmark = pytest.mark.usefixtures("state")


@pytest.fixture
def state(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("s")
    monkeypatch.setenv("PROFILEAPP_STATE", str(folder))
    yield folder


def tree(folder: Path, files: dict[str, str]) -> Path:
    folder.mkdir()
    for name, text in files.items():
        (folder / name).write_text(text)
    return folder


def test_v2(tmp_path: Path) -> None:
    own = tree(
        tmp_path / "own",
        {
            "cpu.stat": "usage_usec 470000\nuser_usec 400000\nsystem_usec 70000\nnr_periods 5\nthrottled_usec 250000\n",
            "memory.peak": "206000000\n",
            "memory.events": "low 0\noom 3\noom_kill 2\n",
            "io.stat": "8:0 rbytes=4096 wbytes=67108864 rios=1 wios=1\n",
            "cpu.pressure": "some avg10=0.00 avg60=0.00 avg300=0.00 total=1500000\nfull total=0\n",
        },
    )
    totals = read_totals({"": own})
    assert totals == Totals(
        source="cgroup v2",
        cpu_s=0.47,
        cpu_user_s=0.4,
        cpu_system_s=0.07,
        cpu_throttled_s=0.25,
        memory_peak_bytes=206_000_000,
        io_read_bytes=4096,
        io_written_bytes=67_108_864,
        oom_kills=2,
        cpu_pressure_s=1.5,
    )
    taken: list[tuple[Series, float, int]] = []
    emit_totals(totals, lambda *sample: taken.append(sample), 7)
    assert {(series.name, value, at) for series, value, at in taken} >= {
        ("container.cpu.time", 0.47, 7),
        ("container.memory.peak", 206_000_000.0, 7),
        ("container.memory.oom-kills", 2.0, 7),
    }


def test_v1_gives_reasons_for_unknown_totals(tmp_path: Path) -> None:
    folders = {
        "cpuacct": tree(tmp_path / "c", {"cpuacct.usage": "470000000\n", "cpuacct.stat": "user 40\nsystem 7\n"}),
        "memory": tree(tmp_path / "m", {"memory.max_usage_in_bytes": "206\n", "memory.use_hierarchy": "1\n"}),
        "blkio": tree(tmp_path / "b", {"blkio.throttle.io_service_bytes_recursive": "Total 0\n"}),
    }
    totals = read_totals(folders)
    assert (totals.source, totals.cpu_s, totals.cpu_user_s) == ("cgroup v1", 0.47, 0.4)
    assert totals.memory_peak_bytes == 206
    assert totals.io_written_bytes is None and "page cache" in totals.missing["io"]
    assert {"cpu_throttled", "io", "oom_kills", "pressure"} == totals.missing.keys()
    (folders["memory"] / "memory.use_hierarchy").write_text("0\n")
    assert read_totals(folders).memory_peak_bytes is None


def test_the_cost_of_starting_is_excluded(tmp_path: Path) -> None:
    own = tree(tmp_path / "own", {"cpu.stat": "usage_usec 470000\nuser_usec 400000\nsystem_usec 70000\n"})
    totals = read_totals({"": own}, CpuTimes(0.03, 0.01, 0.08))
    assert (totals.cpu_s, totals.cpu_user_s, totals.cpu_system_s) == (pytest.approx(0.44), pytest.approx(0.39), 0)
    assert totals.start_cpu_s == 0.03


def test_the_watch_measures_usage_before_the_init(tmp_path: Path) -> None:
    (tmp_path / "mountinfo").write_text(f"36 30 0:31 / {tmp_path} rw - cgroup2 cgroup2 rw\n")
    cgroup = run_cgroups("cgroupfs", is_local=True, mountinfo=tmp_path / "mountinfo").next("2026-ab")
    assert cgroup
    process = tmp_path / "proc" / "7"
    process.mkdir(parents=True)
    (process / "comm").write_text("runc:[2:INIT]\n")
    watch = StartWatch(cgroup, tmp_path / "proc")
    folder = tree(tmp_path / cgroup.name, {"cpu.stat": "usage_usec 30000\nuser_usec 20000\nsystem_usec 10000\n"})
    tree(folder / "container", {"cgroup.procs": "7\n"})
    deadline_s = time.monotonic() + 10
    while watch.used is None and time.monotonic() < deadline_s:
        time.sleep(0.001)
    (process / "comm").write_text("docker-init\n")
    (folder / "cpu.stat").write_text("usage_usec 900000\nuser_usec 600000\nsystem_usec 300000\n")
    assert watch.end() == CpuTimes(0.03, 0.02, 0.01)


def test_the_watch_adds_the_usage_of_the_init(tmp_path: Path) -> None:
    (tmp_path / "mountinfo").write_text(f"36 30 0:31 / {tmp_path} rw - cgroup2 cgroup2 rw\n")
    cgroup = run_cgroups("cgroupfs", is_local=True, mountinfo=tmp_path / "mountinfo").next("2026-ab")
    assert cgroup
    (tmp_path / "proc").mkdir()
    process = tree(tmp_path / "proc" / "7", {"comm": "runc:[2:INIT]\n", "schedstat": "20000000 5 6\n"})
    watch = StartWatch(cgroup, tmp_path / "proc")
    folder = tree(tmp_path / cgroup.name, {"cpu.stat": "usage_usec 30000\nuser_usec 20000\nsystem_usec 10000\n"})
    tree(folder / "container", {"cgroup.procs": "7\n"})
    wait_for(lambda: watch.used is not None)
    (process / "schedstat").write_text("22000000 5 6\n")
    (process / "comm").write_text("docker-init\n")
    wait_for(lambda: watch.init_ns == 22_000_000)
    used = watch.end()
    assert used and used.user_s == 0.02
    assert (used.total_s, used.system_s) == (pytest.approx(0.032), pytest.approx(0.012))


def wait_for(condition: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline_s
        time.sleep(0.001)


def test_without_readable_files_no_totals_are_known(tmp_path: Path) -> None:
    totals = read_totals({"": tree(tmp_path / "own", {"cpu.stat": "no numbers\n"})})
    assert (totals.cpu_s, totals.memory_peak_bytes, totals.io_read_bytes) == (None, None, None)
    assert totals.missing.keys() == {"cpu", "cpu_throttled", "memory_peak", "io", "oom_kills", "pressure"}


@pytest.mark.parametrize(
    ("driver", "is_local", "mountinfo", "reason"),
    [
        ("cgroupfs", False, "", "not known to be on this machine"),
        ("none", True, "", "unknown cgroup driver (none)"),
        ("cgroupfs", True, "", "part of the machine's cgroups"),
        ("systemd", True, "36 30 0:31 /docker/1 /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n", "part of the machine's"),
        ("systemd", True, "36 30 0:31 / /nowhere rw - cgroup2 cgroup2 rw\n", "only root"),
    ],
)
def test_missing_totals_have_a_reason(driver: str, is_local: bool, mountinfo: str, reason: str, tmp_path: Path) -> None:
    (tmp_path / "mountinfo").write_text(mountinfo)
    found = run_cgroups(driver, is_local=is_local, mountinfo=tmp_path / "mountinfo")
    assert reason in found.reason
    assert found.next("20260101T000000-abcd") is None


def test_a_slice_has_no_parent_slice(tmp_path: Path) -> None:
    (tmp_path / "mountinfo").write_text(f"36 30 0:31 / {tmp_path} rw - cgroup2 cgroup2 rw\n")
    for driver, beginning, end in (
        ("systemd", "profileapp_2026_ab_", ".slice"),
        ("cgroupfs", "/profileapp_2026_ab_", ""),
    ):
        found = run_cgroups(driver, is_local=True, mountinfo=tmp_path / "mountinfo")
        one, other = found.next("2026-ab"), found.next("2026-ab")
        assert one and other and one.parent != other.parent
        assert one.parent.startswith(beginning) and one.parent.endswith(end) and "-" not in one.parent


def test_slices_of_a_dead_run_are_swept(tmp_path: Path) -> None:
    (tmp_path / "mountinfo").write_text(f"36 30 0:31 / {tmp_path} rw - cgroup2 cgroup2 rw\n")
    for name in ("profileapp_2026_ab_1", "profileapp_2026_ab_2.slice", "profileapp_2026_abc_1", "other"):
        (tmp_path / name).mkdir()
    found: RunCgroups = run_cgroups("cgroupfs", is_local=True, mountinfo=tmp_path / "mountinfo")
    assert found.sweep("2026-ab") == (2, ())
    assert {path.name for path in tmp_path.iterdir()} == {"mountinfo", "profileapp_2026_abc_1", "other"}


def totals_of(outcome: Outcome, target: str) -> dict[str, Any]:
    return outcome.run(target)["repeats"][0]["totals"]


IS_V2 = Path("/sys/fs/cgroup/cgroup.controllers").exists()


def left() -> set[str]:
    return {path.name for path in Path("/sys/fs/cgroup").glob("**/profileapp_*") if len(path.parts) < 7}


@pytest.mark.docker
@pytest.mark.skipif(os.getuid() != 0, reason="only root may remove cgroups")
def test_known_loads_in_containers(tmp_path: Path, docker_client: docker.DockerClient, busybox_image: str) -> None:
    spike = "sleep 0.3; dd if=/dev/zero of=/dev/null bs=200M count=1; sleep 1.2"
    children = "i=0; while [ $i -lt 100 ]; do /bin/true; i=$((i+1)); done; times"
    writes = "dd if=/dev/zero of=/a bs=1M count=16 conv=fsync; dd if=/dev/zero of=/b bs=1M count=16"
    targets = [
        {"name": "nothing", "args": ["true"], "repeat": 3},
        {"name": "short", "args": ["sh", "-c", "i=0; while [ $i -lt 30000 ]; do i=$((i+1)); done; times"], "repeat": 3},
        {"name": "spike", "args": ["sh", "-c", spike]},
        {"name": "children", "args": ["sh", "-c", children]},
        {"name": "writes", "args": ["sh", "-c", writes]},
        {"name": "oom", "args": ["sh", "-c", "dd if=/dev/zero of=/dev/null bs=300M count=1"]},
    ]
    beside = "dd if=/dev/zero of=/dev/null bs=50M count=1; sleep 60"
    services = [{"name": "beside", "image": busybox_image, "args": ["sh", "-c", beside]}]
    configure(tmp_path, targets, metrics=["container"], services=services)
    outcome = run(tmp_path, "--image", busybox_image, "--memory-limit", "256MiB")
    assert outcome.code == 2 and outcome.err.count("the kernel ended the app") == 1, outcome.err
    # Starting a container takes CPU time (22 ms here) that is not the app's. The kernel counts the app's time in ticks.
    nothing = [repeat["totals"] for repeat in outcome.run("nothing")["repeats"]]
    assert min(each["cpu_s"] for each in nothing) <= 0.01
    assert all(each["start_cpu_s"] > 0 for each in nothing)
    times_s = [line.split("m")[1].split("s")[0] for line in outcome.log("short").decode().splitlines() if "m" in line]
    short_s = sorted(repeat["totals"]["cpu_s"] for repeat in outcome.run("short")["repeats"])[1]
    assert abs(short_s - max(float(each) for each in times_s)) <= 0.02
    peak_bytes = totals_of(outcome, "spike")["memory_peak_bytes"]
    assert 200 * 2**20 <= peak_bytes <= 230 * 2**20
    numbers = {each["title"]: each["value"] for each in outcome.run("spike")["numbers"]}
    assert numbers["container.memory.peak"] == peak_bytes, "the headline, though no sample saw it"
    assert max(each["value"] for each in outcome.samples("spike") if each["name"] == "container.memory.used") < 100e6
    minutes = outcome.log("children").decode().split()
    said_s = sum(int(each.split("m")[0]) * 60 + float(each.split("m")[1].rstrip("s")) for each in minutes)
    assert abs(totals_of(outcome, "children")["cpu_s"] - said_s) <= 0.02 * said_s + 0.03
    # Buffered writes too: cgroup v1 does not count them, and v2 not before they reach the disk.
    written = totals_of(outcome, "writes")["io_written_bytes"]
    assert written == pytest.approx(32 * 2**20, rel=0.01) or (IS_V2 and 16 * 2**20 <= written <= 33 * 2**20)
    assert totals_of(outcome, "oom")["oom_kills"] == 1
    summary = {(one["name"], one["labels"].get("service")): one for one in outcome.run("spike")["summary"]}
    assert summary["container.cpu.time", None]["count"] == 1
    assert summary["service.memory.peak", "beside"]["max"] >= 50 * 2**20
    # Other runs on this machine create and remove slices at the same time.
    own = {outcome.run(each["name"])["id"].replace("-", "_") for each in targets}
    assert not [name for name in left() if any(each in name for each in own)]


@pytest.mark.docker
@pytest.mark.skipif(os.getuid() != 0, reason="only root may read the I/O of another's processes")
def test_writes_through_the_page_cache_are_counted(tmp_path: Path, busybox_image: str) -> None:
    script = "sleep 0.5; dd if=/dev/zero of=/blob bs=1M count=64 conv=fsync; sleep 0.7"
    target = {"name": "a", "args": ["sh", "-c", script], "interval": "100ms"}
    configure(tmp_path, [target], metrics=["container"])
    outcome = run(tmp_path, "--image", busybox_image)
    samples = [each for each in outcome.samples("a") if each["name"] == "container.io.write"]
    assert sum(each["value"] for each in samples) * 0.1 >= 40 * 2**20, outcome.run("a")["warnings"]


def test_known_loads_of_processes(tmp_path: Path) -> None:
    code = (
        "import os, time\n"
        "for _ in range(5):\n"
        "    if os.fork() == 0:\n"
        "        while time.process_time() < 0.1: pass\n"
        "        os._exit(0)\n"
        "for _ in range(5): os.wait()\n"
        "t = os.times(); print(t.user + t.system + t.children_user + t.children_system)\n"
    )
    configure(tmp_path, [{"name": "a", "args": [code]}], metrics=["container"])
    outcome = run(tmp_path, "--runtime", "process", "--command", f"{sys.executable} -c")
    totals = totals_of(outcome, "a")
    assert totals["source"] == "wait4"
    assert totals["cpu_s"] == pytest.approx(float(outcome.log("a")), abs=0.05)
    assert totals["memory_peak_bytes"] is None and "no separate cgroup" in totals["missing"]["memory_peak"]
    numbers = {each["title"]: each["value"] for each in outcome.run("a")["numbers"]}
    assert numbers["container.cpu.time"] == pytest.approx(totals["cpu_s"])


def test_cpu_time_for_each_unit(tmp_path: Path) -> None:
    code = (
        "from profileapp.client import counter\nimport time\n"
        "while time.process_time() < 0.4: pass\n"
        "counter('frames', 100)\n"
    )
    configure(tmp_path, [{"name": "a", "args": [code]}], metrics=["container"])
    outcome = run(tmp_path, "--runtime", "process", "--command", f"{sys.executable} -c")
    summary = {one["name"]: one for one in outcome.run("a")["summary"]}
    assert summary["container.cpu.time.per.frames"]["mean"] == pytest.approx(
        totals_of(outcome, "a")["cpu_s"] / 100, rel=1e-6
    )
