"""Text of strangers, made fit to be shown."""

from __future__ import annotations


def printable(text: str, limit: int = 80) -> str:
    """`text` on one line of at most `limit` characters, with what would move a terminal's cursor escaped."""
    safe = "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in text[: limit + 1])
    return safe if len(safe) <= limit else safe[: limit - 1] + "…"
