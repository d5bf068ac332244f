"""A drawing, in letters, of what each target starts, mounts and connects. Pure."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from profileapp.model.target import Dataset, Plan, Secret, Service, Target
from profileapp.model.text import printable

GROUPS_LIMIT = 20
"""Groups of targets that are drawn; targets that are alike but for their arguments are one."""
_TEXT_LETTERS = 100
_NAMES_LETTERS = 70
_WORD_LETTERS = 8


class Node(msgspec.Struct, frozen=True):
    """What stands on one line: a word for what it is, and more about it; and what belongs to it."""

    word: str
    text: str
    parts: tuple[Node, ...] = ()


def plan_drawing(plan: Plan) -> str:
    """Lines of text: a tree for each group of targets that need the same."""
    groups: dict[tuple[Node, ...], list[str]] = {}
    for target in plan.targets:
        groups.setdefault(_parts(plan, target), []).append(target.name)
    lines: list[str] = []
    for parts, names in list(groups.items())[:GROUPS_LIMIT]:
        lines += [printable(", ".join(names), _NAMES_LETTERS), *_lines(parts, "")]
    if len(groups) > GROUPS_LIMIT:
        lines.append(f"… and {len(groups) - GROUPS_LIMIT} more")
    return "".join(f"{line}\n" for line in lines)


def _lines(nodes: Sequence[Node], before: str) -> list[str]:
    lines = []
    for number, node in enumerate(nodes, start=1):
        corner, below = ("└─ ", "   ") if number == len(nodes) else ("├─ ", "│  ")
        lines.append(
            f"{before}{corner}{node.word.ljust(_WORD_LETTERS)}  {printable(node.text, _TEXT_LETTERS)}".rstrip()
        )
        lines += _lines(node.parts, before + below)
    return lines


def _parts(plan: Plan, target: Target) -> tuple[Node, ...]:
    where = [Node("agent", target.agent)] if target.agent else []
    inside = [
        *_needs(target.dataset, target.secrets),
        Node("metrics", ", ".join(dict.fromkeys((*target.metrics, "custom")))),
    ]
    app = Node("app", plan.image or "(image not named yet)", tuple(inside))
    return (*where, app, _network(target), *(_service(each) for each in target.services))


def _needs(dataset: str | Dataset | None, secrets: Sequence[Secret]) -> list[Node]:
    found = [Node("dataset", f"{dataset} at /dataset, read-only")] if dataset else []
    return found + [Node("secret", f"{each.variable} from the credential {each.credential}") for each in secrets]


def _network(target: Target) -> Node:
    if not target.services and target.internet is not False:
        return Node("network", "Docker's own, with a way out")
    way_out = "with a way out" if target.internet else "no way out"
    with_whom = ", with " + ", ".join(each.name for each in target.services) if target.services else ""
    return Node("network", f"private, {way_out}{with_whom}")


def _service(service: Service) -> Node:
    streams = [Node("plays", f"{each.name}: {each.dataset}, {each.rate:g} a second") for each in service.streams]
    ready = [Node("ready", str(service.ready))] if service.ready else []
    after = [Node("after", ", ".join(service.needs))] if service.needs else []
    word, kind = ("playback", "on port 8090") if service.streams else ("service", service.image)
    if service.streams and service.image:
        kind = service.image
    return Node(word, f"{service.name}: {kind}", (*streams, *_needs(service.dataset, service.secrets), *after, *ready))
