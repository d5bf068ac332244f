"""Removes folders that an app could write to, whatever their depth and content; standard library only.

    python -m profileapp.record.tree FOLDER      removes the content of FOLDER, but not FOLDER itself

No path is followed: every step starts from the descriptor of its folder. No link is followed and no mount is entered
(rmdir(2) of one fails). Only one folder is open at a time, so depth and width are unlimited.
"""

from __future__ import annotations

import errno
import os
import stat
import sys
from collections.abc import Callable
from itertools import count
from pathlib import Path

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_ANY_FOLDER_MODE = 0o700
_ENTRIES_PER_TICK = 256
_DEPTH_LIMIT = 100
"""What lies deeper is moved to the top first: else a deadline could pass on the way down, each time, for nothing."""

Tick = Callable[[], object]


def _never() -> None:
    """Never cancels."""


def remove_tree(path: Path, tick: Tick = _never) -> None:
    """Removes a folder with its content; a link or file of that name is removed itself.

    What is not there is fine. Raises OSError at the first thing that cannot be removed; the rest is then still there.
    So it is where `tick`, which is called every few hundred entries, raises to give up: the next call goes on.
    """
    try:
        parent = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        _remove(parent, path.name, tick)
    finally:
        os.close(parent)


def empty_tree(path: Path) -> None:
    """Removes the content of a folder. Raises OSError like `remove_tree`, and if it is a link."""
    descriptor = os.open(path, _FOLDER)
    try:
        _empty(descriptor, _never)
    finally:
        os.close(descriptor)


def remove_entry(folder: int, name: str) -> None:
    """Removes a name, of any kind, from the folder of a descriptor. Raises OSError like `remove_tree`."""
    _remove(folder, name, _never)


def _remove(parent: int, name: str, tick: Tick) -> None:
    try:
        os.unlink(name, dir_fd=parent)
    except FileNotFoundError:
        return
    except (IsADirectoryError, PermissionError):
        # POSIX has EPERM for a folder, Linux EISDIR; a file that may not be removed meets its error again below.
        if not stat.S_ISDIR(os.lstat(name, dir_fd=parent).st_mode):
            raise
    else:
        return
    descriptor = _open_folder(parent, name)
    try:
        _empty(descriptor, tick)
    finally:
        os.close(descriptor)
    os.rmdir(name, dir_fd=parent)


def _empty(root: int, tick: Tick) -> None:
    """Descends into the first folder it finds, and ascends by `..`, checking that it arrives where it came from."""
    mount = _mount_of(root)
    # Of each folder above the one that is open: which it is, and what the way down from it is called.
    way: list[tuple[int, int, str]] = []
    here = os.dup(root)
    try:
        while True:
            below = _remove_files(here, tick)
            if below is not None:
                status = os.fstat(here)
                deeper = _open_folder(here, below)
                if len(way) >= _DEPTH_LIMIT:
                    os.close(deeper)
                    _move_up(here, below, root)
                    continue
                way.append((status.st_dev, status.st_ino, below))
                os.close(here)
                here = deeper
                if _mount_of(here) != mount:
                    raise OSError(errno.EXDEV, "another file system is mounted there", below)
            elif not way:
                return
            else:
                device, inode, name = way.pop()
                above = os.open("..", _FOLDER, dir_fd=here)
                os.close(here)
                here = above
                status = os.fstat(here)
                if (status.st_dev, status.st_ino) != (device, inode):
                    raise OSError(errno.ESTALE, "a folder was moved while it was removed", name)
                os.rmdir(name, dir_fd=here)
    finally:
        os.close(here)


def _remove_files(folder: int, tick: Tick) -> str | None:
    """Removes everything that is not a folder. Returns the name of the first folder found, None if none is left."""
    tick()
    with os.scandir(folder) as entries:
        for number, entry in enumerate(entries, start=1):
            if number % _ENTRIES_PER_TICK == 0:
                tick()
            if entry.is_dir(follow_symlinks=False):
                return entry.name
            os.unlink(entry.name, dir_fd=folder)
    return None


def _move_up(folder: int, name: str, root: int) -> None:
    """Moves a folder to `root`, under a name that nothing but an empty folder may have there."""
    for number in count():
        try:
            os.rename(name, f"moved-{number}", src_dir_fd=folder, dst_dir_fd=root)
            return
        except (FileExistsError, NotADirectoryError):
            continue
        except OSError as error:
            if error.errno != errno.ENOTEMPTY:
                raise


def _open_folder(parent: int, name: str) -> int:
    """Makes a folder that belongs to this user writable, whatever mode an app has left on it."""
    found = os.open(name, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
    try:
        status = os.fstat(found)
        if status.st_mode & _ANY_FOLDER_MODE != _ANY_FOLDER_MODE and status.st_uid == os.geteuid():
            # By the descriptor: chmod(2) of a name would follow a link that has replaced it.
            os.chmod(f"/proc/self/fd/{found}", _ANY_FOLDER_MODE)  # noqa: PTH101
        return os.open(".", _FOLDER, dir_fd=found)
    finally:
        os.close(found)


def _mount_of(descriptor: int) -> tuple[int, str]:
    """The device alone would not distinguish a second mount of the same file system."""
    device = os.fstat(descriptor).st_dev
    try:
        with open(f"/proc/self/fdinfo/{descriptor}", encoding="ascii") as lines:  # noqa: PTH123
            return device, next((line for line in lines if line.startswith("mnt_id:")), "")
    except OSError:
        return device, ""


if __name__ == "__main__":
    try:
        empty_tree(Path(sys.argv[1]))
    except OSError as problem:
        sys.exit(f"{problem.filename or sys.argv[1]}: cannot be removed ({problem.strerror})")
