"""A text drawing of what each target starts, mounts and connects. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from profileapp.model.target import Plan, Target
from profileapp.model.text import printable
from profileapp.model.topology import Node, app_node, network_node, service_node

GROUPS_LIMIT = 20
"""Limit of groups that are drawn. Targets that differ only in their arguments form one group."""
_TEXT_WIDTH = 100
_NAMES_WIDTH = 70
_KIND_WIDTH = 8


def plan_drawing(plan: Plan) -> str:
    """Lines of text: a tree for each group of targets with the same setup."""
    groups: dict[tuple[Node, ...], list[str]] = {}
    for target in plan.targets:
        groups.setdefault(_parts(plan, target), []).append(target.name)
    lines: list[str] = []
    for parts, names in list(groups.items())[:GROUPS_LIMIT]:
        lines += [printable(", ".join(names), _NAMES_WIDTH), *_lines(parts, "")]
    if len(groups) > GROUPS_LIMIT:
        lines.append(f"… and {len(groups) - GROUPS_LIMIT} more")
    return "".join(f"{line}\n" for line in lines)


def _lines(nodes: Sequence[Node], before: str) -> list[str]:
    lines = []
    for number, node in enumerate(nodes, start=1):
        corner, below = ("└─ ", "   ") if number == len(nodes) else ("├─ ", "│  ")
        lines.append(f"{before}{corner}{node.kind.ljust(_KIND_WIDTH)}  {printable(node.text, _TEXT_WIDTH)}".rstrip())
        lines += _lines(node.parts, before + below)
    return lines


def _parts(plan: Plan, target: Target) -> tuple[Node, ...]:
    where = [Node("agent", target.agent)] if target.agent else []
    app = app_node(target, plan.image or "(no image yet)")
    return (*where, app, network_node(target), *map(service_node, target.services))
