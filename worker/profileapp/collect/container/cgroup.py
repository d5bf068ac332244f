"""Where the cgroup of a process is in the file system: v1, v2, or both side by side.

Sources: cgroups(7); Linux kernel documentation, "Control Group v2" and "cgroup-v1"; proc_pid_mountinfo(5).
"""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import msgspec

V2 = ""
"""The name of the unified hierarchy among the controllers."""

RUN_PREFIX = "profileapp_"
"""Of the names of cgroups that are made for a run, around one container each."""


class Mount(msgspec.Struct, frozen=True):
    """A mounted cgroup hierarchy: `root` is the part of it that is mounted at `point`."""

    root: str
    point: str
    controllers: frozenset[str]


def find_cgroup(pid: int, proc: Path = Path("/proc"), root: Path = Path("/")) -> dict[str, Path]:
    """Folders of a process's cgroup, by v1 controller, and of the unified hierarchy under `V2`.

    Only folders that are mounted and reachable below `root`. Raises OSError if the process is gone.
    """
    memberships = parse_memberships(_text(proc / str(pid) / "cgroup"))
    mounts = parse_mounts(_text(proc / "self" / "mountinfo"))
    folders = {}
    for controller, inside in memberships.items():
        for mount in mounts:
            path = folder_below(mount, inside) if controller in mount.controllers else None
            if path is not None and (root / path.relative_to("/")).is_dir():
                folders[controller] = root / path.relative_to("/")
                break
    return folders


def is_of_a_run(name: str) -> bool:
    """Whether a cgroup with this name is a run's, in which there is one container and nothing else."""
    return name.startswith(RUN_PREFIX)


def parse_memberships(text: str) -> dict[str, str]:
    """The path of a process in each hierarchy, by controller, from `/proc/PID/cgroup`.

    Lines are `4:memory:/docker/1a2b` (v1), `7:cpu,cpuacct:/…`, `1:name=systemd:/…` and `0::/…` (v2).
    """
    paths = {}
    for line in text.split("\n"):
        fields = line.split(":", 2)
        if len(fields) == 3:
            for controller in fields[1].split(","):
                paths[controller] = fields[2]
    return paths


def parse_mounts(text: str) -> tuple[Mount, ...]:
    """The cgroup mounts of `/proc/self/mountinfo`.

    `36 30 0:31 /docker /sys/fs/cgroup/memory rw,nosuid - cgroup cgroup rw,memory`: root and mount point are the
    fourth and fifth field; after the `-` come the type, the source and, for v1, the controllers among the options.
    """
    mounts = []
    for line in text.split("\n"):
        before, dash, after = line.partition(" - ")
        fields, kind = before.split(" "), after.split(" ")
        if not dash or len(fields) < 5 or kind[0] not in ("cgroup", "cgroup2"):
            continue
        controllers = frozenset(kind[-1].split(",")) if kind[0] == "cgroup" else frozenset({V2})
        mounts.append(Mount(_unescaped(fields[3]), _unescaped(fields[4]), controllers))
    return tuple(mounts)


def folder_below(mount: Mount, inside: str) -> PurePosixPath | None:
    """The folder of a path of the hierarchy, relative to the mount point; None if it is outside of `mount.root`.

    Inside a cgroup namespace, paths outside of it begin with `/..` (cgroup_namespaces(7)).
    """
    path, root, point = PurePosixPath(inside), PurePosixPath(mount.root), PurePosixPath(mount.point)
    if not path.is_relative_to(root) or not point.is_absolute():
        return None
    relative = path.relative_to(root)
    return None if ".." in relative.parts or ".." in point.parts else point / relative


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="surrogateescape")


def _unescaped(field: str) -> str:
    r"""Decodes mountinfo's escapes of space, tab, newline and backslash: `\040`, `\011`, `\012` and `\134`."""
    return field.replace(r"\040", " ").replace(r"\011", "\t").replace(r"\012", "\n").replace(r"\134", "\\")
