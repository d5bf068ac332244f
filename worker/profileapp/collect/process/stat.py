"""`/proc/PID/stat`: a process's identity and resource use. Source: proc_pid_stat(5)."""

from __future__ import annotations

from pathlib import Path

import msgspec

_STATES_OF_THE_DEAD = (b"Z", b"X", b"x")


class ProcessStat(msgspec.Struct, frozen=True):
    """One process: its CPU time and that of children it has waited for (`reaped`), in clock ticks.

    `state` is a letter (`R`, `S`, `Z`); `started_ticks`, since boot, distinguishes it from a later one with the same
    PID.
    """

    pid: int
    state: bytes
    parent: int
    session: int
    own_ticks: int
    reaped_ticks: int
    threads: int
    started_ticks: int
    resident_pages: int

    @property
    def is_dead(self) -> bool:
        """Whether it has ended and its parent has yet to wait for it."""
        return self.state in _STATES_OF_THE_DEAD


def parse_stat(content: bytes) -> ProcessStat:
    """Parses `7 (name) S 1 7 7 …`; the name may contain spaces, parentheses and newlines. Raises ValueError."""
    head, _, tail = content.rpartition(b")")
    fields = tail.split()
    if len(fields) < 22:
        raise ValueError("not a /proc/PID/stat")
    number = [int(field) for field in fields[1:22]]
    return ProcessStat(
        pid=int(head.split(b" ", 1)[0]),
        state=fields[0],
        parent=number[0],
        session=number[2],
        own_ticks=number[10] + number[11],
        reaped_ticks=number[12] + number[13],
        threads=number[16],
        started_ticks=number[18],
        resident_pages=number[20],
    )


def read_stat(proc: Path, pid: int | str) -> ProcessStat | None:
    """The stat of a process; None if it does not exist."""
    try:
        with open(f"{proc}/{pid}/stat", "rb", buffering=0) as stream:  # noqa: PTH123  (a Path costs more than the read)
            return parse_stat(stream.read(4096))
    except (OSError, ValueError):
        return None


def has_ended(proc: Path, pid: int) -> bool:
    """Whether a process is gone or a zombie."""
    stat = read_stat(proc, pid)
    return stat is None or stat.is_dead
