"""Mistakes in a configuration: collected, placed, and told all at once."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from profileapp.errors import ConfigError
from profileapp.model.text import printable

if TYPE_CHECKING:
    from profileapp.config.source import Document, Path_

MISTAKE_LIMIT = 50
"""Mistakes told at once; of more, the number is told."""


class Mistake(msgspec.Struct, frozen=True):
    """What is wrong with the value at `path` (or with its key): `text` goes on after the name of the value."""

    path: Path_
    text: str
    of_key: bool = False


def raise_mistakes(file: Path, document: Document, mistakes: Sequence[Mistake]) -> None:
    """Raises ConfigError with a line for each mistake, in the order of the file; nothing where there is none."""
    if not mistakes:
        return
    placed = [(document.position(each.path, of_key=each.of_key), each) for each in mistakes]
    placed.sort(key=lambda each: (each[0].line, each[0].column))
    lines = [
        f"{file}:{place.line}:{place.column}: {name_of(mistake.path)} {mistake.text}"
        for place, mistake in placed[:MISTAKE_LIMIT]
    ]
    if len(placed) > MISTAKE_LIMIT:
        lines.append(f"{file}: and {len(placed) - MISTAKE_LIMIT} more")
    raise ConfigError("\n".join(lines))


def name_of(path: Path_) -> str:
    """`profiling.targets[2].timeout`, as a person counts: the first target is 1."""
    name = ""
    for step in path:
        name += f"[{step + 1}]" if isinstance(step, int) else f".{step}" if name else str(step)
    return printable(name) or "the file"
