"""A `Watch` with fake sources, a fake container runtime and a fake view."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

from profileapp.collect.api import AppHandle, BaseCollector, Collector, RunContext
from profileapp.collect.container import series as names
from profileapp.errors import AppEnded
from profileapp.live.change import Appeared, Change, Container, Gone
from profileapp.live.selection import Selection
from profileapp.live.snapshot import Snapshot
from profileapp.live.watch import Setup, Watch
from profileapp.live.watched import Watched
from profileapp.model.clock import Clock
from profileapp.model.target import Target
from profileapp.run.stop import Stop, Wake


class FakeContainerSource(BaseCollector):
    """Emits a CPU of 50 %. The app with PID 666 has already ended."""

    metric = "container"
    source = "fake"
    series = (names.CPU,)

    def attach(self, app: AppHandle) -> None:
        if app.pid == 666:
            raise AppEnded
        super().attach(app)

    def sample(self, now_ns: int) -> None:
        self._emit(names.CPU.series, 50.0, now_ns)


def find_fake(metric: str, _warn: Callable[[str], None]) -> list[Collector]:
    return [FakeContainerSource()] if metric == "container" else []


def make_watched(scratch: Path, title: str = "app") -> Watched:
    """A target without sources; the test emits its samples."""

    def context(warn: Callable[[str], None]) -> RunContext:
        return RunContext("id", Target(title), Clock(10**18, 0), scratch, scratch, True, warn)

    return Watched(title, Container(f"id-{title}", title), context, (), find_fake, {})


class FakeFeed:
    """Reports `changes` once it is open; the containers exist from the beginning."""

    def __init__(self, report: Callable[[Change], None], known: tuple[Container, ...] = ()) -> None:
        self.report = report
        self.known = known
        self.opened = threading.Event()
        self.is_closed = False

    def open(self) -> tuple[Container, ...]:
        self.opened.set()
        return self.known

    def close(self) -> None:
        self.is_closed = True

    def start(self, name: str, pid: int = 1, container_id: str = "", container: Container | None = None) -> Container:
        container = container or Container(container_id or f"id-{name}", name)
        self.report(Appeared(container, pid, time.monotonic_ns()))
        return container

    def end(self, container: Container, exit_code: int | None = 0, *, ordered: bool = False) -> None:
        self.report(Gone(container.id, time.monotonic_ns(), exit_code, ordered=ordered))


class FakeView:
    def __init__(self) -> None:
        self.snapshots: list[Snapshot] = []
        self.notes: list[str] = []
        self.on_show: Callable[[Snapshot], None] = lambda _: None

    def show(self, snapshot: Snapshot) -> None:
        self.snapshots.append(snapshot)
        self.on_show(snapshot)

    def react(self) -> bool:
        return False

    def note(self, text: str) -> None:
        self.notes.append(text)


class LiveBench:
    """A watch and its parts. `run` in the test's thread; changes come from `view.on_show` or before."""

    def __init__(
        self,
        scratch: Path,
        selection: Selection | None = None,
        *,
        interval_s: float = 0.02,
        limit_s: float = 0.0,
        known: tuple[Container, ...] = (),
    ) -> None:
        self.wake = Wake()
        self.stop = Stop(self.wake)
        self.view = FakeView()
        self.is_measuring = False
        setup = Setup(
            run_id="20260101T000000-00000000",
            scratch=scratch,
            interval_s=interval_s,
            find=find_fake,
            is_measuring=lambda: self.is_measuring,
            limit_s=limit_s,
        )
        self.watch = Watch(selection or Selection(all=True), setup, self.stop, self.wake, self.view)
        self.feed = FakeFeed(self.watch.report, known)

    def run(self) -> None:
        self.watch.run([self.feed])

    def run_until(self, condition: Callable[[Snapshot], bool], timeout_s: float = 20.0) -> Snapshot:
        """Runs until a snapshot fulfils `condition`, and returns that one."""
        found: list[Snapshot] = []
        deadline_s = time.monotonic() + timeout_s

        def check(snapshot: Snapshot) -> None:
            if condition(snapshot):
                found.append(snapshot)
                self.watch.end()
            assert time.monotonic() < deadline_s, f"waited in vain; last: {snapshot}"

        self.view.on_show = check
        self.run()
        return found[0]
