"""Measures the size of folders that an app writes to, within limits: it may make them deep or wide on purpose."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import msgspec

DEPTH_LIMIT = 32
ENTRIES_LIMIT = 100_000
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_BLOCK_BYTES = 512


class Size(msgspec.Struct, frozen=True):
    """The counted size of a folder; not `whole` if limits were exceeded, or parts of it could not be read."""

    bytes: int = 0
    whole: bool = True

    def __add__(self, other: Size) -> Size:
        return Size(self.bytes + other.bytes, self.whole and other.whole)


def tree_size(path: Path) -> Size:
    """The disk space of a folder, without holes in files. Follows no links and enters no mounts.

    Counts at most ENTRIES_LIMIT entries, DEPTH_LIMIT folders deep. A missing folder has size 0.
    """
    total, entries, whole = 0, 0, True
    with ExitStack() as stack:
        try:
            root = os.open(path, _FOLDER)
        except FileNotFoundError:
            return Size()
        except OSError:
            return Size(0, whole=False)
        stack.callback(os.close, root)
        device = os.fstat(root).st_dev
        open_folders: list[tuple[int, Iterator[os.DirEntry[str]]]] = [(root, os.scandir(root))]
        while open_folders:
            folder, names = open_folders[-1]
            try:
                entry = next(names, None)
                if entry is None:
                    open_folders.pop()
                    if folder != root:
                        os.close(folder)
                    continue
                status = os.lstat(entry.name, dir_fd=folder)
                entries += 1
                total += status.st_blocks * _BLOCK_BYTES
                if entries > ENTRIES_LIMIT:
                    whole = False
                    break
                if stat.S_ISDIR(status.st_mode) and status.st_dev == device:
                    if len(open_folders) > DEPTH_LIMIT:
                        whole = False
                        continue
                    below = os.open(entry.name, _FOLDER, dir_fd=folder)
                    open_folders.append((below, os.scandir(below)))
            except FileNotFoundError:
                # The app changes the folder meanwhile.
                continue
            except OSError:
                whole = False
        for folder, _ in open_folders:
            if folder != root:
                os.close(folder)
    return Size(total, whole)
