"""The file of a unix socket, which appears only once it is usable."""

from __future__ import annotations

import socket
from pathlib import Path


def bind_for_all(made: socket.socket, path: Path, backlog: int = 0) -> tuple[int, int]:
    """Binds to `path`, replacing any file there. Returns the file's device and inode, which identify it later.

    Every process that can reach it may write: the app may run as any user of its container. With a `backlog` it
    listens; until then the file has another name. Raises OSError.
    """
    hidden = path.with_name(f".{path.name}")
    hidden.unlink(missing_ok=True)
    made.bind(str(hidden))
    hidden.chmod(0o666)
    if backlog:
        made.listen(backlog)
    hidden.replace(path)
    return file_id(path)


def file_id(path: Path) -> tuple[int, int]:
    """Device and inode of a file, without following links; (0, 0) if it does not exist."""
    try:
        status = path.lstat()
    except OSError:
        return 0, 0
    return status.st_dev, status.st_ino
