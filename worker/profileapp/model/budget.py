"""A budget: a limit on a statistic of a series, such as `fps.mean: ">= 10"`."""

from __future__ import annotations

import re
from difflib import get_close_matches
from typing import Literal, cast

import msgspec

from profileapp.model.quantity import parse_quantity

Comparison = Literal["<", "<=", ">", ">="]

STATISTICS = ("count", "mean", "stddev", "min", "p50", "p90", "p95", "p99", "max", "last")

_KEY_WITH_PHASE = re.compile(rf"(?P<path>.+)\.(?P<statistic>{'|'.join(STATISTICS)})@(?P<phase>!?[^!].*)", re.DOTALL)
_CONDITION = re.compile(r"\s*(?P<comparison><=|>=|<|>)\s*(?P<quantity>.+)", re.DOTALL)


class Budget(msgspec.Struct, frozen=True):
    """A limit on one statistic of every series that `path` names.

    `path` is the series' name, followed by the values of its labels to select one of several series, all joined by
    dots: `system.temperature.gpu`. `unit` is "" if the condition has none. `phase` limits the budget to that phase of
    the app or, prefixed with `!`, to the time outside it; "" for all.
    """

    key: str
    condition: str
    path: str
    statistic: str
    comparison: Comparison
    limit: float
    unit: str
    phase: str = ""


class BudgetKey(msgspec.Struct, frozen=True):
    """The parts of a key: `path.statistic@phase`. `statistic` may be unknown in a file of another version."""

    path: str
    statistic: str
    phase: str


def split_key(key: str) -> BudgetKey:
    """Splits a budget's key at the last dot before the statistic and `@`, since phases may contain dots too."""
    match = _KEY_WITH_PHASE.fullmatch(key)
    if match:
        return BudgetKey(match["path"], match["statistic"], match["phase"])
    path, _, statistic = key.rpartition(".")
    return BudgetKey(path, statistic, "")


def parse_budget(key: str, condition: str) -> Budget:
    """A budget from the YAML's key and value. Raises ValueError with the problem and the allowed values."""
    parts = split_key(key)
    path, statistic = parts.path, parts.statistic
    if not path or statistic not in STATISTICS:
        near = get_close_matches(statistic, STATISTICS, n=1)
        hint = f"; did you mean {path}.{near[0]}?" if near and path else ""
        raise ValueError(f"must end in one of the statistics {', '.join(STATISTICS)}{hint}")
    match = _CONDITION.fullmatch(condition)
    if not match:
        raise ValueError('must be a comparison and a number, such as ">= 10" or "<= 2 GiB"')
    limit, unit = parse_quantity(match["quantity"])
    return Budget(key, condition, path, statistic, cast(Comparison, match["comparison"]), limit, unit, parts.phase)
