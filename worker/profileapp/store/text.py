"""Text of strangers, made fit for a column and its index."""

from __future__ import annotations

import hashlib
import re

KEY_LIMIT = 200
"""Characters of a text that is searched for: PostgreSQL indexes no more than 2704 bytes."""
TEXT_LIMIT = 10_000

# PostgreSQL refuses NUL in a text, and every encoding refuses a lone surrogate.
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def stored_key(text: str) -> str:
    """`text` as a search key. One that is too long keeps its beginning and is made unique by its SHA-256."""
    clean = stored_text(text, len(text))
    if len(clean) <= KEY_LIMIT:
        return clean
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]
    return f"{clean[: KEY_LIMIT - 17]}…{digest}"


def stored_text(text: str, limit: int = TEXT_LIMIT) -> str:
    """The beginning of `text`, without characters that databases refuse."""
    return _UNSTORABLE.sub("�", text[:limit])
