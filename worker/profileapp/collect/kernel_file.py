"""Files of the kernel that are read again and again: kept open, read from the start, parsed as bytes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

READ_BYTES = 64 * 1024


class KernelFile:
    """One file of /proc or /sys, open until `close`. Raises OSError where it cannot be opened."""

    __slots__ = ("_descriptor",)

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)

    def read(self) -> bytes:
        """The content now, at most READ_BYTES. Raises OSError, also where what it told of is gone."""
        return os.pread(self._descriptor, READ_BYTES, 0)

    def close(self) -> None:
        os.close(self._descriptor)


def open_where_there(path: Path) -> KernelFile | None:
    """The file, or None where this kernel or this user has none."""
    try:
        return KernelFile(path)
    except OSError:
        return None


def number_after(content: bytes, key: bytes) -> int | None:
    """The number after `key` at the start of a line (`inactive_file 4096`, `MemFree:  123 kB`); None where it is not.

    `key` holds what stands between the name and the number, such as its one space or its colon.
    """
    start = 0 if content.startswith(key) else content.find(b"\n" + key) + 1
    if start == 0 and not content.startswith(key):
        return None
    word = content[start + len(key) :].split(None, 1)[:1]
    return int(word[0]) if word and word[0].isdigit() else None


def lines_of_words(content: bytes) -> Iterator[list[bytes]]:
    """The words of each line that has some."""
    for line in content.splitlines():
        words = line.split()
        if words:
            yield words
