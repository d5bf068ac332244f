"""The state of an agent that survives a crash: one lock, and one file and one scratch folder per active run.

`PROFILEAPP_STATE` names the folder. The default is `/var/lib/profileapp` for root; for others it is
`~/.local/state/profileapp` (below the home in the user database) or `/var/tmp/profileapp-UID`. It is on a disk, as
apps write to it, and does not depend on a build's environment. The lock is then in `/run/lock` (or `/tmp`), so that
all users of an agent exclude one another.
"""

from __future__ import annotations

import fcntl
import os
import pwd
import re
import secrets
import stat
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from datetime import datetime, timezone
from pathlib import Path

import msgspec

from profileapp.errors import AgentError
from profileapp.record.tree import remove_tree

STATE_VARIABLE = "PROFILEAPP_STATE"
LOCK_NAME = "profileapp.lock"
RUN_ID = re.compile(r"\d{8}T\d{6}-[0-9a-f]{8}", re.ASCII)
_RUN_SUFFIX, _NEW_SUFFIX, _SET_ASIDE_SUFFIX = ".run", ".new", ".set-aside"
_UNBORN_S = 3600.0
_RUNTIME_LIMIT_BYTES = 100
_SOCKET_PATH_LIMIT_BYTES = 107
_LONGEST_IN_FOLDER = "/20261231T235959-00000000/app/.metrics.sock"


class DeadRun(msgspec.Struct, frozen=True):
    """A run that was never completed. `runtime` names the runtime it used, "" if unknown."""

    id: str
    runtime: str


