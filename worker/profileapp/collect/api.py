"""The public API of collectors: what a source of samples receives and what it must implement.

A new source is one class, a subclass of `BaseCollector`, and one line: an entry point of the group
`profileapp.collectors`, named `METRIC.SOURCE`, in this package or any other installed one. The life of a collector:
`open` (before the app starts) · for each repeat `attach` (the app runs), `sample` at each tick, `detach` · `close`.
While a repeat runs, each source is called from a separate thread, so a slow one delays only itself.

`API_VERSION` is incremented when sources written for an earlier version may no longer work. A third-party source
declares the version it was written for (`api_version = 1`). A source for another version is not used, and this is
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
from profileapp.model.series import DeclaredSeries, Series
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
    """How to run the app under a tool that traces it, and what to do after it has ended.

    Tracing slows the app down, so it gets a separate repeat after the measured ones. `wrap` turns the app's argv into
    the argv that starts the app under the tool. It raises Unavailable if the tool does not suit the app.
    `collect_results` reads the tool's output and raises Unavailable if there is none.
    """

    wrap: Callable[[Argv], Argv]
    collect_results: Callable[[], None]


class LaunchRequirements(msgspec.Struct, frozen=True):
    """What a source needs at the app's launch; with a `trace`, in the traced repeat only."""

    env: dict[str, str] = {}
    mounts: tuple[Mount, ...] = ()
    trace: Trace | None = None


class HelperProgram(msgspec.Struct, frozen=True):
    """A module of this package to run as `python -m MODULE ARG…` in a helper, with exactly the rights it needs.

    `capabilities` are those of Linux, without `CAP_`. `container_id` is the container whose PID namespace it joins; ""
    for a namespace of its own. `mounts` are folders and files of the host beside the package and Python.
    """

    module: str
    args: tuple[str, ...] = ()
    capabilities: tuple[str, ...] = ()
    container_id: str = ""
    mounts: tuple[Mount, ...] = ()


class Helper(Protocol):
    """A helper that has started."""

    def stop(self) -> str:
        """Sends SIGTERM, waits for its end within a deadline, and removes it. Returns why it failed, "" if it did not.

        All output has been passed on afterwards. Never raises.
        """


class Helpers(Protocol):
    """Runs programs of this package as root in a container on this agent, for a worker that is not root."""

    @property
    def reason(self) -> str:
        """Why there are no helpers here; "" if there are."""

    def start(self, program: HelperProgram, output: Callable[[bytes], None]) -> Helper:
        """Starts a program. Another thread calls `output` with what it prints. Raises Unavailable."""


class RunContext(msgspec.Struct, frozen=True):
    """The run, as far as a source needs to know it.

    `scratch` is a private folder of the run (mode 0700, short path, deleted after the run); `artifacts` the target's
    artifact folder. `contained` is False under the process runtime: the app then sees host paths. `warn` adds one
    line to the report. `mask` removes the app's secrets from its output; None if it has none. `helpers` may read what
    this worker may not; None if the runtime has none.
    """

    run_id: str
    target: Target
    clock: Clock
    scratch: Path
    artifacts: Path
    contained: bool
    warn: Callable[[str], None]
    mask: Callable[[bytes], bytes] | None = None
    helpers: Helpers | None = None


class AppHandle(msgspec.Struct, frozen=True):
    """The running app: the PID of its first process on the host, and its container's id ("" for a process)."""

    pid: int
    container_id: str = ""


class Collector(Protocol):
    """One source of one metric; `BaseCollector` provides everything except `metric`, `source` and `sample`."""

    api_version: int
    """The `API_VERSION` it was written for."""
    metric: str
    """The metric it serves, one of `profileapp.model.series.METRICS`."""
    source: str
    """Where the samples come from, for run.json and the docs: `cgroup`, `psutil`."""
    part: str
    """The part of the metric it provides, if others provide other parts: `kernels`; "" for the whole metric."""
    preference: int
    """Of several sources of a part, the one with the highest preference that opens and attaches is used."""
    min_interval_s: float
    """The shortest useful sampling interval, in s: below it, values repeat or sampling costs too much."""

    def open(self, run: RunContext, emit: Emit) -> LaunchRequirements:
        """Prepares, before the app starts. Raises `Unavailable` if the metric cannot be measured on this agent."""

    def attach(self, app: AppHandle) -> None:
        """Starts measuring; the app runs now. Raises `Unavailable` if it cannot be measured."""

    def sample(self, now_ns: int) -> None:
        """Emits one sample of each series; `now_ns` is the monotonic clock. Called once an interval."""

    def detach(self) -> None:
        """Stops measuring; the app has ended or is about to be stopped. Raises Unavailable if there was no data."""

    def close(self) -> None:
        """Releases all resources. Called once, whatever happened before."""


class BaseCollector(ABC):
    """Defaults that suit most sources. A subclass sets `metric` and `source`, and implements `sample`.

    It overrides `open`, `attach`, `detach` and `close` as needed.
    """

    api_version: ClassVar[int] = API_VERSION
    metric: str = ""
    source: str = ""
    part: str = ""
    series: tuple[DeclaredSeries, ...] = ()
    """The series that it may emit, for the documentation and the checks of names, units and labels."""
    preference: int = 50
    """Higher than that of profileapp's built-in sources."""
    min_interval_s: float = 0.1
    samples_end: bool = False
    """Whether it takes one more sample when the app has ended: for running totals, which would lack the last interval.
    """

    _run: RunContext
    _emit: Emit

    def open(self, run: RunContext, emit: Emit) -> LaunchRequirements:
        """Stores both for later. Raises `Unavailable` if the metric cannot be measured on this agent."""
        self._run, self._emit = run, emit
        return LaunchRequirements()

    def attach(self, app: AppHandle) -> None:
        """Takes a first sample at once, so that even a short-lived app has one."""
        self.sample(time.monotonic_ns())

    @abstractmethod
    def sample(self, now_ns: int) -> None:
        """Emits one sample of each series with `self._emit(series, value, now_ns)`."""

    def finish(self, now_ns: int) -> None:  # noqa: B027  (for most sources the last sample is enough)
        """Emits, at `now_ns`, the end of the measurement, what was counted since the last sample. Before `detach`.

        The app has ended, or is about to be stopped.
        """

    def detach(self) -> None:  # noqa: B027  (most sources have no resources for a single repeat)
        """Stops measuring; the app has ended or is about to be stopped. Raises `Unavailable` if there was no data."""

    def close(self) -> None:  # noqa: B027  (a source may have no resources at all)
        """Releases all resources. Called once, whatever happened before."""
