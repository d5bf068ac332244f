"""A budget: a limit on a statistic of a series, such as `fps.mean: ">= 10"`."""

from __future__ import annotations

import re
from difflib import get_close_matches
from typing import Literal, cast

import msgspec

from profileapp.model.quantity import parse_quantity

Comparison = Literal["<", "<=", ">", ">="]

STATISTICS = ("count", "mean", "sd", "min", "p50", "p90", "p95", "p99", "max", "last")

_CONDITION = re.compile(r"\s*(?P<comparison><=|>=|<|>)\s*(?P<quantity>.+)", re.DOTALL)


class Budget(msgspec.Struct, frozen=True):
    """A limit on one statistic of every series that `path` names.

    `path` is the series' name, then, where one of several series of that name is meant, the values of its labels, all
    joined by dots: `system.temperature.gpu`. `unit` is "" where the condition names none.
    """

    key: str
    condition: str
    path: str
    statistic: str
    comparison: Comparison
    limit: float
    unit: str


def parse_budget(key: str, condition: str) -> Budget:
    """A budget from the YAML's key and value. Raises ValueError with what is wrong and what is allowed."""
    path, _, statistic = key.rpartition(".")
    if not path or statistic not in STATISTICS:
        near = get_close_matches(statistic, STATISTICS, n=1)
        hint = f"; did you mean {path}.{near[0]}?" if near and path else ""
        raise ValueError(f"must end in one of the statistics {', '.join(STATISTICS)}{hint}")
    match = _CONDITION.fullmatch(condition)
    if not match:
        raise ValueError('must be a comparison and a number, such as ">= 10" or "<= 2 GiB"')
    limit, unit = parse_quantity(match["quantity"])
    return Budget(key, condition, path, statistic, cast(Comparison, match["comparison"]), limit, unit)
