"""Profiles all Python processes of an app with py-spy, one for each, and counts the app's CPU time beside them.

py-spy's own option to follow children misses their first second.
"""

from __future__ import annotations

import os
import platform
import re
import threading
import time
from contextlib import suppress
from pathlib import Path

import msgspec

from profileapp.collect.functions import process_view
from profileapp.collect.functions.py_spy_process import PySpyProcess, SamplingMode, sampling_mode
from profileapp.collect.process.family import CpuAccount, Family
from profileapp.collect.process.stat import ProcessStat
from profileapp.model.target import FunctionClock

RATE_HZ = 100
PROCESSES_LIMIT = 16
"""The most processes of the app that are profiled at the same time."""
FIRST_SCAN_INTERVAL_S = 0.02
SCAN_INTERVAL_S = 0.25
"""Intervals of the search for further Python processes: while there is none, and afterwards."""
CPU_EVERY_S = 0.05
"""Interval at which CPU time is read: up to this much is missed of a process that exits."""
EAGER_S = 5.0

_VERSION = re.compile(rb"python([23])\.([0-9]{1,3})")
_MAPS_LIMIT_BYTES = 1024 * 1024
_WORD_LIMIT_BYTES = 4096


class ProfilerSettings(msgspec.Struct, frozen=True):
    """How to profile an app. `program` is py-spy; `contained`: the app runs in a container."""

    program: str
    clock: FunctionClock
    native_frames: bool
    contained: bool
    machine: str = platform.machine()


class ProcessSamples(msgspec.Struct, frozen=True):
    """What py-spy sampled of one process, as folded stacks; `cpu_ticks` is the process's CPU time meanwhile."""

    mode: SamplingMode
    cpu_ticks: int
    folded: bytes


class AppSamples(msgspec.Struct, frozen=True):
    """All that was sampled of an app, and its CPU time in clock ticks. `output` is what a py-spy printed last."""

    processes: tuple[ProcessSamples, ...] = ()
    app_ticks: int = 0
    output: str = ""
    warnings: tuple[str, ...] = ()


class Profiler:
    """Profiles the process `first` and its descendants, from now until `end`. Files of py-spy are in `scratch`."""

    def __init__(
        self, settings: ProfilerSettings, first: ProcessStat, scratch: Path, proc: Path = Path("/proc")
    ) -> None:
        self._settings = settings
        self._scratch = scratch
        self._proc = proc
        self.spies: dict[int, PySpyProcess] = {}
        self._warnings: dict[str, None] = {}
        self._app_ticks = 0
        self._ending = threading.Event()
        family = Family(first, proc)
        self._thread = threading.Thread(target=self._watch, args=(family,), name="py-spy", daemon=True)
        self._thread.start()

    def end(self, limit_bytes: int) -> AppSamples:
        """Ends every py-spy. Returns their samples, at most `limit_bytes`."""
        self._ending.set()
        self._thread.join()
        for spy in self.spies.values():
            spy.interrupt()
        processes = []
        output = "the app never ran Python"
        for spy in self.spies.values():
            content = spy.end(limit_bytes)
            limit_bytes -= len(content)
            output = spy.output or output
            processes.append(ProcessSamples(spy.mode, spy.cpu_ticks, content))
        return AppSamples(tuple(processes), self._app_ticks, output, tuple(self._warnings))

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
                        if not is_over and stat.pid not in self.spies and is_python(self._proc, stat.pid):
                            self._inspect(stat.pid)
                for spy in self.spies.values():
                    if not is_over:
                        spy.supervise()
                eager = not self.spies and time.monotonic() < eager_until_s
                look_at_s = time.monotonic() + (FIRST_SCAN_INTERVAL_S if eager else SCAN_INTERVAL_S)
            for spy in self.spies.values():
                spy.note_cpu()
            if is_over:
                return
            is_over = self._ending.wait(max(0.0, min(CPU_EVERY_S, look_at_s - time.monotonic())))

    def _inspect(self, pid: int) -> None:
        if sum(spy.is_running for spy in self.spies.values()) >= PROCESSES_LIMIT:
            self._warn(f"functions: only {PROCESSES_LIMIT} of the app's Python processes are profiled at a time")
            return
        settings = self._settings
        try:
            is_elsewhere = process_view.is_in_another_namespace(pid, self._proc)
        except PermissionError:
            # This user may not read the namespace: assume that only a container's processes are in another one.
            is_elsewhere = settings.contained
        except OSError:
            # It has ended meanwhile.
            return
        version = python_version(self._proc, pid)
        mode = sampling_mode(version, is_elsewhere, settings.machine, settings.clock)
        if mode == "remapped" and settings.native_frames:
            self._warn(
                "functions: no native frames, since with them py-spy cannot see which threads of a container are idle"
            )
        if mode == "lock":
            self._warn(
                f"functions: for Python {version[0]}.{version[1]} on {settings.machine}, py-spy cannot see which "
                "threads are idle; only time with the interpreter's lock is attributed to functions, the rest to "
                "[not sampled]"
            )
        self.spies[pid] = PySpyProcess(
            Path(settings.program),
            pid,
            RATE_HZ,
            self._scratch,
            self._proc,
            mode=mode,
            native=settings.native_frames,
        )

    def _warn(self, line: str) -> None:
        self._warnings[line] = None


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
