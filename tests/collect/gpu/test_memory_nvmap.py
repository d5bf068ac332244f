"""GPU memory of a Jetson by process, from the list of nvmap."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from profileapp.collect.api import AppHandle, RunContext
from profileapp.collect.gpu.memory_nvmap import CLIENTS, GpuMemoryNvmap, parse_clients
from profileapp.errors import Unavailable
from tests.collect.conftest import Taken

KIB = 1024
LINES = b"""CLIENT                        PROCESS      PID        SIZE
user                         gnome-shell     7325      63808K
user                           my app 2      4711        512K
user                           my app 2      4711          2M
kernel                           carveout      0         64K
total                                            66432K
"""


def test_lines_of_nvmap() -> None:
    assert parse_clients(LINES) == ({7325: 63808 * KIB, 4711: 2560 * KIB}, 66432 * KIB)


def test_without_a_total_it_is_the_sum() -> None:
    assert parse_clients(b"user app 1 4K\nuser b 2 8K\nuser c x 9K\nuser 8K\n") == ({1: 4 * KIB, 2: 8 * KIB}, 12 * KIB)


@given(st.binary() | st.lists(st.sampled_from([b"user", b"total", b"1", b"9K", b"\n", b"-1", b"\xff"])).map(b" ".join))
def test_no_content_raises(content: bytes) -> None:
    by_pid, total_bytes = parse_clients(content)
    assert total_bytes >= 0
    assert all(size >= 0 for size in by_pid.values())


def test_the_apps_processes(
    write_tree: Callable[[dict[str, str]], Path], run: Callable[..., RunContext], taken: Taken
) -> None:
    root = write_tree(
        {
            CLIENTS: LINES.decode(),
            "proc/meminfo": "MemTotal: 4051048 kB\n",
            "proc/4711/stat": f"4711 (my app 2) S 1 4711 4711 {' '.join(['0'] * 60)}\n",
            "proc/4711/cgroup": "0::/docker/abc\n",
            "proc/7325/cgroup": "0::/user.slice\n",
        }
    )
    source = GpuMemoryNvmap(root)
    source.open(run(), taken)
    source.attach(AppHandle(4711, "abc"))
    source.detach()
    source.close()
    assert taken.last == {
        "gpu.memory.allocated[0]": 2560 * KIB,
        "gpu.memory.used[0]": 66432 * KIB,
        "gpu.memory.total[0]": 4051048 * KIB,
    }


@pytest.mark.parametrize(
    ("board", "content", "expected"),
    [
        ("nvidia,p3971-0080+p3834-0008\0nvidia,tegra264\0", LINES, False),
        ("nvidia,p3971-0080+p3834-0008\0nvidia,tegra264\0", b"user nvargus 7 0K\ntotal 0K\n", False),
        ("nvidia,tegra999\0", LINES, False),
        ("", b"user nvargus 7 0K\ntotal 0K\n", False),
        ("nvidia,p3737-0000+p3701-0005\0nvidia,tegra234\0", b"total 0K\n", True),
    ],
    ids=["thor", "thor-nothing", "a-later-chip", "unknown-nothing", "orin-nothing-yet"],
)
def test_boards_where_cuda_bypasses_nvmap_use_another_source(
    board: str,
    content: bytes,
    expected: bool,
    write_tree: Callable[[dict[str, str]], Path],
    run: Callable[..., RunContext],
    taken: Taken,
) -> None:
    tree = {CLIENTS: content.decode(), "proc/meminfo": "MemTotal: 1 kB\n"}
    if board:
        tree["proc/device-tree/compatible"] = board
    source = GpuMemoryNvmap(write_tree(tree))
    if expected:
        source.open(run(), taken)
    else:
        with pytest.raises(Unavailable, match="CUDA does not allocate through nvmap"):
            source.open(run(), taken)
    source.close()


def test_without_nvmap(tmp_path: Path, run: Callable[..., RunContext], taken: Taken) -> None:
    with pytest.raises(Unavailable, match="not a Jetson"):
        GpuMemoryNvmap(tmp_path).open(run(), taken)
