"""Starts an app as a process and supervises it for the worker: a separate program, standard library only.

Its environment contains nothing of the worker's. Every process that the app leaves behind, even a daemonized one,
becomes a child of this program (prctl(2), PR_SET_CHILD_SUBREAPER): all of them are killed with it, also when the worker
is killed, and the kernel accounts for all of them together.

Run as `python -I -S app_launcher.py FD`. The socket FD delivers one line of JSON, `{"argv": …, "env": …, "cwd": …}`,
then `end` or, if the worker ends, the end of the stream. The answers are lines: `{"pid": 12}` or `{"refused": "…"}`,
`{"status": 256}` when the app's first process has ended, and `{"used": {…}}` when no process is left.

Sources: wait4(2), getrusage(2) (an ended child's use is its parent's, if that waited), proc_pid_io(5).
"""

from __future__ import annotations

import ctypes
import json
import os
import resource
import select
import signal
import socket
import sys
import time
from contextlib import suppress
from pathlib import Path

_PR_SET_CHILD_SUBREAPER = 36
_READ_BYTES = 65536
_REQUEST_LIMIT_BYTES = 16 * 1024**2
_KILL_PAUSE_S = 0.01
_KILL_LIMIT_S = 20.0


class Launcher:
    """Runs one app, from its start until none of its processes is left."""

    def __init__(self, worker: socket.socket) -> None:
        self._worker = worker
        self._app = 0

    def run(self) -> None:
        """Returns when the app and all its descendants have ended."""
        _become_subreaper()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGPIPE):
            signal.signal(number, signal.SIG_IGN)
        # A child's end wakes `select` through a pipe.
        woken, wake = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        request = self._request()
        if request is None or not self._start(request):
            return
        self._wait(woken)
        self._kill_all()
        self._send({"used": _used()})

    def _request(self) -> dict[str, object] | None:
        content = b""
        while not content.endswith(b"\n"):
            more = self._worker.recv(_READ_BYTES)
            content += more
            if not more or len(content) > _REQUEST_LIMIT_BYTES:
                return None
        found = json.loads(content)
        return found if isinstance(found, dict) else None

    def _start(self, request: dict[str, object]) -> bool:
        failed, failing = os.pipe2(os.O_CLOEXEC)
        self._app = os.fork()
        if self._app == 0:
            _become(request, failing)
        os.close(failing)
        with os.fdopen(failed, "rb") as stream:
            reason = stream.read()
        # The app's output ends only with the last process that has it open.
        null = os.open(os.devnull, os.O_RDWR)
        for number in (1, 2):
            os.dup2(null, number)
        if reason:
            os.waitpid(self._app, 0)
            self._send({"refused": reason.decode(errors="replace")})
            return False
        self._send({"pid": self._app})
        return True

    def _wait(self, woken: int) -> None:
        while True:
            ready, _, _ = select.select([woken, self._worker.fileno()], [], [])
            if woken in ready:
                with suppress(BlockingIOError):
                    os.read(woken, _READ_BYTES)
                self._reap()
            if self._worker.fileno() in ready:
                return

    def _reap(self) -> bool:
        """Reaps all children that have ended. Returns whether there are more."""
        with suppress(ChildProcessError):
            while True:
                pid, status = os.waitpid(-1, os.WNOHANG)
                if pid == 0:
                    return True
                if pid == self._app:
                    self._send({"status": status})
        return False

    def _kill_all(self) -> None:
        deadline_s = time.monotonic() + _KILL_LIMIT_S
        while self._reap() and time.monotonic() < deadline_s:
            found = _descendants(os.getpid())
            # All are stopped before any is killed, so that a fork bomb cannot outgrow the killing.
            for number in (signal.SIGSTOP, signal.SIGKILL):
                for pid in found:
                    with suppress(OSError):
                        os.kill(pid, number)
            time.sleep(_KILL_PAUSE_S)

    def _send(self, message: dict[str, object]) -> None:
        with suppress(OSError):
            self._worker.sendall(json.dumps(message).encode() + b"\n")


def _become(request: dict[str, object], failing: int) -> None:
    """Turns the forked child into the app. Never returns."""
    try:
        os.setsid()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGPIPE, signal.SIGXFSZ, signal.SIGCHLD):
            signal.signal(number, signal.SIG_DFL)
        argv = [os.fsencode(str(each)) for each in request["argv"]]  # type: ignore[attr-defined]
        env = {os.fsencode(key): os.fsencode(value) for key, value in request["env"].items()}  # type: ignore[attr-defined]
        os.chdir(str(request["cwd"]))
        os.execvpe(argv[0], argv, env)  # noqa: S606  (no shell must interpret the app's arguments)
    except BaseException as error:
        os.write(failing, (getattr(error, "strerror", None) or str(error) or "it cannot be run").encode()[:2000])
    os._exit(127)


def _become_subreaper() -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER)")


def _descendants(of: int) -> list[int]:
    parents = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError, ValueError, IndexError):
                parents[int(entry.name)] = int((entry / "stat").read_bytes().rpartition(b")")[2].split()[1])
    found = {of}
    grown = True
    while grown:
        more = {pid for pid, parent in parents.items() if parent in found} - found
        found |= more
        grown = bool(more)
    return sorted(found - {of})


def _used() -> dict[str, object]:
    """Resources that all ended processes used: CPU time, and bytes read from and written to storage."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    found: dict[str, object] = {"user_s": used.ru_utime, "system_s": used.ru_stime}
    with suppress(OSError, ValueError, KeyError):
        numbers = dict(line.split(": ") for line in Path("/proc/self/io").read_text(encoding="utf-8").splitlines())
        found.update(read_bytes=int(numbers["read_bytes"]), written_bytes=int(numbers["write_bytes"]))
    return found


if __name__ == "__main__":
    worker_end = socket.socket(fileno=int(sys.argv[1]))
    # The app must not inherit it.
    worker_end.set_inheritable(False)
    Launcher(worker_end).run()