class State(msgspec.Struct, frozen=True):
    """The folder of this user's runs, and the path of the agent's lock."""

    folder: Path
    lock_path: Path

    def begin_run(self, runtime: str = "") -> LiveRun:
        """Begins a run: its id, its scratch folder (0700), and its file, locked for as long as this process lives.

        `runtime` is the runtime that starts it, and that can remove its resources.

        Raises AgentError.
        """
        run_id = new_run_id()
        new, path, scratch = self.folder / f"{run_id}{_NEW_SUFFIX}", self._file_of(run_id), self.scratch_of(run_id)
        descriptor = -1
        try:
            descriptor = os.open(new, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.write(descriptor, runtime.encode())
            # The file is locked before it gets its name, so that no sweep mistakes a starting run for a dead one.
            new.rename(path)
            scratch.mkdir(mode=0o700)
        except OSError as error:
            if descriptor >= 0:
                for each in (new, path):
                    each.unlink(missing_ok=True)
                os.close(descriptor)
            raise AgentError(f"{self.folder}: cannot be written ({error.strerror}); set {STATE_VARIABLE}") from error
        return LiveRun(run_id, scratch, path, descriptor)

    def scratch_of(self, run_id: str) -> Path:
        """The scratch folder of a run."""
        return self.folder / run_id

    def dead_runs(self) -> Iterator[DeadRun]:
        """The runs whose process is gone and did not end them."""
        self._remove_unborn()
        for run_id in self._ids(_RUN_SUFFIX):
            try:
                descriptor = os.open(self._file_of(run_id), os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
            except OSError:
                continue
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                yield DeadRun(run_id, os.read(descriptor, _RUNTIME_LIMIT_BYTES).decode(errors="replace"))
            except BlockingIOError:
                continue
            finally:
                os.close(descriptor)

    def forget(self, run_id: str, remove: Callable[[Path], None] = remove_tree) -> None:
        """Removes the scratch folder of a dead run, then its file. Raises OSError, and what `remove` raises."""
        remove(self.scratch_of(run_id))
        self._file_of(run_id).unlink(missing_ok=True)

    def set_aside(self, run_id: str) -> Path:
        """Moves a scratch folder that cannot be removed out of the way of later runs. Returns its new path.

        Raises OSError.
        """
        aside = self.folder / f"{run_id}{_SET_ASIDE_SUFFIX}"
        self.scratch_of(run_id).rename(aside)
        self._file_of(run_id).unlink(missing_ok=True)
        return aside

    def set_aside_folders(self) -> tuple[tuple[str, Path], ...]:
        """Folders that were set aside and still exist: the run's id, and the folder."""
        return tuple((run_id, self.folder / f"{run_id}{_SET_ASIDE_SUFFIX}") for run_id in self._ids(_SET_ASIDE_SUFFIX))

    def _remove_unborn(self) -> None:
        """Files of runs whose process was killed between creating the file and naming it."""
        for run_id in self._ids(_NEW_SUFFIX):
            path = self.folder / f"{run_id}{_NEW_SUFFIX}"
            with suppress(OSError):
                if time.time() - path.lstat().st_mtime > _UNBORN_S:
                    path.unlink()

    def _file_of(self, run_id: str) -> Path:
        return self.folder / f"{run_id}{_RUN_SUFFIX}"

    def _ids(self, suffix: str) -> list[str]:
        """Ids in the names with this suffix; files with any other name are never touched."""
        names = (path.name.removesuffix(suffix) for path in self.folder.glob(f"*{suffix}"))
        return sorted(name for name in names if RUN_ID.fullmatch(name))


class LiveRun:
    """A run in progress since `started_ns` (UTC ns since 1970). No sweep removes it while this process lives."""

    def __init__(self, run_id: str, scratch: Path, path: Path, descriptor: int) -> None:
        self.id = run_id
        self.scratch = scratch
        self.started_ns = time.time_ns()
        self._path = path
        self._descriptor = descriptor

    def end(self, remove: Callable[[Path], None] = remove_tree) -> None:
        """Removes the scratch folder and releases the run. If something cannot be removed, a later run sweeps it.

        Raises OSError, and what `remove` raises; the run is released then, too.
        """
        try:
            remove(self.scratch)
            self._path.unlink(missing_ok=True)
        finally:
            self.release()

    def release(self) -> None:
        """Ends the run, but leaves its resources to a sweep."""
        os.close(self._descriptor)


def new_run_id() -> str:
    """The id of a run that begins now: `20261231T235959-0123abcd`; ids sort by time."""
    return f"{datetime.now(timezone.utc):%Y%m%dT%H%M%S}-{secrets.token_hex(4)}"


def open_state(environ: Mapping[str, str]) -> State:
    """The state of this user on this agent; creates its folder. Raises AgentError if other users can write to it."""
    named = environ.get(STATE_VARIABLE)
    if named:
        folder = _made(Path(named).absolute())
        return State(folder, folder / LOCK_NAME)
    shared = Path("/run/lock")
    lock_path = (shared if shared.is_dir() and os.access(shared, os.W_OK) else Path("/tmp")) / LOCK_NAME  # noqa: S108
    *preferred, last = default_folders(os.getuid())
    for folder in preferred:
        with suppress(AgentError):
            return State(_made(folder), lock_path)
    return State(_made(last), lock_path)


def default_folders(uid: int) -> list[Path]:
    """Candidate folders, the preferred one first. A user's home may not exist, be read-only, or have a long path."""
    folders = [Path(f"/var/tmp/profileapp-{uid}")]  # noqa: S108  (its owner is checked)
    if uid == 0:
        return [Path("/var/lib/profileapp"), *folders]
    with suppress(KeyError):
        folders.insert(0, Path(pwd.getpwuid(uid).pw_dir) / ".local/state/profileapp")
    return [*(folder for folder in folders[:-1] if _fits_socket_paths(folder)), folders[-1]]


def _fits_socket_paths(folder: Path) -> bool:
    return len(os.fsencode(f"{folder}{_LONGEST_IN_FOLDER}")) <= _SOCKET_PATH_LIMIT_BYTES


def _made(folder: Path) -> Path:
    uid = os.getuid()
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = folder.lstat()
    except OSError as error:
        raise AgentError(f"{folder}: cannot be created ({error.strerror}); set {STATE_VARIABLE}") from error
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != uid or (status.st_mode & 0o022):
        raise AgentError(f"{folder}: must be a folder that only user {uid} may write to; set {STATE_VARIABLE}")
    return folder
