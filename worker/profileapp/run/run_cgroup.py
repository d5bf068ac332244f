"""A cgroup around one start of the app, which stays when the app and its container are gone, and knows what they used.

Sources: Docker documentation, "docker run", `--cgroup-parent`; systemd.slice(5) (a `-` in a slice's name makes it part
of another).
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from itertools import count
from pathlib import Path

import msgspec

from profileapp.collect.container.cgroup import Mount, folder_below, parse_mounts
from profileapp.collect.container.totals import read_totals
from profileapp.model.run import Totals

_PREFIX = "profileapp_"
_REMOVE_LIMIT_S = 2.0
_REMOVE_PAUSE_S = 0.02
_SYSTEMCTL_TIMEOUT_S = 10.0
_numbers = count(1)


class RunCgroup(msgspec.Struct, frozen=True):
    """One cgroup, by its name below the root of every hierarchy of `mounts`."""

    name: str
    mounts: tuple[Mount, ...]

    @property
    def parent(self) -> str:
        """What a container runtime is given as the parent of its container's cgroup."""
        return self.name if self.name.endswith(".slice") else f"/{self.name}"

    def folders(self) -> dict[str, Path]:
        """Where it is, by v1 controller, and in the unified hierarchy; those alone that are there."""
        found = {
            controller: Path(path)
            for mount in self.mounts
            for controller in mount.controllers
            if (path := folder_below(mount, f"/{self.name}")) is not None
        }
        return {controller: path for controller, path in found.items() if path.is_dir()}

    def read(self) -> Totals:
        """What all in it used. Never raises."""
        folders = self.folders()
        if not folders:
            return unknown_totals("the runtime made no cgroup of that name that is seen from here")
        return read_totals(folders)

    def remove(self) -> str:
        """Removes it, once what was in it has gone; what could not be, "" where all is gone. Never raises."""
        if self.name.endswith(".slice"):
            _stop_slice(self.name)
        deadline_s = time.monotonic() + _REMOVE_LIMIT_S
        while left := _removed(self.folders().values()):
            if time.monotonic() > deadline_s:
                return f"cgroup {left[0]} could not be removed"
            time.sleep(_REMOVE_PAUSE_S)
        return ""


class RunCgroups(msgspec.Struct, frozen=True):
    """Makes names for cgroups of runs, where this process may remove them afterwards; `reason` says why it may not."""

    driver: str
    mounts: tuple[Mount, ...] = ()
    reason: str = ""

    def next(self, run_id: str) -> RunCgroup | None:
        """One that nobody has used; None where there can be none."""
        if self.reason:
            return None
        name = f"{_PREFIX}{_in_name(run_id)}_{next(_numbers)}"
        return RunCgroup(f"{name}.slice" if self.driver == "systemd" else name, self.mounts)

    def sweep(self, run_id: str) -> tuple[int, tuple[str, ...]]:
        """Removes those of a run; how many, and what went wrong."""
        start = f"{_PREFIX}{_in_name(run_id)}_"
        points = {Path(mount.point) for mount in self.mounts if mount.root == "/"}
        names = {path.name for point in points for path in _below(point) if path.name.startswith(start)}
        problems = [problem for name in sorted(names) if (problem := RunCgroup(name, self.mounts).remove())]
        return len(names) - len(problems), tuple(problems)


def run_cgroups(driver: str, *, is_local: bool, mountinfo: Path = Path("/proc/self/mountinfo")) -> RunCgroups:
    """Of a runtime that makes cgroups by `driver` (cgroupfs, systemd) and is on this machine where `is_local`."""
    if not is_local:
        return RunCgroups(driver, reason="the daemon is not known to be on this machine")
    if driver not in ("cgroupfs", "systemd"):
        return RunCgroups(driver, reason=f"the runtime makes cgroups in a way that is not known ({driver or 'none'})")
    try:
        mounts = parse_mounts(mountinfo.read_text(encoding="utf-8", errors="surrogateescape"))
    except OSError as error:
        return RunCgroups(driver, reason=f"cgroups cannot be seen from here ({error.strerror})")
    if not mounts or any(mount.root != "/" for mount in mounts):
        return RunCgroups(driver, reason="this worker sees a part of the machine's cgroups only")
    if not all(os.access(mount.point, os.W_OK) for mount in mounts):
        return RunCgroups(driver, reason="only root may remove a cgroup again, in which the app could be counted")
    return RunCgroups(driver, mounts)


def unknown_totals(reason: str) -> Totals:
    """Where the kernel was not asked."""
    return Totals(missing={"all": reason})


def _in_name(run_id: str) -> str:
    return run_id.replace("-", "_")


def _below(point: Path) -> Sequence[Path]:
    try:
        return list(point.iterdir())
    except OSError:
        return []


def _removed(folders: Iterable[Path]) -> list[Path]:
    """Removes what is empty; what is left. One that shares a mount is met twice."""
    left = []
    for folder in set(folders):
        # What a dead container left in it: its own cgroup goes with it, a moment later than the container.
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


def _stop_slice(name: str) -> None:
    """systemd forgets a slice that is stopped; where it does not answer, its folder is removed all the same."""
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
