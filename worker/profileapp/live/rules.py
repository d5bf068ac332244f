"""Rules of `live --rules`: when to record. Every error in the file is reported with line and column."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated

import msgspec

from profileapp.config.document import DataPath
from profileapp.config.issue import ConfigIssue, raise_issues
from profileapp.config.source import parse_document, read_text
from profileapp.config.validate import validate
from profileapp.config.values import Duration, key
from profileapp.errors import ConfigError
from profileapp.model.budget import Budget, parse_budget
from profileapp.model.quantity import parse_duration_s

RULES_LIMIT = 100
LONGEST_WINDOW_S = 3600.0
LONGEST_KEPT_S = 3600.0
_WHEN = re.compile(r"\s*(?P<key>\S+)\s+over\s+(?P<window>[\d.]+\s*(?:ms|s|m|h))\s*(?P<condition>[<>].*)", re.DOTALL)
_AT_MOST = re.compile(r"\s*(?P<count>\d{1,6})\s+per\s+(?P<time>\d+(?:\.\d+)?\s*(?:ms|s|m|h))\s*", re.ASCII)
_WHEN_HINT = 'must be STATISTIC over TIME CONDITION, such as "container.cpu.util.mean over 10s > 90 %"'


class _Keep(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="kebab"):
    before: Annotated[Duration, key("How much of the time before the hit is kept.")] = 30
    after: Annotated[Duration, key("How much of the time after the hit is kept.")] = 30


class _Do(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="kebab"):
    keep: _Keep = _Keep()
    note: Annotated[str, key("A line for the report.", max_length=200)] = ""


class _Rule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="kebab"):
    name: Annotated[
        str, key("Names the rule.", pattern="^[a-z0-9][a-z0-9-]{0,19}$", allowed="a short name: a-z, 0-9, -")
    ]
    when: Annotated[str, key("The condition: a budget's statistic over a window.", max_length=300)]
    for_: Annotated[str, key("Targets: a name or a pattern. Default: all.", max_length=200)] = msgspec.field(
        name="for", default="*"
    )
    do: _Do = _Do()
    at_most: Annotated[str, key("How often, such as 2 per 1h.", max_length=40)] = "6 per 1h"


class _Rules(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    rules: Annotated[list[_Rule], key(min_length=1, max_length=RULES_LIMIT)]


class Rule(msgspec.Struct, frozen=True):
    """Triggers if `budget` holds over the last `window_s` of a target whose title matches `pattern`. Records from
    `before_s` before the hit to `after_s` after it, at most `count` times per `per_s`.
    """

    name: str
    when: str
    budget: Budget
    window_s: float
    pattern: str = "*"
    before_s: float = 30.0
    after_s: float = 30.0
    note: str = ""
    count: int = 6
    per_s: float = 3600.0

    def matches(self, title: str) -> bool:
        """Whether the rule applies to a target."""
        return fnmatchcase(title, self.pattern)


def load_rules(path: Path, series_names: Mapping[str, object]) -> tuple[Rule, ...]:
    """The rules of a YAML file; `series_names` has the names of all series. Raises ConfigError with every error."""
    if not path.exists():
        raise ConfigError(f"{path}: no such file of rules")
    document = parse_document(path, read_text(path), frozenset({"rules"}))
    if "rules" not in document.data:
        raise ConfigError(f"{path}:1:1: has no key 'rules'")
    schema = msgspec.json.schema(_Rules)
    issues = validate(document.data, {**schema["$defs"]["_Rules"], "$defs": schema["$defs"]})
    raise_issues(path, document, issues)
    rules = []
    all_given = msgspec.convert(document.data, _Rules).rules
    for index, given in enumerate(all_given):
        here: DataPath = ("rules", index)
        rules.append(_rule(given, here, series_names, lambda where, text: issues.append(ConfigIssue(where, text))))
    names = [given.name for given in all_given]
    issues += [
        ConfigIssue(("rules", index, "name"), f"is {name!r}, which another rule has too")
        for index, name in enumerate(names)
        if name in names[:index]
    ]
    raise_issues(path, document, issues)
    return tuple(rule for rule in rules if rule)


def _rule(
    given: _Rule, here: DataPath, series_names: Mapping[str, object], report: Callable[[DataPath, str], None]
) -> Rule | None:
    when = _WHEN.fullmatch(given.when)
    if not when:
        report((*here, "when"), _WHEN_HINT)
        return None
    try:
        budget = parse_budget(when["key"], when["condition"])
        window_s = parse_duration_s(when["window"])
    except ValueError as error:
        report((*here, "when"), str(error))
        return None
    if budget.phase:
        report((*here, "when"), "has a phase: an app's phases are not known while it is watched")
    if not 0 < window_s <= LONGEST_WINDOW_S:
        report((*here, "when"), "has a window that must be more than none, and at most 1h")
    if _series_name(budget.path, series_names) is None:
        near = get_close_matches(budget.path, series_names, n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        report((*here, "when"), f"names {budget.path}, which is no series of an app that runs already{hint}")
    at_most = _AT_MOST.fullmatch(given.at_most)
    per_s = parse_duration_s(at_most["time"]) if at_most else 0.0
    if not at_most or not int(at_most["count"]) or not per_s > 0:
        report((*here, "at-most"), "must be COUNT per TIME, such as 2 per 1h")
        return None
    before_s, after_s = parse_duration_s(given.do.keep.before), parse_duration_s(given.do.keep.after)
    for name, duration_s in (("before", before_s), ("after", after_s)):
        if duration_s > LONGEST_KEPT_S:
            report((*here, "do", "keep", name), "must be at most 1h")
    return Rule(
        given.name,
        given.when,
        budget,
        window_s,
        given.for_,
        before_s,
        after_s,
        given.do.note,
        int(at_most["count"]),
        per_s,
    )


def _series_name(path: str, series_names: Mapping[str, object]) -> str | None:
    """The series that a budget's path names. Values of labels may follow its name."""
    while path not in series_names:
        path, dot, _ = path.rpartition(".")
        if not dot:
            return None
    return path
