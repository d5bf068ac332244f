"""The app's own cost where it is no container: its process and all that came from it, from /proc.

Source of the fields: proc_pid_stat(5), proc_pid_io(5).
"""

from __future__ import annotations

import os
import time
from pathlib import Path

import msgspec

from profileapp.collect import container_series as names
from profileapp.collect.rate import Rate
from profileapp.collect.seam import Emit, Provision, RunContext, Subject
from profileapp.errors import Unavailable
from profileapp.model.series import Series

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


class ProcessStat(msgspec.Struct, frozen=True):
    """Of one process: CPU time of its own and of the children it has waited for (`reaped`), in clock ticks."""

    pid: int
    parent: int
    session: int
    own_ticks: int
    reaped_ticks: int
    threads: int
    resident_pages: int


def parse_stat(content: bytes) -> ProcessStat:
    """`/proc/PID/stat`; the name in it may hold spaces and parentheses. Raises ValueError where it is none."""
    head, _, tail = content.rpartition(b")")
    fields = tail.split()
    if len(fields) < 22:
        raise ValueError("not a /proc/PID/stat")
    number = [int(field) for field in fields[1:22]]
    return ProcessStat(
        pid=int(head.split(b" ", 1)[0]),
        parent=number[0],
        session=number[2],
        own_ticks=number[10] + number[11],
        reaped_ticks=number[12] + number[13],
        threads=number[16],
        resident_pages=number[20],
    )


class ProcessTree:
    """Series `container.*` of a process of the host: the sum over its session and descendants."""

    metric = "container"
    source = "processes"
    preference = 10

    def __init__(self, proc: Path = Path("/proc")) -> None:
        self._proc = proc
        self._pid = 0
        self._rates: dict[Series, Rate] = {}
        self._seen_ticks: dict[int, int] = {}
        self._seen_io: dict[int, tuple[int, int]] = {}
        self._gone_ticks = 0
        self._reaped_before = 0
        self._gone_io = (0, 0)

    def open(self, run: RunContext, emit: Emit) -> Provision:
        if run.contained:
            raise Unavailable("the app is a container, not a process of the host")
        self._emit = emit
        return Provision()

    def attach(self, subject: Subject) -> None:
        self.detach()
        self._pid = subject.pid
        if not (self._proc / str(subject.pid) / "stat").exists():
            raise Unavailable("the app's process has ended already")
        self._rates = {series: Rate() for series in (names.CPU, names.IO_READ, names.IO_WRITE)}
        self.sample(time.monotonic_ns())

    def sample(self, now_ns: int) -> None:
        members = self._members()
        if not members:
            return
        self._rated(names.CPU, self._cpu_ticks(members) / _TICKS_PER_S * 100, now_ns)
        read, written = self._io(members)
        self._rated(names.IO_READ, read, now_ns)
        self._rated(names.IO_WRITE, written, now_ns)
        resident = sum(member.resident_pages for member in members)
        self._emit(names.MEMORY_USED, resident * _PAGE_BYTES, now_ns)
        self._emit(names.PROCESSES, sum(member.threads for member in members), now_ns)

    def detach(self) -> None:
        self._seen_ticks, self._seen_io = {}, {}
        self._gone_ticks, self._reaped_before, self._gone_io = 0, 0, (0, 0)

    def close(self) -> None:
        self.detach()

    def _members(self) -> list[ProcessStat]:
        """The app's process, its session, and the descendants of both."""
        stats: dict[int, ProcessStat] = {}
        for entry in os.listdir(self._proc):  # noqa: PTH208  (the hot path needs only the names)
            if entry.isdigit():
                try:
                    with open(f"{self._proc}/{entry}/stat", "rb") as stream:  # noqa: PTH123
                        stats[int(entry)] = parse_stat(stream.read())
                except (OSError, ValueError):
                    continue
        members = {pid: stat for pid, stat in stats.items() if self._pid in (pid, stat.session)}
        grown = True
        while grown:
            grown = False
            for pid, stat in stats.items():
                if pid not in members and stat.parent in members:
                    members[pid] = stat
                    grown = True
        return list(members.values())

    def _cpu_ticks(self, members: list[ProcessStat]) -> int:
        """CPU time of the app since it was attached to, of processes that have ended too.

        A child that was waited for is in its parent's `reaped` time. One that ended without its parent being one of
        ours keeps what was last seen of it.
        """
        ticks = {member.pid: member.own_ticks + member.reaped_ticks for member in members}
        reaped_now = sum(member.reaped_ticks for member in members)
        gone = sum(seen for pid, seen in self._seen_ticks.items() if pid not in ticks)
        # What the dead were last seen with has moved into a parent's reaped time, except where nobody waited.
        self._gone_ticks += max(0, gone - max(0, reaped_now - self._reaped_before))
        self._reaped_before = reaped_now
        self._seen_ticks = ticks
        return sum(ticks.values()) + self._gone_ticks

    def _io(self, members: list[ProcessStat]) -> tuple[int, int]:
        """Bytes read from and written to storage since the start, of processes that have ended too."""
        current: dict[int, tuple[int, int]] = {}
        for member in members:
            try:
                with open(f"{self._proc}/{member.pid}/io", "rb") as stream:  # noqa: PTH123
                    fields = dict(line.split(b": ") for line in stream.read().splitlines())
                current[member.pid] = int(fields[b"read_bytes"]), int(fields[b"write_bytes"])
            except (OSError, ValueError, KeyError):
                continue
        gone = [seen for pid, seen in self._seen_io.items() if pid not in current]
        self._gone_io = (
            self._gone_io[0] + sum(read for read, _ in gone),
            self._gone_io[1] + sum(written for _, written in gone),
        )
        self._seen_io = current
        return (
            sum(read for read, _ in current.values()) + self._gone_io[0],
            sum(written for _, written in current.values()) + self._gone_io[1],
        )

    def _rated(self, series: Series, total: float, now_ns: int) -> None:
        value = self._rates[series].update(total, now_ns)
        if value is not None:
            self._emit(series, value, now_ns)
