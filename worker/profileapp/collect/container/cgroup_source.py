"""The app's own resource use, from the files of its container's cgroup (v1, v2, or both side by side)."""

from __future__ import annotations

import errno
import time
from collections.abc import Iterable
from pathlib import Path

from profileapp.collect.api import AppHandle, BaseCollector, Emit, LaunchRequirements, RunContext
from profileapp.collect.container import series as names
from profileapp.collect.container.cgroup import find_cgroup, is_of_a_run
from profileapp.collect.container.readers.network import Network
from profileapp.collect.container.readers.reader import ContainerFiles, FileReader, Reader
from profileapp.collect.container.readers.storage import ProcessIo
from profileapp.collect.container.readers.table import CGROUP_READERS, IO_READERS_V1
from profileapp.collect.container.runtime_init import is_runtime_init
from profileapp.collect.process.stat import has_ended
from profileapp.errors import AppEnded, Unavailable

# Errors of reading a file whose cgroup or process is gone.
_GONE = frozenset({errno.ENODEV, errno.ENOENT, errno.ESRCH})


class ContainerCgroup(BaseCollector):
    """Series `container.*` of a container, read from its cgroup and its network namespace."""

    metric = "container"
    source = "cgroup"
    series = (
        names.CPU,
        names.CPU_USER,
        names.CPU_SYSTEM,
        names.CPU_THROTTLED,
        names.MEMORY_USED,
        names.MEMORY_CACHE,
        names.IO_READ,
        names.IO_WRITE,
        names.NETWORK_RECEIVED,
        names.NETWORK_SENT,
        names.PROCESSES,
        names.CPU_PRESSURE,
        names.MEMORY_PRESSURE,
        names.IO_PRESSURE,
        *names.CGROUP_TOTALS,
    )
    preference = 20
    min_interval_s = 0.01

    def __init__(self, proc: Path = Path("/proc"), root: Path = Path("/")) -> None:
        self._proc = proc
        self._root = root
        self._readers: list[Reader] = []
        self._warned = False

    def open(self, run: RunContext, emit: Emit) -> LaunchRequirements:
        if not run.contained:
            raise Unavailable("the app is a process of the host, not a container")
        self._emit, self._warn = emit, run.warn
        return LaunchRequirements()

    def attach(self, app: AppHandle) -> None:
        self.detach()
        try:
            folders = find_cgroup(app.pid, self._proc, self._root)
        except OSError as error:
            raise AppEnded("the app has already ended, or its process is not visible from here") from error
        # A cgroup shared with other processes would attribute their use to the app.
        own = {controller: folder for controller, folder in folders.items() if app.container_id in str(folder)}
        if not app.container_id or not own:
            if has_ended(self._proc, app.pid):
                raise AppEnded
            raise Unavailable("no separate cgroup of the container is mounted here")
        init = 1 if is_runtime_init(self._proc, app.pid) else 0
        lasting = {controller: folder.parent for controller, folder in own.items() if is_of_a_run(folder.parent.name)}
        container = ContainerFiles(self._proc, app.pid, own, init, lasting)
        for choices in CGROUP_READERS:
            self._add_first(container, choices)
        if not self._readers:
            raise Unavailable("the container's cgroup has no readable files")
        if "blkio" in own:
            self._add_io_v1(container)
        self._add_first(container, (Network,))
        self.sample(time.monotonic_ns())

    def _add_io_v1(self, container: ContainerFiles) -> None:
        """Adds I/O: cgroup v1 does not count writes through the page cache, so these come from the processes."""
        accounts = ProcessIo.open(container, self._emit)
        if accounts:
            self._readers.append(accounts)
            return
        # The controller still counts reads.
        self._add_first(container, IO_READERS_V1)
        if not self._warned:
            self._warned = True
            self._warn("container.io.write: cgroup v1 does not measure it, and only root may read /proc/PID/io")

    def sample(self, now_ns: int) -> None:
        failure: OSError | None = None
        for reader in self._readers:
            try:
                reader.read(now_ns)
            except OSError as error:
                if error.errno in _GONE:
                    return
                # The other files' samples are still useful.
                failure = error
        if failure:
            raise failure

    def finish(self, now_ns: int) -> None:
        for reader in self._readers:
            reader.finish(now_ns)

    def detach(self) -> None:
        for reader in self._readers:
            reader.close()
        self._readers = []

    def close(self) -> None:
        self.detach()

    def _add_first(self, container: ContainerFiles, choices: Iterable[type[FileReader]]) -> None:
        """Adds the first of the choices whose files all exist."""
        opened = (choice.open(container, self._emit) for choice in choices)
        reader = next(filter(None, opened), None)
        if reader:
            self._readers.append(reader)
