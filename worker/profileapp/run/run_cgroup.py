"""A cgroup around one start of the app: it outlives the app and its container, and counts their resource use.

Sources: Docker documentation, "docker run", `--cgroup-parent`; systemd.slice(5) (a `-` in a slice's name makes it part
of another).
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import count
from pathlib import Path

import msgspec

from profileapp.collect.container.cgroup import RUN_PREFIX, V2, Mount, folder_below, parse_mounts
from profileapp.collect.container.totals import CpuTimes, read_totals
from profileapp.model.run import Totals

_REMOVE_LIMIT_S = 2.0
_REMOVE_PAUSE_S = 0.02
_SYSTEMCTL_TIMEOUT_S = 10.0
_READ_LIMIT_BYTES = 64 * 1024
_numbers = count(1)
CGROUP_NAME = re.compile(rf"{RUN_PREFIX}[0-9A-Za-z_]{{1,100}}(\.slice)?", re.ASCII)
HIERARCHIES = "/sys/fs/cgroup"
"""Where a machine mounts its cgroups."""

Remove = Callable[[Sequence[str]], str]
"""Removes cgroups, by name, with rights that this process lacks. Returns what could not be removed, or ""."""


class RunCgroup(msgspec.Struct, frozen=True):
    """One cgroup, by its name below the root of every hierarchy of `mounts`."""

    name: str
    mounts: tuple[Mount, ...]
    is_removed_at_end: bool = False
    """Whether it stays until the run's end, because this process may not remove it."""

    @property
    def parent(self) -> str:
        """The container's cgroup parent, as a container runtime expects it."""
        return self.name if self.name.endswith(".slice") else f"/{self.name}"

    def folders(self) -> dict[str, Path]:
        """Its existing folders, by v1 controller and in the unified hierarchy."""
        found = {
            controller: Path(path)
            for mount in self.mounts
            for controller in mount.controllers
            if (path := folder_below(mount, f"/{self.name}")) is not None
        }
        return {controller: path for controller, path in found.items() if path.is_dir()}

    def pids(self) -> Iterator[int]:
        """The processes in the containers in it."""
        folders = self.folders()
        folder = next((folders[each] for each in ("cpuacct", "pids", "memory", V2) if each in folders), None)
        for procs in folder.glob("*/cgroup.procs") if folder else ():
            try:
                with procs.open("rb") as stream:
                    words = stream.read(_READ_LIMIT_BYTES).split()
            except OSError:
                continue
            yield from (int(word) for word in words if word.isdigit())

    def read(self, start: CpuTimes | None = None) -> Totals:
        """Resources that all processes in it used, minus CPU time before the app ran (`start`). Never raises."""
        folders = self.folders()
        if not folders:
            return unknown_totals("the runtime created no cgroup that is visible from here")
        return read_totals(folders, start)

    def remove(self) -> str:
        """Removes it once it is empty. Returns what could not be removed, "" if nothing is left. Never raises."""
        if self.is_removed_at_end:
            return ""
        if self.name.endswith(".slice"):
            stop_slice(self.name)
        deadline_s = time.monotonic() + _REMOVE_LIMIT_S
        while left := remove_folders(self.folders().values()):
            if time.monotonic() > deadline_s:
                return f"cgroup {left[0]} could not be removed"
            time.sleep(_REMOVE_PAUSE_S)
        return ""


class RunCgroups(msgspec.Struct, frozen=True):
    """Names cgroups for runs, if they can be removed afterwards; `reason` says why they cannot.

    `remove_as_root` removes them where this process may not.
    """

    driver: str
    mounts: tuple[Mount, ...] = ()
    reason: str = ""
    remove_as_root: Remove | None = None

    def next(self, run_id: str) -> RunCgroup | None:
        """A new, unused one; None if cgroups are unavailable."""
        if self.reason:
            return None
        name = f"{RUN_PREFIX}{_in_name(run_id)}_{next(_numbers)}"
        full_name = f"{name}.slice" if self.driver == "systemd" else name
        return RunCgroup(full_name, self.mounts, is_removed_at_end=self.remove_as_root is not None)

    def sweep(self, run_id: str) -> tuple[int, tuple[str, ...]]:
        """Removes those of a run. Returns how many, and any problems."""
        start = f"{RUN_PREFIX}{_in_name(run_id)}_"
        points = {Path(mount.point) for mount in self.mounts if mount.root == "/"}
        names = {path.name for point in points for path in _below(point) if path.name.startswith(start)}
        if names and self.remove_as_root:
            problem = self.remove_as_root(sorted(names))
            return (0, (problem,)) if problem else (len(names), ())
        problems = [problem for name in sorted(names) if (problem := RunCgroup(name, self.mounts).remove())]
        return len(names) - len(problems), tuple(problems)


def run_cgroups(
    driver: str,
    *,
    is_local: bool,
    remove_as_root: Remove | None = None,
    mountinfo: Path = Path("/proc/self/mountinfo"),
) -> RunCgroups:
    """For a runtime that creates cgroups by `driver` (cgroupfs, systemd), and runs on this machine if `is_local`.

    `remove_as_root` is used only if this process may not remove cgroups; None if nothing else may.
    """
    if not is_local:
        return RunCgroups(driver, reason="the daemon is not known to be on this machine")
    if driver not in ("cgroupfs", "systemd"):
        return RunCgroups(driver, reason=f"the runtime uses an unknown cgroup driver ({driver or 'none'})")
    try:
        mounts = parse_mounts(mountinfo.read_text(encoding="utf-8", errors="surrogateescape"))
    except OSError as error:
        return RunCgroups(driver, reason=f"cgroups are not visible from here ({error.strerror})")
    if not mounts or any(mount.root != "/" for mount in mounts):
        return RunCgroups(driver, reason="this worker sees only part of the machine's cgroups")
    if not all(os.access(mount.point, os.W_OK) for mount in mounts):
        if remove_as_root is None or not all(Path(mount.point).is_relative_to(HIERARCHIES) for mount in mounts):
            return RunCgroups(driver, reason="only root may remove the cgroup that would count the app's use")
        return RunCgroups(driver, mounts, remove_as_root=remove_as_root)
    return RunCgroups(driver, mounts)


def unknown_totals(reason: str) -> Totals:
    """Totals that were not read, with the reason."""
    return Totals(missing={"all": reason})


def _in_name(run_id: str) -> str:
    return run_id.replace("-", "_")


def _below(point: Path) -> Sequence[Path]:
    try:
        return list(point.iterdir())
    except OSError:
        return []


def remove_folders(folders: Iterable[Path]) -> list[Path]:
    """Removes empty folders. Returns those that are left. Controllers that share a mount have the same folder."""
    left = []
    for folder in set(folders):
        # A dead container's own cgroup is removed a moment later than the container.
        for below in _below(folder):
            if below.is_dir():
                with suppress(OSError):
                    below.rmdir()
        try:
            folder.rmdir()
        except FileNotFoundError:
            continue
        except OSError:
            left.append(folder)
    return left


def stop_slice(name: str) -> None:
    """Makes systemd forget the slice; if it does not respond, the slice's folder is removed regardless."""
    program = shutil.which("systemctl")
    if program:
        with suppress(OSError, subprocess.SubprocessError):
            subprocess.run(
                [program, "stop", name],
                capture_output=True,
                timeout=_SYSTEMCTL_TIMEOUT_S,
                check=False,
                stdin=subprocess.DEVNULL,
            )
