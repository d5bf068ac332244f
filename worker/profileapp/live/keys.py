"""Decodes the bytes of a terminal into names of keys.

Source: xterm's control sequences, "PC-Style Function Keys".
"""

from __future__ import annotations

from collections.abc import Iterator

_SEQUENCES = {
    b"\x1b[A": "up",
    b"\x1b[B": "down",
    b"\x1bOA": "up",
    b"\x1bOB": "down",
    b"\x1b[5~": "page-up",
    b"\x1b[6~": "page-down",
    b"\x1bOP": "f1",
    b"\x1b[11~": "f1",
    b"\x1bOS": "f4",
    b"\x1b[14~": "f4",
    b"\x1b[17~": "f6",
    b"\x1b[21~": "f10",
}
_SINGLE = {"\r": "enter", "\n": "enter", "\x1b": "escape", "\x7f": "backspace", "\x08": "backspace"}


def parse_keys(content: bytes) -> Iterator[str]:
    """The keys in one read. Unknown sequences are skipped."""
    while content:
        if content[:1] == b"\x1b" and len(content) > 1:
            name, length = _sequence(content)
            if name:
                yield name
            content = content[length:]
            continue
        length = 1
        while length < min(4, len(content)) and content[length] & 0xC0 == 0x80:
            length += 1
        letter = content[:length].decode("utf-8", errors="replace")
        content = content[length:]
        if letter in _SINGLE or letter.isprintable():
            yield _SINGLE.get(letter, letter)


def _sequence(content: bytes) -> tuple[str, int]:
    for sequence, name in _SEQUENCES.items():
        if content.startswith(sequence):
            return name, len(sequence)
    if content[1:2] not in (b"[", b"O"):
        return "escape", 1
    # Parameters, then one letter or ~.
    length = 2
    while length < len(content) and not 0x40 <= content[length] <= 0x7E:
        length += 1
    return "", length + 1
