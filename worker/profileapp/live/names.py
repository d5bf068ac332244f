"""Names of watched targets: containers have names that a target must not have."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Container as Collection

from profileapp.model.target import NAME_PATTERN

_LENGTH = 63
_DIGEST_LETTERS = 8
_NAME = re.compile(NAME_PATTERN)
_NOT_ALLOWED = re.compile(r"[^a-z0-9._-]+")


def target_name(title: str, taken: Collection[str] = frozenset()) -> str:
    """A name that a target may have (`NAME_PATTERN`) and that is not `taken`; `title` itself where that is one.

    What has to be altered ends in a digest of the whole, so that different titles stay different.
    """
    if _NAME.match(title) and "\n" not in title and title not in taken:
        return title
    stem = _NOT_ALLOWED.sub("-", title[:_LENGTH].lower()).strip("._-")[: _LENGTH - _DIGEST_LETTERS - 1]
    number = 0
    while True:
        content = title if not number else f"{title} {number}"
        digest = hashlib.sha256(content.encode("utf-8", "surrogatepass")).hexdigest()[:_DIGEST_LETTERS]
        name = f"{stem}-{digest}" if stem else digest
        if name not in taken:
            return name
        number += 1
