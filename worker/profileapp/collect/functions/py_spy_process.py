"""One py-spy on one process: starts it, supervises it, and reads its samples."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from typing import Literal

from profileapp.collect.functions import process_view
from profileapp.collect.process.stat import read_stat
from profileapp.errors import AgentError
from profileapp.model.target import FunctionClock
from profileapp.record.files import open_regular

STARTS_LIMIT = 4
"""Limit of starts of a py-spy that exits while the process still runs."""
END_TIMEOUT_S = 10.0

_OUTPUT_LIMIT_BYTES = 4096
_POLL_S = 0.02
_FIRST_WITH_NUMBERS = (3, 11)


SamplingMode = Literal["all", "running", "remapped", "stopped", "lock"]
"""The threads that py-spy samples, and how it detects running ones.

`all`: idle threads too. `running`: by the threads' IDs in /proc. `remapped`: the same, by the threads' IDs inside their
container. `stopped`: by their stacks, which requires stopping the process at each sample. `lock`: only the thread that
holds the interpreter's lock.
"""


def sampling_mode(version: tuple[int, int], is_elsewhere: bool, machine: str, clock: FunctionClock) -> SamplingMode:
    """The best mode for a process, by its Python version, its PID namespace and the CPU architecture.

    Python before 3.11 does not store the IDs of its threads; py-spy finds them by their stacks, on x86_64 only.
    """
    if clock == "wall":
        return "all"
    if version >= _FIRST_WITH_NUMBERS:
        return "remapped" if is_elsewhere else "running"
    return "stopped" if machine == "x86_64" else "lock"


_OPTIONS: dict[SamplingMode, list[str]] = {
    "all": ["--idle"],
    "running": [],
    "remapped": [],
    "stopped": [],
    "lock": ["--gil"],
}


class PySpyProcess:
    """py-spy on the process `pid`, from now on. Its samples and its output are stored in `scratch`.

    `native`: C and C++ frames too, which requires stopping the process at each sample; not with the modes `remapped`
    and `lock`.
    """

    def __init__(
        self,
        program: Path,
        pid: int,
        rate_hz: int,
        scratch: Path,
        proc: Path,
        *,
        mode: SamplingMode,
        native: bool,
    ) -> None:
        self._proc = proc
        self.output = ""
        """The last line of its output, which explains why it has no samples."""
        self._program = program
        self._pid = pid
        self._rate_hz = rate_hz
        self.mode = mode
        self._native = native
        self._view = scratch / f"view-{pid}" if mode == "remapped" else None
        self._first_ticks = self._last_ticks = 0
        self._output = scratch / f"py-spy-{pid}.folded"
        self._log = scratch / f"py-spy-{pid}.log"
        self._starts = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._start()

    @property
    def cpu_ticks(self) -> int:
        """CPU time, in clock ticks, that the process used from py-spy's start to the last `note_cpu`."""
        return max(0, self._last_ticks - self._first_ticks)

    def note_cpu(self) -> None:
        """Reads the process's CPU time; after its end the last value remains."""
        self._last_ticks = max(self._last_ticks, self._ticks())

    def _ticks(self) -> int:
        stat = read_stat(self._proc, self._pid)
        return stat.own_ticks if stat else 0

    @property
    def is_running(self) -> bool:
        """Whether py-spy is running."""
        return self._process is not None and self._process.poll() is None

    def supervise(self) -> None:
        """Restarts py-spy if it exited without samples while the process still runs."""
        if self.is_running or self._output.exists() or self._starts >= STARTS_LIMIT:
            return
        if (self._proc / str(self._pid)).exists():
            self._start()

    def interrupt(self) -> None:
        """Makes py-spy write its samples and exit."""
        if self._process is None:
            return
        self._await_interruptible(self._process)
        with suppress(OSError):
            os.killpg(self._process.pid, signal.SIGINT)

    def end(self, limit_bytes: int) -> bytes:
        """Ends py-spy and deletes its files. Returns its samples, at most `limit_bytes`."""
        process, self._process = self._process, None
        if process is not None:
            for number in (signal.SIGTERM, signal.SIGKILL):
                with suppress(subprocess.TimeoutExpired):
                    process.wait(END_TIMEOUT_S)
                    break
                with suppress(OSError):
                    os.killpg(process.pid, number)
            process.wait()
        self.output = " ".join(_content(self._log, _OUTPUT_LIMIT_BYTES).decode(errors="replace").split())[:300]
        try:
            return _content(self._output, limit_bytes)
        finally:
            for path in (self._log, self._output):
                with suppress(OSError):
                    path.unlink()
            if self._view:
                with suppress(OSError):
                    self._view.rmdir()

    def _start(self) -> None:
        self._starts += 1
        self._first_ticks = self._last_ticks = self._ticks()
        argv = [str(self._program), "record", "--pid", str(self._pid), "--rate", str(self._rate_hz)]
        argv += ["--format", "raw", "--output", str(self._output)]
        argv += _OPTIONS[self.mode]
        if self._view:
            # py-spy would stop threads by IDs that belong to other processes here.
            self._view.mkdir(exist_ok=True)
            argv = [*process_view.command(self._pid, self._view), *argv, "--nonblocking"]
        elif self._native and self.mode != "lock" and self._starts <= STARTS_LIMIT // 2:
            argv += ["--native"]
        elif self.mode != "stopped" and self._starts <= STARTS_LIMIT // 2:
            # After such a failure py-spy gets a simpler mode: Python frames, stopping the process at each sample.
            argv += ["--nonblocking"]
        self._process = None
        with suppress(OSError), self._log.open("wb") as log:
            self._process = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={"PATH": os.environ.get("PATH", os.defpath), "RUST_BACKTRACE": "0"},
                start_new_session=True,
            )

    def _await_interruptible(self, process: subprocess.Popen[bytes]) -> None:
        """Waits until py-spy handles SIGINT: right after its start it would exit without output."""
        deadline_s = time.monotonic() + END_TIMEOUT_S
        folder = self._proc / str(process.pid)
        with suppress(OSError, ValueError, IndexError):
            while process.poll() is None and time.monotonic() < deadline_s:
                caught = (folder / "status").read_text().partition("\nSigCgt:")[2].split()[0]
                # process_view handles SIGINT too, before it execs py-spy.
                is_py_spy = not self._view or (folder / "exe").readlink() == self._program.resolve()
                if is_py_spy and int(caught, 16) >> (signal.SIGINT - 1) & 1:
                    return
                time.sleep(_POLL_S)


def _content(path: Path, limit_bytes: int) -> bytes:
    with suppress(OSError, AgentError), open_regular(path) as stream:
        return stream.read(limit_bytes)
    return b""
