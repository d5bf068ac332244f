"""Lets a run know that `profileapp live` watches the agent meanwhile, and a watcher that a run measures.

Watchers hold a shared lock on a file next to the agent's lock; the kernel releases it however they end.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from profileapp.errors import AgentError
from profileapp.run.agent.lock import open_lock

_SUFFIX = ".watched"


@contextmanager
def watching(lock_path: Path) -> Iterator[None]:
    """Marks the agent with this lock as watched for the block. Raises AgentError if the file cannot be created."""
    descriptor = open_lock(_file_of(lock_path))
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        yield
    finally:
        os.close(descriptor)


def is_watched(lock_path: Path) -> bool:
    """Whether a `profileapp live` watches the agent now; False where that cannot be read."""
    path = _file_of(lock_path)
    try:
        if not path.exists():
            return False
        descriptor = open_lock(path)
    except (AgentError, OSError):
        return False
    return _is_taken(descriptor, fcntl.LOCK_EX)


def is_measuring(lock_path: Path) -> bool:
    """Whether a run holds the agent's lock. Takes the lock for a moment only where a run seems to hold it."""
    try:
        # A run writes who it is into the lock's file for as long as it holds it.
        if not lock_path.stat().st_size:
            return False
        descriptor = open_lock(lock_path)
    except (AgentError, OSError):
        return False
    return _is_taken(descriptor, fcntl.LOCK_SH)


def _is_taken(descriptor: int, operation: int) -> bool:
    try:
        fcntl.flock(descriptor, operation | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def _file_of(lock_path: Path) -> Path:
    return lock_path.with_name(lock_path.name + _SUFFIX)
