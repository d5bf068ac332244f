"""Profiles an app with py-spy from within its PID namespace: the program of the helper container.

`python -m profileapp.collect.functions.in_container SETTINGS FOLDER`, with CAP_SYS_PTRACE, until SIGTERM or the app's
end. SETTINGS is a `ProfilerSettings` as JSON, FOLDER a writable folder. Prints one `AppSamples` as MessagePack.

In the namespace threads have the IDs by which Python knows them, so py-spy recognises idle threads. But the kernel
kills everything in a PID namespace when its first process, the container's init, exits. So this program traces the
init with PTRACE_O_TRACEEXIT: it stops at the start of its exit until the samples are printed. Nothing else stops.

Sources: ptrace(2), pid_namespaces(7).
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
from contextlib import suppress
from pathlib import Path

import msgspec

from profileapp.collect.functions.profiler import Profiler, ProfilerSettings
from profileapp.collect.process.stat import read_stat

SAMPLES_LIMIT_BYTES = 64 * 1024**2
HOLD_LIMIT_S = 20
"""How long the container's end may be delayed: then this program is killed, and the kernel lets the init go."""

_INIT = 1
_POLL_S = 0.02
_SEIZE, _CONT, _DETACH, _LISTEN = 0x4206, 7, 17, 0x4208
_TRACE_EXIT_OPTION, _EXIT_EVENT, _STOP_EVENT = 0x40, 6, 128
_WAIT_ALL = 0x40000000
_SET_DUMPABLE = 4
_LIBC = ctypes.CDLL(None, use_errno=True)


def main() -> int:
    """Returns 1, with a line on stderr, where nothing can be profiled."""
    ending = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ending.set())
    # The app's root could otherwise read this process's memory, with all samples.
    _LIBC.prctl(_SET_DUMPABLE, 0, 0, 0, 0)
    settings = msgspec.json.decode(sys.argv[1], type=ProfilerSettings)
    init = InitWatch()
    first = read_stat(Path("/proc"), _INIT)
    if first is None:
        sys.stderr.write("the app's processes are not visible\n")
        return 1
    profiler = Profiler(settings, first, Path(sys.argv[2]))
    while not ending.wait(_POLL_S) and not init.is_exiting():
        pass
    signal.alarm(HOLD_LIMIT_S)
    found = profiler.end(SAMPLES_LIMIT_BYTES)
    with suppress(BrokenPipeError):
        sys.stdout.buffer.write(msgspec.msgpack.encode(found))
        sys.stdout.buffer.flush()
    init.release()
    return 0


class InitWatch:
    """Traces the init of the PID namespace, which runs on until it exits. To be used by one thread."""

    def __init__(self, pid: int = _INIT) -> None:
        self._pid = pid
        self._is_traced = self._ptrace(_SEIZE, _TRACE_EXIT_OPTION)
        self._is_exiting = False

    def is_exiting(self) -> bool:
        """Whether the init waits at the start of its exit. Lets it go on from every other stop."""
        if not self._is_traced:
            return False
        try:
            pid, status = os.waitpid(self._pid, os.WNOHANG | _WAIT_ALL)
        except ChildProcessError:
            self._is_traced = False
            return False
        if pid == 0 or not os.WIFSTOPPED(status):
            return False
        event, number = status >> 16, os.WSTOPSIG(status)
        if event == _EXIT_EVENT:
            self._is_exiting = True
        elif event == _STOP_EVENT and number in (signal.SIGSTOP, signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU):
            self._ptrace(_LISTEN, 0)
        else:
            # Of a stop for a signal the signal is delivered; a stop for another event has none.
            self._ptrace(_CONT, 0 if event else number)
        return self._is_exiting

    def release(self) -> None:
        """Lets the init exit. One that runs is let go by the kernel when this process ends."""
        if self._is_exiting:
            self._ptrace(_DETACH, 0)

    def _ptrace(self, request: int, data: int) -> bool:
        result: int = _LIBC.ptrace(ctypes.c_long(request), ctypes.c_long(self._pid), None, ctypes.c_void_p(data))
        return result == 0


if __name__ == "__main__":
    sys.exit(main())
