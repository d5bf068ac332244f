"""Totals of a cgroup and all its descendants: the kernel's own counts, read once the app has ended.

Sources: Linux kernel documentation, "Control Group v2" and "cgroup-v1/memory"; cgroups(7).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec

from profileapp.collect.api import Emit
from profileapp.collect.container import series as names
from profileapp.collect.container.cgroup import V2
from profileapp.collect.container.cgroup_files import io_bytes_v2, pressure_us, single_number
from profileapp.collect.kernel_file import number_after
from profileapp.model.run import Totals
from profileapp.model.series import Series

_TICKS_PER_S: Final = 100  # USER_HZ, the unit of cpuacct.stat whatever the kernel's HZ
_READ_LIMIT_BYTES: Final = 1024 * 1024


class CpuTimes(msgspec.Struct, frozen=True):
    """CPU seconds in total, in the app's own code, and in the kernel; None if the kernel does not report them."""

    total_s: float | None = None
    user_s: float | None = None
    system_s: float | None = None


def read_totals(folders: Mapping[str, Path], start: CpuTimes | None = None) -> Totals:
    """Totals of the cgroup with these folders, by v1 controller and `V2`; an unknown total is None, with a reason.

    `start` is the CPU time used in it before the app ran, which is subtracted.
    """
    missing: dict[str, str] = {}
    v2 = folders.get(V2)
    used, start = read_cpu_times(folders), start or CpuTimes()
    if used.total_s is None:
        missing["cpu"] = "the kernel does not provide a cgroup's CPU time here"
    throttled_s = read_throttled_s(folders)
    if throttled_s is None:
        missing["cpu_throttled"] = "no CPU quota applies to the app's cgroup"
    peak_bytes = _peak_bytes(folders, missing)
    moved = (
        io_bytes_v2(_content(v2 / "io.stat")) if v2 and "blkio" not in folders and (v2 / "io.stat").exists() else None
    )
    if moved is None:
        missing["io"] = (
            "cgroup v1 does not count writes through the page cache"
            if "blkio" in folders
            else "the kernel does not count a cgroup's I/O here"
        )
    oom_kills = number_after(_content(v2 / "memory.events"), b"oom_kill ") if v2 else None
    if oom_kills is None:
        missing["oom_kills"] = "cgroup v1 counts them only in the container's own cgroup, which is gone"
    waited_s = [_pressure_s(v2, name) for name in ("cpu", "memory", "io")]
    if waited_s == [None, None, None]:
        missing["pressure"] = "the kernel does not provide a cgroup's pressure here"
    return Totals(
        source="cgroup v1" if {"memory", "cpuacct"} & folders.keys() else "cgroup v2",
        cpu_s=_less(used.total_s, start.total_s),
        cpu_user_s=_less(used.user_s, start.user_s),
        cpu_system_s=_less(used.system_s, start.system_s),
        cpu_throttled_s=throttled_s,
        start_cpu_s=start.total_s,
        memory_peak_bytes=peak_bytes,
        io_read_bytes=moved[0] if moved else None,
        io_written_bytes=moved[1] if moved else None,
        oom_kills=None if oom_kills is None else int(oom_kills),
        cpu_pressure_s=waited_s[0],
        memory_pressure_s=waited_s[1],
        io_pressure_s=waited_s[2],
        missing=missing,
    )


def emit_totals(totals: Totals, emit: Emit, at_ns: int) -> None:
    """Emits the totals as samples; `at_ns`, of the monotonic clock, is the end of the measurement."""
    found: tuple[tuple[Series, float | None], ...] = (
        (names.CPU_TIME.series, totals.cpu_s),
        (names.CPU_TIME_USER.series, totals.cpu_user_s),
        (names.CPU_TIME_SYSTEM.series, totals.cpu_system_s),
        (names.CPU_TIME_THROTTLED.series, totals.cpu_throttled_s),
        (names.MEMORY_PEAK.series, totals.memory_peak_bytes),
        (names.IO_READ_TOTAL.series, totals.io_read_bytes),
        (names.IO_WRITTEN_TOTAL.series, totals.io_written_bytes),
        (names.OOM_KILLS.series, totals.oom_kills),
        (names.CPU_PRESSURE_TOTAL.series, totals.cpu_pressure_s),
        (names.MEMORY_PRESSURE_TOTAL.series, totals.memory_pressure_s),
        (names.IO_PRESSURE_TOTAL.series, totals.io_pressure_s),
    )
    for series, value in found:
        if value is not None:
            emit(series, float(value), at_ns)


def _less(used_s: float | None, start_s: float | None) -> float | None:
    return None if used_s is None else max(0.0, used_s - (start_s or 0.0))


def read_cpu_times(folders: Mapping[str, Path]) -> CpuTimes:
    """CPU time that a cgroup has used so far. The unified hierarchy is exact, also next to v1."""
    if V2 in folders:
        content = _content(folders[V2] / "cpu.stat")
        used_us = [number_after(content, key) for key in (b"usage_usec ", b"user_usec ", b"system_usec ")]
        if used_us[0] is not None:
            return CpuTimes(*(None if each is None else each / 1e6 for each in used_us))
    if "cpuacct" in folders:
        used_ns = single_number(_content(folders["cpuacct"] / "cpuacct.usage"))
        content = _content(folders["cpuacct"] / "cpuacct.stat")
        ticks = [number_after(content, key) for key in (b"user ", b"system ")]
        if used_ns is not None:
            user_s, system_s = (None if each is None else each / _TICKS_PER_S for each in ticks)
            return CpuTimes(used_ns / 1e9, user_s, system_s)
    return CpuTimes()


def read_throttled_s(folders: Mapping[str, Path]) -> float | None:
    """Time for which a quota throttled the app; None without a quota or a controller that counts it."""
    for controller, key, per_s in (("cpu", b"throttled_time ", 1e9), (V2, b"throttled_usec ", 1e6)):
        content = _content(folders[controller] / "cpu.stat") if controller in folders else b""
        throttled = number_after(content, key) if number_after(content, b"nr_periods ") else None
        if throttled is not None:
            return throttled / per_s
    return None


def _peak_bytes(folders: Mapping[str, Path], missing: dict[str, str]) -> int | None:
    if "memory" in folders:
        # Without use_hierarchy, the default before Linux 5.11, a cgroup does not count its descendants.
        if _content(folders["memory"] / "memory.use_hierarchy").strip() == b"1":
            found = single_number(_content(folders["memory"] / "memory.max_usage_in_bytes"))
            if found is not None:
                return found
        missing["memory_peak"] = "the memory controller is not hierarchical here"
        return None
    found = single_number(_content(folders[V2] / "memory.peak")) if V2 in folders else None
    if found is None:
        missing["memory_peak"] = "the kernel does not record a cgroup's peak here (memory.peak needs Linux 5.19)"
    return found


def _pressure_s(v2: Path | None, name: str) -> float | None:
    waited_us = pressure_us(_content(v2 / f"{name}.pressure")) if v2 else None
    return None if waited_us is None else waited_us / 1e6


def _content(path: Path) -> bytes:
    try:
        with path.open("rb") as stream:
            return stream.read(_READ_LIMIT_BYTES)
    except OSError:
        return b""
