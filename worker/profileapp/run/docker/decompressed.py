"""Reads a file that may be compressed, in bounded memory, up to a size limit.

Sources: RFC 1952 (gzip), bzip2 and .xz file formats: the bytes that each begins with.
"""

from __future__ import annotations

import bz2
import lzma
import zlib
from collections.abc import Callable
from typing import BinaryIO, Final, Protocol

SIZE_LIMIT_BYTES: Final = 256 * 1024**3
XZ_MEMORY_LIMIT_BYTES: Final = 128 * 1024**2
"""Enough for the largest preset of `xz`."""

_READ_BYTES = 256 * 1024


class _Decompressor(Protocol):
    @property
    def eof(self) -> bool: ...

    @property
    def unused_data(self) -> bytes: ...

    def decompress(self, data: bytes, max_length: int) -> bytes: ...


class _Gzip:
    """zlib's decompressor with the interface of the other two."""

    def __init__(self) -> None:
        self._inner = zlib.decompressobj(31)

    @property
    def eof(self) -> bool:
        return self._inner.eof

    @property
    def unused_data(self) -> bytes:
        return self._inner.unused_data

    @property
    def needs_input(self) -> bool:
        return not self._inner.unconsumed_tail

    def decompress(self, data: bytes, max_length: int) -> bytes:
        return self._inner.decompress(self._inner.unconsumed_tail + data, max_length)


def _xz() -> lzma.LZMADecompressor:
    return lzma.LZMADecompressor(memlimit=XZ_MEMORY_LIMIT_BYTES)


_BEGINNINGS: tuple[tuple[bytes, Callable[[], _Decompressor]], ...] = (
    (b"\x1f\x8b", _Gzip),
    (b"BZh", bz2.BZ2Decompressor),
    (b"\xfd7zXZ\x00", _xz),
)


class Decompressed:
    """Reads `stream` from its beginning. Raises OSError if it is corrupt or too large."""

    def __init__(self, stream: BinaryIO, check: Callable[[], None]) -> None:
        self._stream = stream
        self._check = check
        self._left_bytes = SIZE_LIMIT_BYTES
        self._buffer = bytearray()
        self._raw = stream.read(_READ_BYTES)
        self._make = next((make for begin, make in _BEGINNINGS if self._raw.startswith(begin)), None)
        self._decompressor = self._make() if self._make else None

    def read(self, size: int) -> bytes:
        """Reads `size` bytes; fewer only at the end."""
        while len(self._buffer) < size:
            more = self._more()
            if not more:
                break
            self._left_bytes -= len(more)
            if self._left_bytes < 0:
                raise OSError(f"it is larger than {SIZE_LIMIT_BYTES // 1024**3} GiB")
            self._buffer += more
        found = bytes(self._buffer[:size])
        del self._buffer[:size]
        return found

    def _more(self) -> bytes:
        if self._decompressor is None:
            found, self._raw = self._raw or self._stream.read(_READ_BYTES), b""
            return found
        try:
            return self._decompressed(self._decompressor)
        except (zlib.error, lzma.LZMAError, EOFError) as error:
            raise OSError(f"it cannot be decompressed ({error})") from error

    def _decompressed(self, decompressor: _Decompressor) -> bytes:
        while True:
            self._check()
            if decompressor.eof:
                rest = decompressor.unused_data or self._raw or self._stream.read(_READ_BYTES)
                self._raw = rest
                if self._make is None or not rest.strip(b"\0"):
                    return b""
                decompressor = self._decompressor = self._make()
            elif not self._raw and getattr(decompressor, "needs_input", True):
                self._raw = self._stream.read(_READ_BYTES)
                if not self._raw:
                    raise OSError("it is truncated")
            found = decompressor.decompress(self._raw, _READ_BYTES)
            self._raw = b""
            if found:
                return found
