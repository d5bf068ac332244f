"""A sage.yaml, read, validated and typed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from profileapp.config.document import DataPath, Document
from profileapp.config.issue import ConfigIssue, raise_all_issues, raise_issues
from profileapp.config.merge import SectionText, merge_yaml
from profileapp.config.schema import Profiling, overlay_schema, profiling_schema
from profileapp.config.section import APP_KEYS, TOP_LEVEL, AppFile, Section, parse_app, read_app_file
from profileapp.config.source import parse_document
from profileapp.config.validate import show, validate
from profileapp.errors import ConfigError
from profileapp.model.text import printable

_TEXT_LIMIT = 200


class Overlay(msgspec.Struct, frozen=True):
    """A saved configuration: its `name` for messages, and its YAML."""

    name: str
    content: str


class SageYaml(msgspec.Struct, frozen=True):
    """The parts of a sage.yaml that profileapp reads; `section` has the position of each value below `profiling`.

    `name` is that of the folder where the file has none (`has_name`). `is_for_app_store`: the file has a `source`.
    Each target of `profiling` has the values of `defaults` that it does not give itself.
    """

    path: Path
    name: str
    namespace: str
    version: str
    profiling: Profiling
    section: Section
    has_name: bool = True
    is_for_app_store: bool = False

    def raw_scalar(self, path: DataPath) -> str:
        """The raw text of a scalar below `profiling`."""
        place = (*self.section.at, *path)
        return self.section.document.raw_scalars[place]

    def place(self, *path: str | int) -> DataPath:
        """Where a target's value is below `profiling`: in the target, else in the defaults, else the target itself.

        `path` starts with the target's index.
        """
        index, *keys = path
        own: DataPath = ("targets", index, *keys)
        places = (own, ("defaults", *keys), *([("metrics",)] if keys == ["metrics"] else []))
        return next((each for each in places if self.has(each)), own[:2])

    def has(self, path: DataPath) -> bool:
        """Whether the file has a value at a path below `profiling`."""
        return (*self.section.at, *path) in self.section.document.positions

    @property
    def files(self) -> tuple[Path, ...]:
        """The files that were read: an agent needs them all."""
        return tuple(dict.fromkeys((self.path, self.section.path)))


def load(path: Path, overlay: Overlay | None = None) -> SageYaml:
    """Reads and validates a sage.yaml, merged with a saved configuration if one is given.

    Raises ConfigError with every issue and its position; after a merge, the position in the merged text.
    """
    app = read_app_file(path)
    sage = _checked(app)
    if overlay is None:
        return sage
    content = _merged(app, overlay).encode()
    try:
        document = parse_app(app.path, content)
        section = Section(app.path, TOP_LEVEL, document, content)
        return _checked(AppFile(app.path, content, document, (section,), None))
    except ConfigError as error:
        where = f"merged with {overlay.name} (lines are those of the merged text)"
        raise ConfigError(f"{where}:\n{error}") from error


def merged_text(path: Path, overlay: Overlay) -> str:
    """The YAML of a sage.yaml merged with a saved configuration. Raises ConfigError if either is invalid."""
    app = read_app_file(path)
    _checked(app)
    return _merged(app, overlay)


def _merged(app: AppFile, overlay: Overlay) -> str:
    check_overlay(overlay)
    section = app.section
    text = SectionText(_decoded(section.path, section.content), tuple(map(str, section.at)))
    return merge_yaml(_decoded(app.path, app.content), text, overlay.content, APP_KEYS)


def check_overlay(overlay: Overlay) -> None:
    """Raises ConfigError with every issue of a saved configuration: a complete or partial `profiling:` section."""
    path = Path(overlay.name)
    document = parse_document(path, overlay.content.encode(), frozenset({"profiling"}))
    if "profiling" not in document.data:
        raise ConfigError(f"{path}:1:1: has no key 'profiling'; only this section is saved")
    section: Any = document.data["profiling"]
    issues = validate(section, overlay_schema(), ("profiling",))
    if not issues:
        issues = [
            ConfigIssue(("profiling", "targets", index), "has no name: it is merged into the target of the same name")
            for index, target in enumerate(section.get("targets", ()))
            if "name" not in target
        ]
    raise_issues(path, document, issues)


def _decoded(path: Path, content: bytes) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not valid UTF-8, so no configuration can be merged with it") from error


def _checked(app: AppFile) -> SageYaml:
    issues: list[ConfigIssue] = []
    texts = {key: _text(app.document, key, issues) for key in ("name", "namespace", "version")}
    section = app.section
    wrong = validate(section.data, profiling_schema(), section.at)
    if section.path == app.path:
        raise_issues(app.path, app.document, issues + wrong)
    else:
        raise_all_issues([(app.path, app.document, issues), (section.path, section.document, wrong)])
    profiling = msgspec.convert(_with_defaults(section.data), Profiling)
    name = texts["name"] or app.path.resolve().parent.name
    return SageYaml(
        app.path,
        name,
        texts["namespace"],
        texts["version"],
        profiling,
        section,
        has_name=bool(texts["name"]),
        is_for_app_store=app.is_for_app_store,
    )


def _with_defaults(section: dict[str, Any]) -> dict[str, Any]:
    """The section, whose targets have the values of the defaults too; entries of its mappings are merged."""
    shared = {key: section[key] for key in ("metrics",) if key in section} | section.get("defaults", {})
    return section | {"targets": [_over(shared, target) for target in section["targets"]]}


def _over(shared: dict[str, Any], target: dict[str, Any]) -> dict[str, Any]:
    both = {key: shared[key] | target[key] for key in ("env", "secrets", "budgets") if key in shared and key in target}
    return shared | target | both


def _text(document: Document, key: str, issues: list[ConfigIssue]) -> str:
    """The raw text of a top-level scalar, since a version may look like a number or a date; "" if absent."""
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
