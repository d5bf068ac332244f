"""Durations in a sage.yaml, as numbers or text, up to a limit."""

from __future__ import annotations

from collections.abc import Callable

from profileapp.config.document import DataPath
from profileapp.config.values import LONGEST_S
from profileapp.model.quantity import parse_duration_s


def duration_s(where: DataPath, value: float | str, report_issue: Callable[[DataPath, str], None]) -> float:
    """Seconds of a duration that passed the schema; reports an issue if it is longer than LONGEST_S."""
    seconds = parse_duration_s(value)
    # The schema bounds numbers alone.
    if not seconds <= LONGEST_S:
        report_issue(where, f"is {seconds:g} s, but must be at most 8760h")
        return 0.0
    return seconds
