"""Names of targets: unique, and safe as names of folders, stages and test cases."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence

NAME_LIMIT = 63
OUTCOME_FILE = "outcome.json"
BASELINE_OUTCOME_FILE = "baseline-outcome.json"
RESERVED = frozenset(
    {
        OUTCOME_FILE,
        "build.log",
        "index.html",
        "summary.csv",
        "junit.xml",
        "baseline.xml",
        BASELINE_OUTCOME_FILE,
        "attachments.xml",
        "badge.svg",
        "report",
        "plot",
    }
)
"""Names in the artifact folder that no target may have."""

_DERIVED_LIMIT = 40
_UNSAFE = re.compile(r"[^a-z0-9._]+")


def derived_name(args: Sequence[str]) -> str:
    """A name derived from arguments: `-interval 1 --use-gpu` is `interval-1-use-gpu`; no arguments are `default`."""
    return slug(" ".join(args)) or "default"


def slug(text: str) -> str:
    """`text` with only the characters of a name, "" if none is left; a truncated name ends in a digest of the whole."""
    name = _UNSAFE.sub("-", text.lower()).strip("-._")
    name = re.sub(r"[-._]*-[-._]*", "-", name)
    if len(name) <= _DERIVED_LIMIT:
        return name
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"{name[:_DERIVED_LIMIT].rstrip('-._')}-{digest}"


def with_suffix(name: str, suffix: str) -> str:
    """`name-suffix`, with the name truncated if the result would be too long."""
    suffix = f"-{suffix}"[:NAME_LIMIT]
    return name[: NAME_LIMIT - len(suffix)] + suffix


def first_free(name: str, taken: frozenset[str] | set[str]) -> str:
    """`name`, or with the first of `-2`, `-3`, … that is not taken."""
    candidate, number = name, 2
    while candidate in taken or candidate in RESERVED:
        candidate, number = with_suffix(name, str(number)), number + 1
    return candidate
