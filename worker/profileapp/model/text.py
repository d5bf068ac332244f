"""Makes untrusted text safe to print."""

from __future__ import annotations

import hashlib
import re

_PART_LETTERS = 80
_DIGEST_LETTERS = 12
_PLAIN_PART = re.compile(rf"[A-Za-z0-9_-]{{1,{_PART_LETTERS}}}")
_NOT_PLAIN = re.compile(r"[^A-Za-z0-9_-]+")
_ENDS_IN_DIGEST = re.compile(rf"(?:^|-)[0-9a-f]{{{_DIGEST_LETTERS}}}$")


def printable(text: str, limit: int = 80) -> str:
    """`text` on one line of at most `limit` characters, with terminal control characters escaped."""
    safe = "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in text[: limit + 1])
    return safe if len(safe) <= limit else safe[: limit - 1] + "…"


def path_part(text: str) -> str:
    """`text` as one part of a path or a class name: at most 80 letters, digits, `_` and `-`.

    Altered text ends in a digest of the original, so that different names remain different.
    """
    if _PLAIN_PART.fullmatch(text) and not _ENDS_IN_DIGEST.search(text):
        return text
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:_DIGEST_LETTERS]
    stem = _NOT_PLAIN.sub("_", text[:_PART_LETTERS])[: _PART_LETTERS - _DIGEST_LETTERS - 1]
    return f"{stem}-{digest}" if stem else digest
