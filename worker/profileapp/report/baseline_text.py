"""Describes the comparison of a number with earlier runs. Pure."""

from __future__ import annotations

from profileapp.model.run import Baseline, BaselineComparison, Scatter
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
    finds = f"; finds changes from {detectable_text(comparison)}" if comparison.detectable is not None else ""
    return (
        f"{comparison.state}: {quantity(comparison.value, comparison.unit)}, {before}, {change_text(comparison)}{finds}"
    )


def detectable_text(comparison: BaselineComparison) -> str:
    """`8.1 %`: the smallest change that nine in ten comparisons would find."""
    return ABSENT if comparison.detectable is None else f"{100 * comparison.detectable:.2g} %"


def scatter_text(comparison: BaselineComparison, repeats: int) -> str:
    """`builds ±2 %, starts ±0.8 %, within a repeat ±0.3 %: neither more nor longer repeats would help much`.

    "" where it is unknown. `repeats` is how many of them the number is a mean of.
    """
    found, mean = comparison.scatter, abs(comparison.mean or 0.0)
    if found is None or found.builds is None or not mean:
        return ""
    parts = (("builds", found.builds), ("starts", found.starts), ("within a repeat", found.within))
    shown = ", ".join(f"{name} ±{100 * part / mean:.2g} %" for name, part in parts if part is not None)
    return f"{shown}: {_advice(found, repeats)}"


def _advice(found: Scatter, repeats: int) -> str:
    builds, starts, within = (part or 0.0 for part in (found.builds, found.starts, found.within))
    if found.starts is None:
        return "2 repeats or more would show whether the starts of the app differ"
    averaged = (starts**2 + within**2) / max(1, repeats)
    if builds**2 >= averaged:
        return "neither more nor longer repeats would help much, as builds differ by more"
    return "more repeats would help most" if starts >= within else "longer repeats would help most"


def baseline_text(baseline: Baseline) -> str:
    """What it was compared with: `main, last build object-counter/main#213, commit 7c1f0be2`."""
    parts = [baseline.branch or "all branches"]
    if baseline.build:
        parts.append(f"last build {baseline.build}")
    if baseline.commit:
        parts.append(f"commit {baseline.commit[:12]}")
    return ", ".join(parts)
