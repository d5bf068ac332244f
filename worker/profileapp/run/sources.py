"""The sources of one run: chosen among those registered, attached to each repeat, and called to account at the end."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from profileapp.collect.schedule import Sampler
from profileapp.collect.seam import Collector, Emit, Mount, Provision, RunContext, Subject
from profileapp.errors import AppEnded, Unavailable
from profileapp.model.run import MetricState, MetricStatus

WARNING_LIMIT = 100
Find = Callable[[str, Callable[[str], None]], list[Collector]]
"""Gives new collectors of a metric, the preferred first; told where to warn."""


class Warnings:
    """Lines for the report, each once, WARNING_LIMIT of them."""

    def __init__(self) -> None:
        self._lines: dict[str, None] = {}
        self._more = 0

    def add(self, line: str) -> None:
        """Any thread."""
        if line in self._lines:
            return
        if len(self._lines) >= WARNING_LIMIT:
            self._more += 1
        else:
            self._lines[line] = None

    def lines(self) -> tuple[str, ...]:
        """All of them, and how many more there were."""
        more = (f"and {self._more} more warnings",) if self._more else ()
        return (*list(self._lines), *more)


class MetricSource:
    """One metric of a run and the source that gives it, if any does."""

    def __init__(self, metric: str, candidates: list[Collector], run: RunContext, emit: Emit) -> None:
        self.metric = metric
        self.provision = Provision()
        self._candidates = candidates
        self._run = run
        self._emit = emit
        self._collector: Collector | None = None
        self._reasons: list[str] = []
        self._sampler: Sampler | None = None
        self._attached = False
        self._measured = False
        self._failure = ""
        self._ended_early = str(AppEnded())
        self._late = 0
        self._missed = 0
        self._open_next()

    def attach(self, subject: Subject) -> None:
        """The app runs: measures it, by the next source where the preferred one cannot."""
        while self._collector and not self._failure:
            try:
                self._collector.attach(subject)
            except AppEnded as reason:
                # No fault of the source: the next repeat may last longer.
                self._ended_early = str(reason)
                return
            except Unavailable as reason:
                self._reasons.append(f"{self._collector.source}: {reason}")
                self._close()
                self._open_next()
                continue
            except Exception as error:
                self._fail(error)
                return
            self._attached = self._measured = True
            self._sampler = Sampler(self._collector, self._run.target.interval_s, self._note_failure)
            self._sampler.start()
            return

    def detach(self) -> None:
        """The app has ended or will be ended next."""
        if self._sampler:
            self._sampler.stop()
            self._late += self._sampler.late
            self._missed += self._sampler.missed
            if self._sampler.ended_by:
                self._fail(self._sampler.ended_by)
            elif self._sampler.hangs:
                self._failure = f"{self._source}: hung in the middle of a sample"
            self._sampler = None
        if self._attached and self._collector:
            self._attached = False
            try:
                self._collector.detach()
            except Exception as error:
                self._note_failure(self._collector, error)

    def close(self) -> None:
        """Lets go of everything; may be called at any point, and twice."""
        self.detach()
        self._close()

    def status(self, samples: int) -> MetricStatus:
        """What became of the metric."""
        failure = self._failure
        if not failure and self._collector is None and not self._measured:
            reason = "; ".join(self._reasons) or f"no source of {self.metric!r} is built or installed on this agent"
            return MetricStatus(self.metric, "skipped", reason=reason)
        if not failure and not self._measured:
            return MetricStatus(self.metric, "skipped", self._source, self._ended_early)
        state: MetricState = "failed" if failure else "measured"
        return MetricStatus(self.metric, state, self._source, failure, samples, self._late, self._missed)

    def _open_next(self) -> None:
        while self._candidates:
            collector = self._candidates.pop(0)
            try:
                self.provision = collector.open(self._run, self._emit)
            except Unavailable as reason:
                self._reasons.append(f"{collector.source}: {reason}")
            except Exception as error:
                self._run.warn(f"source {collector.source} of {self.metric} failed: {type(error).__name__}: {error}")
                self._reasons.append(f"{collector.source}: failed ({type(error).__name__}: {error})")
            else:
                self._collector, self._source = collector, collector.source
                return
            _close_quietly(collector)

    def _close(self) -> None:
        if self._collector:
            try:
                self._collector.close()
            except Exception as error:
                self._note_failure(self._collector, error)
            self._collector = None

    def _fail(self, error: Exception) -> None:
        self._failure = f"{self._source}: {type(error).__name__}: {error}"

    def _note_failure(self, collector: Collector, error: Exception) -> None:
        self._run.warn(f"source {collector.source} of {self.metric} failed: {type(error).__name__}: {error}")


class Sources:
    """All metrics of a run."""

    def __init__(self, run: RunContext, emit: Emit, find: Find) -> None:
        metrics = dict.fromkeys((*run.target.metrics, "custom"))
        self._all: list[MetricSource] = []
        for metric in metrics:
            self._all.append(MetricSource(metric, find(metric, run.warn), run, emit))

    @property
    def env(self) -> dict[str, str]:
        """Variables that the sources want the app to have."""
        return {name: value for source in self._all for name, value in source.provision.env.items()}

    @property
    def mounts(self) -> tuple[Mount, ...]:
        """What the sources want the app to see."""
        return tuple(mount for source in self._all for mount in source.provision.mounts)

    def attach(self, subject: Subject) -> None:
        for source in self._all:
            source.attach(subject)

    def detach(self) -> None:
        for source in self._all:
            source.detach()

    def close(self) -> None:
        for source in self._all:
            source.close()

    def statuses(self, samples_of: Callable[[str], int]) -> tuple[MetricStatus, ...]:
        """What became of each metric; `samples_of` says how many samples of it were recorded."""
        return tuple(source.status(samples_of(source.metric)) for source in self._all)


def _close_quietly(collector: Collector) -> None:
    """A source that could not be opened may hold half of what it needs; what it says of closing that helps nobody."""
    with suppress(Exception):
        collector.close()
