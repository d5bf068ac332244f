"""The app's hot Python functions from py-spy, which inspects its processes from outside: the app is not changed.

A sample shows that a thread was running or runnable; only the kernel knows how much CPU time it got. So the CPU time
that a process used is divided among its samples: on a busy device, or under a quota, the samples alone would add up
to more CPU time than was used.

Source: py-spy's documentation, `py-spy record --format raw`: one line per stack, `frame;frame;frame COUNT`.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import struct
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from io import BytesIO
from pathlib import Path

from profileapp.collect.api import AppHandle, BaseCollector, Emit, LaunchRequirements, RunContext
from profileapp.collect.functions import process_view
from profileapp.collect.functions.py_spy_process import PySpyProcess, sampling_mode
from profileapp.collect.process.family import CpuAccount, Family
from profileapp.collect.process.stat import read_stat
from profileapp.errors import AppEnded, Unavailable
from profileapp.model.stacks import TimedStacks, read_folded, timed_function_rows
from profileapp.record.artifacts import STACKS_FILE, write_artifact
from profileapp.record.table_files import merge_functions

RATE_HZ = 100
STACKS_LIMIT_BYTES = 64 * 1024**2
PROCESSES_LIMIT = 16
"""The most processes of the app that are profiled at the same time."""
FIRST_SCAN_INTERVAL_S = 0.02
SCAN_INTERVAL_S = 0.25
"""Intervals of the search for further Python processes: while there is none, and afterwards."""
CPU_EVERY_S = 0.05
"""Interval at which CPU time is read: up to this much is missed of a process that exits."""
EAGER_S = 5.0
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")

_CAP_SYS_PTRACE, _CAP_SYS_ADMIN = 19, 21
_VERSION = re.compile(rb"python([23])\.([0-9]{1,3})")
_FILE_CAPABILITIES = struct.Struct("<II")
_MAPS_LIMIT_BYTES = 1024 * 1024
_WORD_LIMIT_BYTES = 4096


def find_py_spy() -> Path | None:
    """The program next to the worker's Python, or on PATH."""
    alongside = Path(sys.executable).parent / "py-spy"
    found = str(alongside) if os.access(alongside, os.X_OK) else shutil.which("py-spy")
    return Path(found) if found else None


