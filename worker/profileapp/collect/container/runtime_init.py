"""The init that a container runtime puts before an app: process 1 of the container, and no part of the app."""

from __future__ import annotations

from pathlib import Path

_NAMES = frozenset({b"docker-init", b"tini", b"catatonit"})


def is_runtime_init(proc: Path, pid: int) -> bool:
    """Whether the process is an init that the runtime brought, in which the app had no say."""
    try:
        return (proc / str(pid) / "comm").read_bytes().strip() in _NAMES
    except OSError:
        return False
