"""Stops a process at the start of its exit, while the kernel still has its counts and its descendants run.

The process is traced with PTRACE_O_TRACEEXIT: it runs undisturbed until then. Source: ptrace(2).
"""

from __future__ import annotations

import ctypes
import os
import signal

_SEIZE, _CONT, _DETACH, _LISTEN = 0x4206, 7, 17, 0x4208
_TRACE_EXIT_OPTION, _EXIT_EVENT, _STOP_EVENT = 0x40, 6, 128
_WAIT_ALL = 0x40000000
_LIBC = ctypes.CDLL(None, use_errno=True)


class ExitHold:
    """Stops the process `pid` at the start of its exit until `release`.

    For use by one thread, whose end releases the process too. Without the right to trace it, it is not stopped.
    """

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self.is_traced = self._ptrace(_SEIZE, _TRACE_EXIT_OPTION)
        """Whether the process will be stopped at its exit."""
        self._is_exiting = False

    def wait(self) -> bool:
        """Waits until the process exits. Returns whether it is stopped at the start of its exit."""
        while self.is_traced and not self._is_exiting:
            self._handle_stop(0)
        return self._is_exiting

    def is_exiting(self) -> bool:
        """Whether the process is stopped at the start of its exit. Resumes it from every other stop."""
        if self.is_traced and not self._is_exiting:
            self._handle_stop(os.WNOHANG)
        return self._is_exiting

    def release(self) -> None:
        """Lets the process exit. A running process is detached by the kernel when this thread ends."""
        if self._is_exiting:
            self._ptrace(_DETACH, 0)

    def _handle_stop(self, options: int) -> None:
        try:
            pid, status = os.waitpid(self._pid, options | _WAIT_ALL)
        except ChildProcessError:
            self.is_traced = False
            return
        if pid == 0:
            return
        if not os.WIFSTOPPED(status):
            self.is_traced = False
            return
        event, number = status >> 16, os.WSTOPSIG(status)
        if event == _EXIT_EVENT:
            self._is_exiting = True
        elif event == _STOP_EVENT and number in (signal.SIGSTOP, signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU):
            self._ptrace(_LISTEN, 0)
        else:
            # A signal-delivery-stop passes the signal on; other stops have none.
            self._ptrace(_CONT, 0 if event else number)

    def _ptrace(self, request: int, data: int) -> bool:
        result: int = _LIBC.ptrace(ctypes.c_long(request), ctypes.c_long(self._pid), None, ctypes.c_void_p(data))
        return result == 0
