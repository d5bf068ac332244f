"""The app's hot Python functions from py-spy, which inspects its processes from outside: the app is not changed.

A sample shows that a thread was running or runnable; only the kernel knows how much CPU time it got. So the CPU time
that a process used is divided among its samples: on a busy device, or under a quota, the samples alone would add up
to more CPU time than was used.

Source: py-spy's documentation, `py-spy record --format raw`: one line per stack, `frame;frame;frame COUNT`.
"""

from __future__ import annotations

import os
import platform
import shutil
import struct
import sys
from collections.abc import Callable
from contextlib import suppress
from io import BytesIO
from pathlib import Path

from profileapp.collect.api import AppHandle, BaseCollector, Emit, Helpers, LaunchRequirements, RunContext
from profileapp.collect.functions.helper_profiler import HelperProfiler
from profileapp.collect.functions.profiler import RATE_HZ, AppSamples, Profiler, ProfilerSettings
from profileapp.collect.functions.py_spy_process import PySpyProcess
from profileapp.collect.process.stat import has_ended, read_stat
from profileapp.errors import AppEnded, MissingExtra, Unavailable
from profileapp.model.stacks import TimedStacks, read_folded, timed_function_rows
from profileapp.record.artifacts import STACKS_FILE, write_artifact
from profileapp.record.table_files import merge_functions

STACKS_LIMIT_BYTES = 64 * 1024**2
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")

_CAP_SYS_PTRACE, _CAP_SYS_ADMIN = 19, 21
_FILE_CAPABILITIES = struct.Struct("<II")


EXTRA = "functions"


def find_py_spy() -> Path | None:
    """The program next to the worker's Python or on PATH."""
    alongside = Path(sys.executable).parent / "py-spy"
    found = str(alongside) if os.access(alongside, os.X_OK) else shutil.which("py-spy")
    return Path(found) if found else None


class Recorded:
    """The samples of all repeats of a run, from which its artifacts are written."""

    def __init__(self, run: RunContext) -> None:
        self._run = run
        self._stacks = bytearray()
        self._parts: list[TimedStacks] = []
        self._unsampled_s = 0.0

    @property
    def free_bytes(self) -> int:
        """How many bytes of stacks may still be added."""
        return STACKS_LIMIT_BYTES - len(self._stacks)

    def add(self, found: AppSamples) -> None:
        """Adds a repeat's samples."""
        is_wall = self._run.target.function_clock == "wall"
        for line in found.warnings:
            self._run.warn(line)
        sampled_ticks = 0
        for process in found.processes:
            folded = process.folded[: self.free_bytes]
            self._stacks += folded
            stacks = read_folded(BytesIO(folded))
            if is_wall:
                self._parts.append(TimedStacks(stacks, 1 / RATE_HZ))
            elif stacks.samples and process.cpu_ticks:
                sample_s = process.cpu_ticks / _TICKS_PER_S / stacks.samples
                # Only the lock's owner is sampled then: other threads' CPU time must not count for its functions.
                sample_s = min(sample_s, 1 / RATE_HZ) if process.mode == "lock" else sample_s
                self._parts.append(TimedStacks(stacks, sample_s))
                sampled_ticks += round(sample_s * stacks.samples * _TICKS_PER_S)
        if not is_wall:
            self._unsampled_s += max(0, found.app_ticks - sampled_ticks) / _TICKS_PER_S

    def write(self, output: str) -> None:
        """Writes functions.csv and stacks.folded. Raises Unavailable, with py-spy's `output`, without any sample."""
        rows = timed_function_rows(self._parts, self._unsampled_s)
        if not rows:
            raise Unavailable(f"no Python function of the app was sampled ({output or 'py-spy printed nothing'})")
        unread = sum(part.stacks.unread_lines for part in self._parts)
        omitted = sum(part.stacks.omitted for part in self._parts)
        if unread or omitted:
            self._run.warn(
                f"functions: {unread} lines of py-spy were not recognised, {omitted} samples exceed the limit"
            )
        write_artifact(self._run.artifacts, STACKS_FILE, bytes(self._stacks))
        merge_functions(self._run.artifacts, "functions", rows)


