"""A process and its descendants in /proc, and their total resource use, including ended ones."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from profileapp.collect.kernel_file import KernelFile, number_after
from profileapp.collect.process.stat import ProcessStat, read_stat

FILES_KEPT = 64
"""Files that an IoAccount keeps open."""
STRANGERS_KEPT_NS = 10_000_000_000
"""Time for which an unrelated process is skipped before its PID is checked again: PIDs are reused."""


class Family:
    """The first process, its descendants, and the members of its session if it leads one.

    A process that was found once remains a member, even after its parent ends and init adopts it.
    """

    def __init__(self, first: ProcessStat, proc: Path) -> None:
        self._proc = proc
        self._session = first.pid if first.session == first.pid else None
        self._started = {first.pid: first.started_ticks}
        self._strangers: set[str] = set()
        self._strangers_since_ns = 0

    def scan(self, now_ns: int) -> list[ProcessStat]:
        """The current members. Raises OSError if /proc cannot be listed."""
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
    """CPU time of a family, including ended processes.

    Once a parent has waited for a process, however short-lived, its time is part of the parent's `reaped` time. If no
    parent in the family waited for it, its last known time remains in the total.
    """

    def __init__(self) -> None:
        self._before: dict[int, ProcessStat] = {}
        self._lost_ticks = 0

    def total_ticks(self, members: Iterable[ProcessStat]) -> int:
        """Clock ticks so far; never less than in the previous call."""
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
        """The nearest living ancestor, which has its time if every process between them was waited for."""
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
    """Bytes read from and written to storage by processes, including ended ones.

    When a parent waits for an ended process, the kernel adds the bytes of that process to the parent's, so the counts
    of living processes include all. Between the end and the wait the sum is briefly lower. Bytes of a process that no
    parent waits for are lost.
    """

    def __init__(self, proc: Path) -> None:
        self._proc = proc
        self._most = (0, 0)
        self._files: dict[int, KernelFile] = {}

    def total_bytes(self, pids: Iterable[int]) -> tuple[int, int] | None:
        """Bytes read and written so far, never less than in the previous call; None if no process's are readable."""
        before, self._files = self._files, {}
        found = [moved for pid in pids if (moved := self._moved(pid, before))]
        for file in before.values():
            file.close()
        if not found and self._most == (0, 0):
            return None
        read, written = sum(each[0] for each in found), sum(each[1] for each in found)
        self._most = max(self._most[0], read), max(self._most[1], written)
        return self._most

    def close(self) -> None:
        """Closes the files that it keeps open. May be called twice."""
        for file in self._files.values():
            file.close()
        self._files = {}

    def _moved(self, pid: int, before: dict[int, KernelFile]) -> tuple[int, int] | None:
        """What a process moved. Its file stays open if there are few: opening takes longer than reading."""
        file = before.pop(pid, None)
        try:
            # The file of a process that is gone says so, even if its PID is another's now.
            content = file.read() if file else b""
        except OSError:
            content = b""
        if file and not content:
            file.close()
            file = None
        try:
            file = file or KernelFile(f"{self._proc}/{pid}/io")
            content = content or file.read()
        except OSError:
            if file:
                file.close()
            return None
        if len(self._files) < FILES_KEPT:
            self._files[pid] = file
        else:
            file.close()
        return parse_io(content)


def pids_of(content: bytes) -> list[int]:
    """PIDs of a cgroup's processes in this process's namespace, from its `cgroup.procs`."""
    return [int(word) for word in content.split() if word.isdigit()]


def parse_io(content: bytes) -> tuple[int, int] | None:
    """Bytes read from and written to storage, from `/proc/PID/io`: `read_bytes: 4096` and `write_bytes: 0`.

    Source: proc_pid_io(5).
    """
    read, written = number_after(content, b"read_bytes: "), number_after(content, b"write_bytes: ")
    return None if read is None or written is None else (read, written)
