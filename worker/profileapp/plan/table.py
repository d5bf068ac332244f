"""The plan as a text table."""

from __future__ import annotations

import shlex

from profileapp.model.target import Plan, Target
from profileapp.model.text import printable

_COLUMNS = ("target", "agent", "time", "repeat", "interval", "network", "metrics", "arguments")
_ARGS_WIDTH = 60


def plan_table(plan: Plan) -> str:
    """Lines of text: the app and its image, then one row per target."""
    version = f" {plan.app.version}" if plan.app.version else ""
    rows = [_COLUMNS, *(_row(target) for target in plan.targets)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_COLUMNS))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join(
        (
            f"app    {printable(plan.app.name + version, 200)}",
            f"image  {printable(plan.image, 300) if plan.image else '(none: give --image)'}",
            "",
            *lines,
            "",
            f"{len(plan.targets)} target{'s' if len(plan.targets) != 1 else ''} · {_total(plan)}",
            "",
        )
    )


def format_duration(seconds: float) -> str:
    """`90 s`, `2 min`, `1 h 30 min`."""
    if seconds < 120 or seconds % 60:
        return f"{seconds:g} s"
    hours, minutes = divmod(int(seconds) // 60, 60)
    return f"{hours} h {minutes} min".removesuffix(" 0 min") if hours else f"{minutes} min"


def _row(target: Target) -> tuple[str, ...]:
    return (
        target.name,
        printable(target.agent, 30) or "any",
        format_duration(target.timeout_s) if target.timeout_s else "until it exits",
        str(target.repeat),
        format_duration(target.interval_s),
        "internet" if target.internet else "private",
        ", ".join(target.metrics),
        printable(shlex.join(target.args), _ARGS_WIDTH),
    )


def _total(plan: Plan) -> str:
    known_s = sum(target.timeout_s * target.repeat for target in plan.targets)
    open_ended = sum(not target.timeout_s for target in plan.targets)
    parts = [f"at most {format_duration(known_s)}"] if known_s else []
    if open_ended:
        parts.append(f"{open_ended} until the app exits")
    return ", and ".join(parts)
