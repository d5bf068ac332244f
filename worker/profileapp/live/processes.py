"""Watched plain processes, each with its descendants: detects their end.

A process has no events that any user may follow; its /proc/PID/stat is read a few times a second.
"""

from __future__ import annotations

import os
from pathlib import Path

from profileapp.collect.process.stat import read_stat
from profileapp.errors import AgentError, ConfigError
from profileapp.model.text import printable

_COMMAND_LIMIT_BYTES = 256


class WatchedProcess:
    """A process, identified by its PID and start time. Raises ConfigError if it does not run."""

    def __init__(self, pid: int, proc: Path = Path("/proc")) -> None:
        self.pid = pid
        self._proc = proc
        stat = read_stat(proc, pid)
        if stat is None:
            _check_visible(pid, proc)
        if stat is None or stat.is_dead:
            raise ConfigError(f"--pid {pid}: no such process runs")
        self._started_ticks = stat.started_ticks

    @property
    def has_ended(self) -> bool:
        """Whether it ended; a zombie has ended."""
        stat = read_stat(self._proc, self.pid)
        return stat is None or stat.is_dead or stat.started_ticks != self._started_ticks

    @property
    def title(self) -> str:
        """`python3-1234`: the program's name, which a process may set to anything, and the PID."""
        try:
            with (self._proc / str(self.pid) / "cmdline").open("rb") as stream:
                first = stream.read(_COMMAND_LIMIT_BYTES).partition(b"\0")[0]
        except OSError:
            first = b""
        name = first.decode("utf-8", errors="replace").rpartition("/")[2]
        return f"{printable(name, 40) or 'process'}-{self.pid}"


def _check_visible(pid: int, proc: Path) -> None:
    """Raises AgentError if the process runs, but /proc hides it (mounted with `hidepid`)."""
    try:
        os.kill(pid, 0)
    except PermissionError:
        raise AgentError(
            f"--pid {pid}: {proc} hides other users' processes (hidepid); run as root, or mount it with hidepid=0"
        ) from None
    except (ProcessLookupError, OverflowError):
        return
