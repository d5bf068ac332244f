"""Opens and writes files in folders an app may have touched: no symlink is followed, no pipe is waited on."""

from __future__ import annotations

import os
import secrets
import stat
from pathlib import Path
from typing import BinaryIO

from profileapp.errors import AgentError


def open_regular(path: Path) -> BinaryIO:
    """Opens an ordinary file to read.

    Raises FileNotFoundError where there is none, AgentError where it is a symlink, a pipe or a device.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise AgentError(f"{path}: cannot be read ({error.strerror})") from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise AgentError(f"{path}: not an ordinary file, so it is not read")
    return os.fdopen(descriptor, "rb")


def create_new(path: Path) -> BinaryIO:
    """Creates a file that must not be there yet, and opens it unbuffered to write. Raises OSError."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
    return os.fdopen(descriptor, "wb", buffering=0)


def write_atomic(path: Path, content: bytes) -> None:
    """Puts `content` in place of whatever is at `path`, all at once: a reader sees the old file or the new one.

    Raises OSError; the old file then stands.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with create_new(temporary) as stream:
            view = memoryview(content)
            while view:
                view = view[stream.write(view) :]
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
