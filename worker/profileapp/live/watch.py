"""Watches the selected targets until it is stopped: attaches new ones, closes ended ones, updates the views."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Protocol

import msgspec

from profileapp.collect.api import AppHandle, RunContext
from profileapp.live.change import Appeared, Change, Container, ContainerFeed, Gone, Notice
from profileapp.live.exposition import Exposed
from profileapp.live.names import target_name
from profileapp.live.processes import WatchedProcess
from profileapp.live.selection import Selection, is_pattern, title_of
from profileapp.live.snapshot import Snapshot
from profileapp.live.sources import APP_METRICS, DEVICE_METRICS, METRICS
from profileapp.live.watched import Watched, detached, ended
from profileapp.model.clock import Clock
from profileapp.model.target import Target
from profileapp.model.text import printable
from profileapp.run.sources import Find
from profileapp.run.stop import Stop, Wake

TARGETS_LIMIT = 1000
"""Limit of concurrently watched targets."""
ENDED_KEPT_S = 60.0
"""How long an ended target that was not named is remembered, in case it starts again."""
PROCESS_CHECK_S = 0.25
BESIDE_RUN_INTERVAL_S = 1.0
HEALTHY_INTERVALS, HEALTHY_S = 3, 10.0
"""A watch whose loop has not run for so many intervals and seconds is unhealthy."""
_TITLE_LIMIT = 128


class Setup(msgspec.Struct, frozen=True):
    """How to watch. `scratch` is a private folder; `is_measuring`: whether a `profileapp run` measures here now."""

    run_id: str
    scratch: Path
    interval_s: float
    find: Find
    is_measuring: Callable[[], bool]
    metrics: tuple[str, ...] = METRICS
    limit_s: float = 0.0


class Observer(Protocol):
    """Receives events of targets, in the main thread."""

    def begun(self, watched: Watched) -> None:
        """A target is now watched; nothing has been measured yet."""

    def attached(self, watched: Watched) -> None:
        """The target runs; its `life` has begun."""

    def detached(self, watched: Watched) -> None:
        """The `life` of the target has ended."""

    def finished(self, watched: Watched) -> None:
        """The target is no longer watched; its sources are closed."""

    def check(self) -> None:
        """Called once an interval."""


class View(Protocol):
    """Displays snapshots and notes."""

    def show(self, snapshot: Snapshot) -> None:
        """Called once an interval. Raises OSError if the output is closed."""

    def note(self, text: str) -> None:
        """Shows one line about an event."""

    def react(self) -> bool:
        """Handles the user's keys since the last call. Returns whether `show` is to be called."""


class OutputGone(Exception):
    """The output is closed: a pipe or a terminal."""


