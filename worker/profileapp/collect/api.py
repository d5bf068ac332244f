"""The seam of collectors: what a source of samples is given, and what it must do.

A new source is one class here-shaped, one line in setup.cfg (`profileapp.collectors`), one test, one row in the docs.
Its life: `open` (before the app starts) · for each repeat `attach` (the app runs), `sample` at each tick, `detach` ·
`close`. Each source is called from one thread of its own while a repeat runs, so a slow one delays only itself.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import msgspec

from profileapp.model.clock import Clock
from profileapp.model.series import Series
from profileapp.model.target import Target


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
    """One source of one metric."""

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
