"""Finds the sources of a metric: entry points of the group `profileapp.collectors`, built-in and third-party."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from importlib.metadata import EntryPoint, entry_points
from typing import cast

from profileapp.collect.api import API_VERSION, Collector
from profileapp.model.series import DeclaredSeries

GROUP = "profileapp.collectors"

_METHODS = ("open", "attach", "sample", "detach", "close")


def sources(
    metric: str,
    warn: Callable[[str], None],
    registered: Iterable[EntryPoint] | None = None,
) -> list[Collector]:
    """New collectors of a metric, the most preferred first.

    A source is registered as `METRIC.SOURCE`. If it cannot be loaded or instantiated, it is skipped with a warning.
    """
    found: dict[str, Collector] = {}
    for entry_point in entry_points(group=GROUP) if registered is None else registered:
        if entry_point.name.partition(".")[0] != metric:
            continue
        try:
            found[entry_point.value] = _instance(entry_point, metric)
        except (Exception, SystemExit) as error:
            reason = " ".join(str(error).split())[:200]
            warn(
                f"the source {entry_point.name} ({entry_point.value}) cannot be used: {type(error).__name__}: {reason}"
            )
    return sorted(found.values(), key=lambda collector: (-collector.preference, collector.source))


def registered_classes(registered: Iterable[EntryPoint] | None = None) -> list[tuple[EntryPoint, type[Collector]]]:
    """The class of each source, without an instance. Raises whatever importing one raises."""
    found = entry_points(group=GROUP) if registered is None else registered
    return [(entry_point, entry_point.load()) for entry_point in found]


def _instance(entry_point: EntryPoint, metric: str) -> Collector:
    kind = entry_point.load()
    version = getattr(kind, "api_version", None)
    if version != API_VERSION:
        raise TypeError(f"it is written for version {version} of the collector API; this is version {API_VERSION}")
    collector = kind()
    missing = [name for name in _METHODS if not callable(getattr(collector, name, None))]
    if missing:
        raise TypeError(f"it lacks the method {', '.join(missing)}")
    if collector.metric != metric:
        raise ValueError(f"it serves the metric {collector.metric!r}")
    if not isinstance(collector.preference, int) or not isinstance(collector.source, str):
        raise TypeError("its `preference` must be an integer and its `source` a string")
    if not isinstance(getattr(collector, "part", None), str):
        raise TypeError("its `part` must be a string: the part of the metric it provides")
    if not isinstance(getattr(collector, "min_interval_s", None), int | float):
        raise TypeError("its `min_interval_s` must be a number: the shortest sampling interval in seconds")
    if not all(isinstance(each, DeclaredSeries) for each in getattr(kind, "series", ())):
        raise TypeError("its `series` must be a tuple of DeclaredSeries")
    return cast(Collector, collector)
