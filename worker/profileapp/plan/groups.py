"""Groups targets that share a stage and an agent. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from profileapp.model.target import Dataset, Group, Secret, Target

METRIC_EXTRAS = {"functions": "functions"}
"""The extra of the worker (setup.cfg) that a metric needs."""
URL_EXTRAS = {"s3": "s3", "gs": "s3"}
"""The extra that a dataset needs, by the scheme of its URL."""


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
            extras=tuple(sorted({extra for each in group for extra in extras_of(each)})),
        )
        for group in members.values()
    )


def extras_of(target: Target) -> set[str]:
    """The extras of the worker that a target needs; without them it still runs, or reports what is missing."""
    urls = [each.url for each in target.datasets if isinstance(each, Dataset)]
    schemes = {url.partition(":")[0].lower() for url in urls if url}
    return {
        *(METRIC_EXTRAS[metric] for metric in target.metrics if metric in METRIC_EXTRAS),
        *(URL_EXTRAS[scheme] for scheme in schemes if scheme in URL_EXTRAS),
    }


def _each_once(secrets: Sequence[Secret]) -> tuple[Secret, ...]:
    found: dict[str, Secret] = {}
    for each in secrets:
        found.setdefault(each.env_var, each)
    return tuple(found.values())
