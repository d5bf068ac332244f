"""The worker's side of app_launcher.py: starts it, reads its messages, and ends it."""

from __future__ import annotations

import ctypes
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

import profileapp
from profileapp.collect.process.stat import read_stat

_START_TIMEOUT_S = 60.0
_END_TIMEOUT_S = 30.0
_KILL_ROUNDS = 50
_PR_SET_CHILD_SUBREAPER = 36
_PROGRAM = Path(profileapp.__file__).resolve().parent / "app_launcher.py"


class LauncherHandle:
    """A launcher whose app runs. `output` is what the app and its descendants print.

    A separate thread reads the launcher's messages.
    """

    def __init__(self, process: subprocess.Popen[bytes], worker: socket.socket, lines: IO[bytes], app_pid: int) -> None:
        if process.stdout is None:
            raise ValueError("a launcher whose output has no reader")
        self.app_pid = app_pid
        self.output: IO[bytes] = process.stdout
        self.used: dict[str, float] = {}
        """The launcher's report of what all processes used, after the last has ended: see app_launcher._used."""
        # Other programs of this worker, such as a playback, are not the app's and must not be ended.
        self._known = _children() - {app_pid}
        self._process = process
        self._socket = worker
        self._lines = lines
        self._status: int | None = None
        self._app_ended = threading.Event()
        self._listener = threading.Thread(target=self._listen, name="app-launcher", daemon=True)
        self._listener.start()

    def wait_for_app(self) -> int | None:
        """The wait status of the app's first process once it has ended; None if it is unknown."""
        self._app_ended.wait()
        return self._status

    def end(self) -> None:
        """Kills what is left of the app. Never raises."""
        with suppress(OSError):
            self._socket.sendall(b"end\n")

    def close(self) -> bool:
        """Kills everything and waits until it is gone. Returns False if the launcher was killed first."""
        self.end()
        self._listener.join(_END_TIMEOUT_S)
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        try:
            code = self._process.wait(_END_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            code = self._process.wait()
        if code:
            _kill_adopted(self._known)
        self._socket.close()
        return code == 0

    def _listen(self) -> None:
        with suppress(OSError, ValueError), self._lines:
            for line in self._lines:
                message = _object(line)
                if isinstance(message.get("status"), int):
                    self._status = message["status"]
                    self._app_ended.set()
                elif isinstance(message.get("used"), dict):
                    self.used = {key: value for key, value in message["used"].items() if isinstance(value, int | float)}
        self._app_ended.set()


def start_launcher(argv: Sequence[str], env: Mapping[str, str], folder: Path) -> LauncherHandle:
    """Starts an app under a launcher. Raises OSError or ValueError with the reason if it cannot be started."""
    if any("\0" in each for each in (*argv, *env, *env.values())):
        raise ValueError("embedded null byte")
    _become_subreaper()
    worker, other = socket.socketpair()
    try:
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", str(_PROGRAM), str(other.fileno())],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd="/",
            env={"PATH": os.environ.get("PATH", os.defpath)},
            pass_fds=(other.fileno(),),
            start_new_session=True,
        )
    except BaseException:
        worker.close()
        raise
    finally:
        other.close()
    lines = worker.makefile("rb")
    worker.settimeout(_START_TIMEOUT_S)
    try:
        worker.sendall(json.dumps({"argv": list(argv), "env": dict(env), "cwd": str(folder)}).encode() + b"\n")
        message = _object(lines.readline())
    except OSError:
        message = {}
    worker.settimeout(None)
    pid = message.get("pid")
    if isinstance(pid, int):
        return LauncherHandle(process, worker, lines, pid)
    process.kill()
    process.wait()
    if process.stdout:
        process.stdout.close()
    lines.close()
    worker.close()
    raise OSError(str(message.get("refused") or "its launcher did not respond"))


def _become_subreaper() -> None:
    """Children of this process: if an app kills its launcher, its processes are reparented to this one."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def _children(proc: Path = Path("/proc")) -> set[int]:
    """Children of this process that lead their own session."""
    own = read_stat(proc, os.getpid())
    found = (read_stat(proc, entry.name) for entry in proc.iterdir() if entry.name.isdigit())
    return {each.pid for each in found if each and own and each.parent == own.pid and each.session != own.session}


def _kill_adopted(known: set[int]) -> None:
    """Kills the processes that were reparented to this one when the app killed its launcher, and their descendants."""
    for _ in range(_KILL_ROUNDS):
        adopted = _children() - known
        if not adopted:
            return
        for pid in adopted:
            with suppress(OSError):
                os.kill(pid, signal.SIGKILL)
            with suppress(OSError):
                os.waitpid(pid, 0)


def _object(line: bytes) -> dict[str, Any]:
    try:
        found = json.loads(line)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
