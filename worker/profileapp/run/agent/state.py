"""Where an agent keeps what outlives a crash: one lock, and one file and one scratch folder for each run under way.

`PROFILEAPP_STATE` names the folder. Left out, root has `/run/profileapp`, others `$XDG_RUNTIME_DIR/profileapp` or
`/tmp/profileapp-UID`; the lock is then in `/run/lock` (or `/tmp`), so that all users of an agent exclude one another.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import shutil
import stat
import time
from collections.abc import Iterator, Mapping
from datetime import datetime, timezone
from pathlib import Path

import msgspec

from profileapp.errors import AgentError

STATE_VARIABLE = "PROFILEAPP_STATE"
LOCK_NAME = "profileapp.lock"
_RUN_SUFFIX = ".run"


class State(msgspec.Struct, frozen=True):
    """The folder of this user's runs, and the path of the agent's lock."""

    folder: Path
    lock_path: Path

    def begin_run(self) -> LiveRun:
        """A new run: its id, its scratch folder (0700), and its file, locked for as long as this process lives.

        Raises AgentError.
        """
        run_id = f"{datetime.now(timezone.utc):%Y%m%dT%H%M%S}-{secrets.token_hex(4)}"
        path = self.folder / f"{run_id}{_RUN_SUFFIX}"
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            scratch = self.scratch_of(run_id)
            scratch.mkdir(mode=0o700)
        except OSError as error:
            raise AgentError(f"{self.folder}: cannot be written ({error.strerror}); set {STATE_VARIABLE}") from error
        return LiveRun(run_id, scratch, path, descriptor)

    def scratch_of(self, run_id: str) -> Path:
        """The scratch folder of a run."""
        return self.folder / run_id

    def dead_runs(self) -> Iterator[str]:
        """Ids of the runs whose process has gone without ending them."""
        for path in sorted(self.folder.glob(f"*{_RUN_SUFFIX}")):
            try:
                descriptor = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
            except OSError:
                continue
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                yield path.name.removesuffix(_RUN_SUFFIX)
            except BlockingIOError:
                continue
            finally:
                os.close(descriptor)

    def forget(self, run_id: str) -> None:
        """Removes the scratch folder and the file of a dead run."""
        shutil.rmtree(self.scratch_of(run_id), ignore_errors=True)
        (self.folder / f"{run_id}{_RUN_SUFFIX}").unlink(missing_ok=True)


class LiveRun:
    """A run under way since `started_ns` (UTC ns since 1970). Nobody sweeps it up while this process lives."""

    def __init__(self, run_id: str, scratch: Path, path: Path, descriptor: int) -> None:
        self.id = run_id
        self.scratch = scratch
        self.started_ns = time.time_ns()
        self._path = path
        self._descriptor = descriptor

    def end(self) -> None:
        """Removes the scratch folder and lets go of the run."""
        shutil.rmtree(self.scratch, ignore_errors=True)
        self._path.unlink(missing_ok=True)
        os.close(self._descriptor)


def open_state(environ: Mapping[str, str]) -> State:
    """The state of this user on this agent; makes its folder. Raises AgentError where it is not ours alone."""
    named = environ.get(STATE_VARIABLE)
    uid = os.getuid()
    if named:
        folder = Path(named).absolute()
        lock_path = folder / LOCK_NAME
    else:
        runtime_folder = environ.get("XDG_RUNTIME_DIR")
        if uid == 0:
            folder = Path("/run/profileapp")
        elif runtime_folder and Path(runtime_folder).is_dir():
            folder = Path(runtime_folder) / "profileapp"
        else:
            folder = Path(f"/tmp/profileapp-{uid}")  # noqa: S108  (checked below to be ours)
        shared = Path("/run/lock")
        lock_path = (shared if shared.is_dir() and os.access(shared, os.W_OK) else Path("/tmp")) / LOCK_NAME  # noqa: S108
    try:
        folder.mkdir(mode=0o700, parents=bool(named), exist_ok=True)
        status = folder.lstat()
    except OSError as error:
        raise AgentError(f"{folder}: cannot be made ({error.strerror}); set {STATE_VARIABLE}") from error
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != uid or (status.st_mode & 0o022):
        raise AgentError(f"{folder}: must be a folder that only user {uid} may write to; set {STATE_VARIABLE}")
    return State(folder, lock_path)
