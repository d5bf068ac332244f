"""Processes with a run's id in their environment, which finds them after the worker has ended."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from profileapp.run.launch import RUN_ID_VARIABLE

_KILL_ROUNDS = 50


def find_run_processes(run_id: str, proc: Path = Path("/proc")) -> Iterator[int]:
    """Processes whose environment has the id of a run."""
    marker = f"{RUN_ID_VARIABLE}={run_id}".encode()
    for entry in proc.iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            with suppress(OSError):
                if marker in (entry / "environ").read_bytes().split(b"\0"):
                    yield int(entry.name)


def kill_run_processes(run_id: str) -> int:
    """Kills all processes of a run, including those started meanwhile. Returns how many it found."""
    killed: set[int] = set()
    for _ in range(_KILL_ROUNDS):
        found = list(find_run_processes(run_id))
        if not found:
            break
        # All are stopped before any is killed, so that a fork bomb cannot grow meanwhile.
        for number in (signal.SIGSTOP, signal.SIGKILL):
            for pid in found:
                with suppress(OSError):
                    os.kill(pid, number)
        killed.update(found)
        time.sleep(0.02)
    return len(killed)
