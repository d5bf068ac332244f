"""Stops an app that fills the agent's disk: it has a limit, and part of every disk stays free.

Reading how full a disk is takes microseconds and is done often. What the app has written is counted at the first check,
and then after a disk has become fuller, so that an app that writes little is not disturbed. It is counted now and then
regardless: what others remove meanwhile can hide what the app writes.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from profileapp.record.tree_size import Size, tree_size

DEFAULT_LIMIT_BYTES = 4 * 1024**3
RESERVE_BYTES = 512 * 1024**2
RESERVE_PART = 20
"""On a disk smaller than 10 GiB a twentieth stays free."""
INTERVAL_S = 0.5
_COST_PART = 20
"""Counting takes at most a twentieth of the time."""
_RECOUNT_S = 15.0
_SLOW_INTERVAL_S = 10.0
"""Used if the containers' disk is not this machine's: its usage cannot be read, so every check has to count."""
_STOP_TIMEOUT_S = 2.0


class DiskWatch:
    """Watches one start of an app. `exceeded` reports that it wrote too much, `failure` that a disk is nearly full.

    `folders` are this machine's folders that the app writes to; `containers` returns what the app and its services
    wrote elsewhere; `disks` are folders on the disks that hold all of it. `changed` is called once, by another thread.
    """

    def __init__(
        self,
        limit_bytes: int,
        folders: Sequence[Path],
        disks: Sequence[Path],
        containers: Callable[[], Size],
        changed: Callable[[], None],
        *,
        sees_all_disks: bool = True,
    ) -> None:
        self.exceeded = ""
        self.failure = ""
        self._limit_bytes = limit_bytes
        self._folders = folders
        self._containers = containers
        self._changed = changed
        self._interval_s = INTERVAL_S if sees_all_disks else _SLOW_INTERVAL_S
        self._counts_always = not sees_all_disks
        # One per file system.
        self._disks = list({each.stat().st_dev: each for each in (*folders, *disks) if each.exists()}.values())
        self._free_at_start = {disk: _free_bytes(disk) for disk in self._disks}
        self._used_at_start = self._used()
        self._used_when_counted = self._used_at_start
        self._count_at_s = 0.0
        # Services may have written before: the first check counts.
        self._recount_at_s = 0.0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="disk-watch", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """May be called twice. Does not wait for a daemon that does not respond."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(_STOP_TIMEOUT_S)

    def finish(self) -> None:
        """Checks one last time after the app has ended, as a fast app may have ended between two checks."""
        self.stop()
        self._count_at_s = 0.0
        if not self._counts_always:
            self.check()

    def check(self) -> None:
        """Checks once."""
        used = self._used()
        nearly_full = next((text for disk in self._disks if (text := self._nearly_full(disk))), "")
        grown = any(now > before + self._step_bytes for now, before in zip(used, self._used_when_counted, strict=True))
        began_s = time.monotonic()
        is_due = nearly_full or grown or self._counts_always or began_s >= self._recount_at_s
        if not is_due or began_s < self._count_at_s:
            return
        written = self._written(used)
        self._used_when_counted = used
        ended_s = time.monotonic()
        self._count_at_s = ended_s + _COST_PART * (ended_s - began_s)
        self._recount_at_s = ended_s + _RECOUNT_S
        if written > self._limit_bytes:
            self.exceeded = (
                f"the app wrote {_shown(written)} to the agent's disk, more than the {_shown(self._limit_bytes)} of "
                "--disk-limit"
            )
        elif nearly_full:
            self.failure = f"{nearly_full}; the app wrote {_shown(written)} of the used space"

    @property
    def _step_bytes(self) -> int:
        return min(self._limit_bytes // 16, RESERVE_BYTES // 4)

    def _watch(self) -> None:
        while not self._stop.wait(self._interval_s):
            self.check()
            if self.exceeded or self.failure:
                self._changed()
                return

    def _written(self, used: Sequence[int]) -> int:
        size = sum((tree_size(folder) for folder in self._folders), self._containers())
        if size.whole:
            return size.bytes
        # What cannot be counted still takes space on one of the disks.
        grown = sum(max(0, now - before) for now, before in zip(used, self._used_at_start, strict=True))
        return max(size.bytes, grown)

    def _nearly_full(self, disk: Path) -> str:
        """How full the disk is if less than the reserve is free; else "".

        An agent that started with little free space may use half of that.
        """
        reserve = min(RESERVE_BYTES, _size_bytes(disk) // RESERVE_PART, self._free_at_start[disk] // 2)
        free = _free_bytes(disk)
        return f"the disk of {disk} is nearly full: {_shown(free)} free" if free < reserve else ""

    def _used(self) -> list[int]:
        return [_used_bytes(disk) for disk in self._disks]


def _used_bytes(path: Path) -> int:
    try:
        found = os.statvfs(path)
    except OSError:
        return 0
    return (found.f_blocks - found.f_bfree) * found.f_frsize


def _free_bytes(path: Path) -> int:
    try:
        found = os.statvfs(path)
    except OSError:
        return 0
    return found.f_bavail * found.f_frsize


def _size_bytes(path: Path) -> int:
    try:
        found = os.statvfs(path)
    except OSError:
        return 0
    return found.f_blocks * found.f_frsize


def _shown(number: int) -> str:
    return f"{number / 1024**3:.2f} GiB" if number >= 1024**3 // 10 else f"{number / 1024**2:.1f} MiB"
