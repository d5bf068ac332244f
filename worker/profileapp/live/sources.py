"""The sources of one watched target or of the device: collectors attached to running apps."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import msgspec

from profileapp.collect.api import AppHandle, Collector, Emit, LaunchRequirements, RunContext
from profileapp.model.run import MetricStatus
from profileapp.run.sources import Find, MetricSource, NamesOf

APP_METRICS = ("container", "gpu-memory")
DEVICE_METRICS = ("system", "gpu-summary", "energy")
METRICS = ("system", "container", "gpu-memory", "gpu-summary", "energy")
"""Metrics available for a running app."""
LAUNCH_METRICS = ("functions", "tau", "custom")
"""Metrics that need the app to be started by a run."""
# It opens a CUDA context for each target, and cannot attribute memory to one app.
_NOT_LIVE = frozenset({"pycuda"})
NEEDS_START = "needs the app to be started by `profileapp run`"

SamplesOf = Callable[[str], int]
"""Returns how many samples of a metric were recorded."""


class LiveSources:
    """Sources of `metrics`. `unavailable` has reasons by metric, and is extended."""

    def __init__(
        self,
        metrics: Iterable[str],
        context: RunContext,
        emit: Emit,
        find: Find,
        unavailable: dict[str, str],
    ) -> None:
        self._context, self._emit, self._find, self._unavailable = context, emit, find, unavailable
        self._metrics = tuple(metrics)
        self._all: list[MetricSource] = []
        self._missing: dict[str, str] = {}
        self._open()

    @property
    def missing(self) -> dict[str, str]:
        """Metrics that are not measured, and why."""
        return self._missing

    def attach(self, app: AppHandle) -> None:
        """Starts measuring. Metrics that prove unavailable are added to `missing`."""
        for source in self._all:
            source.attach(app)
            if not source.is_open:
                self._missing[source.metric] = _reason(source)

    def detach(self) -> None:
        """Stops measuring: the app ended, or is no longer watched."""
        for source in self._all:
            source.detach()

    def close(self) -> None:
        """Releases everything. Idempotent."""
        for source in self._all:
            source.close()

    def reopen(self, interval_s: float) -> None:
        """Reopens all sources with another interval; the caller then calls `attach`."""
        self.close()
        target = msgspec.structs.replace(self._context.target, interval_s=interval_s)
        self._context = msgspec.structs.replace(self._context, target=target)
        self._all, self._missing = [], {}
        self._open()

    def statuses(self, samples_of: SamplesOf, names_of: NamesOf) -> tuple[MetricStatus, ...]:
        """The outcome of each metric, for run.json."""
        measured = [source.status(samples_of, names_of) for source in self._all]
        open_metrics = {source.metric for source in self._all}
        skipped = [
            MetricStatus(metric, "skipped", reason=reason)
            for metric, reason in self._missing.items()
            if metric not in open_metrics
        ]
        return (*measured, *skipped)

    def _open(self) -> None:
        for metric in self._metrics:
            if metric in self._unavailable:
                self._missing[metric] = self._unavailable[metric]
                continue
            source = MetricSource(metric, "", self._candidates(metric), self._context, self._emit)
            reason = _reason(source)
            if source.is_open and source.requirements != LaunchRequirements():
                source.close()
                reason = NEEDS_START
            if source.is_open:
                self._all.append(source)
            else:
                self._missing[metric] = reason
                # Cached: opening a GPU's library for each container would be slow.
                self._unavailable[metric] = reason

    def _candidates(self, metric: str) -> list[Collector]:
        found = self._find(metric, self._context.warn)
        return [each for each in found if not each.part and each.source not in _NOT_LIVE]


def _reason(source: MetricSource) -> str:
    return source.status(lambda _: 0).reason
