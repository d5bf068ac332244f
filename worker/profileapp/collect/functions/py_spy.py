"""The hot Python functions of the app by py-spy, which looks into its processes from outside: the app is not changed.

Source: py-spy's documentation, `py-spy record --format raw`: a line a stack, `frame;frame;frame COUNT`.
"""

from __future__ import annotations

import os
import shutil
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from io import BytesIO
from pathlib import Path

from profileapp.collect.api import AppHandle, Emit, LaunchRequirements, RunContext
from profileapp.collect.functions.py_spy_process import PySpyProcess
from profileapp.collect.process.family import Family
from profileapp.collect.process.stat import read_stat
from profileapp.errors import AppEnded, Unavailable
from profileapp.model.stacks import function_rows, read_folded
from profileapp.record.files import write_atomic
from profileapp.record.table_files import STACKS_FILE, merge_functions

RATE_HZ = 100
STACKS_LIMIT_BYTES = 64 * 1024**2
PROCESSES_LIMIT = 16
"""How many of the app's processes are looked into at a time."""
FIRST_SCAN_INTERVAL_S = 0.02
SCAN_INTERVAL_S = 0.25
"""How often it is looked for further processes that run Python: while there is none, and after."""
EAGER_S = 5.0

_CAP_SYS_PTRACE = 19
_MAPS_LIMIT_BYTES = 1024 * 1024


def find_py_spy() -> Path | None:
    """Beside the worker's own Python, or on PATH."""
    beside = Path(sys.executable).parent / "py-spy"
    found = str(beside) if os.access(beside, os.X_OK) else shutil.which("py-spy")
    return Path(found) if found else None


class PySpy:
    """Rows of functions.csv with the metric `functions`, and stacks.folded, from which the flame graph is drawn.

    One py-spy for each process of the app that runs Python: py-spy's own way of following children misses the first
    second.
    """

    metric = "functions"
    source = "py-spy"
    part = ""
    preference = 10
    min_interval_s = 1 / RATE_HZ

    def __init__(self, find: Callable[[], Path | None] = find_py_spy, proc: Path = Path("/proc")) -> None:
        self._find = find
        self._proc = proc
        self._stacks = bytearray()
        self._spies: dict[int, PySpyProcess] = {}
        self._thread: threading.Thread | None = None
        self._ending = threading.Event()
        self._output = ""

    def open(self, run: RunContext, emit: Emit) -> LaunchRequirements:
        self._run = run
        program = self._find()
        if program is None:
            raise Unavailable("py-spy is not installed; install the worker with profileapp[functions]")
        reason = why_not_ptrace(self._proc)
        if reason:
            raise Unavailable(reason)
        self._program = program
        return LaunchRequirements()

    def attach(self, subject: AppHandle) -> None:
        first = read_stat(self._proc, subject.pid)
        if first is None or first.is_dead:
            raise AppEnded
        self._ending.clear()
        self._output = "the app never ran Python"
        family = Family(first, self._proc)
        self._thread = threading.Thread(target=self._watch, args=(family,), name="py-spy", daemon=True)
        self._thread.start()

    def sample(self, now_ns: int) -> None:
        """py-spy samples by itself."""

    def detach(self) -> None:
        self._end()
        stacks = read_folded(BytesIO(self._stacks))
        rows = function_rows(stacks, RATE_HZ)
        if not rows:
            raise Unavailable(f"no Python function of the app was seen ({self._output or 'py-spy output nothing'})")
        if stacks.unread_lines or stacks.left_out:
            self._run.warn(
                f"functions: {stacks.unread_lines} lines of py-spy were not understood, "
                f"{stacks.left_out} samples are beyond what is kept"
            )
        write_atomic(self._run.artifacts / STACKS_FILE, bytes(self._stacks))
        merge_functions(self._run.artifacts, self.metric, rows)

    def close(self) -> None:
        self._end()

    def _watch(self, family: Family) -> None:
        """Looks into every process of the app that runs Python, as soon as it does."""
        eager_until_s = time.monotonic() + EAGER_S
        while True:
            with suppress(OSError):
                for stat in family.scan(time.monotonic_ns()):
                    if stat.pid not in self._spies and is_python(self._proc, stat.pid):
                        self._inspect(stat.pid)
            for spy in self._spies.values():
                spy.supervise()
            eager = not self._spies and time.monotonic() < eager_until_s
            if self._ending.wait(FIRST_SCAN_INTERVAL_S if eager else SCAN_INTERVAL_S):
                return

    def _inspect(self, pid: int) -> None:
        if sum(spy.is_running for spy in self._spies.values()) >= PROCESSES_LIMIT:
            self._run.warn(f"functions: of the app's Python processes only {PROCESSES_LIMIT} at a time are looked into")
            return
        self._spies[pid] = PySpyProcess(
            self._program, pid, RATE_HZ, self._run.scratch, self._proc, native=self._run.target.native_frames
        )

    def _end(self) -> None:
        """Ends every py-spy, and adds what each saw to what earlier repeats gave."""
        if self._thread is None:
            return
        self._ending.set()
        self._thread.join()
        self._thread = None
        for spy in self._spies.values():
            spy.interrupt()
        for spy in self._spies.values():
            self._stacks += spy.end(STACKS_LIMIT_BYTES - len(self._stacks))
            self._output = spy.output or self._output
        self._spies = {}


def is_python(proc: Path, pid: int) -> bool:
    """Whether a process runs a Python interpreter, by its program's name or a library of Python's in it."""
    with suppress(OSError):
        if (proc / str(pid) / "exe").readlink().name.startswith("python"):
            return True
        with (proc / str(pid) / "maps").open("rb") as stream:
            return b"libpython" in stream.read(_MAPS_LIMIT_BYTES)
    return False


def why_not_ptrace(proc: Path) -> str:
    """Why this user may not look into other processes; "" where it may (root, or CAP_SYS_PTRACE)."""
    if os.geteuid() == 0:
        return ""
    with suppress(OSError, ValueError, IndexError):
        effective = (proc / "self/status").read_text().partition("\nCapEff:")[2].split()[0]
        if int(effective, 16) >> _CAP_SYS_PTRACE & 1:
            return ""
    return "py-spy may not look into the app's processes: run the worker as root, or give it CAP_SYS_PTRACE"
