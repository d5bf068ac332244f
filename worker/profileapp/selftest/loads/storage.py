"""Files: written past the page cache, through it, and through it with a sync. The load knows what it wrote and read."""

from __future__ import annotations

import errno
import mmap
import os
import time

from profileapp.selftest.load import MIB, Account, CannotRun, Load, Quantity

_PATH = "profileapp-selftest.bin"
_REST_S = 0.5
_METADATA_BYTES = 256 * 1024
"""Writes of the file system itself, such as its journal, which some kernels attribute to the app."""

_WRITTEN = Quantity(
    "bytes written", "bytes", "written_bytes", "moved", "container.io.write", "io_written_bytes", _METADATA_BYTES
)
_READ = Quantity("bytes read", "bytes", "read_bytes", "moved", "container.io.read", "io_read_bytes", _METADATA_BYTES)

LOADS = (
    Load("io-direct", "64 MiB past the page cache", "storage", ("direct", "64"), ("direct", "32"), (_WRITTEN, _READ)),
    Load(
        "io-buffered", "64 MiB through the page cache", "storage", ("buffered", "64"), ("buffered", "32"), (_WRITTEN,)
    ),
    Load("io-fsync", "64 MiB and an fsync", "storage", ("fsync", "64"), ("fsync", "32"), (_WRITTEN,)),
)


def run(args: tuple[str, ...]) -> Account:
    """Args: direct, buffered or fsync; MiB. The file remains: removing it would cancel pending writes."""
    mode, size = args[0], int(args[1]) * MIB
    time.sleep(_REST_S)
    block = mmap.mmap(-1, MIB)
    block.write(os.urandom(MIB))
    direct = os.O_DIRECT if mode == "direct" else 0
    try:
        file = os.open(_PATH, os.O_RDWR | os.O_CREAT | os.O_TRUNC | direct, 0o600)
    except OSError as error:
        if direct and error.errno == errno.EINVAL:
            raise CannotRun("the file system takes no direct I/O") from error
        raise CannotRun(f"a file cannot be made ({error.strerror})") from error
    values = {"written_bytes": float(sum(os.write(file, block) for _ in range(size // MIB)))}
    if mode == "fsync":
        os.fsync(file)
    if direct:
        os.lseek(file, 0, os.SEEK_SET)
        values["read_bytes"] = float(sum(os.readv(file, [block]) for _ in range(size // MIB)))
    os.close(file)
    time.sleep(_REST_S)
    return Account(values)
