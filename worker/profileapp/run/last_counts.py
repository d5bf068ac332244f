"""Counts that are lost when a container ends: its CPU throttling, and under cgroup v1 its OOM kills and its I/O.

cgroup v1 itself counts only a part of the I/O.

The container's init is stopped at the start of its exit, while a few files are read. The I/O of each process is added
to that of the process that waits for it, and so finally to that of the init. Sources: proc_pid_io(5); Linux kernel
documentation, "cgroup-v1/memory".
"""

from __future__ import annotations

import threading
from contextlib import suppress
from pathlib import Path

import msgspec

from profileapp.collect.container.totals import read_throttled_s
from profileapp.collect.kernel_file import number_after
from profileapp.collect.process.exit_hold import ExitHold
from profileapp.collect.process.family import IoAccount, parse_io
from profileapp.model.run import Totals
from profileapp.run.run_cgroup import RunCgroup

_END_LIMIT_S = 2.0
_PAUSE_S = 0.05


class LastCounts:
    """Reads the last counts of the container whose init is `pid`, in a thread.

    If this process may not trace the init, only throttling is known, except for the last moment.
    """

    def __init__(self, cgroup: RunCgroup, pid: int, proc: Path = Path("/proc")) -> None:
        self._cgroup = cgroup
        self._proc = proc
        self._pid = pid
        self._ending = threading.Event()
        self._moved: tuple[int, int] | None = None
        self._oom_kills: int | None = None
        self._throttled_s: float | None = None
        self._thread = threading.Thread(target=self._watch, name="last-counts", daemon=True)
        self._thread.start()

    def added_to(self, totals: Totals) -> Totals:
        """Adds the missing counts to the totals, after the end of the container."""
        self._ending.set()
        self._thread.join(_END_LIMIT_S)
        missing = dict(totals.missing)
        if self._moved and "io" in missing:
            del missing["io"]
            totals = msgspec.structs.replace(totals, io_read_bytes=self._moved[0], io_written_bytes=self._moved[1])
        if self._oom_kills is not None and "oom_kills" in missing:
            del missing["oom_kills"]
            totals = msgspec.structs.replace(totals, oom_kills=self._oom_kills)
        if self._throttled_s is not None and "cpu_throttled" in missing:
            del missing["cpu_throttled"]
            totals = msgspec.structs.replace(totals, cpu_throttled_s=self._throttled_s)
        return msgspec.structs.replace(totals, missing=missing)

    def _watch(self) -> None:
        # A worker in a container may see another process with the same PID.
        if self._pid not in set(self._cgroup.pids()):
            return
        init = ExitHold(self._pid)
        while not init.is_traced and not self._ending.wait(_PAUSE_S):
            self._read_throttled()
        try:
            if init.wait():
                self._read_throttled()
                if "blkio" in self._cgroup.folders():
                    self._moved = self._read_moved()
                    self._oom_kills = self._read_oom_kills()
        finally:
            init.release()

    def _read_throttled(self) -> None:
        # The quota and its counts belong to the container's cgroup; a parent cgroup has none.
        with suppress(OSError):
            self._throttled_s = read_throttled_s(self._of_container()) or self._throttled_s

    def _of_container(self) -> dict[str, Path]:
        """The folders of the container's own cgroup, by v1 controller and in the unified hierarchy."""
        folders = self._cgroup.folders()
        return {controller: each for controller in folders for each in folders[controller].iterdir() if each.is_dir()}

    def _read_moved(self) -> tuple[int, int] | None:
        moved = IoAccount(self._proc).total_bytes(set(self._cgroup.pids()))
        try:
            # I/O of the runtime before it became the init, and of the init itself, without that of its children.
            own = parse_io((self._proc / str(self._pid) / "task" / str(self._pid) / "io").read_bytes())
        except OSError:
            return None
        return (moved[0] - own[0], moved[1] - own[1]) if moved and own else None

    def _read_oom_kills(self) -> int | None:
        with suppress(OSError):
            folder = self._of_container().get("memory")
            # Since Linux 4.13.
            return number_after((folder / "memory.oom_control").read_bytes(), b"oom_kill ") if folder else None
        return None
