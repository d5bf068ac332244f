"""Names of watched targets: not every container name is a valid target name."""

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
    """A valid target name (`NAME_PATTERN`) that is not in `taken`; `title` itself if it qualifies.

    A changed name ends in a hash of the title, so that different titles get different names.
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
