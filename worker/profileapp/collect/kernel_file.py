"""Kernel files that are read repeatedly: they stay open, are read from the start, and parsed as bytes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

READ_BYTES = 64 * 1024
_NUMBER_BYTES = 32
_RECORDS_LIMIT_BYTES = 1024 * 1024


class KernelFile:
    """One file of /proc or /sys, open until `close`. Raises OSError if it cannot be opened."""

    __slots__ = ("_descriptor",)

    def __init__(self, path: Path | str) -> None:
        self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)

    def read(self) -> bytes:
        """The current content, at most READ_BYTES. Raises OSError, also if its process or cgroup is gone."""
        return os.pread(self._descriptor, READ_BYTES, 0)

    def read_number(self) -> int:
        """The integer in the file. Raises OSError; ValueError if it contains anything else."""
        return int(os.pread(self._descriptor, _NUMBER_BYTES, 0))

    def read_records(self) -> bytes:
        """The content of a file that the kernel returns one page at a time, such as net/dev; at most 1 MiB."""
        content = chunk = self.read()
        while chunk and len(content) < _RECORDS_LIMIT_BYTES:
            chunk = os.pread(self._descriptor, READ_BYTES, len(content))
            content += chunk
        return content

    def close(self) -> None:
        """Closes the file. May be called twice."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def open_where_there(path: Path) -> KernelFile | None:
    """The file; None if it does not exist, this user may not read it, or reading it returns nothing."""
    try:
        file = KernelFile(path)
    except OSError:
        return None
    try:
        file.read()
    except OSError:
        # For example cpu.pressure on a kernel booted without PSI.
        file.close()
        return None
    return file


def number_after(content: bytes, key: bytes) -> int | None:
    """The number after `key` at the start of a line (`inactive_file 4096`, `MemFree:  123 kB`); None if there is none.

    `key` includes the separator of name and number, such as a space or a colon.
    """
    if content.startswith(key):
        start = len(key)
    else:
        found = content.find(b"\n" + key)
        if found < 0:
            return None
        start = found + 1 + len(key)
    # The widest 64-bit number and its prefix fit well within 64 bytes.
    word = content[start : start + 64].split(None, 1)[:1]
    return int(word[0]) if word and word[0].isdigit() else None


def lines_of_words(content: bytes) -> Iterator[list[bytes]]:
    """The whitespace-separated fields of each line that is not empty."""
    for line in content.splitlines():
        words = line.split()
        if words:
            yield words
