"""Splits a stream of bytes into lines, with a bounded buffer."""

from __future__ import annotations


class LineSplitter:
    """Splits the stream of one connection. Buffers at most `limit_bytes`, the beginning of one line.

    The beginning of a longer line is returned in `too_long`; the rest is skipped, and parsing resumes at the next line.
    """

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._pending = b""
        self._skipping = False

    def feed(self, content: bytes) -> tuple[list[bytes], list[bytes]]:
        """The newly complete lines, without line ends and empty ones; and the beginnings of too long ones."""
        block, too_long = self.feed_block(content)
        return lines_of(block), too_long

    def feed_block(self, content: bytes) -> tuple[bytes, list[bytes]]:
        """The newly complete lines as one block, each with its line end; and the beginnings of too long ones."""
        too_long: list[bytes] = []
        end = content.rfind(b"\n") + 1
        block, rest = content[:end], content[end:]
        if end and self._skipping:
            self._skipping = False
            block = block[block.index(b"\n") + 1 :]
        elif end and self._pending:
            block, self._pending = self._pending + block, b""
        if len(block) > self._limit_bytes:
            block = self._without_too_long(block, too_long)
        if not self._skipping:
            self._pending += rest
            if len(self._pending) > self._limit_bytes:
                too_long.append(self._pending[: self._limit_bytes])
                self._pending, self._skipping = b"", True
        return block, too_long

    @property
    def is_skipping(self) -> bool:
        """Whether the next bytes continue a line that is too long."""
        return self._skipping

    def end(self) -> bytes:
        """Returns the rest of the stream after the last line end."""
        left, self._pending = self._pending, b""
        return left.strip()

    def _without_too_long(self, block: bytes, too_long: list[bytes]) -> bytes:
        lines = block.split(b"\n")
        if max(map(len, lines)) <= self._limit_bytes:
            return block
        too_long += [line[: self._limit_bytes] for line in lines if len(line) > self._limit_bytes]
        return b"\n".join(line for line in lines if len(line) <= self._limit_bytes)


def lines_of(block: bytes) -> list[bytes]:
    """Splits a block into its lines, without line ends and empty lines."""
    return [line for line in block.split(b"\n") if line.strip()]
