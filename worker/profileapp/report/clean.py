"""Text of an app, made fit for XML and for a page."""

from __future__ import annotations

import re

# ECMA-48 control sequences (colours, cursor), which a log is full of and no page shows.
_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]{0,1000}(?:\x07|\x1b\\)|[@-Z\\-_])")
# All that XML 1.0 does not allow (section 2.2, Char), and the marks that turn the direction of text around.
_NOT_ALLOWED = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]|[\u202a-\u202e\u2066-\u2069]")


def clean(text: str, limit: int = 0) -> str:
    """Without control sequences, characters that XML forbids, and direction marks; its end where it is longer."""
    if limit and len(text) > limit:
        text = f"[…]{text[-limit:]}"
    return _NOT_ALLOWED.sub("�", _ESCAPES.sub("", text).replace("\r\n", "\n"))
