"""All targets in one line, for a build's description."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from profileapp.judge.verdict import JudgedRun


def summary_line(judged: Sequence[JudgedRun]) -> str:
    """`3 targets: 2 passed, 1 over budget`."""
    if not judged:
        return "nothing was measured"
    counts = Counter(each.verdict for each in judged)
    parts = ", ".join(f"{count} {verdict}" for verdict, count in counts.most_common())
    return f"{len(judged)} target{'s' if len(judged) != 1 else ''}: {parts}"
