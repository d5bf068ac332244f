"""A sage.yaml, read, validated and typed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from profileapp.config.document import DataPath, Document
from profileapp.config.issue import ConfigIssue, raise_issues
from profileapp.config.merge import merge_yaml
from profileapp.config.schema import Profiling, overlay_schema, profiling_schema
from profileapp.config.source import parse_document, read_text
from profileapp.config.validate import show, validate
from profileapp.errors import ConfigError
from profileapp.model.text import printable

_OWN_KEYS = frozenset({"name", "namespace", "version", "profiling"})
_TEXT_LIMIT = 200


class Overlay(msgspec.Struct, frozen=True):
    """A saved configuration: its `name` for messages, and its YAML."""

    name: str
    content: str


class SageYaml(msgspec.Struct, frozen=True):
    """The parts of a sage.yaml that profileapp reads; `document` has the position of each value."""

    path: Path
    name: str
    namespace: str
    version: str
    profiling: Profiling
    document: Document

    def raw_scalar(self, path: DataPath) -> str:
        """A scalar below `profiling`, as it is raw in the file."""
        place = ("profiling", *path)
        return self.document.raw_scalars[place]


def load(path: Path, overlay: Overlay | None = None) -> SageYaml:
    """Reads and validates a sage.yaml, with a saved configuration laid over it where one is given.

    Raises ConfigError with every mistake and its place; of what is merged, the place in the merged text.
    """
    content = read_text(path)
    sage = _parse(path, content)
    if overlay is None:
        return sage
    merged = merged_text(path, content, overlay)
    try:
        return _parse(path, merged.encode())
    except ConfigError as error:
        where = f"with {overlay.name} laid over it (lines are those of the merged text)"
        raise ConfigError(f"{where}:\n{error}") from error


def merged_text(path: Path, content: bytes, overlay: Overlay) -> str:
    """The YAML of a sage.yaml with a saved configuration laid over it. Raises ConfigError where either is bad."""
    _parse(path, content)
    check_overlay(overlay)
    return merge_yaml(_decoded(path, content), overlay.content, _OWN_KEYS)


def check_overlay(overlay: Overlay) -> None:
    """Raises ConfigError with every mistake of a saved configuration: a `profiling:` section, in whole or in part."""
    path = Path(overlay.name)
    document = parse_document(path, overlay.content.encode(), frozenset({"profiling"}))
    if "profiling" not in document.data:
        raise ConfigError(f"{path}:1:1: has no key 'profiling'; only what is below it is saved")
    section: Any = document.data["profiling"]
    issues = validate(section, overlay_schema(), ("profiling",))
    if not issues:
        issues = [
            ConfigIssue(("profiling", "targets", index), "has no name: it is laid over the target of the same name")
            for index, target in enumerate(section.get("targets", ()))
            if "name" not in target
        ]
    raise_issues(path, document, issues)


def _decoded(path: Path, content: bytes) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: is not UTF-8, so no configuration can be applied to it") from error


def _parse(path: Path, content: bytes) -> SageYaml:
    document = parse_document(path, content, _OWN_KEYS)
    issues: list[ConfigIssue] = []
    texts = {key: _text(document, key, issues) for key in ("name", "namespace", "version")}
    if "profiling" in document.data:
        section: Any = document.data["profiling"]
        issues += validate(section, profiling_schema(), ("profiling",))
    else:
        raise ConfigError(
            f"{path}:1:1: has no key 'profiling'; add one, such as\n"
            "  profiling:\n"
            "    targets:\n"
            '      - {args: "--use-gpu", timeout: 60}\n'
            "    metrics: [system, container]"
        )
    raise_issues(path, document, issues)
    profiling = msgspec.convert(section, Profiling)
    name = texts["name"] or path.resolve().parent.name
    return SageYaml(path, name, texts["namespace"], texts["version"], profiling, document)


def _text(document: Document, key: str, issues: list[ConfigIssue]) -> str:
    """A top-level scalar as it is written: a version may look like a number or a date. "" where absent."""
    raw = document.raw_scalars.get((key,))
    if raw is None:
        if document.data.get(key) is not None:
            issues.append(ConfigIssue((key,), f"is {show(document.data[key])}, but must be text"))
        return ""
    if document.data[key] is None:
        return ""
    if len(raw) > _TEXT_LIMIT or not raw.isprintable():
        issues.append(
            ConfigIssue((key,), f"is '{printable(raw, 40)}', but must be one line of at most {_TEXT_LIMIT} characters")
        )
    return raw
