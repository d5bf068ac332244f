"""One container of a run, from its creation to its removal.

`totals` are what it used, after `remove`. Its cgroup is below `cgroup`, or not counted for the reason `no_cgroup`.
`is_local`: the daemon has this machine's clock.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import docker
from docker.errors import NotFound

from profileapp.collect.api import AppHandle
from profileapp.collect.container.totals import CpuTimes
from profileapp.model.clock import parse_utc
from profileapp.model.run import Totals
from profileapp.record.tree_size import Size, tree_size
from profileapp.run.docker.image import GONE, one_line, short
from profileapp.run.last_counts import LastCounts
from profileapp.run.launch import Exit
from profileapp.run.run_cgroup import RunCgroup, unknown_totals
from profileapp.run.start_watch import StartWatch

OUTPUT_END_TIMEOUT_S = 10.0
DAEMON_CHECKS = 8
DAEMON_CHECK_EVERY_S = 0.25
_TINI_COMPLAINT = b"[FATAL tini"
_COMPLAINT_LIMIT_BYTES = 400
_REMOVED = "the container was removed by another user or program while it ran"


class Container:
    """One container, from its creation to its removal."""

    def __init__(
        self,
        api: docker.APIClient,
        container_id: str,
        output: Callable[[bytes], None],
        exited: Callable[[], None],
        cgroup: RunCgroup | None = None,
        no_cgroup: str = "",
        *,
        is_local: bool = False,
    ) -> None:
        self.totals: Totals | None = None
        self._cgroup = cgroup
        self._no_cgroup = no_cgroup
        self._is_local = is_local
        self._start_used: CpuTimes | None = None
        self._last_counts: LastCounts | None = None
        self.handle: AppHandle | None = None
        self.exit: Exit | None = None
        self._api = api
        self._id = container_id
        self._output = output
        self._exited = exited
        self._first_output = b""
        self._ended_by_us = False
        self._reader = threading.Thread(target=self._read, name="app-output", daemon=True)

    def start(self) -> None:
        # Attached before the start, so that no line is lost.
        self._stream = self._api.attach(self._id, stdout=True, stderr=True, stream=True, logs=False)
        watch = StartWatch(self._cgroup) if self._cgroup else None
        try:
            self._api.start(self._id)
        finally:
            self._start_used = watch.end() if watch else None
        self._reader.start()
        threading.Thread(target=self._await_exit, name="app-exit", daemon=True).start()
        with suppress(*GONE):
            pid = self._api.inspect_container(self._id)["State"]["Pid"]
            if pid:
                self.handle = AppHandle(pid, self._id)
                if self._cgroup:
                    self._last_counts = LastCounts(self._cgroup, pid)

    def written(self) -> Size:
        """The size of its layer, and of volumes that its image declares."""
        try:
            found = self._api.containers(all=True, size=True, filters={"id": self._id})
        except GONE:
            return Size(0, whole=False)
        size = Size()
        for each in found:
            size += Size(int(each.get("SizeRw") or 0))
            volumes = [mount for mount in each.get("Mounts") or () if mount.get("Type") == "volume"]
            for mount in volumes:
                size += _volume_size(str(mount.get("Source") or ""))
        return size

    def refuse(self, reason: str) -> None:
        """The app was created, but could not be started."""
        self._end(Exit(refused=reason))

    def terminate(self) -> None:
        self._ended_by_us = True
        with suppress(*GONE):
            self._api.kill(self._id, signal.SIGTERM)

    def kill(self) -> None:
        self._ended_by_us = True
        with suppress(*GONE):
            self._api.kill(self._id, signal.SIGKILL)

    def remove(self) -> str:
        problem = self._remove()
        if self._cgroup is None:
            if self._no_cgroup:
                self.totals = unknown_totals(self._no_cgroup)
            return problem
        # Read after its processes are gone, so that it includes the last use of each.
        if self.totals is None:
            self.totals = self._read_totals(self._cgroup)
        left_behind = self._cgroup.remove()
        return problem or (f"{left_behind}; the next run will" if left_behind else "")

    def _read_totals(self, cgroup: RunCgroup) -> Totals:
        totals = cgroup.read(self._start_used)
        return self._last_counts.added_to(totals) if self._last_counts else totals

    def _remove(self) -> str:
        try:
            self._api.remove_container(self._id, force=True, v=True)
        except NotFound:
            pass
        except GONE as error:
            return f"container {self._id[:12]} could not be removed ({one_line(error)}); the next run will"
        if self._reader.is_alive():
            self._reader.join(OUTPUT_END_TIMEOUT_S)
        return ""

    def _read(self) -> None:
        with suppress(*GONE):
            for content in self._stream:
                # A line may arrive in several chunks.
                self._first_output += content[: _COMPLAINT_LIMIT_BYTES - len(self._first_output)]
                self._output(content)
        # The garbage collector may close its parts in an order about which Python 3.13 warns on stderr.
        with suppress(AttributeError, ValueError, *GONE):
            self._stream._response.close()  # type: ignore[attr-defined]

    def _await_exit(self) -> None:
        try:
            status = int(self._api.wait(self._id, timeout=None)["StatusCode"])
            state = self._api.inspect_container(self._id)["State"]
        except NotFound:
            self._end(Exit(lost=_REMOVED))
            return
        except GONE as error:
            self._end(Exit(lost=f"the Docker daemon went away while the app ran ({one_line(error)})"))
            return
        self._reader.join(OUTPUT_END_TIMEOUT_S)
        if status in (126, 127) and self._first_output.startswith(_TINI_COMPLAINT):
            complaint = self._first_output.decode("utf-8", errors="replace").splitlines()[0]
            self._end(Exit(exit_code=status, refused=f"the app could not be started: {short(complaint)}"))
            return
        number = status - 128 if 128 < status <= 128 + 64 else 0
        if number in (signal.SIGTERM, signal.SIGKILL) and not self._ended_by_us:
            if self._daemon_goes_away():
                self._end(Exit(exit_code=status, signal=number, lost="the Docker daemon was stopped while the app ran"))
                return
            # A busy daemon learns of an OOM kill later than of the container's end; and a removal by
            # force kills before it removes.
            try:
                state = self._api.inspect_container(self._id)["State"]
            except NotFound:
                state = {"Status": "removing"}
            except GONE:
                pass
            if state.get("Status") == "removing":
                self._end(Exit(exit_code=status, signal=number, lost=_REMOVED))
                return
        ended_ns = _ended_ns(state) if self._is_local else 0
        self._end(Exit(status, number, oom_killed=bool(state.get("OOMKilled")), ended_ns=ended_ns))

    def _daemon_goes_away(self) -> bool:
        """A daemon that is stopped ends its containers first, and responds for a moment longer."""
        for _ in range(DAEMON_CHECKS):
            time.sleep(DAEMON_CHECK_EVERY_S)
            try:
                self._api.ping()
            except GONE:
                return True
        return False

    def _end(self, exit_: Exit) -> None:
        self.exit = exit_
        self._exited()


def _ended_ns(state: Mapping[str, Any]) -> int:
    """When the container ended (UTC ns since 1970) by the daemon's clock; 0 where it does not say."""
    try:
        return max(0, parse_utc(str(state.get("FinishedAt") or "")))
    except ValueError:
        return 0


def _volume_size(source: str) -> Size:
    """The size of a volume's folder, if it is on this machine and this user can read it."""
    folder = Path(source)
    return tree_size(folder) if source and os.access(folder, os.R_OK | os.X_OK) else Size(0, whole=False)
