"""The hot Python functions of the app by py-spy, which looks into its processes from outside: the app is not changed.

Source: py-spy's documentation, `py-spy record --format raw`: a line a stack, `frame;frame;frame COUNT`.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import IO

from profileapp.collect.process_family import Family
from profileapp.collect.process_stat import read_stat
from profileapp.collect.seam import Emit, Provision, RunContext, Subject
from profileapp.errors import AgentError, AppEnded, Unavailable
from profileapp.model.stacks import function_rows, read_folded
from profileapp.record.files import open_regular, write_atomic
from profileapp.record.table_files import STACKS_FILE, merge_functions

RATE_HZ = 100
STACKS_LIMIT_BYTES = 64 * 1024**2
END_TIMEOUT_S = 10.0
STARTS_LIMIT = 20
"""How often it is started in a repeat, where it ends by itself."""
LOOK_EVERY_S = 0.02
"""How often it is looked whether the app runs Python yet: py-spy gives up on a process that does not."""

_CAP_SYS_PTRACE = 19
_SAID_LIMIT_BYTES = 4096
_MAPS_LIMIT_BYTES = 1024 * 1024


def find_py_spy() -> Path | None:
    """Beside the worker's own Python, or on PATH."""
    beside = Path(sys.executable).parent / "py-spy"
    found = str(beside) if os.access(beside, os.X_OK) else shutil.which("py-spy")
    return Path(found) if found else None


class PySpy:
    """Rows of functions.csv with the metric `functions`, and stacks.folded, from which the flame graph is drawn."""

    metric = "functions"
    source = "py-spy"
    part = ""
    preference = 10
    fastest_s = 0.01

    def __init__(self, find: Callable[[], Path | None] = find_py_spy, proc: Path = Path("/proc")) -> None:
        self._find = find
        self._proc = proc
        self._stacks = bytearray()
        self._native = True
        self._process: subprocess.Popen[bytes] | None = None
        self._thread: threading.Thread | None = None
        self._ending = threading.Event()
        self._said: IO[bytes] | None = None
        self._starts = 0

    def open(self, run: RunContext, emit: Emit) -> Provision:
        self._run = run
        program = self._find()
        if program is None:
            raise Unavailable("py-spy is not installed; install the worker with profileapp[functions]")
        reason = why_not_ptrace(self._proc)
        if reason:
            raise Unavailable(reason)
        self._program = program
        self._output = run.scratch / "py-spy.folded"
        return Provision()

    def attach(self, subject: Subject) -> None:
        first = read_stat(self._proc, subject.pid)
        if first is None or first.is_dead:
            raise AppEnded
        self._pid, self._starts = subject.pid, 0
        self._ending.clear()
        self._thread = threading.Thread(
            target=self._watch, args=(Family(first, self._proc),), name="py-spy", daemon=True
        )
        self._thread.start()

    def sample(self, now_ns: int) -> None:
        """py-spy samples by itself."""

    def detach(self) -> None:
        said = self._end()
        stacks = read_folded(BytesIO(self._stacks))
        rows = function_rows(stacks, RATE_HZ)
        if not rows:
            raise Unavailable(f"py-spy saw no Python function of the app ({said or 'it said nothing'})")
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
        """Starts py-spy as soon as the app runs Python, and again where it ends by itself while the app goes on."""
        while not self._runs_python(family):
            if self._ending.wait(LOOK_EVERY_S):
                return
        while self._starts < STARTS_LIMIT:
            self._start()
            while self._process is not None and self._process.poll() is None:
                if self._ending.wait(LOOK_EVERY_S * 10):
                    return
            self._take()
            # Where native frames cannot be had, those of Python may.
            self._native = self._native and self._starts < STARTS_LIMIT // 4
            if self._process is None or self._ending.wait(LOOK_EVERY_S * self._starts):
                return

    def _runs_python(self, family: Family) -> bool:
        with suppress(OSError):
            return any(is_python(self._proc, stat.pid) for stat in family.look(time.monotonic_ns()))
        return False

    def _start(self) -> None:
        self._starts += 1
        words = [str(self._program), "record", "--pid", str(self._pid), "--rate", str(RATE_HZ), "--subprocesses"]
        words += ["--format", "raw", "--output", str(self._output), *(["--native"] if self._native else [])]
        self._close_said()
        self._said = (self._run.scratch / "py-spy.log").open("w+b")
        try:
            self._process = subprocess.Popen(
                words,
                stdin=subprocess.DEVNULL,
                stdout=self._said,
                stderr=subprocess.STDOUT,
                env={"PATH": os.environ.get("PATH", os.defpath), "RUST_BACKTRACE": "0"},
                start_new_session=True,
            )
        except OSError as error:
            self._process = None
            self._run.warn(f"functions: {self._program} cannot be run ({error.strerror})")

    def _end(self) -> str:
        """SIGINT makes it write what it saw, which is taken; what it said last."""
        if self._thread is None:
            return ""
        self._ending.set()
        self._thread.join()
        self._thread = None
        process, self._process = self._process, None
        if process is None:
            return "the app never ran Python"
        self._await_interruptible(process)
        for number, timeout_s in ((signal.SIGINT, END_TIMEOUT_S), (signal.SIGKILL, END_TIMEOUT_S)):
            with suppress(OSError):
                os.killpg(process.pid, number)
            with suppress(subprocess.TimeoutExpired):
                process.wait(timeout_s)
                break
        self._take()
        return self._close_said()

    def _await_interruptible(self, process: subprocess.Popen[bytes]) -> None:
        """One that has just been started does not listen to SIGINT yet, and would end without a word."""
        deadline_s = time.monotonic() + END_TIMEOUT_S
        with suppress(OSError, ValueError, IndexError):
            while process.poll() is None and time.monotonic() < deadline_s:
                caught = (self._proc / str(process.pid) / "status").read_text().partition("\nSigCgt:")[2].split()[0]
                if int(caught, 16) >> (signal.SIGINT - 1) & 1:
                    return
                time.sleep(LOOK_EVERY_S)

    def _close_said(self) -> str:
        if self._said is None:
            return ""
        stream, self._said = self._said, None
        with stream:
            stream.seek(0)
            return " ".join(stream.read(_SAID_LIMIT_BYTES).decode(errors="replace").split())[:300]

    def _take(self) -> None:
        """What it wrote is added to what earlier repeats gave."""
        with suppress(OSError, AgentError):
            with open_regular(self._output) as stream:
                self._stacks += stream.read(STACKS_LIMIT_BYTES - len(self._stacks))
            self._output.unlink()


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
