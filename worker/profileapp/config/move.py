"""Splits the `profiling:` section off a sage.yaml: text in, two texts out, nothing lost. Pure."""

from __future__ import annotations

from typing import NamedTuple

import yaml


class CannotMoveError(ValueError):
    """The section cannot be cut out of the text; the message says why, to go on after the place of the section."""


class Split(NamedTuple):
    """A text without its `profiling:` section, and the section with the comment lines right above it."""

    rest: str
    section: str


def split_section(text: str) -> Split:
    """Cuts the block of the top-level key `profiling` out of YAML text. All else stays as it is, byte for byte.

    Raises CannotMoveError where the two texts would not mean the same as the one.
    """
    root = _compose(text)
    pairs = root.value if isinstance(root, yaml.MappingNode) else []
    index = next((at for at, (key, _) in enumerate(pairs) if key.value == "profiling"), None)
    is_block = isinstance(root, yaml.MappingNode) and not root.flow_style
    if index is None or not is_block or pairs[index][0].start_mark.column != 0:
        raise CannotMoveError("is not a block of its own in the file")
    start = _with_comments(text, pairs[index][0].start_mark.index)
    is_last = index + 1 == len(pairs)
    end = _end_of_document(text, pairs[index][1]) if is_last else pairs[index + 1][0].start_mark.index
    end = end if is_last else _with_comments(text, end)
    section = text[start:end].rstrip()
    split = Split(text[:start] + text[end:], f"{section}{_newline(text)}")
    _check(pairs, index, split)
    return split


def _check(pairs: list[tuple[yaml.Node, yaml.Node]], index: int, split: Split) -> None:
    others = [pair for at, pair in enumerate(pairs) if at != index]
    try:
        rest, section = _compose(split.rest), _compose(split.section)
    except yaml.YAMLError as error:
        raise CannotMoveError("shares an anchor (&) with the rest of the file, or is followed by other YAML") from error
    if _meaning(rest) != _meaning(_mapping(others)) or _meaning(section) != _meaning(_mapping([pairs[index]])):
        raise CannotMoveError("cannot be told from the rest of the file")


def _compose(text: str) -> yaml.Node | None:
    return yaml.compose(text, Loader=yaml.SafeLoader)


def _meaning(node: yaml.Node | None) -> str:
    if node is None:
        return _meaning(_mapping([]))
    return str(yaml.serialize(node, Dumper=yaml.SafeDumper, canonical=True))


def _mapping(pairs: list[tuple[yaml.Node, yaml.Node]]) -> yaml.MappingNode:
    return yaml.MappingNode("tag:yaml.org,2002:map", pairs, flow_style=False)


def _with_comments(text: str, start: int) -> int:
    """The start of the comment lines directly above a key at the start of a line."""
    while start:
        above = text.rfind("\n", 0, start - 1) + 1
        if not text[above:start].startswith("#"):
            break
        start = above
    return start


def _end_of_document(text: str, value: yaml.Node) -> int:
    """The end of the text, or of the document in it where that is marked."""
    marker = text.find("\n...", max(value.end_mark.index - 1, 0))
    return len(text) if marker < 0 else marker + 1


def _newline(text: str) -> str:
    return "\r\n" if "\r\n" in text else "\n"
