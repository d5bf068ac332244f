"""Runs an app as a process of this machine, with the same measuring, where there is no Docker.

It is no sandbox: the app has the rights of whoever runs the profiler.
"""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from profileapp.collect.api import AppHandle
from profileapp.errors import AgentError
from profileapp.model.run import Image
from profileapp.run.agent.run_processes import kill_run_processes
from profileapp.run.agent.state import LiveRun
from profileapp.run.launch import RUN_ID_VARIABLE, Exit, Launch, Limits, NeverStarted, RunningApp
from profileapp.run.process.services import ProcessServiceHost
from profileapp.run.progress import Progress
from profileapp.run.runtime import Swept

_INHERITED = frozenset(
    {"PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "TZ", "TMPDIR", "LD_LIBRARY_PATH", "PYTHONPATH", "VIRTUAL_ENV"}
)
_INHERITED_PREFIXES = ("LC_", "CUDA_", "NVIDIA_")
_READ_BYTES = 64 * 1024
_OUTPUT_END_TIMEOUT_S = 2.0


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

    def prepare(self, live: LiveRun, progress: Progress) -> None:
        """A command needs no preparation."""

    def start(self, launch: Launch, output: Callable[[bytes], None], exited: Callable[[], None]) -> RunningApp:
        argv = (*self.command, *launch.args)
        environment = {**self._inherited, RUN_ID_VARIABLE: launch.run_id, **launch.env}
        try:
            process = subprocess.Popen(
                launch.wrap(argv) if launch.wrap else argv,
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

    def service_host(self, limits: Limits) -> ProcessServiceHost:
        return ProcessServiceHost()

    def sweep(self, run_id: str) -> Swept:
        return Swept(kill_run_processes(run_id))

    def sweep_orphans(self) -> dict[str, Swept]:
        return {}

    def empty_folder(self, folder: Path, run_id: str) -> None:
        raise AgentError("only a container could")


def inherited_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """What of our own environment an app gets: what a program needs to run, and none of a build's secrets."""
    return {
        name: value for name, value in environ.items() if name in _INHERITED or name.startswith(_INHERITED_PREFIXES)
    }


class _Process:
    """One process with all that comes from it."""

    def __init__(
        self,
        process: subprocess.Popen[bytes],
        run_id: str,
        output: Callable[[bytes], None],
        exited: Callable[[], None],
    ) -> None:
        self.subject: AppHandle | None = AppHandle(process.pid)
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
        kill_run_processes(self._run_id)

    def remove(self) -> str:
        kill_run_processes(self._run_id)
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
