"""What pages, tables and test cases say of a run, in words and rows; pure."""

from __future__ import annotations

from collections.abc import Sequence

from profileapp.judge.verdict import JudgedRun
from profileapp.model.run import BudgetResult, Run
from profileapp.report.format import quantity

SYMBOLS = {
    "passed": "✔",
    "over budget": "▲",
    "app failed": "✘",
    "not measured": "✘",
    "aborted": "■",
    "incomplete": "…",
}
"""A sign beside each verdict's word, so that colour is not needed to tell them apart."""


def headline_labels(judged: Sequence[JudgedRun]) -> tuple[str, ...]:
    """Labels of the headline numbers of all targets, in their order, each once."""
    return tuple(dict.fromkeys(headline.label for each in judged for headline in each.headline))


def duration_s(run: Run) -> float:
    """Time that the app ran, over all repeats."""
    return sum(max(0, repeat.ended_ns - repeat.started_ns) for repeat in run.repeats) / 1e9


def budget_text(budget: BudgetResult) -> str:
    """`15.2 frames/s, limit >= 10, margin 5.2 frames/s`."""
    if budget.state == "not-measured":
        return budget.message
    margin = budget.margin or 0.0
    room = f"{quantity(abs(margin), budget.unit)} {'to spare' if margin >= 0 else 'over'}"
    return f"{quantity(budget.measured, budget.unit)}, limit {budget.condition}, {room}"


def facts(run: Run) -> tuple[tuple[str, str], ...]:
    """What was run and where, a row each; what is not known is left out."""
    agent, build = run.agent, run.build
    memory = quantity(agent.memory_bytes, "bytes") if agent.memory_bytes else ""
    rows = (
        ("app", f"{run.app.name} {run.app.version}".strip()),
        ("image", run.image.name if run.image else ""),
        ("image id", run.image.id if run.image else ""),
        ("digest", run.image.digest if run.image else ""),
        ("command", " ".join(run.command)),
        ("arguments", " ".join(run.target.args)),
        ("board", agent.board),
        ("agent", agent.hostname),
        ("processor", " · ".join(filter(None, (agent.cpu, f"{agent.cpu_count} cores" if agent.cpu_count else "")))),
        ("memory", memory),
        ("system", " · ".join(filter(None, (agent.os, agent.kernel, agent.architecture)))),
        ("runtime", agent.runtime),
        ("job", f"{build.job} {build.number}".strip()),
        ("build", build.url),
        ("commit", build.commit),
        ("branch", build.branch),
        ("run", run.id),
        ("profileapp", run.profileapp),
    )
    return tuple(row for row in rows if row[1])
