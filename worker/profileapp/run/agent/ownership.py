"""Finds the owner of a run, and whether its worker still lives, from the marks on its resources alone.

A state folder may be gone (a reboot, another environment, an administrator) while resources of its runs remain.
"""

from __future__ import annotations

import hashlib
import os
import platform
import re
from contextlib import suppress
from pathlib import Path
from typing import Literal

import msgspec

from profileapp.collect.process.stat import read_stat

Life = Literal["live", "dead", "unknown"]
_WORKER = re.compile(r"([0-9a-f]{32})\.(\d{1,20})\.(\d{1,10})\.(\d{1,20})\.([0-9a-f]{1,32})", re.ASCII)
_FIRST_PID_NAMESPACE = 0xEFFFFFFC
"""The inode of the machine's initial pid namespace (PROC_PID_INIT_INO of the kernel), which shows every process."""
_PROC = Path("/proc")


class Worker(msgspec.Struct, frozen=True):
    """One process of one boot. `started_ticks`, since boot, distinguishes it from a later process with the same pid.

    `lock` identifies the agent's lock that it holds, by device and inode.
    """

    boot: str
    pid_namespace: int
    pid: int
    started_ticks: int
    lock: str

    def __str__(self) -> str:
        return f"{self.boot}.{self.pid_namespace}.{self.pid}.{self.started_ticks}.{self.lock}"


def owner(machine_id: Path = Path("/etc/machine-id")) -> str:
    """An id of this user on this machine; the machine's id is hashed, as machine-id(5) asks."""
    try:
        machine = machine_id.read_text(encoding="utf-8").strip()
    except OSError:
        machine = ""
    digest = hashlib.sha256(f"profileapp {machine or platform.node()}".encode()).hexdigest()
    return f"{digest[:16]}-{os.getuid()}"


def this_worker(lock_path: Path, proc: Path = _PROC) -> Worker:
    """Identifies this process, and the agent's lock at `lock_path`."""
    stat = read_stat(proc, "self")
    try:
        status = lock_path.stat()
        lock = f"{status.st_dev:x}{status.st_ino:016x}"
    except OSError:
        lock = "0"
    return Worker(_boot(proc), _pid_namespace(proc, "self"), os.getpid(), stat.started_ticks if stat else 0, lock)


def parse_worker(text: str) -> Worker | None:
    """Parses the `str` of a worker; None for anything else."""
    match = _WORKER.fullmatch(text)
    return Worker(match[1], int(match[2]), int(match[3]), int(match[4]), match[5]) if match else None


def life_of(worker: Worker, own: Worker, *, is_own_machine: bool, proc: Path = _PROC) -> Life:
    """Whether a worker still lives. `own` holds the agent's lock; `is_own_machine`: the marked resource is on it.

    A worker of another boot is dead, unless it may be another machine's. A worker in a pid namespace that is not
    visible from here is dead only if it held the very lock that `own` holds now.
    """
    if worker.boot != own.boot:
        return "dead" if is_own_machine else "unknown"
    if worker.pid_namespace == own.pid_namespace:
        return "live" if _is_there(proc, worker.pid, worker.started_ticks) else "dead"
    if own.pid_namespace == _FIRST_PID_NAMESPACE:
        return _life_in_another_namespace(worker, proc)
    return "dead" if worker.lock == own.lock != "0" else "unknown"


def _is_there(proc: Path, pid: int | str, started_ticks: int) -> bool:
    stat = read_stat(proc, pid)
    return stat is not None and not stat.is_dead and stat.started_ticks == started_ticks


def _life_in_another_namespace(worker: Worker, proc: Path) -> Life:
    """The initial namespace shows all processes, under other ids; but not the namespace of every one."""
    life: Life = "dead"
    for entry in proc.iterdir():
        if not entry.name.isdigit() or not _is_there(proc, entry.name, worker.started_ticks):
            continue
        try:
            if _pid_namespace(proc, entry.name) == worker.pid_namespace:
                return "live"
        except PermissionError:
            life = "unknown"
        except OSError:
            continue
    return life


def _pid_namespace(proc: Path, pid: str) -> int:
    return (proc / pid / "ns/pid").stat().st_ino


def _boot(proc: Path) -> str:
    with suppress(OSError):
        return (proc / "sys/kernel/random/boot_id").read_text().strip().replace("-", "")
    return "0" * 32
