"""What became of a number that was held against earlier runs, in words. Pure."""

from __future__ import annotations

from profileapp.model.run import Baseline, Held
from profileapp.report.format import ABSENT, quantity


def earlier_text(held: Held) -> str:
    """`12 frames/s ± 0.8 frames/s`: the earlier mean, and how far from it is still the same."""
    if held.mean is None:
        return ABSENT
    return f"{quantity(held.mean, held.unit)} ± {quantity(held.margin, held.unit)}"


def change_text(held: Held) -> str:
    """`-11 %`."""
    return ABSENT if held.change is None else f"{100 * held.change:+.3g} %"


def held_text(held: Held) -> str:
    """`worse: 10.5 frames/s, before 12 frames/s ± 0.8 frames/s (15 runs), -12.5 %`."""
    if held.mean is None:
        return f"{held.state}: {held.note}"
    before = f"before {earlier_text(held)} ({held.runs} run{'s' if held.runs != 1 else ''})"
    return f"{held.state}: {quantity(held.value, held.unit)}, {before}, {change_text(held)}"


def baseline_text(baseline: Baseline) -> str:
    """What it was held against: `main, last build object-counter/main#213, commit 7c1f0be2`."""
    parts = [baseline.branch or "all branches"]
    if baseline.build:
        parts.append(f"last build {baseline.build}")
    if baseline.commit:
        parts.append(f"commit {baseline.commit[:12]}")
    return ", ".join(parts)
