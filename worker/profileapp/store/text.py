"""Makes untrusted text safe for a column and its index."""

from __future__ import annotations

import hashlib
import re

KEY_LIMIT = 200
"""Limit of the characters of an indexed text: PostgreSQL indexes at most 2704 bytes."""
TEXT_LIMIT = 10_000

# PostgreSQL refuses NUL in a text, and every encoding refuses a lone surrogate.
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def stored_key(text: str) -> str:
    """`text` as a search key. One that is too long is truncated, and made unique by its SHA-256."""
    clean = stored_text(text, len(text))
    if len(clean) <= KEY_LIMIT:
        return clean
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]
    return f"{clean[: KEY_LIMIT - 17]}…{digest}"


def stored_text(text: str, limit: int = TEXT_LIMIT) -> str:
    """The beginning of `text`, without characters that databases refuse."""
    return _UNSTORABLE.sub("�", text[:limit])
