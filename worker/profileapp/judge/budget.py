"""Compares measurements with budgets."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from difflib import get_close_matches

from profileapp.judge.percentiles import P99_MIN_COUNT
from profileapp.model.budget import Budget
from profileapp.model.run import BudgetResult, SeriesSummary

_COMPARE: dict[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def judge_budget(budget: Budget, summaries: Sequence[SeriesSummary]) -> BudgetResult:
    """Judges a budget. If it names several series, the worst one decides."""
    named = [summary for summary in summaries if budget.path in _paths(summary)]
    if not named:
        near = get_close_matches(budget.path, sorted({path for each in summaries for path in _paths(each)}), n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        return _not_measured(budget, f"no series {budget.path} was measured{hint}")
    units = {summary.unit for summary in named} if budget.statistic != "count" else {""}
    if budget.unit and units != {budget.unit}:
        return _not_measured(
            budget, f"{budget.path} is measured in {'/'.join(sorted(units)) or 'no unit'}, not in {budget.unit}"
        )
    values = [each.statistic(budget.statistic) for each in named]
    known = [value for value in values if value is not None]
    if len(known) < len(values):
        fewest = min(each.count for each in named)
        return _not_measured(
            budget, f"{budget.statistic} needs at least {P99_MIN_COUNT} values; {fewest} were measured"
        )
    margins = [(_margin(budget, value), value) for value in known]
    margin, measured = min(margins)
    is_met = all(_COMPARE[budget.comparison](value, budget.limit) for _, value in margins)
    return BudgetResult(
        key=budget.key,
        condition=budget.condition,
        state="met" if is_met else "violated",
        measured=measured,
        limit=budget.limit,
        margin=margin,
        unit=next(iter(units)),
    )


def _paths(summary: SeriesSummary) -> tuple[str, str]:
    """The two paths of a series: its name alone, and its name with the values of its labels."""
    return summary.name, ".".join((summary.name, *(value for _, value in sorted(summary.labels.items()))))


def _margin(budget: Budget, measured: float) -> float:
    return budget.limit - measured if budget.comparison in ("<", "<=") else measured - budget.limit


def _not_measured(budget: Budget, message: str) -> BudgetResult:
    return BudgetResult(key=budget.key, condition=budget.condition, state="not-measured", message=message)