class PySpy(BaseCollector):
    """Rows of functions.csv with the metric `functions`, and stacks.folded, the input of the flame graph."""

    metric = "functions"
    source = "py-spy"
    preference = 10
    min_interval_s = 1 / RATE_HZ

    def __init__(
        self,
        find: Callable[[], Path | None] = find_py_spy,
        proc: Path = Path("/proc"),
        machine: str = platform.machine(),
    ) -> None:
        self._find = find
        self._machine = machine
        self._proc = proc
        self._profiler: Profiler | HelperProfiler | None = None
        self._helpers: Helpers | None = None
        self._output = ""

    @property
    def spies(self) -> dict[int, PySpyProcess]:
        """The py-spy of each process, by its PID; {} if they run in a helper container."""
        return self._profiler.spies if isinstance(self._profiler, Profiler) else {}

    def open(self, run: RunContext, emit: Emit) -> LaunchRequirements:
        self._run = run
        self._recorded = Recorded(run)
        program = self._find()
        if program is None:
            raise MissingExtra("py-spy is not installed", EXTRA)
        is_wall = run.target.function_clock == "wall"
        reason = why_not_ptrace(self._proc, program)
        if not reason and run.contained and not is_wall:
            reason = why_no_view(self._proc)
        if reason and (run.helpers is None or run.helpers.reason):
            raise Unavailable(f"{reason}; {run.helpers.reason}" if run.helpers else reason)
        self._helpers = run.helpers if reason else None
        self.source = f"{PySpy.source} in a helper container" if reason else PySpy.source
        self._settings = ProfilerSettings(
            str(program), run.target.function_clock, run.target.native_frames, run.contained, self._machine
        )
        return LaunchRequirements()

    def attach(self, app: AppHandle) -> None:
        first = read_stat(self._proc, app.pid)
        if first is None or first.is_dead:
            raise AppEnded
        if self._helpers:
            try:
                self._profiler = HelperProfiler(self._helpers, self._settings, app.container_id)
            except Unavailable as error:
                # The next repeat may last longer.
                if has_ended(self._proc, app.pid):
                    raise AppEnded("the app ended before the helper container had started") from error
                raise
            return
        self._profiler = Profiler(self._settings, first, self._run.scratch, self._proc)

    def sample(self, now_ns: int) -> None:
        """Does nothing: py-spy takes the samples."""

    def detach(self) -> None:
        self._end()
        self._recorded.write(self._output)

    def close(self) -> None:
        self._end()

    def _end(self) -> None:
        """Ends every py-spy, and adds its samples to those of earlier repeats."""
        profiler, self._profiler = self._profiler, None
        if profiler:
            found = profiler.end(self._recorded.free_bytes)
            self._output = found.output
            self._recorded.add(found)


def why_not_ptrace(proc: Path, program: Path) -> str:
    """Why py-spy may not inspect other processes; "" if it may (root, or the worker or py-spy has CAP_SYS_PTRACE)."""
    if os.geteuid() == 0 or _has_capability(proc, _CAP_SYS_PTRACE) or _file_has_ptrace(program):
        return ""
    return f"py-spy may not inspect the app's processes: run the worker as root, or give {program} CAP_SYS_PTRACE"


def _file_has_ptrace(program: Path) -> bool:
    """Whether a program's file capabilities give it CAP_SYS_PTRACE.

    Source: capabilities(7); `struct vfs_cap_data` of linux/capability.h: the version with the flag "effective" in the
    lowest bit, then the permitted set, the lower 32 bits first.
    """
    try:
        data = os.getxattr(program, "security.capability")
    except OSError:
        return False
    if len(data) < _FILE_CAPABILITIES.size:
        return False
    version, permitted = _FILE_CAPABILITIES.unpack_from(data)
    return bool(version & 1 and permitted >> _CAP_SYS_PTRACE & 1)


def why_no_view(proc: Path) -> str:
    """Why idle threads of a container cannot be recognised; "" if they can (root, or CAP_SYS_ADMIN)."""
    if os.geteuid() == 0 or _has_capability(proc, _CAP_SYS_ADMIN):
        return ""
    return (
        "recognising idle threads in a container also requires CAP_SYS_ADMIN: run the worker as root, or use "
        "`function-clock: wall`"
    )


def _has_capability(proc: Path, number: int) -> bool:
    with suppress(OSError, ValueError, IndexError):
        effective = (proc / "self/status").read_text().partition("\nCapEff:")[2].split()[0]
        return bool(int(effective, 16) >> number & 1)
    return False
