"""A process and its descendants, found in /proc, and their total use, including that of ended ones."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from profileapp.collect.process.stat import ProcessStat, read_stat

STRANGERS_KEPT_NS = 10_000_000_000
"""How long the id of an unrelated process is skipped before it is checked again: ids are reused."""


class Family:
    """The first process, its descendants, and its session where it leads one.

    A process found once is kept, even after its parent ends and init adopts it.
    """

    def __init__(self, first: ProcessStat, proc: Path) -> None:
        self._proc = proc
        self._session = first.pid if first.session == first.pid else None
        self._started = {first.pid: first.started_ticks}
        self._strangers: set[str] = set()
        self._strangers_since_ns = 0

    def scan(self, now_ns: int) -> list[ProcessStat]:
        """The members there are now. Raises OSError where /proc cannot be listed."""
        if now_ns - self._strangers_since_ns > STRANGERS_KEPT_NS:
            self._strangers, self._strangers_since_ns = set(), now_ns
        listed = {name for name in os.listdir(self._proc) if name.isdigit()}  # noqa: PTH208  (only names are needed)
        self._strangers &= listed
        seen = [stat for name in listed - self._strangers if (stat := read_stat(self._proc, name))]
        members = {stat.pid: stat for stat in seen if self._knows(stat)}
        others = [stat for stat in seen if stat.pid not in members]
        grown = True
        while grown:
            children = [stat for stat in others if stat.parent in members]
            members.update((stat.pid, stat) for stat in children)
            others = [stat for stat in others if stat.pid not in members]
            grown = bool(children)
        self._strangers.update(str(stat.pid) for stat in others)
        self._started = {pid: stat.started_ticks for pid, stat in members.items()}
        return list(members.values())

    def _knows(self, stat: ProcessStat) -> bool:
        return self._started.get(stat.pid) == stat.started_ticks or (
            self._session is not None and stat.session == self._session
        )


class CpuAccount:
    """CPU time of a family, that of ended processes included.

    A process that was waited for is in its parent's `reaped` time from then on, however short it lived. One that ended
    without a parent of the family waiting for it keeps what was last seen of it.
    """

    def __init__(self) -> None:
        self._before: dict[int, ProcessStat] = {}
        self._lost_ticks = 0

    def total_ticks(self, members: Iterable[ProcessStat]) -> int:
        """Clock ticks up to now; never less than the last time."""
        now = {stat.pid: stat for stat in members}
        gone_ticks: dict[int | None, int] = defaultdict(int)
        for stat in self._before.values():
            if not self._lives(stat, now):
                gone_ticks[self._heir(stat, now)] += stat.own_ticks + stat.reaped_ticks
        for heir, ticks in gone_ticks.items():
            inherited = 0 if heir is None else now[heir].reaped_ticks - self._before[heir].reaped_ticks
            self._lost_ticks += max(0, ticks - inherited)
        self._before = now
        return sum(stat.own_ticks + stat.reaped_ticks for stat in now.values()) + self._lost_ticks

    def _heir(self, gone: ProcessStat, now: dict[int, ProcessStat]) -> int | None:
        """The nearest ancestor that still lives, to which its time went if all were waited for."""
        passed = {gone.pid}
        parent = self._before.get(gone.parent)
        while parent is not None and parent.pid not in passed:
            if self._lives(parent, now):
                return parent.pid
            passed.add(parent.pid)
            parent = self._before.get(parent.parent)
        return None

    @staticmethod
    def _lives(stat: ProcessStat, now: dict[int, ProcessStat]) -> bool:
        return stat.pid in now and now[stat.pid].started_ticks == stat.started_ticks


class IoAccount:
    """Bytes read from and written to storage by processes, the ended ones included.

    The kernel adds what an ended process moved to its parent when that waits for it, so the living ones' counts hold
    all; between an end and the wait the sum is lower for a moment. What nobody waits for is lost.
    """

    def __init__(self, proc: Path) -> None:
        self._proc = proc
        self._most = (0, 0)

    def total_bytes(self, pids: Iterable[int]) -> tuple[int, int] | None:
        """Read and written up to now, never less than the last time; None where no process lets its own be read."""
        found = [moved for pid in pids if (moved := _io_bytes(self._proc, pid))]
        if not found and self._most == (0, 0):
            return None
        read, written = sum(each[0] for each in found), sum(each[1] for each in found)
        self._most = max(self._most[0], read), max(self._most[1], written)
        return self._most


def pids_in(folder: Path) -> list[int]:
    """The processes of a cgroup, as this process numbers them; none where it is gone."""
    try:
        words = (folder / "cgroup.procs").read_bytes().split()
    except OSError:
        return []
    return [int(word) for word in words if word.isdigit()]


def parse_io(content: bytes) -> tuple[int, int] | None:
    """Bytes read from and written to storage, from `/proc/PID/io`: `read_bytes: 4096` and `write_bytes: 0`.

    Source: proc_pid_io(5).
    """
    found = {}
    for line in content.splitlines():
        key, _, number = line.partition(b": ")
        if number.isdigit():
            found[key] = int(number)
    try:
        return found[b"read_bytes"], found[b"write_bytes"]
    except KeyError:
        return None


def _io_bytes(proc: Path, pid: int) -> tuple[int, int] | None:
    try:
        with open(f"{proc}/{pid}/io", "rb", buffering=0) as stream:  # noqa: PTH123  (a Path costs more than the read)
            return parse_io(stream.read(4096))
    except OSError:
        return None
