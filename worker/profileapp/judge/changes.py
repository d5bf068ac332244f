"""Detects lasting level shifts of a number over many runs. Needs the history extra (apache-otava)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from importlib.util import find_spec

import msgspec

from profileapp.model.history import Change, Trend

MAX_P_VALUE = 0.001
MIN_CHANGE = 0.02
"""A fraction of the level before; smaller changes are ignored."""
WINDOW_RUNS = 50
MIN_RUNS = 8
"""With fewer runs, changes cannot be distinguished from noise."""


def with_changes(trend: Trend) -> Trend:
    """The trend with its changes, or with a note that explains why the search was skipped."""
    values = [point.value for point in trend.points]
    if len(values) < MIN_RUNS:
        return msgspec.structs.replace(trend, note=f"{len(values)} runs: change detection needs {MIN_RUNS}")
    if not changes_can_be_found():
        return msgspec.structs.replace(trend, note="change detection is off: pip install 'profileapp[history]'")
    return msgspec.structs.replace(trend, changes=tuple(_with_commits(trend, each) for each in find_changes(values)))


def changes_can_be_found() -> bool:
    """Whether the history extra is installed."""
    return find_spec("otava") is not None


def find_changes(values: Sequence[float]) -> list[Change]:
    """The changes in a sequence of finite values, in order.

    Hunter (Fleming et al., "Hunter: Using Change Point Detection to Hunt for Performance Regressions", ICPE 2023), as
    implemented by Apache Otava. Raises ImportError without the history extra.
    """
    from otava.analysis import compute_change_points  # noqa: PLC0415  (brings SciPy)

    if len(set(values)) < 2:
        return []
    found, _ = compute_change_points(values, window_len=WINDOW_RUNS, max_pvalue=MAX_P_VALUE, min_magnitude=MIN_CHANGE)
    edges = [0, *(int(each.index) for each in found), len(values)]
    return [
        Change(
            index=edges[number],
            before=_mean(values[edges[number - 1] : edges[number]]),
            after=_mean(values[edges[number] : edges[number + 1]]),
            p_value=float(each.stats.pvalue),
        )
        for number, each in enumerate(found, start=1)
    ]


def _with_commits(trend: Trend, change: Change) -> Change:
    point, before = trend.points[change.index], trend.points[change.index - 1]
    return msgspec.structs.replace(
        change,
        run_id=point.run_id,
        started_ns=point.started_ns,
        commit=point.commit,
        commit_before=before.commit,
    )


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)
