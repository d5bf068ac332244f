"""Cleans an app's text for XML and for pages."""

from __future__ import annotations

import re

# ECMA-48 control sequences (colours, cursor), which are common in logs and which no page shows.
_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]{0,1000}(?:\x07|\x1b\\)|[@-Z\\-_])")
# Everything that XML 1.0 forbids (section 2.2, Char) or advises against, and marks that change text direction.
_NOT_ALLOWED = re.compile(
    "[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufdcf\ufdf0-\ufffd\U00010000-\U0010ffff]"
    "|[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]"
)


def clean(text: str, limit: int = 0) -> str:
    """Removes control sequences, characters that XML forbids, and direction marks; keeps the end of longer text."""
    if limit and len(text) > limit:
        text = f"[…]{text[-limit:]}"
    return _NOT_ALLOWED.sub("�", _ESCAPES.sub("", text).replace("\r\n", "\n"))


def one_line(text: str, limit: int) -> str:
    """Cleans text, puts it on one line, and keeps the first `limit` characters."""
    line = " ".join(clean(text[: 4 * limit]).split())
    return line if len(line) <= limit else f"{line[: limit - 1]}…"