class PySpy(BaseCollector):
    """Rows of functions.csv with the metric `functions`, and stacks.folded, the input of the flame graph.

    Runs one py-spy for each Python process of the app, because py-spy's option to follow children misses their first
    second.
    """

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
        self._stacks = bytearray()
        self._parts: list[TimedStacks] = []
        self._unsampled_s = 0.0
        self._spies: dict[int, PySpyProcess] = {}
        self._thread: threading.Thread | None = None
        self._ending = threading.Event()
        self._output = ""

    def open(self, run: RunContext, emit: Emit) -> LaunchRequirements:
        self._run = run
        program = self._find()
        if program is None:
            raise Unavailable("py-spy is not installed; install the worker with profileapp[functions]")
        is_wall = run.target.function_clock == "wall"
        reason = why_not_ptrace(self._proc, program)
        if not reason and run.contained and not is_wall:
            reason = why_no_view(self._proc)
        if reason:
            raise Unavailable(reason)
        self._program = program
        return LaunchRequirements()

    def attach(self, app: AppHandle) -> None:
        first = read_stat(self._proc, app.pid)
        if first is None or first.is_dead:
            raise AppEnded
        self._ending.clear()
        self._output = "the app never ran Python"
        self._app_ticks = 0
        family = Family(first, self._proc)
        self._thread = threading.Thread(target=self._watch, args=(family,), name="py-spy", daemon=True)
        self._thread.start()

    def sample(self, now_ns: int) -> None:
        """Does nothing: py-spy takes the samples."""

    def detach(self) -> None:
        self._end()
        rows = timed_function_rows(self._parts, self._unsampled_s)
        if not rows:
            raise Unavailable(f"no Python function of the app was sampled ({self._output or 'py-spy printed nothing'})")
        unread = sum(part.stacks.unread_lines for part in self._parts)
        left_out = sum(part.stacks.left_out for part in self._parts)
        if unread or left_out:
            self._run.warn(
                f"functions: {unread} lines of py-spy were not recognised, {left_out} samples exceed the limit"
            )
        write_artifact(self._run.artifacts, STACKS_FILE, bytes(self._stacks))
        merge_functions(self._run.artifacts, self.metric, rows)

    def close(self) -> None:
        self._end()

    def _watch(self, family: Family) -> None:
        """Starts py-spy on every process of the app as soon as it runs Python, and reads their CPU time."""
        eager_until_s = time.monotonic() + EAGER_S
        account = CpuAccount()
        look_at_s = 0.0
        is_over = False
        while True:
            if is_over or time.monotonic() >= look_at_s:
                with suppress(OSError):
                    members = family.scan(time.monotonic_ns())
                    self._app_ticks = max(self._app_ticks, account.total_ticks(members))
                    for stat in members:
                        if not is_over and stat.pid not in self._spies and is_python(self._proc, stat.pid):
                            self._inspect(stat.pid)
                for spy in self._spies.values():
                    if not is_over:
                        spy.supervise()
                eager = not self._spies and time.monotonic() < eager_until_s
                look_at_s = time.monotonic() + (FIRST_SCAN_INTERVAL_S if eager else SCAN_INTERVAL_S)
            for spy in self._spies.values():
                spy.note_cpu()
            if is_over:
                return
            is_over = self._ending.wait(max(0.0, min(CPU_EVERY_S, look_at_s - time.monotonic())))

    def _inspect(self, pid: int) -> None:
        if sum(spy.is_running for spy in self._spies.values()) >= PROCESSES_LIMIT:
            self._run.warn(f"functions: only {PROCESSES_LIMIT} of the app's Python processes are profiled at a time")
            return
        target = self._run.target
        try:
            is_elsewhere = process_view.is_in_another_namespace(pid, self._proc)
        except PermissionError:
            # This user may not read the namespace: assume that only a container's processes are in another one.
            is_elsewhere = self._run.contained
        except OSError:
            # It has ended meanwhile.
            return
        version = python_version(self._proc, pid)
        mode = sampling_mode(version, is_elsewhere, self._machine, target.function_clock)
        if mode == "remapped" and target.native_frames:
            self._run.warn(
                "functions: no native frames, since with them py-spy cannot see which threads of a container are idle"
            )
        if mode == "lock":
            self._run.warn(
                f"functions: for Python {version[0]}.{version[1]} on {self._machine}, py-spy cannot see which threads "
                "are idle; only time with the interpreter's lock is attributed to functions, the rest to [not sampled]"
            )
        self._spies[pid] = PySpyProcess(
            self._program,
            pid,
            RATE_HZ,
            self._run.scratch,
            self._proc,
            mode=mode,
            native=target.native_frames,
        )

    def _end(self) -> None:
        """Ends every py-spy, and adds its samples to those of earlier repeats."""
        if self._thread is None:
            return
        self._ending.set()
        self._thread.join()
        self._thread = None
        for spy in self._spies.values():
            spy.interrupt()
        sampled_ticks = 0
        for spy in self._spies.values():
            content = spy.end(STACKS_LIMIT_BYTES - len(self._stacks))
            self._output = spy.output or self._output
            self._stacks += content
            stacks = read_folded(BytesIO(content))
            if self._run.target.function_clock == "wall":
                self._parts.append(TimedStacks(stacks, 1 / RATE_HZ))
            elif stacks.samples and spy.cpu_ticks:
                sample_s = spy.cpu_ticks / _TICKS_PER_S / stacks.samples
                # Only the lock's owner is sampled then: other threads' CPU time must not count for its functions.
                sample_s = min(sample_s, 1 / RATE_HZ) if spy.mode == "lock" else sample_s
                self._parts.append(TimedStacks(stacks, sample_s))
                sampled_ticks += round(sample_s * stacks.samples * _TICKS_PER_S)
        if self._run.target.function_clock == "cpu":
            self._unsampled_s += max(0, self._app_ticks - sampled_ticks) / _TICKS_PER_S
        self._spies = {}


def is_python(proc: Path, pid: int) -> bool:
    """Whether a process runs a Python interpreter, by its program's name or a loaded Python library.

    For another user's process neither is visible; then by the name in its argv, which is visible to all users.
    """
    try:
        if (proc / str(pid) / "exe").readlink().name.startswith("python"):
            return True
        with (proc / str(pid) / "maps").open("rb") as stream:
            return b"libpython" in stream.read(_MAPS_LIMIT_BYTES)
    except PermissionError:
        with suppress(OSError):
            first = (proc / str(pid) / "cmdline").read_bytes()[:_WORD_LIMIT_BYTES].partition(b"\0")[0]
            return first.rpartition(b"/")[2].startswith(b"python")
    except OSError:
        # It has ended meanwhile.
        pass
    return False


def python_version(proc: Path, pid: int) -> tuple[int, int]:
    """The version, such as `(3, 10)`, from the name of the program or library; (0, 0) if neither shows it."""
    with suppress(OSError):
        found = _VERSION.search(os.fsencode((proc / str(pid) / "exe").readlink().name))
        if found is None:
            with (proc / str(pid) / "maps").open("rb") as stream:
                found = _VERSION.search(stream.read(_MAPS_LIMIT_BYTES))
        if found:
            return int(found[1]), int(found[2])
    return 0, 0


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
