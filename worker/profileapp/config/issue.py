"""Issues of a configuration: collected, located, and reported all at once."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from profileapp.config.document import DataPath, Document
from profileapp.errors import ConfigError
from profileapp.model.text import printable

ISSUE_LIMIT = 50
"""Limit of issues that are reported; any more are counted."""


class ConfigIssue(msgspec.Struct, frozen=True):
    """A problem with the value at `path` (or with its key): `text` continues after the name of the value."""

    path: DataPath
    text: str
    of_key: bool = False


def raise_issues(file: Path, document: Document, issues: Sequence[ConfigIssue]) -> None:
    """Raises ConfigError with a line per issue, in the order of the file, if there are any."""
    raise_all_issues([(file, document, issues)])


def raise_all_issues(found: Sequence[tuple[Path, Document, Sequence[ConfigIssue]]]) -> None:
    """Raises ConfigError with a line for each mistake of several files; nothing where there is none."""
    lines = [line for file, document, issues in found for line in _lines(file, document, issues)]
    if lines:
        raise ConfigError("\n".join(lines))


def _lines(file: Path, document: Document, issues: Sequence[ConfigIssue]) -> list[str]:
    placed = [(document.position(each.path, of_key=each.of_key), each) for each in issues]
    placed.sort(key=lambda each: (each[0].line, each[0].column))
    lines = [
        f"{file}:{place.line}:{place.column}: {name_of(issue.path)} {issue.text}"
        for place, issue in placed[:ISSUE_LIMIT]
    ]
    if len(placed) > ISSUE_LIMIT:
        lines.append(f"{file}: and {len(placed) - ISSUE_LIMIT} more")
    return lines


def name_of(path: DataPath) -> str:
    """`profiling.targets[2].timeout`, counting from 1."""
    name = ""
    for step in path:
        name += f"[{step + 1}]" if isinstance(step, int) else f".{step}" if name else str(step)
    return printable(name) or "the file"
