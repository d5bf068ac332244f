"""Finds the sources of a metric: entry points of the group `profileapp.collectors`, ours and other packages'."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from importlib.metadata import EntryPoint, entry_points
from typing import cast

from profileapp.collect.seam import Collector

GROUP = "profileapp.collectors"


def sources(
    metric: str,
    warn: Callable[[str], None],
    registered: Iterable[EntryPoint] | None = None,
) -> list[Collector]:
    """New collectors of a metric, the preferred first.

    A source is registered as `METRIC.SOURCE`. One that cannot be loaded or made is told to `warn` and left out.
    """
    found = []
    for entry_point in entry_points(group=GROUP) if registered is None else registered:
        if entry_point.name.partition(".")[0] != metric:
            continue
        try:
            found.append(cast(Collector, entry_point.load()()))
        except Exception as error:
            warn(
                f"the source {entry_point.name} ({entry_point.value}) cannot be loaded: {type(error).__name__}: {error}"
            )
    return sorted(found, key=lambda collector: -collector.preference)
