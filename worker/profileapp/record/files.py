"""Opens and writes files in folders that an app may write to: follows no symlink, and never waits for a pipe.

Files are written relative to the descriptor of a folder that was opened without following links: if a repository or an
app replaces one of our folders or files with a link, nothing is written elsewhere.
"""

from __future__ import annotations

import errno
import os
import secrets
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from profileapp.errors import AgentError

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NEW = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_A_LINK = "a link, which is not followed"


def is_folder(path: Path) -> bool:
    """Whether there is such a folder. False for text that is not a valid path: too long, or with a NUL."""
    try:
        return path.is_dir()
    except (OSError, ValueError):
        return False


def open_regular(path: Path) -> BinaryIO:
    """Opens a regular file for reading.

    Raises FileNotFoundError if it does not exist, AgentError if it is a symlink, a pipe or a device.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise AgentError(f"{path}: cannot be read ({error.strerror})") from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise AgentError(f"{path}: not a regular file, so it is not read")
    return os.fdopen(descriptor, "rb")


def without_links_above(path: Path) -> Path:
    """Resolves links in a user's path as far as they are trusted, for the functions below, which follow none.

    The parents of an absolute path belong to the machine, so links in them are resolved. A relative path starts in the
    current folder, which is untrusted, so it is returned unchanged.
    """
    if not path.is_absolute() or not path.name:
        return path
    return Path(os.path.realpath(path.parent)) / path.name


@contextmanager
def opened_folder(path: Path, *, make: bool = False) -> Iterator[int]:
    """Opens a folder without following links; with `make`, creates it and its parents if they are missing.

    Raises OSError.
    """
    here = os.open("/" if path.is_absolute() else ".", _FOLDER)
    try:
        for part in path.parts[path.is_absolute() :]:
            if make:
                with suppress(FileExistsError):
                    os.mkdir(part, dir_fd=here)
            below = _open_below(here, part, path)
            os.close(here)
            here = below
        yield here
    finally:
        os.close(here)


def make_folder(path: Path) -> None:
    """Creates a folder and its parents if they are missing. Raises OSError, also if one of them is a link."""
    with opened_folder(path, make=True):
        pass


def renew_folder(path: Path, is_ours: Callable[[str], bool]) -> None:
    """Creates a folder, or removes our files from it; other files, and folders, remain.

    A link in its place is removed. Raises OSError.
    """
    with opened_folder(path.parent, make=True) as parent:
        if is_link(parent, path.name):
            os.unlink(path.name, dir_fd=parent)
    with opened_folder(path, make=True) as folder:
        for name in os.listdir(folder):  # noqa: PTH208  (of a descriptor)
            if is_ours(name) and not stat.S_ISDIR(os.lstat(name, dir_fd=folder).st_mode):
                os.unlink(name, dir_fd=folder)


def is_link(folder: int, name: str) -> bool:
    """Whether a name in the folder of a descriptor is a link; False if it does not exist. Raises OSError."""
    try:
        return stat.S_ISLNK(os.lstat(name, dir_fd=folder).st_mode)
    except FileNotFoundError:
        return False


def create_new(path: Path) -> BinaryIO:
    """Creates a file, which must not exist, and opens it unbuffered for writing and reading. Raises OSError."""
    with opened_folder(path.parent) as folder:
        return _create(folder, path.name)


def create_anew(path: Path) -> BinaryIO:
    """Like `create_new`, but replaces an existing file or link, and creates missing parents. Raises OSError."""
    with opened_folder(path.parent, make=True) as folder:
        with suppress(FileNotFoundError):
            os.unlink(path.name, dir_fd=folder)
        return _create(folder, path.name)


def write_atomic(path: Path, content: bytes) -> None:
    """Replaces the file at `path` atomically: a reader sees either the old content or the new one.

    Raises OSError; the old file then remains.
    """
    temporary = f".{path.name}.{secrets.token_hex(4)}"
    with opened_folder(path.parent) as folder:
        try:
            with _create(folder, temporary) as stream:
                write_all(stream, content)
            os.replace(temporary, path.name, src_dir_fd=folder, dst_dir_fd=folder)
        except OSError:
            with suppress(FileNotFoundError):
                os.unlink(temporary, dir_fd=folder)
            raise


def remove_file(path: Path) -> None:
    """Removes a file or link if it exists. Raises OSError, also if its parent is not a folder or is a link."""
    with suppress(FileNotFoundError), opened_folder(path.parent) as folder:
        os.unlink(path.name, dir_fd=folder)


def write_all(stream: BinaryIO, content: bytes) -> None:
    """Writes all of it to an unbuffered stream. Raises OSError."""
    view = memoryview(content)
    while view:
        view = view[stream.write(view) :]


def _create(folder: int, name: str) -> BinaryIO:
    return os.fdopen(os.open(name, _NEW, 0o644, dir_fd=folder), "w+b", buffering=0)


def _open_below(folder: int, name: str, path: Path) -> int:
    try:
        return os.open(name, _FOLDER, dir_fd=folder)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENOTDIR) and is_link(folder, name):
            raise OSError(errno.ELOOP, f"{name} is {_A_LINK}", str(path)) from error
        raise
