"""The init that a container runtime adds: process 1 of the container, which is not part of the app."""

from __future__ import annotations

from pathlib import Path

_NAMES = frozenset({b"docker-init", b"tini", b"catatonit"})


def is_runtime_init(proc: Path, pid: int) -> bool:
    """Whether the process is an init added by the runtime, not one of the app's image."""
    try:
        return (proc / str(pid) / "comm").read_bytes().strip() in _NAMES
    except OSError:
        return False
