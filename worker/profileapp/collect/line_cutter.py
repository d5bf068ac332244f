"""Cuts a stream of bytes into lines, with a bound on what is held."""

from __future__ import annotations


class LineCutter:
    """Lines of one connection. Holds at most one line's beginning of `limit_bytes`.

    Of a longer line only the beginning is told, in `too_long`; the rest is passed over, and the next line is read.
    """

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._held = bytearray()
        self._skipping = False

    def feed(self, content: bytes) -> tuple[list[bytes], list[bytes]]:
        """The whole lines there are now, without their ends and the empty ones left out; and the too long ones."""
        lines: list[bytes] = []
        too_long: list[bytes] = []
        *ended, rest = content.split(b"\n")
        for piece in ended:
            line = self._whole(piece)
            if len(line) > self._limit_bytes:
                too_long.append(line[: self._limit_bytes])
            elif line.strip():
                lines.append(line)
        if not self._skipping:
            self._held += rest
            if len(self._held) > self._limit_bytes:
                too_long.append(bytes(self._held[: self._limit_bytes]))
                self._held, self._skipping = bytearray(), True
        return lines, too_long

    def end(self) -> bytes:
        """What the stream ended with that had no line end."""
        left, self._held = bytes(self._held), bytearray()
        return left.strip()

    def _whole(self, piece: bytes) -> bytes:
        """A line of which `piece` is the end; empty where its beginning was too long already."""
        if self._skipping:
            self._skipping = False
            return b""
        if not self._held:
            return piece
        line = bytes(self._held) + piece
        self._held = bytearray()
        return line
