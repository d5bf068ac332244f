"""Finds the processes that belong to the app."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from profileapp.collect.api import AppHandle
from profileapp.collect.process.family import Family
from profileapp.collect.process.stat import read_stat
from profileapp.errors import AppEnded, Unavailable


class AppProcesses:
    """The processes in the app's container; without a container, the app's process and its descendants.

    Raises AppEnded if the app is gone, and Unavailable if its processes are not visible from here.
    """

    def __init__(self, app: AppHandle, proc: Path) -> None:
        self._proc = proc
        self._container_id = app.container_id.encode()
        self._family: Family | None = None
        first = read_stat(proc, app.pid)
        if first is None or first.is_dead:
            raise AppEnded
        if not app.container_id:
            self._family = Family(first, proc)
        elif not self._in_container(app.pid):
            # A worker that runs in a container may see another process under the same PID.
            raise Unavailable("the container's processes are not visible from here")

    def among(self, pids: Iterable[int], now_ns: int) -> frozenset[int]:
        """The PIDs among `pids` that currently belong to the app."""
        if self._family is not None:
            # Scan every time, even without pids: a process that was seen once stays known after its parent has ended.
            members = {member.pid for member in self._family.scan(now_ns)}
            return frozenset(pid for pid in pids if pid in members)
        return frozenset(pid for pid in pids if self._in_container(pid))

    def _in_container(self, pid: int) -> bool:
        try:
            return self._container_id in (self._proc / str(pid) / "cgroup").read_bytes()
        except OSError:
            return False
