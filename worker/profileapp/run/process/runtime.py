"""Runs an app as a process of this machine, with the same measurements, for agents without Docker.

It is not a sandbox: the app has the rights of the profiler's user. It can read what that user can read, kill that
user's processes, and is root if the profiler is.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from profileapp.collect.api import AppHandle
from profileapp.errors import AgentError
from profileapp.model.run import Image, Totals
from profileapp.record.tree_size import Size
from profileapp.run.agent.ownership import this_worker
from profileapp.run.agent.run_processes import kill_orphans, kill_run_processes, process_marks
from profileapp.run.agent.state import LiveRun
from profileapp.run.launch import Exit, Launch, Limits, NeverStarted, RunningApp
from profileapp.run.net.deadline import Deadline
from profileapp.run.process.launcher_handle import LauncherHandle, start_launcher
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
    """Starts `command` followed by a target's arguments, without a shell."""

    name = "process"
    version = "process"
    contained = False
    image: Image | None = None

    def __init__(self, command: tuple[str, ...], folder: Path, environ: Mapping[str, str], lock_path: Path) -> None:
        self.command = command
        self._lock_path = lock_path
        self._folder = folder
        self._inherited = inherited_environment(environ)

    @property
    def disks(self) -> tuple[Path, ...]:
        return (self._folder,)

    def prepare(self, live: LiveRun, progress: Progress) -> None:
        """Does nothing: a command needs no preparation."""

    def start(self, launch: Launch, output: Callable[[bytes], None], exited: Callable[[], None]) -> RunningApp:
        argv = (*self.command, *launch.args)
        environment = {**self._inherited, **launch.env, **process_marks(launch.run_id, this_worker(self._lock_path))}
        try:
            started = start_launcher(launch.wrap(argv) if launch.wrap else argv, environment, self._folder)
        except (OSError, ValueError) as error:
            return NeverStarted(f"the app could not be started: {self.command[0]}: {error}")
        return _Process(started, launch.run_id, output, exited)

    def service_host(self, limits: Limits) -> ProcessServiceHost:
        return ProcessServiceHost(self._lock_path)

    def helpers(self, run_id: str) -> None:
        return None

    def sweep(self, run_id: str) -> Swept:
        return Swept(kill_run_processes(run_id))

    def sweep_orphans(self) -> dict[str, Swept]:
        return {run_id: Swept(count) for run_id, count in kill_orphans(this_worker(self._lock_path)).items()}

    def empty_folder(self, folder: Path, run_id: str, deadline: Deadline) -> None:
        raise AgentError("only a container can")


def inherited_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Variables of this process that an app inherits: what a program needs to run, and none of a build's secrets."""
    return {
        name: value for name, value in environ.items() if name in _INHERITED or name.startswith(_INHERITED_PREFIXES)
    }


def totals_of(used: Mapping[str, float]) -> Totals:
    """Totals of all processes as app_launcher.py reports them."""
    if "user_s" not in used or "system_s" not in used:
        return Totals(missing={"all": "the app's launcher was killed before the app ended"})
    missing = dict.fromkeys(("memory_peak", "oom_kills", "pressure"), "a process has no separate cgroup")
    is_io_known = "read_bytes" in used and "written_bytes" in used
    if not is_io_known:
        missing["io"] = "this kernel does not count the I/O of processes (/proc/PID/io)"
    return Totals(
        source="wait4",
        cpu_s=used["user_s"] + used["system_s"],
        cpu_user_s=used["user_s"],
        cpu_system_s=used["system_s"],
        io_read_bytes=int(used["read_bytes"]) if is_io_known else None,
        io_written_bytes=int(used["written_bytes"]) if is_io_known else None,
        missing=missing,
    )


class _Process:
    """One process and its descendants."""

    def __init__(
        self,
        launcher: LauncherHandle,
        run_id: str,
        output: Callable[[bytes], None],
        exited: Callable[[], None],
    ) -> None:
        self.handle: AppHandle | None = AppHandle(launcher.app_pid)
        self.exit: Exit | None = None
        self.totals: Totals | None = None
        self._launcher = launcher
        self._run_id = run_id
        self._output = output
        self._exited = exited
        self._reader = threading.Thread(target=self._read, name="app-output", daemon=True)
        self._reader.start()
        threading.Thread(target=self._await_exit, name="app-exit", daemon=True).start()

    def written(self) -> Size:
        return Size()

    def terminate(self) -> None:
        with suppress(OSError):
            os.killpg(self._launcher.app_pid, signal.SIGTERM)

    def kill(self) -> None:
        with suppress(OSError):
            os.killpg(self._launcher.app_pid, signal.SIGKILL)
        self._launcher.end()

    def remove(self) -> str:
        is_clean = self._launcher.close()
        self.totals = totals_of(self._launcher.used)
        # The app can kill its launcher, which has the same user: its processes are then found by their environment.
        kill_run_processes(self._run_id)
        self._reader.join(_OUTPUT_END_TIMEOUT_S)
        return "" if is_clean else "the app killed its launcher; some of its processes may still run"

    def _read(self) -> None:
        stream = self._launcher.output
        with stream, suppress(OSError, ValueError):
            while content := os.read(stream.fileno(), _READ_BYTES):
                self._output(content)

    def _await_exit(self) -> None:
        status = self._launcher.wait_for_app()
        if status is None:
            self.exit = Exit(lost="the app killed its launcher")
        else:
            code = os.waitstatus_to_exitcode(status)
            self.exit = Exit(exit_code=code if code >= 0 else 128 - code, signal=max(0, -code))
        self._exited()
