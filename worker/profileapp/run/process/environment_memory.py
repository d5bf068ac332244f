"""Erases this process's initial environment from /proc/PID/environ, where every process of its user can read it.

Sources: proc_pid_environ(5) (it shows the memory of the initial environment), proc_pid_stat(5)
(fields 50 and 51), prctl(2) (PR_SET_DUMPABLE).
"""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

_PR_SET_DUMPABLE = 4


def hide_environment() -> str:
    """Erases that memory, and forbids other processes of this user to read this process's memory; root's still can.

    The variables stay: `os.environ` and child processes have them as before. Returns why it failed, "" on success.
    """
    try:
        fields = Path("/proc/self/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        start, end = int(fields[47]), int(fields[48])
        if not 0 < start < end:
            return "the kernel does not report where this process's environment is"
        # Setting each again copies it to memory that is not exposed.
        for name, value in os.environ.items():
            os.environ[name] = value
        ctypes.memset(start, 0, end - start)
        if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0):
            return f"other processes can read this process's memory ({os.strerror(ctypes.get_errno())})"
    except (OSError, ValueError, IndexError) as error:
        return f"this process's environment cannot be hidden ({error})"
    return ""
