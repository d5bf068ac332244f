"""Runs an app as a process of this machine, with the same measuring, where there is no Docker.

It is no sandbox: the app has the rights of whoever runs the profiler.
"""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from profileapp.collect.seam import Subject
from profileapp.model.run import Image
from profileapp.run.launch import RUN_ID_VARIABLE, Exit, Launch, Limits, NeverStarted, RunningApp
from profileapp.run.process.services import ProcessSurroundings
from profileapp.run.progress import Progress

_INHERITED = frozenset(
    {"PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "TZ", "TMPDIR", "LD_LIBRARY_PATH", "PYTHONPATH", "VIRTUAL_ENV"}
)
_INHERITED_PREFIXES = ("LC_", "CUDA_", "NVIDIA_")
_READ_BYTES = 64 * 1024
_OUTPUT_END_TIMEOUT_S = 2.0
_KILL_ROUNDS = 50


class ProcessRuntime:
    """Starts `command` with a target's arguments behind it; no shell has a hand in it."""

    name = "process"
    version = "process"
    contained = False
    image: Image | None = None

    def __init__(self, command: tuple[str, ...], folder: Path, environ: Mapping[str, str]) -> None:
        self.command = command
        self._folder = folder
        self._inherited = inherited_environment(environ)

    def prepare(self, progress: Progress) -> None:
        """A command needs no preparation."""

    def start(self, launch: Launch, output: Callable[[bytes], None], exited: Callable[[], None]) -> RunningApp:
        words = (*self.command, *launch.args)
        environment = {**self._inherited, RUN_ID_VARIABLE: launch.run_id, **launch.env}
        try:
            process = subprocess.Popen(
                launch.wrap(words) if launch.wrap else words,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                cwd=self._folder,
                env=environment,
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            return NeverStarted(f"the app could not be started: {self.command[0]}: {error}")
        return _Process(process, launch.run_id, output, exited)

    def surroundings(self, limits: Limits) -> ProcessSurroundings:
        return ProcessSurroundings()

    def sweep(self, run_id: str) -> int:
        return kill_marked(run_id)


def inherited_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """What of our own environment an app gets: what a program needs to run, and none of a build's secrets."""
    return {
        name: value for name, value in environ.items() if name in _INHERITED or name.startswith(_INHERITED_PREFIXES)
    }


def marked_processes(run_id: str, proc: Path = Path("/proc")) -> Iterator[int]:
    """Processes whose environment says that they came from a run."""
    marker = f"{RUN_ID_VARIABLE}={run_id}".encode()
    for entry in proc.iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            with suppress(OSError):
                if marker in (entry / "environ").read_bytes().split(b"\0"):
                    yield int(entry.name)


def kill_marked(run_id: str) -> int:
    """Kills all processes of a run, those too that are started meanwhile; how many it met."""
    killed: set[int] = set()
    for _ in range(_KILL_ROUNDS):
        found = list(marked_processes(run_id))
        if not found:
            break
        # All are stopped before any is killed, so that a fork bomb cannot grow while it is cut down.
        for number in (signal.SIGSTOP, signal.SIGKILL):
            for pid in found:
                with suppress(OSError):
                    os.kill(pid, number)
        killed.update(found)
        time.sleep(0.02)
    return len(killed)


class _Process:
    """One process with all that comes from it."""

    def __init__(
        self,
        process: subprocess.Popen[bytes],
        run_id: str,
        output: Callable[[bytes], None],
        exited: Callable[[], None],
    ) -> None:
        self.subject: Subject | None = Subject(process.pid)
        self.exit: Exit | None = None
        self._process = process
        self._run_id = run_id
        self._output = output
        self._exited = exited
        self._reader = threading.Thread(target=self._read, name="app-output", daemon=True)
        self._reader.start()
        threading.Thread(target=self._await_exit, name="app-exit", daemon=True).start()

    def terminate(self) -> None:
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        self._signal(signal.SIGKILL)
        kill_marked(self._run_id)

    def remove(self) -> str:
        kill_marked(self._run_id)
        self._reader.join(_OUTPUT_END_TIMEOUT_S)
        return ""

    def _signal(self, number: int) -> None:
        with suppress(OSError):
            os.killpg(self._process.pid, number)

    def _read(self) -> None:
        stream = self._process.stdout
        if stream is None:
            return
        with stream, suppress(OSError, ValueError):
            while content := os.read(stream.fileno(), _READ_BYTES):
                self._output(content)

    def _await_exit(self) -> None:
        status = self._process.wait()
        self.exit = Exit(exit_code=status if status >= 0 else 128 - status, signal=max(0, -status))
        self._exited()
