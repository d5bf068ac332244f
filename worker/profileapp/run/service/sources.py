"""Measures the cost of each service like the app's, in separate series: `service.cpu.util` with the service's name."""

from __future__ import annotations

from collections.abc import Mapping

from profileapp.collect.api import Collector, Emit, RunContext
from profileapp.collect.container.totals import emit_totals
from profileapp.model.series import Series
from profileapp.run.service_host import RunningService
from profileapp.run.sources import Find, MetricSource

_METRIC = "container"
_PREFIX = "service."


class ServiceEmit:
    """Renames the samples of a service that come from a source of the metric `container`."""

    def __init__(self, emit: Emit, service: str) -> None:
        self._emit = emit
        self._service = service
        self._named: dict[Series, Series] = {}

    def __call__(self, series: Series, value: float, at_ns: int) -> None:
        named = self._named.get(series)
        if named is None:
            name = _PREFIX + series.name.removeprefix(f"{_METRIC}.")
            labels = tuple(sorted((*series.labels, ("service", self._service))))
            named = self._named[series] = Series(name, series.unit, series.metric, labels, series.kind)
        self._emit(named, value, at_ns)


class ServiceSources:
    """The sources of all services of a run; none if the target does not list `container`."""

    def __init__(self, run: RunContext, emit: Emit, find: Find) -> None:
        names = [service.name for service in run.target.services] if _METRIC in run.target.metrics else []
        self._sources = {
            name: MetricSource(_METRIC, "", _whole(find(_METRIC, run.warn)), run, ServiceEmit(emit, name))
            for name in names
        }
        self._run = run
        self._emits = {name: ServiceEmit(emit, name) for name in names}

    def emit_totals(self, services: Mapping[str, RunningService], at_ns: int) -> None:
        """Records each service's totals of one repeat, after it is removed; `at_ns` 0: the app never ran."""
        for name, service in services.items():
            if at_ns and service.totals and name in self._emits:
                emit_totals(service.totals, self._emits[name], at_ns)

    def attach(self, services: dict[str, RunningService]) -> None:
        """Starts measuring: the services and the app run."""
        for name, service in services.items():
            if name in self._sources and service.handle and not service.exit:
                self._sources[name].attach(service.handle)

    def detach(self, ended_ns: int | None = None) -> None:
        """Stops measuring: the app has ended, or is about to be ended, at `ended_ns`. May be called twice."""
        for source in self._sources.values():
            source.detach(ended_ns)

    def close(self) -> None:
        """Releases everything, and warns about each service that could not be measured."""
        for name, source in self._sources.items():
            source.close()
            status = source.status(lambda _: 0)
            if status.state != "measured":
                self._run.warn(f"service {name} was not measured: {status.reason}")


def _whole(collectors: list[Collector]) -> list[Collector]:
    return [each for each in collectors if not each.part]
