"""Profiles an app with py-spy from within its PID namespace: the program of the helper container.

`python -m profileapp.collect.functions.in_container SETTINGS FOLDER`, with CAP_SYS_PTRACE, until SIGTERM or the app's
end. SETTINGS is a `ProfilerSettings` as JSON, FOLDER a writable folder. Prints one `AppSamples` as MessagePack.

In the namespace threads have the IDs by which Python knows them, so py-spy recognises idle threads. But the kernel
kills everything in a PID namespace when its first process, the container's init, exits. So this program holds
the init at the start of its exit until the samples are printed. Nothing else stops.

Source: pid_namespaces(7).
"""

from __future__ import annotations

import ctypes
import signal
import sys
import threading
from contextlib import suppress
from pathlib import Path

import msgspec

from profileapp.collect.functions.profiler import Profiler, ProfilerSettings
from profileapp.collect.process.exit_hold import ExitHold
from profileapp.collect.process.stat import read_stat

SAMPLES_LIMIT_BYTES = 64 * 1024**2
HOLD_LIMIT_S = 20
"""How long the container's end may be delayed: then this program is killed, and the kernel lets the init go."""

_INIT = 1
_POLL_S = 0.02
_SET_DUMPABLE = 4
_LIBC = ctypes.CDLL(None, use_errno=True)


def main() -> int:
    """Returns 1, with a line on stderr, where nothing can be profiled."""
    ending = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ending.set())
    # The app's root could otherwise read this process's memory, with all samples.
    _LIBC.prctl(_SET_DUMPABLE, 0, 0, 0, 0)
    settings = msgspec.json.decode(sys.argv[1], type=ProfilerSettings)
    init = ExitHold(_INIT)
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


if __name__ == "__main__":
    sys.exit(main())
