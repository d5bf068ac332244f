"""Finds the `profiling:` section: in a sage.yaml, under its `metadata:`, or in a file beside it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from profileapp.config.document import DataPath, Document
from profileapp.config.issue import name_of
from profileapp.config.source import parse_document, read_text
from profileapp.errors import ConfigError

APP_FILES = ("sage.yaml", "sage.yml")
"""Names of the file that describes an app."""
PROFILING_FILE = "profiling.yaml"
"""The file beside a sage.yaml that may hold the section."""
TOP_LEVEL: DataPath = ("profiling",)
IN_METADATA: DataPath = ("metadata", "profiling")

APP_KEYS = frozenset({"name", "namespace", "version"})
_PARTS = {"metadata": frozenset({"profiling"}), "source": frozenset[str]()}


class Section(msgspec.Struct, frozen=True):
    """Where the `profiling:` section is: a file, and the keys that lead to it there; `content` is the file's."""

    path: Path
    at: DataPath
    document: Document
    content: bytes

    @property
    def data(self) -> Any:
        """The section as plain data."""
        found: Any = self.document.data
        for step in self.at:
            found = found[step]
        return found

    @property
    def place(self) -> str:
        """`sage.yaml:12:1` and the name of the key, for messages."""
        position = self.document.position(self.at, of_key=True)
        return f"{self.path}:{position.line}:{position.column} ({name_of(self.at)})"


class AppFile(msgspec.Struct, frozen=True):
    """A file that describes an app, and the sections found in it and beside it."""

    path: Path
    content: bytes
    document: Document
    sections: tuple[Section, ...]
    beside: Path | None

    @property
    def section(self) -> Section:
        """The one section. Raises ConfigError where there is none, or more than one."""
        if not self.sections:
            raise ConfigError(self._no_section())
        if len(self.sections) > 1:
            first, *others = self.sections
            places = " and ".join(each.place for each in others)
            raise ConfigError(f"{first.place}: the section is also at {places}; keep one of them")
        return self.sections[0]

    @property
    def is_for_app_store(self) -> bool:
        """Whether the file says where the app's sources are, which only Sage's app store reads."""
        return ("source",) in self.document.key_positions

    def _no_section(self) -> str:
        if self.beside:
            return f"{self.beside}:1:1: has no key 'profiling'; put `targets` and `metrics` below it"
        hint = f"`profileapp init {self.path}` writes one" if self.path.name in APP_FILES else "add one"
        return (
            f"{self.path}:1:1: has no key 'profiling'; {hint}, such as\n"
            "  profiling:\n"
            "    targets:\n"
            '      - {args: "--use-gpu", timeout: 60}\n'
            "    metrics: [system, container]"
        )


def read_app_file(path: Path) -> AppFile:
    """Reads a file that describes an app, and profiling.yaml beside a sage.yaml; either may be named.

    Raises ConfigError with the place of what cannot be read.
    """
    app, beside = _pair(path)
    content = read_text(app)
    document = parse_app(app, content)
    sections = [Section(app, at, document, content) for at in (TOP_LEVEL, IN_METADATA) if at in document.key_positions]
    if beside:
        content_beside = read_text(beside)
        document_beside = parse_document(beside, content_beside, frozenset({"profiling"}))
        if TOP_LEVEL in document_beside.key_positions:
            sections.append(Section(beside, TOP_LEVEL, document_beside, content_beside))
    return AppFile(app, content, document, tuple(sections), beside)


def default_config() -> Path:
    """The sage.yaml of the current folder, or the file beside it; sage.yaml if there is neither."""
    return next((Path(name) for name in (*APP_FILES, PROFILING_FILE) if Path(name).exists()), Path(APP_FILES[0]))


def parse_app(path: Path, content: bytes) -> Document:
    """What is read of a file that describes an app. Raises ConfigError."""
    return parse_document(path, content, APP_KEYS | {"profiling"}, _PARTS)


def _pair(path: Path) -> tuple[Path, Path | None]:
    """The file that describes the app, and the file with the section beside it.

    A file of another name is used alone: the merge of a saved configuration is beside a sage.yaml, too.
    """
    if path.name == PROFILING_FILE:
        app = next((path.with_name(name) for name in APP_FILES if path.with_name(name).exists()), None)
        return (app, path) if app else (path, None)
    beside = path.with_name(PROFILING_FILE)
    # A broken link is an error, not an absent file.
    return path, beside if path.name in APP_FILES and (beside.exists() or beside.is_symlink()) else None
