"""A cgroup around one start of the app: it outlives the app and its container, and counts what they used.

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
from profileapp.collect.container.totals import CpuTimes, read_totals
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

    def read(self, start: CpuTimes | None = None) -> Totals:
        """What all processes in it used, less what was used before the app ran (`start`). Never raises."""
        folders = self.folders()
        if not folders:
            return unknown_totals("the runtime created no cgroup that is visible from here")
        return read_totals(folders, start)

    def remove(self) -> str:
        """Removes it once it is empty. Returns what could not be removed, "" if nothing is left. Never raises."""
        if self.name.endswith(".slice"):
            _stop_slice(self.name)
        deadline_s = time.monotonic() + _REMOVE_LIMIT_S
        while left := _removed(self.folders().values()):
            if time.monotonic() > deadline_s:
                return f"cgroup {left[0]} could not be removed"
            time.sleep(_REMOVE_PAUSE_S)
        return ""


class RunCgroups(msgspec.Struct, frozen=True):
    """Names cgroups for runs, if this process can remove them afterwards; `reason` says why it cannot."""

    driver: str
    mounts: tuple[Mount, ...] = ()
    reason: str = ""

    def next(self, run_id: str) -> RunCgroup | None:
        """A new, unused one; None if cgroups are unavailable."""
        if self.reason:
            return None
        name = f"{_PREFIX}{_in_name(run_id)}_{next(_numbers)}"
        return RunCgroup(f"{name}.slice" if self.driver == "systemd" else name, self.mounts)

    def sweep(self, run_id: str) -> tuple[int, tuple[str, ...]]:
        """Removes those of a run. Returns how many, and any problems."""
        start = f"{_PREFIX}{_in_name(run_id)}_"
        points = {Path(mount.point) for mount in self.mounts if mount.root == "/"}
        names = {path.name for point in points for path in _below(point) if path.name.startswith(start)}
        problems = [problem for name in sorted(names) if (problem := RunCgroup(name, self.mounts).remove())]
        return len(names) - len(problems), tuple(problems)


def run_cgroups(driver: str, *, is_local: bool, mountinfo: Path = Path("/proc/self/mountinfo")) -> RunCgroups:
    """For a runtime that creates cgroups by `driver` (cgroupfs, systemd), and runs on this machine if `is_local`."""
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
        return RunCgroups(driver, reason="only root may create and remove the cgroup that would count the app's use")
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


def _removed(folders: Iterable[Path]) -> list[Path]:
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


def _stop_slice(name: str) -> None:
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
