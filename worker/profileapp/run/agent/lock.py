"""Allows one profile at a time on an agent: two would measure each other."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from profileapp.errors import AgentError
from profileapp.model.clock import format_utc
from profileapp.model.text import printable

POLL_S = 0.25
REPORT_INTERVAL_S = 30.0
_HOLDER_LIMIT_BYTES = 4096


class Holder(msgspec.Struct, frozen=True):
    """The run that holds the agent's lock. `since_ns` is UTC nanoseconds since 1970."""

    run_id: str
    job: str
    pid: int
    since_ns: int

    def __str__(self) -> str:
        job = f" of job {printable(self.job)}" if self.job else ""
        try:
            since = f" since {format_utc(self.since_ns)[:19]}Z"
        except (ValueError, OverflowError, OSError):
            since = ""
        return f"run {printable(self.run_id)}{job} (process {self.pid}){since}"


@contextmanager
def agent_lock(
    path: Path, holder: Holder, waiting: Callable[[str], None], stopped: Callable[[], bool]
) -> Iterator[bool]:
    """Holds the agent's lock for the block; the kernel releases it however this process ends.

    While another run holds it, calls `waiting` at once and every REPORT_INTERVAL_S seconds. Yields False if `stopped`
    returned True before the lock was free. Raises AgentError if the lock cannot be opened or created.
    """
    descriptor = open_lock(path)
    try:
        acquired = _acquire(descriptor, waiting, stopped)
        if acquired:
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, msgspec.json.encode(holder), 0)
        yield acquired
        if acquired:
            os.ftruncate(descriptor, 0)
    finally:
        os.close(descriptor)


def _acquire(descriptor: int, waiting: Callable[[str], None], stopped: Callable[[], bool]) -> bool:
    report_at_s = 0.0
    while not stopped():
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= report_at_s:
                report_at_s = time.monotonic() + REPORT_INTERVAL_S
                waiting(f"waiting for {_holder_text(descriptor)}")
            time.sleep(POLL_S)
        else:
            return True
    return False


def _holder_text(descriptor: int) -> str:
    """Describes the lock's holder. Other users can write to the lock file: its content is checked and escaped."""
    try:
        return str(msgspec.json.decode(os.pread(descriptor, _HOLDER_LIMIT_BYTES, 0), type=Holder))
    except (OSError, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return "another run on this agent"


def open_lock(path: Path) -> int:
    """A descriptor of a lock that all users of the agent share. Raises AgentError if it cannot be opened or created."""
    flags = os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        # First without O_CREAT: in a sticky folder the kernel may refuse that for another user's file
        # (fs.protected_regular, proc_sys_fs(5)).
        return os.open(path, flags)
    except FileNotFoundError:
        pass
    except OSError as error:
        raise AgentError(f"{path}: the agent's lock cannot be opened ({error.strerror})") from error
    try:
        descriptor = os.open(path, flags | os.O_CREAT, 0o666)
        if os.fstat(descriptor).st_uid == os.getuid():
            os.fchmod(descriptor, 0o666)
    except OSError as error:
        raise AgentError(f"{path}: the agent's lock cannot be created ({error.strerror})") from error
    return descriptor
