"""Groups targets that share a stage and an agent. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from profileapp.model.target import Group, Secret, Target


def group_targets(targets: Sequence[Target], default_agent: str, *, together: bool) -> tuple[Group, ...]:
    """One group per target or, with `together`, per agent label, in the order of their first targets.

    A target that names no agent has the label `default_agent`.
    """
    members: dict[str, list[Target]] = {}
    for target in targets:
        label = target.agent or default_agent
        members.setdefault(label if together else target.name, []).append(target)
    return tuple(
        Group(
            name=", ".join(each.name for each in group),
            agent=group[0].agent or default_agent,
            targets=tuple(each.name for each in group),
            secrets=_each_once([secret for each in group for secret in each.all_secrets]),
        )
        for group in members.values()
    )


def _each_once(secrets: Sequence[Secret]) -> tuple[Secret, ...]:
    found: dict[str, Secret] = {}
    for each in secrets:
        found.setdefault(each.env_var, each)
    return tuple(found.values())
