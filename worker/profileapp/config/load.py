"""A sage.yaml, read, validated and typed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from profileapp.config.mistake import Mistake, raise_mistakes
from profileapp.config.schema import Profiling, profiling_schema
from profileapp.config.source import Document, Path_, read_document
from profileapp.config.validate import show, validate
from profileapp.errors import ConfigError
from profileapp.model.text import printable

_OWN_KEYS = frozenset({"name", "namespace", "version", "profiling"})
_TEXT_LIMIT = 200


class SageYaml(msgspec.Struct, frozen=True):
    """What we read of a sage.yaml; `document` knows where each value stands."""

    path: Path
    name: str
    namespace: str
    version: str
    profiling: Profiling
    document: Document

    def written(self, path: Path_) -> str:
        """A scalar below `profiling`, as it is written in the file."""
        place = ("profiling", *path)
        return self.document.written[place]


def load(path: Path) -> SageYaml:
    """Reads and validates. Raises ConfigError with every mistake and its place."""
    document = read_document(path, _OWN_KEYS)
    mistakes: list[Mistake] = []
    texts = {key: _text(document, key, mistakes) for key in ("name", "namespace", "version")}
    if "profiling" in document.data:
        section: Any = document.data["profiling"]
        mistakes += validate(section, profiling_schema(), ("profiling",))
    else:
        raise ConfigError(
            f"{path}:1:1: has no key 'profiling'; add one, such as\n"
            "  profiling:\n"
            "    targets:\n"
            '      - {args: "--use-gpu", timeout: 60}\n'
            "    metrics: [system, container]"
        )
    raise_mistakes(path, document, mistakes)
    profiling = msgspec.convert(section, Profiling)
    name = texts["name"] or path.resolve().parent.name
    return SageYaml(path, name, texts["namespace"], texts["version"], profiling, document)


def _text(document: Document, key: str, mistakes: list[Mistake]) -> str:
    """A top-level scalar as it is written: a version may look like a number or a date. "" where it is not given."""
    written = document.written.get((key,))
    if written is None:
        if document.data.get(key) is not None:
            mistakes.append(Mistake((key,), f"is {show(document.data[key])}, but must be text"))
        return ""
    if document.data[key] is None:
        return ""
    if len(written) > _TEXT_LIMIT or not written.isprintable():
        mistakes.append(
            Mistake((key,), f"is '{printable(written, 40)}', but must be one line of at most {_TEXT_LIMIT} characters")
        )
    return written
