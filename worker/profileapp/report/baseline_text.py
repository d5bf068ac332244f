"""Describes the comparison of a number with earlier runs. Pure."""

from __future__ import annotations

from profileapp.model.run import Baseline, BaselineComparison
from profileapp.report.format import ABSENT, quantity


def earlier_text(comparison: BaselineComparison) -> str:
    """`12 frames/s ± 0.8 frames/s`: the earlier mean, and the margin within which a value counts as the same."""
    if comparison.mean is None:
        return ABSENT
    return f"{quantity(comparison.mean, comparison.unit)} ± {quantity(comparison.margin, comparison.unit)}"


def change_text(comparison: BaselineComparison) -> str:
    """`-11 %`."""
    return ABSENT if comparison.change is None else f"{100 * comparison.change:+.3g} %"


def comparison_text(comparison: BaselineComparison) -> str:
    """`worse: 10.5 frames/s, before 12 frames/s ± 0.8 frames/s (15 runs), -12.5 %`."""
    if comparison.mean is None:
        return f"{comparison.state}: {comparison.note}"
    before = f"before {earlier_text(comparison)} ({comparison.runs} run{'s' if comparison.runs != 1 else ''})"
    return f"{comparison.state}: {quantity(comparison.value, comparison.unit)}, {before}, {change_text(comparison)}"


def baseline_text(baseline: Baseline) -> str:
    """What it was compared with: `main, last build object-counter/main#213, commit 7c1f0be2`."""
    parts = [baseline.branch or "all branches"]
    if baseline.build:
        parts.append(f"last build {baseline.build}")
    if baseline.commit:
        parts.append(f"commit {baseline.commit[:12]}")
    return ", ".join(parts)
