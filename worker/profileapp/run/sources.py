"""The sources of one run: chosen among those registered, attached to each repeat, and called to account at the end."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import msgspec

from profileapp.collect.api import AppHandle, Argv, Collector, Emit, LaunchRequirements, Mount, RunContext, Trace
from profileapp.collect.schedule import Sampler
from profileapp.errors import AppEnded, Unavailable
from profileapp.model.run import MetricState, MetricStatus
from profileapp.model.series import MAIN_SERIES

WARNING_LIMIT = 100
Find = Callable[[str, Callable[[str], None]], list[Collector]]
"""Gives new collectors of a metric, the preferred first; told where to warn."""


NamesOf = Callable[[str], frozenset[str]]
"""Gives the names of a metric's series that were recorded."""


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
    """One metric of a run, or a part of it, and the source that gives it, if any does."""

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

    def attach(self, subject: AppHandle) -> None:
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
        """Whether a source was found that may give it."""
        return self._collector is not None

    @property
    def trace(self) -> Trace | None:
        """How the app is run under this source's tool; None where it measures the app as it is."""
        return self.requirements.trace if self._collector and not self._failure else None

    def wrap(self, argv: Argv) -> Argv:
        """The words with the tool in front, or as they are where it is none for them."""
        trace = self.trace
        if trace is None:
            return argv
        try:
            return trace.wrap(argv)
        except Unavailable as reason:
            self._give_up(str(reason))
            return argv

    def collect_results(self) -> None:
        """The traced repeat is over: what the tool left is read."""
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
        """There is nothing to be had after all: that is said, and no fault."""
        self._reasons.append(f"{self._source}: {reason}")
        self._source = ""
        self._measured = False
        self._close()

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
            except Unavailable as reason:
                self._give_up(str(reason))
            except Exception as error:
                self._note_failure(self._collector, error)

    def close(self) -> None:
        """Lets go of everything; may be called at any point, and twice."""
        self.detach()
        self._close()

    def status(self, samples_of: Callable[[str], int], names_of: NamesOf | None = None) -> MetricStatus:
        """What became of it.

        `samples_of` says how many samples of a metric were recorded, and `names_of` the names of their series. A source
        that gave samples, but none of what its metric is about, has not measured it.
        """
        status = self._status(0 if self._part else samples_of(self.metric))
        main = frozenset() if self._part else MAIN_SERIES.get(self.metric, frozenset())
        if names_of and main and status.state == "measured" and main.isdisjoint(names_of(self.metric)):
            reason = f"{status.source}: gave no {' or '.join(sorted(main))}"
            status = msgspec.structs.replace(status, state="skipped", reason=reason)
        return msgspec.structs.replace(status, part=self._part)

    def _status(self, samples: int) -> MetricStatus:
        failure = self._failure
        if not failure and not self._measured:
            if self._source:
                return MetricStatus(self.metric, "skipped", self._source, self._ended_early)
            reason = "; ".join(self._reasons) or f"no source of {self.metric!r} is built or installed on this agent"
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
            # A metric that is made of parts alone has no source of its own that could be missed.
            if len(parts) > 1 and not parts[""]:
                del parts[""]
            self._all += [MetricSource(metric, part, candidates, run, emit) for part, candidates in parts.items()]
        self._tracing = False

    @property
    def env(self) -> dict[str, str]:
        """Variables that the sources want the app to have."""
        return {name: value for source in self._is_running() for name, value in source.requirements.env.items()}

    @property
    def mounts(self) -> tuple[Mount, ...]:
        """What the sources want the app to see."""
        return tuple(mount for source in self._is_running() for mount in source.requirements.mounts)

    @property
    def wrap(self) -> Callable[[Argv], Argv] | None:
        """What is run in place of the app's own words; None where it is run as it is."""
        return self._wrapped if self._tracing else None

    def missing(self) -> list[tuple[str, str]]:
        """What cannot be had, known before the app starts: the metric (and its part), and why."""
        statuses = [source.status(lambda _: 0) for source in self._all if not source.is_open]
        return [(status.title, status.reason) for status in statuses]

    @property
    def is_to_trace(self) -> bool:
        """Whether a tool wants to trace the app, in a repeat of its own."""
        return any(source.trace for source in self._all)

    def begin_trace(self) -> bool:
        """Whether a tool is to trace the app; if so, it is at work from the next start of the app on."""
        self._tracing = self.is_to_trace
        return self._tracing

    def end_trace(self) -> None:
        """The traced repeat is over."""
        for source in self._all:
            source.collect_results()
        self._tracing = False

    def attach(self, subject: AppHandle) -> None:
        for source in self._is_running():
            source.attach(subject)

    def _is_running(self) -> list[MetricSource]:
        """Tools that trace the app are at work in the traced repeat only."""
        return [source for source in self._all if self._tracing or not source.trace]

    def _wrapped(self, argv: Argv) -> Argv:
        """One tool around the other; one that is none for this app says so, and is left out."""
        for source in self._all:
            if source.trace:
                argv = source.wrap(argv)
        return argv

    def detach(self) -> None:
        for source in self._all:
            source.detach()

    def close(self) -> None:
        for source in self._all:
            source.close()

    def statuses(self, samples_of: Callable[[str], int], names_of: NamesOf | None = None) -> tuple[MetricStatus, ...]:
        """What became of each metric; see `MetricSource.status`."""
        return tuple(source.status(samples_of, names_of) for source in self._all)


def _close_quietly(collector: Collector) -> None:
    """A source that could not be opened may hold half of what it needs; what it says of closing that helps nobody."""
    with suppress(Exception):
        collector.close()
