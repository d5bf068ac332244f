"""Whose a run is, and whether the worker that made it still lives: told from what is marked with it, without its files.

A state folder may be gone (a reboot, another environment, an administrator), and what runs left outlives it.
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
"""The inode of the machine's own pid namespace (PROC_PID_INIT_INO of the kernel): in it every process is seen."""
_PROC = Path("/proc")


class Worker(msgspec.Struct, frozen=True):
    """One process of one boot. `started_ticks`, since boot, tells it from another that has its pid later.

    `lock` tells the agent's lock that it holds, by device and inode.
    """

    boot: str
    pid_namespace: int
    pid: int
    started_ticks: int
    lock: str

    def __str__(self) -> str:
        return f"{self.boot}.{self.pid_namespace}.{self.pid}.{self.started_ticks}.{self.lock}"


def owner(machine_id: Path = Path("/etc/machine-id")) -> str:
    """This user of this machine; of the machine no more than a hash, as machine-id(5) asks."""
    try:
        machine = machine_id.read_text(encoding="utf-8").strip()
    except OSError:
        machine = ""
    digest = hashlib.sha256(f"profileapp {machine or platform.node()}".encode()).hexdigest()
    return f"{digest[:16]}-{os.getuid()}"


def this_worker(lock_path: Path, proc: Path = _PROC) -> Worker:
    """This process, and the agent's lock at `lock_path`."""
    stat = read_stat(proc, "self")
    try:
        status = lock_path.stat()
        lock = f"{status.st_dev:x}{status.st_ino:016x}"
    except OSError:
        lock = "0"
    return Worker(_boot(proc), _pid_namespace(proc, "self"), os.getpid(), stat.started_ticks if stat else 0, lock)


def parse_worker(text: str) -> Worker | None:
    """What `str` made of a worker; None for anything else."""
    match = _WORKER.fullmatch(text)
    return Worker(match[1], int(match[2]), int(match[3]), int(match[4]), match[5]) if match else None


def life_of(worker: Worker, own: Worker, *, is_own_machine: bool, proc: Path = _PROC) -> Life:
    """Whether a worker still lives. `own` holds the agent's lock; `is_own_machine`: what bears the mark is on it.

    Of another boot a worker is dead, unless it may be another machine's. In a pid namespace that cannot be seen from
    here it is dead only where it held the very lock that `own` holds now.
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
    """From the first namespace all processes are seen, under other ids; but not the namespace of every one."""
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
