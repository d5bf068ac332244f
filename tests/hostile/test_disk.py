"""Apps that fill the agent's disk: in their layer, their volumes, the shared folders, and through services."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import docker
import pytest

from profileapp.record.tree_size import DEPTH_LIMIT, ENTRIES_LIMIT, Size, tree_size
from profileapp.run.disk_watch import DiskWatch
from tests.helpers.small_disk import NoSmallDisk, small_disk
from tests.helpers.worker_process import configure, run

MIB = 1024**2
EMPTY = Size()
FOR_EVER = "while :; do sleep 0.1; done"
FILL = "i=0; while [ $i -lt 300 ]; do dd if=/dev/zero of={folder}/f$i bs=1M count=1 2>/dev/null; i=$((i+1)); done; "


@pytest.mark.docker
@pytest.mark.parametrize(
    ("folder", "then"),
    [("/root", FOR_EVER), ("$PYWAGGLE_LOG_DIR", FOR_EVER), ("/volume", FOR_EVER), ("/root", "exit 0")],
)
def test_held_an_app_that_writes_too_much_is_killed_with_a_message(
    tmp_path: Path, state: Path, docker_client: docker.DockerClient, busybox_image: str, folder: str, then: str
) -> None:
    made = docker_client.containers.create(busybox_image, ["true"])
    image = made.commit("profileapp-test/volume", "1", changes=["VOLUME /volume", "WORKDIR /root"])
    made.remove()
    script = f"mkdir -p {folder}; {FILL.format(folder=folder)}{then}"
    configure(tmp_path, [{"name": "fill", "args": ["sh", "-c", script], "timeout": 60}], metrics=[])
    try:
        outcome = run(tmp_path, "--image", "profileapp-test/volume:1", "--disk-limit", "60MiB")
    finally:
        docker_client.images.remove(image.id, force=True)
    assert (tmp_path / "profile/fill/run.json").exists(), outcome.err
    recorded = outcome.run("fill")
    assert outcome.code == 2 and recorded["exit_reason"] == "disk-limit", recorded["message"]
    assert "to the agent's disk, more than the 60.0 MiB of --disk-limit" in recorded["message"]
    assert [path.name for path in state.iterdir()] == ["profileapp.lock"]


@pytest.mark.docker
def test_held_what_a_service_writes_counts_too(tmp_path: Path, state: Path, busybox_image: str) -> None:
    fill = {"name": "store", "image": busybox_image, "args": ["sh", "-c", FILL.format(folder="/tmp") + FOR_EVER]}
    target = {"name": "a", "args": ["sh", "-c", FOR_EVER], "timeout": 60}
    configure(tmp_path, [target], services=[fill], metrics=[])
    outcome = run(tmp_path, "--image", busybox_image, PROFILEAPP_DISK_LIMIT="60MiB")
    assert outcome.code == 2 and outcome.run("a")["exit_reason"] == "disk-limit", outcome.err


@pytest.mark.docker
def test_held_an_app_within_its_limit_keeps_running(tmp_path: Path, state: Path, busybox_image: str) -> None:
    script = "dd if=/dev/zero of=/tmp/f bs=1M count=40 2>/dev/null; sleep 2"
    configure(tmp_path, [{"name": "a", "args": ["sh", "-c", script]}], metrics=[])
    outcome = run(tmp_path, "--image", busybox_image, "--disk-limit", "60MiB")
    assert outcome.code == 0, outcome.err


def test_refused_a_limit_that_is_not_a_size(tmp_path: Path, state: Path) -> None:
    configure(tmp_path, [{"name": "a", "args": ["true"]}])
    outcome = run(tmp_path, "--runtime", "process", "--command", "sh -c", "--disk-limit", "much")
    assert outcome.code == 3 and "--disk-limit 'much'" in outcome.err


@pytest.fixture
def watch(tmp_path: Path) -> Callable[..., DiskWatch]:
    def make(folder: Path = tmp_path, containers: Size = EMPTY, limit: int = 10 * MIB, **more: Any) -> DiskWatch:
        return DiskWatch(limit, [folder], [tmp_path], lambda: containers, lambda: None, **more)

    return make


def test_held_files_are_rarely_counted_while_disk_usage_is_constant(
    watch: Callable[..., DiskWatch], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first check counts, for services that wrote before; later ones do so now and then, as others may remove."""
    now_s, sizes, counted_at_s = 1000.0, Size(10 * MIB), []

    def count() -> Size:
        counted_at_s.append(now_s)
        return sizes

    idle = watch()
    idle._used = lambda: idle._used_at_start  # type: ignore[method-assign]  # others write to the disk too
    idle._containers = count
    monkeypatch.setattr("profileapp.run.disk_watch.time.monotonic", lambda: now_s)
    for _ in range(61):
        idle.check()
        now_s += 0.5
    assert counted_at_s == [1000.0, 1015.0, 1030.0] and idle.exceeded == idle.failure == ""
    sizes = Size(100 * MIB)
    now_s += 15
    idle.check()
    assert "wrote" in idle.exceeded


def test_held_what_services_wrote_before_the_first_check_counts(watch: Callable[..., DiskWatch]) -> None:
    idle = watch(containers=Size(100 * MIB))
    idle._used = lambda: idle._used_at_start  # type: ignore[method-assign]
    idle.check()
    assert "wrote" in idle.exceeded
    elsewhere = watch(containers=Size(100 * MIB), sees_all_disks=False)
    elsewhere.check()
    assert "wrote" in elsewhere.exceeded


def test_held_uncountable_files_are_estimated_by_disk_growth(tmp_path: Path, watch: Callable[..., DiskWatch]) -> None:
    deep = tmp_path.joinpath(*["d"] * (DEPTH_LIMIT + 5))
    watched = watch()
    deep.mkdir(parents=True)
    (deep / "file").write_bytes(os.urandom(30 * MIB))
    subprocess.run(["sync", "--file-system", tmp_path], check=True)
    watched.check()
    assert not tree_size(tmp_path).whole and "wrote" in watched.exceeded


@pytest.mark.skipif(os.getuid() != 0, reason="mounting needs root")
def test_held_every_disk_keeps_free_space(tmp_path: Path, watch: Callable[..., DiskWatch]) -> None:
    (tmp_path / "disk").mkdir()
    try:
        with small_disk(tmp_path / "disk", "40m", "") as disk:
            watched = watch(tmp_path / "disk", limit=1024 * MIB)
            disk.fill(4 * MIB)
            watched.check()
            assert watched.failure == ""
            disk.fill(0)
            watched.check()
            assert f"the disk of {tmp_path / 'disk'} is nearly full" in watched.failure
            assert "the app wrote 4" in watched.failure or "the app wrote 3" in watched.failure
    except NoSmallDisk as reason:
        pytest.skip(str(reason))


def test_held_counting_is_bounded_and_follows_no_links(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "file").write_bytes(os.urandom(MIB))
    (tmp_path / "a" / "hole").open("wb").truncate(10**12)
    (tmp_path / "a" / "link").symlink_to("/usr")
    size = tree_size(tmp_path / "a")
    assert size.whole and MIB <= size.bytes < 2 * MIB
    assert tree_size(tmp_path / "no") == Size()
    assert not tree_size(tmp_path / "a" / "link").whole
    assert ENTRIES_LIMIT == 100_000
