"""One py-spy that looks into one process: started, looked after, and asked for what it saw."""

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
"""How often it is started where it ends by itself while the process goes on."""
END_TIMEOUT_S = 10.0

_OUTPUT_LIMIT_BYTES = 4096
_POLL_S = 0.02
_FIRST_WITH_NUMBERS = (3, 11)


Sight = Literal["all", "running", "viewed", "stopped", "lock"]
"""Which threads py-spy samples, and how it learns which of them run.

`all`: those that sleep or wait too. `running`: by the numbers that the threads have in /proc. `viewed`: the same, by
the numbers that their container has for them. `stopped`: by their stacks, for which the process is stopped at each
sample. `lock`: the one that has the interpreter's lock.
"""


def sight(version: tuple[int, int], is_elsewhere: bool, machine: str, clock: FunctionClock) -> Sight:
    """How a process is best looked into, by its Python's version, whether it is in another PID namespace, and the CPU.

    A Python before 3.11 does not keep the numbers of its threads; py-spy finds them by their stacks, on x86_64 alone.
    """
    if clock == "wall":
        return "all"
    if version >= _FIRST_WITH_NUMBERS:
        return "viewed" if is_elsewhere else "running"
    return "stopped" if machine == "x86_64" else "lock"


_OPTIONS: dict[Sight, list[str]] = {"all": ["--idle"], "running": [], "viewed": [], "stopped": [], "lock": ["--gil"]}


class PySpyProcess:
    """py-spy on the process `pid`, from now on. It writes into `scratch`, and what it says is kept there too.

    `native`: frames of C and C++ too, for which the process is stopped at each sample; not with the sights `viewed` and
    `lock`.
    """

    def __init__(
        self,
        program: Path,
        pid: int,
        rate_hz: int,
        scratch: Path,
        proc: Path,
        *,
        sight: Sight,
        native: bool,
    ) -> None:
        self._proc = proc
        self.output = ""
        """What it said last; of use where it saw nothing."""
        self._program = program
        self._pid = pid
        self._rate_hz = rate_hz
        self.sight = sight
        self._native = native
        self._view = scratch / f"view-{pid}" if sight == "viewed" else None
        self._first_ticks = self._last_ticks = 0
        self._output = scratch / f"py-spy-{pid}.folded"
        self._log = scratch / f"py-spy-{pid}.log"
        self._starts = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._start()

    @property
    def cpu_ticks(self) -> int:
        """CPU time, in clock ticks, that the process has used since py-spy was started, as far as it was noted."""
        return max(0, self._last_ticks - self._first_ticks)

    def note_cpu(self) -> None:
        """Looks how much CPU time it has used; kept where it has ended since."""
        self._last_ticks = max(self._last_ticks, self._ticks())

    def _ticks(self) -> int:
        stat = read_stat(self._proc, self._pid)
        return stat.own_ticks if stat else 0

    @property
    def is_running(self) -> bool:
        """Whether py-spy runs."""
        return self._process is not None and self._process.poll() is None

    def supervise(self) -> None:
        """Starts it again where it ended without having seen anything, though the process goes on."""
        if self.is_running or self._output.exists() or self._starts >= STARTS_LIMIT:
            return
        if (self._proc / str(self._pid)).exists():
            self._start()

    def interrupt(self) -> None:
        """Asks it to write down what it saw."""
        if self._process is None:
            return
        self._await_interruptible(self._process)
        with suppress(OSError):
            os.killpg(self._process.pid, signal.SIGINT)

    def end(self, limit_bytes: int) -> bytes:
        """What it wrote, at most so much of it; it has ended then, and its files are gone."""
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
        argv += _OPTIONS[self.sight]
        if self._view:
            # py-spy stops threads by numbers that would be those of other processes here.
            self._view.mkdir(exist_ok=True)
            argv = [*process_view.command(self._pid, self._view), *argv, "--nonblocking"]
        elif self._native and self.sight != "lock" and self._starts <= STARTS_LIMIT // 2:
            argv += ["--native"]
        elif self.sight != "stopped" and self._starts <= STARTS_LIMIT // 2:
            # Where py-spy fails so, it is asked for less: Python's frames, with the process stopped at each sample.
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
        """One that has just been started does not listen to SIGINT yet, and would end without a word."""
        deadline_s = time.monotonic() + END_TIMEOUT_S
        folder = self._proc / str(process.pid)
        with suppress(OSError, ValueError, IndexError):
            while process.poll() is None and time.monotonic() < deadline_s:
                caught = (folder / "status").read_text().partition("\nSigCgt:")[2].split()[0]
                # What makes its view listens too, before it becomes py-spy.
                is_py_spy = not self._view or (folder / "exe").readlink() == self._program.resolve()
                if is_py_spy and int(caught, 16) >> (signal.SIGINT - 1) & 1:
                    return
                time.sleep(_POLL_S)


def _content(path: Path, limit_bytes: int) -> bytes:
    with suppress(OSError, AgentError), open_regular(path) as stream:
        return stream.read(limit_bytes)
    return b""
