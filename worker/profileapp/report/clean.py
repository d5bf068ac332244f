"""Text of an app, made fit for XML and for a page."""

from __future__ import annotations

import re

# ECMA-48 control sequences (colours, cursor), which a log is full of and no page shows.
_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]{0,1000}(?:\x07|\x1b\\)|[@-Z\\-_])")
# All that XML 1.0 does not allow (section 2.2, Char) or advises against, and the marks that turn text around.
_NOT_ALLOWED = re.compile(
    "[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufdcf\ufdf0-\ufffd\U00010000-\U0010ffff]"
    "|[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]"
)


def clean(text: str, limit: int = 0) -> str:
    """Without control sequences, characters that XML forbids, and direction marks; its end where it is longer."""
    if limit and len(text) > limit:
        text = f"[…]{text[-limit:]}"
    return _NOT_ALLOWED.sub("�", _ESCAPES.sub("", text).replace("\r\n", "\n"))


def one_line(text: str, limit: int) -> str:
    """Cleaned, on one line, and of at most `limit` characters: its beginning where it is longer."""
    line = " ".join(clean(text[: 4 * limit]).split())
    return line if len(line) <= limit else f"{line[: limit - 1]}…"
