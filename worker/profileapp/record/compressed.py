"""Reads untrusted gzip files: decompression stops far beyond the size that a genuine file could have."""

from __future__ import annotations

import gzip
import io
import os
from typing import BinaryIO, cast

RATIO_LIMIT = 200
"""Limit of the decompression ratio: samples reach 10 to 40, gzip's maximum is 1032."""
RATIO_FREE_BYTES = 64 * 1024**2
"""The size up to which any file may decompress."""


def open_compressed(compressed: BinaryIO, ratio_free_bytes: int = RATIO_FREE_BYTES) -> BinaryIO:
    """A stream of the content of a gzip file; closing it closes the file.

    Reading raises EOFError or zlib.error if it is truncated or corrupt, OSError if it is not gzip, or once it exceeds
    both `ratio_free_bytes` and RATIO_LIMIT times its size.
    """
    limit_bytes = max(ratio_free_bytes, os.fstat(compressed.fileno()).st_size * RATIO_LIMIT)
    return cast(BinaryIO, io.BufferedReader(_Bounded(compressed, limit_bytes), 256 * 1024))


class _Bounded(io.RawIOBase):
    def __init__(self, compressed: BinaryIO, limit_bytes: int) -> None:
        self._packed = compressed
        self._unpacked = gzip.GzipFile(fileobj=compressed, mode="rb")
        self._left = limit_bytes

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        count = self._unpacked.readinto1(buffer)
        self._left -= count
        if self._left < 0:
            raise OSError(f"decompresses to more than {RATIO_LIMIT} times its size; the rest is not read")
        return count

    def close(self) -> None:
        if not self.closed:
            self._unpacked.close()
            self._packed.close()
        super().close()
