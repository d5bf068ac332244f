"""Reads a YAML file into plain data with the position of each value, within limits and safely."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from profileapp.config.document import DataPath, Document, Position
from profileapp.config.issue import ConfigIssue, raise_issues
from profileapp.errors import AgentError, ConfigError
from profileapp.record.files import open_regular

FILE_LIMIT_BYTES = 256 * 1024
VALUE_LIMIT = 20_000
"""Limit of values in a file after expanding its aliases (against "billion laughs")."""
DEPTH_LIMIT = 40

_PLAIN_TAGS = frozenset(
    f"tag:yaml.org,2002:{name}" for name in ("str", "int", "float", "bool", "null", "timestamp", "seq", "map")
)
_MERGE_TAG = "tag:yaml.org,2002:merge"
_PLAIN_NUMBER = re.compile(
    r"[-+]?(?:0|[1-9][0-9]{0,17})(?:\.[0-9]{0,20})?(?:[eE][-+]?[0-9]{1,3})?"
    r"|[-+]?\.[0-9]{1,20}(?:[eE][-+]?[0-9]{1,3})?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)"
)
"""A number that is unambiguous to readers; anything else that YAML 1.1 parses as a number is text."""
_SPACES = re.compile(r"\s+")


_Wanted = Mapping[str, frozenset[str] | None]
"""The keys of a mapping that are read; with a set of keys, only those of the mapping below it."""


def read_document(path: Path, keys: frozenset[str]) -> Document:
    """The top-level `keys` of a YAML file; everything else is ignored.

    Raises ConfigError as `parse_document` does, and for a missing file.
    """
    return parse_document(path, read_text(path), keys)


def read_text(path: Path) -> bytes:
    """The content of a configuration file. Raises ConfigError if it does not exist or is too large."""
    try:
        with open_regular(path) as stream:
            content = stream.read(FILE_LIMIT_BYTES + 1)
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such file; give the app's sage.yaml") from None
    except AgentError as error:
        raise ConfigError(str(error)) from error
    return content


def parse_document(
    path: Path, content: bytes, keys: frozenset[str], parts: Mapping[str, frozenset[str]] | None = None
) -> Document:
    """The top-level `keys` of YAML text; everything else is ignored. `path` is for messages.

    `parts` maps further top-level keys to the keys below them that are read; where such a key holds no mapping, only
    the place of the key is known.

    Raises ConfigError with the position: not YAML, too large, not a mapping, a duplicate key, a tag other than a plain
    value, or more values than VALUE_LIMIT.
    """
    if len(content) > FILE_LIMIT_BYTES:
        raise ConfigError(f"{path}: larger than {FILE_LIMIT_BYTES // 1024} KiB, so it is not read")
    root = _compose(path, content)
    if not isinstance(root, yaml.MappingNode):
        wanted = "rules" if keys == {"rules"} else "profiling"
        raise ConfigError(f"{path}:1:1: must be a mapping with a key '{wanted}'")
    builder = _Builder()
    try:
        data = builder.mapping(root, (), only={**dict.fromkeys(keys), **(parts or {})})
    except RecursionError:
        builder.issues.append(ConfigIssue((), "is nested too deeply"))
    document = Document({} if builder.issues else data, builder.positions, builder.key_positions, builder.raw_scalars)
    raise_issues(path, document, builder.issues)
    return document


def _compose(path: Path, content: bytes) -> yaml.Node | None:
    try:
        return yaml.compose(content, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f":{mark.line + 1}:{mark.column + 1}" if mark else ""
        problem = _SPACES.sub(" ", f"{error.context or ''} {error.problem or ''}").strip()
        raise ConfigError(f"{path}{place}: not YAML: {problem}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not YAML: {_SPACES.sub(' ', str(error))}") from error
    except RecursionError:
        raise ConfigError(f"{path}: nested too deeply; at most {DEPTH_LIMIT} levels are read") from None


class _Builder:
    """Converts nodes to plain data, and collects positions and issues on the way."""

    def __init__(self) -> None:
        self.positions: dict[DataPath, Position] = {}
        self.key_positions: dict[DataPath, Position] = {}
        self.raw_scalars: dict[DataPath, str] = {}
        self.issues: list[ConfigIssue] = []
        self._room = VALUE_LIMIT
        self._constructor = yaml.constructor.SafeConstructor()

    def value(self, node: yaml.Node, path: DataPath) -> Any:
        """The plain data of a node; None, and an issue, if it is not allowed."""
        if not self._has_room(path):
            return None
        self.positions[path] = _position(node)
        if node.tag not in _PLAIN_TAGS:
            self.issues.append(ConfigIssue(path, f"has the tag {node.tag[:60]!r}; only plain values are read"))
            return None
        if isinstance(node, yaml.MappingNode):
            return self.mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self.value(item, (*path, index)) for index, item in enumerate(node.value)]
        return self._scalar(node, path)

    def mapping(self, node: yaml.MappingNode, path: DataPath, only: _Wanted | None = None) -> dict[str, Any]:
        """A mapping with text keys; `<<` adds keys that the mapping itself lacks."""
        result: dict[str, Any] = {}
        merged: list[yaml.Node] = []
        for key_node, value_node in node.value:
            if key_node.tag == _MERGE_TAG:
                merged.extend(value_node.value if isinstance(value_node, yaml.SequenceNode) else [value_node])
                continue
            key = key_node.value if isinstance(key_node, yaml.ScalarNode) else None
            if only is not None and key not in only:
                continue
            if not isinstance(key, str) or _has_lone_surrogate(key):
                self.issues.append(ConfigIssue(path, "has a key that is not text"))
                continue
            here = (*path, key)
            if key in result:
                self.key_positions[here] = _position(key_node)
                self.issues.append(ConfigIssue(here, "is given twice", of_key=True))
                continue
            self.key_positions[here] = _position(key_node)
            self._take(result, key, value_node, here, only)
        for source in merged:
            if not isinstance(source, yaml.MappingNode):
                self.issues.append(ConfigIssue(path, "merges (<<) something that is not a mapping"))
            else:
                self._merge(source, path, result, only)
        return result

    def _take(self, into: dict[str, Any], key: str, node: yaml.Node, here: DataPath, only: _Wanted | None) -> None:
        """The value of a key; of one that is read in part, only that part, and nothing if it is no mapping."""
        part = only[key] if only is not None else None
        if part is None:
            into[key] = self.value(node, here)
        elif isinstance(node, yaml.MappingNode) and self._has_room(here):
            self.positions[here] = _position(node)
            into[key] = self.mapping(node, here, only=dict.fromkeys(part))

    def _has_room(self, path: DataPath) -> bool:
        """Counts one more value. Returns False, after adding one issue, once there are too many or too deep ones."""
        if self._room < 0:
            return False
        self._room -= 1
        if self._room >= 0 and len(path) <= DEPTH_LIMIT:
            return True
        self._room = -1
        bounds = f"{VALUE_LIMIT} values or {DEPTH_LIMIT} levels"
        self.issues.append(ConfigIssue(path[:1], f"contains more than {bounds}, after expanding aliases"))
        return False

    def _merge(
        self, source: yaml.MappingNode, path: DataPath, into: dict[str, Any], only: _Wanted | None = None
    ) -> None:
        if not self._has_room(path):
            return
        for key_node, value_node in source.value:
            if key_node.tag == _MERGE_TAG:
                nested = value_node.value if isinstance(value_node, yaml.SequenceNode) else [value_node]
                for node in nested:
                    if isinstance(node, yaml.MappingNode):
                        self._merge(node, path, into, only)
            elif only is not None and (not isinstance(key_node, yaml.ScalarNode) or key_node.value not in only):
                continue
            elif not isinstance(key_node, yaml.ScalarNode) or _has_lone_surrogate(key_node.value):
                self.issues.append(ConfigIssue(path, "merges (<<) a key that is not text"))
            elif key_node.value not in into:
                here = (*path, key_node.value)
                self.key_positions[here] = _position(key_node)
                self._take(into, key_node.value, value_node, here, only)

    def _scalar(self, node: yaml.Node, path: DataPath) -> Any:
        self.raw_scalars[path] = node.value
        if _has_lone_surrogate(node.value):
            self.issues.append(ConfigIssue(path, "contains a lone surrogate (\\ud800 to \\udfff)"))
            return None
        if node.tag.endswith(":timestamp"):
            return node.value
        if node.tag.endswith((":int", ":float")) and not _PLAIN_NUMBER.fullmatch(node.value):
            # YAML 1.1 reads 0120 as 80, 1:30 as 90 and 1_0 as 10; an author means text, or another number.
            return node.value
        try:
            return self._constructor.construct_object(node)
        except (ValueError, LookupError, TypeError, ArithmeticError, yaml.YAMLError):
            self.issues.append(
                ConfigIssue(path, f"is {node.value[:40]!r}, which YAML cannot read as a {node.tag[18:]}")
            )
            return None


def _has_lone_surrogate(text: str) -> bool:
    """Whether a text contains a lone surrogate, which cannot be encoded."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False


def _position(node: yaml.Node) -> Position:
    return Position(node.start_mark.line + 1, node.start_mark.column + 1)
