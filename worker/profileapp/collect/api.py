"""The public API of collectors: what a source of samples is given, and what it must do.

A new source is one class, a subclass of `BaseCollector`, and one line: an entry point of the group
`profileapp.collectors`, called `METRIC.SOURCE`, in this package or in any other that is installed beside it. Its life:
`open` (before the app starts) · for each repeat `attach` (the app runs), `sample` at each tick, `detach` · `close`.
Each source is called from one thread of its own while a repeat runs, so a slow one delays only itself.

`API_VERSION` goes up when a source that was written for an earlier one may no longer work. A source of another package
says for which it was written (`api_version = 1`); one that was written for another version is not used, and that is
reported.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar, Protocol

import msgspec

from profileapp.model.clock import Clock
from profileapp.model.series import Series
from profileapp.model.target import Target

API_VERSION = 1


class Emit(Protocol):
    """Takes one sample: `value` in the series' unit, at `at_ns` of the monotonic clock. Any thread may call it."""

    def __call__(self, series: Series, value: float, at_ns: int) -> None: ...


class Mount(msgspec.Struct, frozen=True):
    """A folder or file of the host that the app's container sees, read-only unless `writable`."""

    host_path: str
    container_path: str
    writable: bool = False


Argv = tuple[str, ...]


class Trace(msgspec.Struct, frozen=True):
    """How the app is run under a tool that traces it, and what is done when it has ended.

    Tracing costs the app time, so it has a repeat of its own behind those that are measured. `wrap` makes, of the words
    the app is started with, those that start the tool with the app; it raises Unavailable where the tool is none for
    such an app. `gather` reads what the tool left, and raises Unavailable where that is nothing.
    """

    wrap: Callable[[Argv], Argv]
    collect_results: Callable[[], None]


class LaunchRequirements(msgspec.Struct, frozen=True):
    """What a source wants the app to be started with; with a `trace`, in the traced repeat only."""

    env: dict[str, str] = {}
    mounts: tuple[Mount, ...] = ()
    trace: Trace | None = None


class RunContext(msgspec.Struct, frozen=True):
    """What a source may know of the run.

    `scratch` is a private folder of the run (mode 0700, short path, gone after the run); `artifacts` the target's
    artifact folder. `contained` is False under the process runtime: the app then sees host paths. `warn` puts one
    line into the report. `mask` takes the app's secrets out of what it says; None where it has none.
    """

    run_id: str
    target: Target
    clock: Clock
    scratch: Path
    artifacts: Path
    contained: bool
    warn: Callable[[str], None]
    mask: Callable[[bytes], bytes] | None = None


class AppHandle(msgspec.Struct, frozen=True):
    """The app while it runs: its first process as the host sees it, and its container's id ("" for a process)."""

    pid: int
    container_id: str = ""


class Collector(Protocol):
    """One source of one metric; `BaseCollector` has all of it but `metric`, `source` and `sample`."""

    api_version: int
    """The `API_VERSION` for which it was written."""
    metric: str
    """The word of `profileapp.model.series.METRICS` it serves."""
    source: str
    """Where the samples are from, for run.json and the docs: `cgroup`, `psutil`."""
    part: str
    """What of the metric it gives, where others give other parts: `kernels`; "" for the metric itself."""
    preference: int
    """Of several sources of a part the highest preference that opens and attaches is used."""
    min_interval_s: float
    """The shortest interval at which asking it makes sense: below, it says the same again, or costs too much."""

    def open(self, run: RunContext, emit: Emit) -> LaunchRequirements:
        """Makes ready, before the app starts. Raises `Unavailable` where this agent cannot give the metric."""

    def attach(self, subject: AppHandle) -> None:
        """The app runs now. Raises `Unavailable` where it cannot be measured."""

    def sample(self, now_ns: int) -> None:
        """Emits one sample of each series; `now_ns` is the monotonic clock. Called once an interval."""

    def detach(self) -> None:
        """The app has ended, or will be ended next; lets go of it. Raises Unavailable where nothing was to be had."""

    def close(self) -> None:
        """Lets go of everything. Called once, whatever happened before."""


class BaseCollector(ABC):
    """A source with what most of them have in common. A subclass says `metric` and `source`, and how it samples.

    Of `open`, `attach`, `detach` and `close` it overrides those in which it has something to do.
    """

    api_version: ClassVar[int] = API_VERSION
    metric: str = ""
    source: str = ""
    part: str = ""
    preference: int = 50
    """Before all sources that profileapp itself has."""
    min_interval_s: float = 0.1

    _run: RunContext
    _emit: Emit

    def open(self, run: RunContext, emit: Emit) -> LaunchRequirements:
        """Keeps both for later. Raises `Unavailable` where this agent cannot give the metric."""
        self._run, self._emit = run, emit
        return LaunchRequirements()

    def attach(self, subject: AppHandle) -> None:
        """Takes a first sample at once, so that an app that ends soon has some."""
        self.sample(time.monotonic_ns())

    @abstractmethod
    def sample(self, now_ns: int) -> None:
        """Emits one sample of each series, by `self._emit(series, value, now_ns)`."""

    def detach(self) -> None:  # noqa: B027  (most sources hold nothing for one repeat alone)
        """The app has ended, or will be ended next. Raises `Unavailable` where there was nothing to measure."""

    def close(self) -> None:  # noqa: B027  (a source may hold nothing at all)
        """Lets go of everything. Called once, whatever happened before."""
