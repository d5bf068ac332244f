"""Finds the cgroup of a container, however the host mounts cgroups."""

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from profileapp.collect.container.cgroup import V2, Mount, find_cgroup, folder_below, parse_memberships, parse_mounts

ID = "4ebf982db385896655a023ace265d7d41fdf2aed055b5da2f8097c6ce1c44a64"


def v1_mount(controllers: str, root: str = "/", point: str = "") -> str:
    point = point or f"/sys/fs/cgroup/{controllers}"
    return f"35 31 0:32 {root} {point} rw,nosuid - cgroup cgroup rw,{controllers}\n"


def v2_mount(root: str = "/", point: str = "/sys/fs/cgroup") -> str:
    return f"42 31 0:29 {root} {point} rw,nosuid,relatime shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"


LAYOUTS = {
    "v1, cgroupfs driver, joint controllers": (
        f"11:memory:/docker/{ID}\n3:cpu,cpuacct:/docker/{ID}\n1:name=systemd:/docker/{ID}\n",
        v1_mount("memory") + v1_mount("cpu,cpuacct") + v1_mount("name=systemd", point="/sys/fs/cgroup/systemd"),
        {
            "memory": f"/sys/fs/cgroup/memory/docker/{ID}",
            "cpu": f"/sys/fs/cgroup/cpu,cpuacct/docker/{ID}",
            "cpuacct": f"/sys/fs/cgroup/cpu,cpuacct/docker/{ID}",
            "name=systemd": f"/sys/fs/cgroup/systemd/docker/{ID}",
        },
    ),
    "v1, systemd driver": (
        f"4:memory:/system.slice/docker-{ID}.scope\n",
        v1_mount("memory"),
        {"memory": f"/sys/fs/cgroup/memory/system.slice/docker-{ID}.scope"},
    ),
    "v2, systemd driver": (
        f"0::/system.slice/docker-{ID}.scope\n",
        v2_mount(),
        {V2: f"/sys/fs/cgroup/system.slice/docker-{ID}.scope"},
    ),
    "v2, cgroupfs driver": (f"0::/docker/{ID}\n", v2_mount(), {V2: f"/sys/fs/cgroup/docker/{ID}"}),
    "hybrid": (
        f"4:memory:/docker/{ID}\n0::/docker/{ID}\n",
        v1_mount("memory") + v2_mount(point="/sys/fs/cgroup/unified"),
        {"memory": f"/sys/fs/cgroup/memory/docker/{ID}", V2: f"/sys/fs/cgroup/unified/docker/{ID}"},
    ),
    "Docker in a container without a cgroup namespace": (
        f"4:memory:/docker/outer/docker/{ID}\n",
        v1_mount("memory", root="/docker/outer"),
        {"memory": f"/sys/fs/cgroup/memory/docker/{ID}"},
    ),
    "worker in a cgroup namespace, the host's hierarchy mounted": (
        f"0::/../{ID}\n",
        v2_mount() + v2_mount(root="/..", point="/host/cgroup"),
        {V2: f"/host/cgroup/{ID}"},
    ),
    "a mount point with a space": (
        f"0::/docker/{ID}\n",
        v2_mount(point=r"/mnt/my\040cgroups"),
        {V2: f"/mnt/my cgroups/docker/{ID}"},
    ),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_finds_the_folders_of_each_layout(layout: str, write_tree: Callable[[dict[str, str]], Path]) -> None:
    memberships, mountinfo, expected = LAYOUTS[layout]
    root = write_tree(
        {
            "proc/77/cgroup": memberships,
            "proc/self/mountinfo": "23 1 8:1 / / rw - ext4 /dev/sda1 rw\n" + mountinfo,
            **{f"{folder}/cgroup.procs": "77\n" for folder in expected.values()},
        }
    )
    found = find_cgroup(77, root / "proc", root)
    assert {controller: f"/{path.relative_to(root)}" for controller, path in found.items()} == expected


def test_a_sibling_outside_of_the_namespace_is_unreachable(
    write_tree: Callable[[dict[str, str]], Path],
) -> None:
    root = write_tree(
        {
            "proc/77/cgroup": f"0::/../{ID}\n",
            "proc/self/mountinfo": v2_mount(point="/sys/fs/cgroup/below"),
            # The folder that naive joining of paths would reach.
            f"sys/fs/cgroup/{ID}/cpu.stat": "usage_usec 1\n",
            "sys/fs/cgroup/below/cgroup.procs": "",
        }
    )
    assert find_cgroup(77, root / "proc", root) == {}


def test_an_exited_process_raises_os_error(write_tree: Callable[[dict[str, str]], Path]) -> None:
    root = write_tree({"proc/self/mountinfo": v2_mount()})
    with pytest.raises(FileNotFoundError):
        find_cgroup(77, root / "proc", root)


PATHS = st.lists(st.sampled_from(["..", ".", "a", "docker", ID, ""]), max_size=6).map(
    lambda parts: "/" + "/".join(parts)
)


@given(PATHS, PATHS)
def test_no_path_leaves_the_mount(inside: str, mount_root: str) -> None:
    found = folder_below(Mount(mount_root, "/sys/fs/cgroup", frozenset({V2})), inside)
    assert found is None or (found.is_relative_to("/sys/fs/cgroup") and ".." not in found.parts)


@given(st.text())
def test_any_text_can_be_parsed(text: str) -> None:
    parse_memberships(text)
    parse_mounts(text)


@given(st.lists(st.tuples(st.sampled_from(["cpu", "memory", "pids"]), st.text(alphabet="abc:/ ()", min_size=1))))
def test_memberships_keep_colons_in_paths(pairs: list[tuple[str, str]]) -> None:
    text = "".join(f"{number}:{controller}:/{path}\n" for number, (controller, path) in enumerate(pairs))
    assert parse_memberships(text) == {controller: f"/{path}" for controller, path in pairs}
