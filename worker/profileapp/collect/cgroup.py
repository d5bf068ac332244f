"""Where the cgroup of a process is in the file system: v1, v2, or both side by side.

Sources: cgroups(7); Linux kernel documentation, "Control Group v2" and "cgroup-v1"; proc_pid_mountinfo(5).
"""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import msgspec

V2 = ""
"""The name under which the unified hierarchy stands among the controllers."""


class Mount(msgspec.Struct, frozen=True):
    """A mounted cgroup hierarchy: `root` is what of the hierarchy is mounted at `point`."""

    root: str
    point: str
    controllers: frozenset[str]


class CgroupPaths(msgspec.Struct, frozen=True):
    """Folder of each controller of v1, and of the unified hierarchy under `V2`."""

    folders: dict[str, Path]

    def of(self, controller: str) -> Path | None:
        """The folder that has a v1 controller's files, None where it is not mounted."""
        return self.folders.get(controller)

    @property
    def unified(self) -> Path | None:
        """The folder in the unified hierarchy."""
        return self.folders.get(V2)


def find_cgroup(pid: int, proc: Path = Path("/proc"), root: Path = Path("/")) -> CgroupPaths:
    """The cgroup folders of a process that exist, below `root`. Raises OSError where the process is gone."""
    memberships = parse_memberships((proc / str(pid) / "cgroup").read_text(encoding="utf-8", errors="surrogateescape"))
    mounts = parse_mounts((proc / "self" / "mountinfo").read_text(encoding="utf-8", errors="surrogateescape"))
    folders = {}
    for controller, inside in memberships.items():
        for mount in mounts:
            if controller in mount.controllers:
                folder = root / _below(mount, inside).relative_to("/")
                if folder.is_dir():
                    folders[controller] = folder
                    break
    return CgroupPaths(folders)


def parse_memberships(text: str) -> dict[str, str]:
    """Path of a process in each hierarchy, by controller, from `/proc/PID/cgroup`.

    Lines are `4:memory:/docker/1a2b` (v1), `7:cpu,cpuacct:/…`, `1:name=systemd:/…` and `0::/…` (v2).
    """
    paths = {}
    for line in text.splitlines():
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
    for line in text.splitlines():
        before, dash, after = line.partition(" - ")
        fields, kind = before.split(" "), after.split(" ")
        if not dash or len(fields) < 5 or kind[0] not in ("cgroup", "cgroup2"):
            continue
        controllers = frozenset(kind[-1].split(",")) if kind[0] == "cgroup" else frozenset({V2})
        mounts.append(Mount(_unescaped(fields[3]), _unescaped(fields[4]), controllers))
    return tuple(mounts)


def _below(mount: Mount, inside: str) -> PurePosixPath:
    """The folder of a path of the hierarchy, which may be mounted from a part of it on."""
    path = PurePosixPath(inside)
    root = PurePosixPath(mount.root)
    relative = path.relative_to(root) if path.is_relative_to(root) else path.relative_to("/")
    return PurePosixPath(mount.point) / relative


def _unescaped(field: str) -> str:
    r"""mountinfo writes a space as `\040`."""
    return field.replace(r"\040", " ").replace(r"\011", "\t").replace(r"\012", "\n").replace(r"\134", "\\")
