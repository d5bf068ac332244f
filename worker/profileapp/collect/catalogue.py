"""Every series that the installed sources declare: ours and those of other packages."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.metadata import EntryPoint

import msgspec

from profileapp.collect.registry import registered_classes
from profileapp.model.series import METRICS, DeclaredSeries


class Entry(msgspec.Struct, frozen=True):
    """A series and its sources, the most preferred first."""

    series: DeclaredSeries
    sources: tuple[str, ...]


def catalogue(registered: Iterable[EntryPoint] | None = None) -> dict[str, tuple[Entry, ...]]:
    """By metric in the order of `METRICS`, then by name. Series of `custom` are the app's own.

    Raises ValueError if two sources declare one name differently, or a series of another metric; whatever importing a
    source raises.
    """
    sources: dict[DeclaredSeries, list[str]] = {}
    by_name: dict[str, tuple[DeclaredSeries, str]] = {}
    for entry_point, kind in sorted(
        registered_classes(registered), key=lambda found: (-found[1].preference, found[1].source)
    ):
        for declared in getattr(kind, "series", ()):
            if declared.metric != kind.metric:
                raise ValueError(f"{entry_point.value} serves {kind.metric} and declares {declared.name}")
            first, where = by_name.setdefault(declared.name, (declared, entry_point.value))
            if first != declared:
                raise ValueError(f"{where} and {entry_point.value} declare {declared.name} differently")
            # `jetson-kernel (in part)` is the source `jetson-kernel` with fewer rights.
            source = kind.source.partition(" (")[0]
            found = sources.setdefault(declared, [])
            if source not in found:
                found.append(source)
    ranks = {metric: rank for rank, metric in enumerate(METRICS)}
    ordered = sorted(sources, key=lambda declared: (ranks[declared.metric], declared.name))
    entries = [Entry(declared, tuple(sources[declared])) for declared in ordered]
    metrics = dict.fromkeys(declared.metric for declared in ordered)
    return {metric: tuple(entry for entry in entries if entry.series.metric == metric) for metric in metrics}
