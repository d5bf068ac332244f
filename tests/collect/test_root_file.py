"""A file that only root may read, by a real helper container; and what the helper prints."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import docker
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from profileapp.collect.api import AppHandle, RunContext
from profileapp.collect.gpu.memory_nvmap import CLIENTS, GpuMemoryNvmap
from profileapp.collect.kernel_file import KernelFile
from profileapp.collect.root_file import Readings, RootFile
from profileapp.errors import Unavailable
from profileapp.run.docker.helper import HelperContainers
from tests.collect.conftest import Taken

LABELS = {"profileapp.test": "root-file"}
LINES = "user  app  %d  512K\nuser  other  1  2M\ntotal  2560K\n"


@given(st.lists(st.tuples(st.integers(1, 2**63), st.binary(max_size=200)), min_size=1), st.integers(1, 50))
def test_the_latest_reading_however_the_output_is_divided(written: list[tuple[int, bytes]], size: int) -> None:
    printed = b"".join(b"%d %d\n%b" % (at, len(content), content) for at, content in written)
    readings = Readings()
    for start in range(0, len(printed), size):
        readings.add(printed[start : start + size])
    assert readings.latest() == written[-1]


@given(st.lists(st.binary(max_size=200)))
def test_any_other_output_is_no_reading(printed: list[bytes]) -> None:
    readings = Readings()
    for each in printed:
        readings.add(b"x" + each)
    assert readings.latest() == (0, b"")


def refused(path: Path) -> KernelFile:
    raise PermissionError(13, "Permission denied", str(path))


@pytest.mark.docker
def test_nvmap_by_a_helper(
    docker_client: docker.DockerClient,
    write_tree: Callable[[dict[str, str]], Path],
    run: Callable[..., RunContext],
    taken: Taken,
) -> None:
    pid = os.getpid()
    root = write_tree(
        {
            CLIENTS: LINES % pid,
            "proc/meminfo": "MemTotal: 4096 kB\n",
            "proc/device-tree/compatible": "nvidia,tegra234\0",
            f"proc/{pid}/stat": f"{pid} (app) S 1 {pid} {pid} {' '.join(['0'] * 60)}\n",
            f"proc/{pid}/cgroup": "0::/docker/abc\n",
        }
    )
    (root / CLIENTS).chmod(0o400)
    helpers = HelperContainers(docker_client.api, LABELS, "")
    context = msgspec.structs.replace(run(), helpers=helpers)
    source = GpuMemoryNvmap(root, refused)
    try:
        source.open(context, taken)
        assert source.source == "nvmap in a helper container"
        source.attach(AppHandle(pid, "abc"))
        (root / CLIENTS).write_text((LINES % pid).replace("512K", "1M"))
        deadline_s = time.monotonic() + 30
        while taken.last["gpu.memory.allocated[0]"] != 2**20:
            assert time.monotonic() < deadline_s, taken.last
            time.sleep(0.02)
            source.sample(time.monotonic_ns())
        assert taken.last["gpu.memory.used[0]"] == 2560 * 1024
    finally:
        source.close()
        with pytest.raises(Unavailable, match="helper container cannot be started"):
            RootFile(helpers, root / "missing", 0.1)
        helpers.remove()
    assert not docker_client.containers.list(all=True, filters={"label": "profileapp.test=root-file"})
    assert not docker_client.images.list(all=True, filters={"label": "profileapp.test=root-file"})


def test_without_a_helper_there_is_a_reason(
    write_tree: Callable[[dict[str, str]], Path], run: Callable[..., RunContext], taken: Taken
) -> None:
    root = write_tree({"proc/meminfo": "MemTotal: 4096 kB\n"})
    with pytest.raises(Unavailable, match="not a Jetson"):
        GpuMemoryNvmap(root, refused).open(run(), taken)
    write_tree({"proc/device-tree/compatible": "nvidia,tegra234\0"})
    with pytest.raises(Unavailable, match="only root"):
        GpuMemoryNvmap(root, refused).open(run(), taken)
    off = HelperContainers(docker.APIClient("unix:///nowhere", version="1.41"), {}, "off on this agent")
    with pytest.raises(Unavailable, match="off on this agent"):
        GpuMemoryNvmap(root, refused).open(msgspec.structs.replace(run(), helpers=off), taken)
