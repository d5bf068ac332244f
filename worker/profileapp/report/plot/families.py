"""Groups series into plots: by part of the machine and unit; each of the app's own names has its own plot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from profileapp.model.budget import split_key
from profileapp.model.run import BudgetResult, SeriesSummary
from profileapp.model.series import MARKS, Series
from profileapp.report.clean import one_line
from profileapp.report.page_data import METRIC_ORDER

PLOT_LIMIT = 40
"""Limit of plots per target: an app may send thousands of names."""
LINE_LIMIT = 8
"""Limit of lines per plot."""

_MAIN = (".util", ".used")
"""Suffixes of names that are the first line of their plot."""
_FIRST_PARTS = (".cpu", ".gpu", ".memory")
_WORDS = {"cpu": "CPU", "gpu": "GPU", "io": "I/O", "util": "use"}


class Line(msgspec.Struct, frozen=True):
    """One series of a plot, with its legend text."""

    series: Series
    label: str


class Limit(msgspec.Struct, frozen=True):
    """A budget's limit, drawn across a plot. `value` is in the unit of the plot's series."""

    value: float
    label: str
    is_met: bool


class Family(msgspec.Struct, frozen=True):
    """The series of one plot. `key` identifies the plot in its target; `omitted` counts series over LINE_LIMIT."""

    key: str
    title: str
    unit: str
    metric: str
    lines: tuple[Line, ...]
    limits: tuple[Limit, ...] = ()
    omitted: int = 0


def families(
    series: Sequence[Series], largest: Mapping[Series, float], budgets: Sequence[BudgetResult]
) -> tuple[list[Family], int]:
    """The plots of a target, the app's own first, and how many exceed PLOT_LIMIT.

    `largest` has the largest value of each series; a family with too many series shows those with the largest values.
    """
    groups: dict[tuple[str, str, str], list[Series]] = {}
    for one in (one for one in series if one.kind not in MARKS):
        groups.setdefault((one.metric, _part(one), one.unit), []).append(one)
    # Of the app's own, frame rates are first, as in the headline numbers, then series with a budget.
    watched = {_without_statistic(budget.key) for budget in budgets}
    order = sorted(
        groups,
        key=lambda group: (
            METRIC_ORDER.index(group[0]) if group[0] in METRIC_ORDER else len(METRIC_ORDER),
            group[0] == "custom" and "fps" not in group[1].lower(),
            group[0] == "custom" and not any(path in watched for one in groups[group] for path in _paths(one)),
            next((place for place, part in enumerate(_FIRST_PARTS) if group[1].endswith(part)), len(_FIRST_PARTS)),
            group,
        ),
    )
    return [_family(groups[group], largest, budgets) for group in order[:PLOT_LIMIT]], max(0, len(order) - PLOT_LIMIT)


def _family(group: list[Series], largest: Mapping[Series, float], budgets: Sequence[BudgetResult]) -> Family:
    # A series without labels is the sum of those with labels: it must not be dropped.
    shown = sorted(group, key=lambda one: (bool(one.labels), -largest[one]))[:LINE_LIMIT]
    shown.sort(key=lambda one: (bool(one.labels), not one.name.endswith(_MAIN), one.title))
    first = shown[0]
    names = {one.name for one in shown}
    return Family(
        key=one_line(first.name if len(names) == 1 else _part(first), 60),
        title=_title(first.name if len(names) == 1 else _part(first), first.metric),
        unit=first.unit,
        metric=first.metric,
        lines=tuple(Line(one, _label(one, several_names=len(names) > 1)) for one in shown),
        limits=tuple(_limit(budget, len(shown) > 1) for budget in budgets if _concerns(budget, shown)),
        omitted=len(group) - len(shown),
    )


def _part(one: Series) -> str:
    """`container.memory` of `container.memory.used`; the whole name for app-reported series."""
    stem = one.name.rpartition(".")[0]
    return stem if one.metric != "custom" and "." in stem else one.name


def _title(name: str, metric: str) -> str:
    """`Container CPU use` of `container.cpu.util`; the app's own names are unchanged."""
    if metric == "custom":
        return one_line(name, 60)
    title = " ".join(_WORDS.get(word, word) for word in name.split("."))
    return one_line(title[:1].upper() + title[1:], 60)


def _label(one: Series, several_names: bool) -> str:
    last = _WORDS.get(word := one.name.rpartition(".")[2], word) if one.metric != "custom" else one.name
    labels = ", ".join(f"{key} {value}" if value.isdecimal() else value for key, value in one.labels)
    if not labels:
        return one_line(last if several_names else "all", 32)
    return one_line(f"{last} {labels}" if several_names else labels, 32)


def _paths(one: Series | SeriesSummary) -> tuple[str, str]:
    """The names a budget may call a series by, as `judge.budget` does."""
    pairs = sorted(one.labels.items()) if isinstance(one, SeriesSummary) else one.labels
    return one.name, ".".join((one.name, *(value for _, value in pairs)))


def _without_statistic(key: str) -> str:
    return split_key(key).path


def _concerns(budget: BudgetResult, group: Sequence[Series]) -> bool:
    path, statistic = split_key(budget.key).path, split_key(budget.key).statistic
    judged = budget.state != "not-measured" and budget.limit is not None
    return judged and statistic not in ("count", "stddev") and any(path in _paths(one) for one in group)


def _limit(budget: BudgetResult, several: bool) -> Limit:
    key = split_key(budget.key)
    of = f"{key.statistic} of {key.path.rpartition('.')[2]}" if several else key.statistic
    of += f" outside {key.phase[1:]}" if key.phase.startswith("!") else f" in {key.phase}" if key.phase else ""
    return Limit(
        budget.limit or 0.0, one_line(f"budget: {of} {condition_text(budget.condition)}", 48), budget.state == "met"
    )


def condition_text(condition: str) -> str:
    """`≥ 10` of `>= 10`."""
    return condition.strip().replace(">=", "≥").replace("<=", "≤")
