"""Masks secrets in text and streams, in whatever chunks and common encodings they appear."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable
from urllib.parse import quote, quote_plus

MASK = b"****"
LINE_LIMIT_BYTES = 8
"""Each line of a multi-line secret of at least this length is masked on its own: a log may show it alone."""


class Mask:
    """Replaces secrets by `****`: in plain text, line by line, in JSON, in URLs and in base64.

    A secret of digits alone is masked only where no digit adjoins it, so that longer numbers stay intact.
    """

    def __init__(self, values: Iterable[str]) -> None:
        forms = {form for value in values for form in _forms(value)}
        self._forms = sorted(forms, key=lambda form: (-len(form), form))
        self._pattern = re.compile(b"|".join(map(_pattern, self._forms))) if forms else None

    def __bool__(self) -> bool:
        return self._pattern is not None

    def content(self, content: bytes) -> bytes:
        """Masks a complete file or line."""
        return self._pattern.sub(MASK, content) if self._pattern else content

    def text(self, text: str) -> str:
        """Masks text."""
        return self.content(text.encode("utf-8", "surrogateescape")).decode("utf-8", "surrogateescape")

    def stream(self) -> MaskedStream:
        """Masks a stream that arrives in chunks."""
        return MaskedStream(self._pattern, self._forms)


class MaskedStream:
    """One stream: delays text that may be the beginning of a secret until that is decided."""

    def __init__(self, pattern: re.Pattern[bytes] | None, forms: list[bytes]) -> None:
        self._pattern = pattern
        self._forms = forms
        self._pending = b""

    def feed(self, content: bytes) -> bytes:
        """Returns what can be written so far."""
        if self._pattern is None:
            return content
        content = self._pending + content
        keep_from = min((_begins_at(content, form) for form in self._forms), default=len(content))
        parts, at = [], 0
        for match in self._pattern.finditer(content):
            if match.start() >= keep_from:
                break
            parts += [content[at : match.start()], MASK]
            at = match.end()
        keep_from = max(keep_from, at)
        self._pending = content[keep_from:]
        return b"".join([*parts, content[at:keep_from]])

    def end(self) -> bytes:
        """Returns the delayed text, at the end of the stream."""
        pending, self._pending = self._pending, b""
        return self._pattern.sub(MASK, pending) if self._pattern else pending


def _forms(value: str) -> set[bytes]:
    lines = [line.strip() for line in value.splitlines()]
    texts = {value, value.strip(), *(line for line in lines if len(line) >= LINE_LIMIT_BYTES)} - {""}
    forms: set[bytes] = set()
    for text in texts:
        raw = text.encode("utf-8", "surrogateescape")
        forms |= {raw, quote(raw).encode(), quote(raw, safe="").encode(), quote_plus(raw).encode()}
        forms |= {base64.b64encode(raw).rstrip(b"="), base64.urlsafe_b64encode(raw).rstrip(b"=")}
        forms |= {
            json.dumps(text, ensure_ascii=is_ascii)[1:-1].encode("utf-8", "replace") for is_ascii in (True, False)
        }
    return forms


def _pattern(form: bytes) -> bytes:
    escaped = re.escape(form)
    return rb"(?<![\d.])" + escaped + rb"(?![\d.]\d|\d)" if form.isdigit() else escaped


def _begins_at(content: bytes, form: bytes) -> int:
    """The offset in `content` at which an incomplete `form` may begin; its length if there is none.

    A complete form of digits may still turn out to be part of a longer number.
    """
    longest = len(form) + 2 if form.isdigit() else len(form) - 1
    at = content.find(form[:1], max(0, len(content) - longest))
    while at >= 0:
        end = content[at:]
        if form.startswith(end) or (form.isdigit() and end.startswith(form)):
            return at
        at = content.find(form[:1], at + 1)
    return len(content)
