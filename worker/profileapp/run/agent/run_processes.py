"""Processes with a run's marks in their environment, which find them after the worker has ended."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from profileapp.run.agent.ownership import Worker, life_of, parse_worker
from profileapp.run.agent.state import RUN_ID
from profileapp.run.launch import RUN_ID_VARIABLE

WORKER_VARIABLE = "PROFILEAPP_WORKER_PROCESS"
_KILL_ROUNDS = 50
_PROC = Path("/proc")


def process_marks(run_id: str, worker: Worker | None) -> dict[str, str]:
    """Variables of every process that is started for a run: they identify its run even without the run's file."""
    return {RUN_ID_VARIABLE: run_id} | ({WORKER_VARIABLE: str(worker)} if worker else {})


def find_run_processes(run_id: str, proc: Path = _PROC) -> Iterator[int]:
    """Processes whose environment has the id of a run."""
    marker = f"{RUN_ID_VARIABLE}={run_id}".encode()
    return (pid for pid, environment in _environments(proc) if marker in environment)


def kill_run_processes(run_id: str) -> int:
    """Kills all processes of a run, including those started meanwhile. Returns how many it found."""
    return _kill(lambda: find_run_processes(run_id))


def find_orphans(own: Worker, proc: Path = _PROC) -> dict[str, list[int]]:
    """This user's processes whose worker is dead, by their run. `own` holds the agent's lock.

    Excludes processes of other users and of live workers, and `own` itself.
    """
    found: dict[str, list[int]] = {}
    lives: dict[Worker, bool] = {own: False}
    for pid, environment in _environments(proc):
        run_id, worker = _value(environment, RUN_ID_VARIABLE), parse_worker(_value(environment, WORKER_VARIABLE))
        if worker is None or not RUN_ID.fullmatch(run_id) or not _is_of_this_user(proc / str(pid)):
            continue
        if worker not in lives:
            lives[worker] = life_of(worker, own, is_own_machine=True, proc=proc) == "dead"
        if lives[worker]:
            found.setdefault(run_id, []).append(pid)
    return found


def kill_orphans(own: Worker) -> dict[str, int]:
    """Kills the processes that `find_orphans` finds, like `kill_run_processes`. Returns their number by run."""
    return {
        # Only processes with a dead worker's mark: a live run's id may have been forged.
        run_id: _kill(lambda run_id=run_id: find_orphans(own).get(run_id, ()))  # type: ignore[misc]
        for run_id in find_orphans(own)
    }


def _environments(proc: Path) -> Iterator[tuple[int, list[bytes]]]:
    for entry in proc.iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            with suppress(OSError):
                yield int(entry.name), (entry / "environ").read_bytes().split(b"\0")


def _value(environment: list[bytes], name: str) -> str:
    prefix = f"{name}=".encode()
    return next((each[len(prefix) :].decode("ascii", "replace") for each in environment if each.startswith(prefix)), "")


def _is_of_this_user(process: Path) -> bool:
    try:
        return process.stat().st_uid == os.getuid()
    except OSError:
        return False


def _kill(find: Callable[[], Iterable[int]]) -> int:
    killed: set[int] = set()
    for _ in range(_KILL_ROUNDS):
        found = list(find())
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
