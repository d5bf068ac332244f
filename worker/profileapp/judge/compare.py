"""Compares two sides (runs, builds, commits). Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from profileapp.judge.headline import headlines
from profileapp.model.budget import STATISTICS
from profileapp.model.run import SeriesSummary


class Side(msgspec.Struct, frozen=True):
    """A value over the runs of one side: mean, sample standard deviation (0 for one run), and number of runs."""

    mean: float
    stddev: float
    runs: int


class Difference(msgspec.Struct, frozen=True):
    """One number of one target on one kind of device; a side without it is None."""

    target: str
    device: str
    title: str
    statistic: str
    unit: str
    first: Side | None
    second: Side | None

    @property
    def ratio(self) -> float | None:
        """The change from the first to the second as a fraction of the first; None if undefined."""
        if self.first is None or self.second is None or not self.first.mean:
            return None
        return (self.second.mean - self.first.mean) / abs(self.first.mean)


class Measured(msgspec.Struct, frozen=True):
    """The summary of a run, with its target and device, which decide what it is compared with."""

    target: str
    device: str
    summary: tuple[SeriesSummary, ...]


def compare(first: Sequence[Measured], second: Sequence[Measured], metric: str = "") -> list[Difference]:
    """The numbers that both sides measured, by target and device, in the order of the first side.

    `metric` is a series as in a budget, with a statistic (default: mean); "" for the headline numbers.
    """
    groups = dict.fromkeys((each.target, each.device) for each in (*first, *second))
    found = []
    for target, device in groups:
        sides = [[each for each in side if (each.target, each.device) == (target, device)] for side in (first, second)]
        values = [[_values(run.summary, metric) for run in side] for side in sides]
        for key in dict.fromkeys(key for side in values for run in side for key in run):
            a, b = (_side(run[key] for run in side if key in run) for side in values)
            found.append(Difference(target, device, *key, a, b))
    return found


def split_metric(metric: str) -> tuple[str, str]:
    """Splits `fps.p95` into path and statistic; the statistic of `fps` is the mean."""
    path, _, statistic = metric.rpartition(".")
    return (path, statistic) if path and statistic in STATISTICS else (metric, "mean")


def matches_path(path: str, name: str, labels: Mapping[str, str]) -> bool:
    """Whether a path names a series: by its name alone, or with the values of its labels."""
    return path in (name, ".".join((name, *(value for _, value in sorted(labels.items())))))


def title_of(name: str, labels: Mapping[str, str]) -> str:
    """`system.cpu.util[0]`."""
    return f"{name}[{','.join(value for _, value in sorted(labels.items()))}]" if labels else name


def _values(summary: Sequence[SeriesSummary], metric: str) -> dict[tuple[str, str, str], float]:
    if not metric:
        return {(each.series_title, each.statistic, each.unit): each.value for each in headlines(summary)}
    path, statistic = split_metric(metric)
    return {
        (title_of(each.name, each.labels), statistic, each.unit if statistic != "count" else ""): value
        for each in summary
        if matches_path(path, each.name, each.labels) and (value := each.statistic(statistic)) is not None
    }


def _side(values: Iterable[float]) -> Side | None:
    found = list(values)
    if not found:
        return None
    mean = math.fsum(found) / len(found)
    variance = math.fsum((value - mean) ** 2 for value in found) / (len(found) - 1) if len(found) > 1 else 0.0
    return Side(mean, math.sqrt(variance), len(found))