class Watch:
    """`run` is for the main thread; `report` is thread-safe."""

    def __init__(self, selection: Selection, setup: Setup, stop: Stop, wake: Wake, view: View) -> None:
        self._selection = selection
        self._setup = setup
        self._stop = stop
        self._wake = wake
        self._view = view
        self.observers: tuple[Observer, ...] = ()
        self.clock = Clock.now()
        self._changes: SimpleQueue[Change] = SimpleQueue()
        self._unavailable: dict[str, str] = {}
        self._targets: dict[str, Watched] = {}
        """By title."""
        self._by_container: dict[str, Watched] = {}
        self._processes: list[tuple[WatchedProcess, Watched]] = []
        self._beside_run = False
        self._overflows = 0
        self._attached = False
        self._alive_s = time.monotonic()
        self._is_over = False
        device_metrics = tuple(metric for metric in DEVICE_METRICS if metric in setup.metrics)
        self.device = Watched("device", None, self._context_of("device"), device_metrics, setup.find, self._unavailable)

    @property
    def targets(self) -> tuple[Watched, ...]:
        """All watched targets, in the order in which they appeared."""
        return tuple(self._targets.values())

    @property
    def has_attached(self) -> bool:
        """Whether any target was ever measured."""
        return self._attached

    def end(self) -> None:
        """Makes `run` return."""
        self._is_over = True

    def report(self, change: Change) -> None:
        """Receives a change from a feed."""
        self._changes.put(change)
        self._wake.set()

    def run(self, feeds: Iterable[ContainerFeed]) -> None:
        """Watches until it is stopped, `limit_s` is over, or no target can appear any more.

        Raises OutputGone, and what feeds raise.
        """
        feeds = tuple(feeds)
        try:
            # A process that does not run is a user error: check it before anything else starts.
            processes = [WatchedProcess(pid) for pid in self._selection.pids]
            self.device.attach(AppHandle(os.getpid()), time.monotonic_ns())
            known = [container for feed in feeds for container in feed.open()]
            self._selection.check(known)
            for process in processes:
                self._watch_process(process)
            self._apply_changes()
            self._await_named(known)
            self._loop()
        finally:
            for feed in feeds:
                feed.close()
            self._finish()

    def snapshot(self) -> Snapshot:
        """The current snapshot."""
        now_ns, interval_s = time.monotonic_ns(), self._interval_s
        device = self.device.row(now_ns, interval_s)
        return Snapshot(
            at_ns=self.clock.wall_ns(now_ns),
            interval_s=interval_s,
            device=device.values,
            device_missing=device.missing,
            targets=tuple(each.row(now_ns, interval_s) for each in self._targets.values()),
            beside_run=self._beside_run,
        )

    def exposed(self) -> list[Exposed]:
        """The newest values of the device and of every target, for Prometheus. Thread-safe."""
        now_ns, interval_s = time.monotonic_ns(), self._interval_s
        device = msgspec.structs.replace(self.device.exposed(now_ns, interval_s), target="")
        return [device, *(each.exposed(now_ns, interval_s) for each in tuple(self._targets.values()))]

    def is_healthy(self) -> bool:
        """Whether the loop still runs. Thread-safe."""
        return time.monotonic() - self._alive_s < HEALTHY_INTERVALS * self._interval_s + HEALTHY_S

    @property
    def _interval_s(self) -> float:
        return max(self._setup.interval_s, BESIDE_RUN_INTERVAL_S if self._beside_run else 0.0)

    def _loop(self) -> None:
        started_s = time.monotonic()
        next_s = started_s + self._interval_s
        while not self._stop.signal and not self._is_over:
            now_s = self._alive_s = time.monotonic()
            if self._setup.limit_s and now_s >= started_s + self._setup.limit_s:
                return
            self._apply_changes()
            self._check_processes()
            if now_s >= next_s:
                # Missed intervals are skipped: views show the current state.
                next_s += self._interval_s * (1 + (now_s - next_s) // self._interval_s)
                self._step_back()
                self._drop_ended()
                for observer in self.observers:
                    observer.check()
                self._show()
            elif self._view.react():
                self._show()
            if (
                self._processes
                and not self._selection.has_containers
                and all(watched.state == "ended" for _, watched in self._processes)
            ):
                return
            until_s = min(next_s, now_s + PROCESS_CHECK_S) if self._processes else next_s
            if self._setup.limit_s:
                until_s = min(until_s, started_s + self._setup.limit_s)
            self._wake.wait(until_s - time.monotonic())

    def _show(self) -> None:
        try:
            self._view.show(self.snapshot())
        except OSError as error:
            raise OutputGone from error

    def _apply_changes(self) -> None:
        while True:
            try:
                change = self._changes.get_nowait()
            except Empty:
                return
            if isinstance(change, Appeared):
                self._attach(change)
            elif isinstance(change, Gone):
                self._detach(change)
            elif isinstance(change, Notice):
                self._view.note(change.text)

    def _attach(self, change: Appeared) -> None:
        title = title_of(change.container)
        watched = self._by_container.get(change.container.id) or self._targets.get(title)
        if watched is None:
            watched = self._begin(title, change.container, contained=True)
        elif watched.state == "running":
            # Its end was missed, or another container has its name: containers of a pod may share one.
            if watched.container and watched.container.id != change.container.id:
                watched = self._begin(f"{title} {change.container.id[:12]}", change.container, contained=True)
            else:
                self._end(watched, Gone(change.container.id, change.at_ns))
        if watched is None:
            return
        self._by_container[change.container.id] = watched
        self._start(watched, AppHandle(change.pid, change.container.id), change.at_ns, change.container)

    def _start(self, watched: Watched, app: AppHandle, at_ns: int, container: Container | None) -> None:
        watched.attach(app, at_ns, container)
        self._attached = True
        if watched.starts == 1:
            self._view.note(f"{printable(watched.title)}: attached")
        for observer in self.observers:
            observer.attached(watched)

    def _detach(self, change: Gone) -> None:
        watched = self._by_container.pop(change.container_id, None)
        if watched is not None:
            self._end(watched, change)

    def _end(self, watched: Watched, change: Gone) -> None:
        life = watched.life
        if life is None or life.ended_ns:
            return
        watched.detach(ended(life, change))
        self._after_end(watched)

    def _after_end(self, watched: Watched) -> None:
        if watched.life and watched.starts == 1:
            self._view.note(f"{printable(watched.title)}: {watched.life.message}")
        for observer in self.observers:
            observer.detached(watched)

    def _begin(self, title: str, container: Container | None, *, contained: bool) -> Watched | None:
        if len(self._targets) >= TARGETS_LIMIT:
            self._overflows += 1
            if self._overflows == 1:
                self._view.note(f"more than {TARGETS_LIMIT} targets match; only the first {TARGETS_LIMIT} are watched")
            return None
        name = target_name(title[:_TITLE_LIMIT], {each.name for each in self._targets.values()})
        metrics = tuple(metric for metric in APP_METRICS if metric in self._setup.metrics)
        watched = Watched(
            title[:_TITLE_LIMIT],
            container,
            self._context_of(name, contained=contained),
            metrics,
            self._setup.find,
            self._unavailable,
        )
        self._targets[title] = watched
        for observer in self.observers:
            observer.begun(watched)
        return watched

    def _await_named(self, known: Iterable[Container]) -> None:
        """Shows named containers that do not run yet as waiting."""
        for container in known:
            title = title_of(container)
            exact = any(name in (container.name, title) for name in self._selection.names if not is_pattern(name))
            if exact and title not in self._targets:
                self._begin(title, container, contained=True)

    def _watch_process(self, process: WatchedProcess) -> None:
        watched = self._begin(process.title, None, contained=False)
        if watched:
            self._processes.append((process, watched))
            self._start(watched, AppHandle(process.pid), time.monotonic_ns(), None)

    def _check_processes(self) -> None:
        for process, watched in self._processes:
            if watched.state == "running" and process.has_ended:
                self._end(watched, Gone("", time.monotonic_ns()))

    def _step_back(self) -> None:
        """Samples less often while a run measures, to disturb it less."""
        beside_run = self._setup.is_measuring()
        if beside_run == self._beside_run:
            return
        before_s = self._interval_s
        self._beside_run = beside_run
        self._view.note(
            "a run measures on this agent: sampling once a second at most" if beside_run else "the run has ended"
        )
        if self._interval_s != before_s:
            for each in (self.device, *self._targets.values()):
                each.step(self._interval_s)

    def _drop_ended(self) -> None:
        """Forgets targets that ended a while ago, unless they were named: patterns may match any number."""
        kept_ns = time.monotonic_ns() - round(ENDED_KEPT_S * 1e9)
        processes = {id(watched) for _, watched in self._processes}
        for title, watched in list(self._targets.items()):
            life = watched.life
            if life is None or not 0 < life.ended_ns < kept_ns or id(watched) in processes:
                continue
            if watched.container and any(name in (watched.container.name, title) for name in self._selection.names):
                continue
            del self._targets[title]
            self._close(watched)

    def _finish(self) -> None:
        for watched in self._targets.values():
            life = watched.life
            if life and not life.ended_ns:
                watched.detach(detached(life))
                for observer in self.observers:
                    observer.detached(watched)
        for watched in self._targets.values():
            self._close(watched)
        self.device.close()

    def _close(self, watched: Watched) -> None:
        watched.close()
        for observer in self.observers:
            observer.finished(watched)

    def _context_of(self, name: str, *, contained: bool = False) -> Callable[[Callable[[str], None]], RunContext]:
        target = Target(
            name, timeout_s=self._setup.limit_s, interval_s=self._setup.interval_s, metrics=self._setup.metrics
        )

        def make(warn: Callable[[str], None]) -> RunContext:
            scratch = self._setup.scratch
            return RunContext(self._setup.run_id, target, self.clock, scratch, scratch, contained, warn)

        return make
