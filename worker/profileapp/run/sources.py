"""The sources of one run: selects registered ones, attaches them to each repeat, and reports their status."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import msgspec

from profileapp.collect.api import (
    AppHandle,
    Argv,
    BaseCollector,
    Collector,
    Emit,
    LaunchRequirements,
    Mount,
    RunContext,
    Trace,
)
from profileapp.collect.schedule import Sampler
from profileapp.errors import AppEnded, Unavailable
from profileapp.model.run import MetricState, MetricStatus
from profileapp.model.series import MAIN_SERIES

WARNING_LIMIT = 100
Find = Callable[[str, Callable[[str], None]], list[Collector]]
"""Returns new collectors of a metric, the preferred first; takes the function that reports warnings."""


NamesOf = Callable[[str], frozenset[str]]
"""Returns the names of a metric's recorded series."""


class Warnings:
    """Warnings for the report, each once, at most WARNING_LIMIT."""

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
        """All of them, and how many were dropped."""
        more = (f"and {self._more} more warnings",) if self._more else ()
        return (*list(self._lines), *more)


class MetricSource:
    """One metric of a run, or a part of it, and the source that measures it, if any."""

    def __init__(self, metric: str, part: str, candidates: list[Collector], run: RunContext, emit: Emit) -> None:
        self.metric = metric
        self._part = part
        self.requirements = LaunchRequirements()
        self._candidates = candidates
        self._run = run
        self._emit = emit
        self._collector: Collector | None = None
        self._source = ""
        self._reasons: list[str] = []
        self._sampler: Sampler | None = None
        self._attached = False
        self._measured = False
        self._failure = ""
        self._ended_early = str(AppEnded())
        self._late = 0
        self._missed = 0
        self._open_next()

    def attach(self, app: AppHandle) -> None:
        """Starts measuring the app, with the next source if the preferred one cannot."""
        while self._collector and not self._failure:
            try:
                self._collector.attach(app)
            except AppEnded as reason:
                # Not the source's fault: the next repeat may last longer.
                self._ended_early = str(reason)
                return
            except Unavailable as reason:
                self._reasons.append(f"{self._collector.source}: {reason}")
                self._source = ""
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

    @property
    def is_open(self) -> bool:
        """Whether a source was found that may measure it."""
        return self._collector is not None

    @property
    def trace(self) -> Trace | None:
        """The trace that runs the app under this source's tool; None if the source needs no tool."""
        return self.requirements.trace if self._collector and not self._failure else None

    def wrap(self, argv: Argv) -> Argv:
        """The argv with the tool in front, or unchanged if the tool does not apply."""
        trace = self.trace
        if trace is None:
            return argv
        try:
            return trace.wrap(argv)
        except Unavailable as reason:
            self._give_up(str(reason))
            return argv

    def collect_results(self) -> None:
        """The traced repeat is over: reads the tool's report."""
        trace = self.trace
        if trace is None:
            return
        try:
            trace.collect_results()
        except Unavailable as reason:
            self._give_up(str(reason))
        except Exception as error:
            self._fail(error)
        else:
            self._measured = True

    def _give_up(self, reason: str) -> None:
        """No data was available; this is reported and is not an error."""
        self._reasons.append(f"{self._source}: {reason}")
        self._source = ""
        self._measured = False
        self._close()

    def detach(self, ended_ns: int | None = None) -> None:
        """Stops measuring: the app has ended, or is about to be ended, at `ended_ns` of the monotonic clock."""
        if self._sampler:
            self._sampler.stop()
            self._late += self._sampler.late
            self._missed += self._sampler.missed
            if self._sampler.ended_by:
                self._fail(self._sampler.ended_by)
            elif self._sampler.hangs:
                self._failure = f"{self._source}: hung while taking a sample"
            self._sampler = None
        if self._attached and self._collector:
            self._attached = False
            if ended_ns is not None:
                self._finish(self._collector, ended_ns)
            try:
                self._collector.detach()
            except Unavailable as reason:
                self._give_up(str(reason))
            except Exception as error:
                self._note_failure(self._collector, error)

    def _finish(self, collector: Collector, ended_ns: int) -> None:
        # A source of another package need not derive from BaseCollector.
        if isinstance(collector, BaseCollector) and not self._failure:
            try:
                collector.finish(ended_ns)
            except Exception as error:
                self._note_failure(collector, error)

    def close(self) -> None:
        """Releases everything; may be called at any point, and twice."""
        self.detach()
        self._close()

    def status(self, samples_of: Callable[[str], int], names_of: NamesOf | None = None) -> MetricStatus:
        """Its outcome in this run.

        `samples_of` returns how many samples of a metric were recorded, and `names_of` the names of their series. A
        source that recorded samples, but none of the metric's main series, has not measured it.
        """
        status = self._status(0 if self._part else samples_of(self.metric))
        main = frozenset() if self._part else MAIN_SERIES.get(self.metric, frozenset())
        if names_of and main and status.state == "measured" and main.isdisjoint(names_of(self.metric)):
            reason = f"{status.source}: recorded no {' or '.join(sorted(main))}"
            status = msgspec.structs.replace(status, state="skipped", reason=reason)
        return msgspec.structs.replace(status, part=self._part)

    def _status(self, samples: int) -> MetricStatus:
        failure = self._failure
        if not failure and not self._measured:
            if self._source:
                return MetricStatus(self.metric, "skipped", self._source, self._ended_early)
            reason = "; ".join(self._reasons) or f"no source of {self.metric!r} is installed on this agent"
            return MetricStatus(self.metric, "skipped", reason=reason)
        state: MetricState = "failed" if failure else "measured"
        return MetricStatus(self.metric, state, self._source, failure, samples, self._late, self._missed)

    def _open_next(self) -> None:
        while self._candidates:
            collector = self._candidates.pop(0)
            try:
                self.requirements = collector.open(self._run, self._emit)
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
            parts: dict[str, list[Collector]] = {"": []}
            for collector in find(metric, run.warn):
                parts.setdefault(collector.part, []).append(collector)
            # A metric that consists of parts has no source that could be missing.
            if len(parts) > 1 and not parts[""]:
                del parts[""]
            self._all += [MetricSource(metric, part, candidates, run, emit) for part, candidates in parts.items()]
        self._tracing = False

    @property
    def env(self) -> dict[str, str]:
        """Environment variables that the sources need in the app."""
        return {name: value for source in self._is_running() for name, value in source.requirements.env.items()}

    @property
    def mounts(self) -> tuple[Mount, ...]:
        """Mounts that the sources need in the app."""
        return tuple(mount for source in self._is_running() for mount in source.requirements.mounts)

    @property
    def wrap(self) -> Callable[[Argv], Argv] | None:
        """Maps the app's argv to the one that is run instead; None if it runs unchanged."""
        return self._wrapped if self._tracing else None

    def missing(self) -> list[tuple[str, str]]:
        """Metrics (and parts) known to be unavailable before the app starts, and why."""
        statuses = [source.status(lambda _: 0) for source in self._all if not source.is_open]
        return [(status.title, status.reason) for status in statuses]

    @property
    def is_to_trace(self) -> bool:
        """Whether a tool needs a separate repeat to trace the app."""
        return any(source.trace for source in self._all)

    def begin_trace(self) -> bool:
        """Whether a tool traces the app; if so, it is active from the next start of the app on."""
        self._tracing = self.is_to_trace
        return self._tracing

    def end_trace(self) -> None:
        """The traced repeat is over."""
        for source in self._all:
            source.collect_results()
        self._tracing = False

    def attach(self, app: AppHandle) -> None:
        for source in self._is_running():
            source.attach(app)

    def _is_running(self) -> list[MetricSource]:
        """Tracing tools are active only in the traced repeat."""
        return [source for source in self._all if self._tracing or not source.trace]

    def _wrapped(self, argv: Argv) -> Argv:
        """Nests the tools; one that does not apply to this app reports so and is skipped."""
        for source in self._all:
            if source.trace:
                argv = source.wrap(argv)
        return argv

    def detach(self, ended_ns: int | None = None) -> None:
        for source in self._all:
            source.detach(ended_ns)

    def close(self) -> None:
        for source in self._all:
            source.close()

    def statuses(self, samples_of: Callable[[str], int], names_of: NamesOf | None = None) -> tuple[MetricStatus, ...]:
        """The outcome of each metric; see `MetricSource.status`."""
        return tuple(source.status(samples_of, names_of) for source in self._all)


def _close_quietly(collector: Collector) -> None:
    """Closes a source that could not be opened, since it may hold resources. Further errors are ignored."""
    with suppress(Exception):
        collector.close()
