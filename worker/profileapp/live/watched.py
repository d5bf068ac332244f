"""One watched target: its sources and newest values, over all of its starts."""

from __future__ import annotations

import time
from collections.abc import Callable

import msgspec

from profileapp.collect.api import AppHandle, Emit, RunContext
from profileapp.live.change import Container, Gone
from profileapp.live.exposition import Exposed
from profileapp.live.snapshot import TargetRow, TargetState
from profileapp.live.sources import LiveSources
from profileapp.live.values import CPU, MEMORY, QUOTA, Values
from profileapp.model.run import ExitReason
from profileapp.model.series import Series
from profileapp.run.exit_reason import signal_name
from profileapp.run.sources import Find, Warnings

STALE_INTERVALS = 3
_SIGNAL_CODES = range(129, 129 + 64)


class Life(msgspec.Struct, frozen=True):
    """One start of a watched target. Times are of the monotonic clock; `ended_ns` is 0 while it runs."""

    index: int
    app: AppHandle
    started_ns: int
    ended_ns: int = 0
    exit_reason: ExitReason | None = None
    exit_code: int | None = None
    signal: int = 0
    message: str = ""


class Watched:
    """One target. `sinks` receive each of its samples, besides `values`. Only `emit` is thread-safe."""

    def __init__(
        self,
        title: str,
        container: Container | None,
        make_context: Callable[[Callable[[str], None]], RunContext],
        metrics: tuple[str, ...],
        find: Find,
        unavailable: dict[str, str],
    ) -> None:
        self.title = title
        self.container = container
        self.values = Values()
        self.warnings = Warnings()
        self.sinks: tuple[Emit, ...] = ()
        self.life: Life | None = None
        self.starts = 0
        self.context = make_context(self.warnings.add)
        self.sources = LiveSources(metrics, self.context, self.emit, find, unavailable)

    @property
    def name(self) -> str:
        """The target's name."""
        return self.context.target.name

    @property
    def state(self) -> TargetState:
        """Whether it runs now."""
        if self.life is None:
            return "waiting"
        return "ended" if self.life.ended_ns else "running"

    def emit(self, series: Series, value: float, at_ns: int) -> None:
        """Receives one sample; the `Emit` of the collector API. Thread-safe."""
        self.values.emit(series, value, at_ns)
        for sink in self.sinks:
            sink(series, value, at_ns)

    def attach(self, app: AppHandle, at_ns: int, container: Container | None = None) -> None:
        """Starts measuring: the target runs, as far as is known since `at_ns`."""
        self.container = container or self.container
        self.starts += 1
        self.life = Life(self.starts, app, at_ns)
        self.sources.attach(app)

    def detach(self, end: Life) -> None:
        """Stops measuring: the target ended, or is no longer watched. `end` is its life, complete."""
        self.sources.detach()
        self.values.clear()
        self.life = end

    def step(self, interval_s: float) -> None:
        """Changes the sampling interval."""
        self.sources.reopen(interval_s)
        if self.life and not self.life.ended_ns:
            self.sources.attach(self.life.app)

    def row(self, now_ns: int, interval_s: float) -> TargetRow:
        """Its row at `now_ns` of the monotonic clock, with values of the last intervals only."""
        life, container, wall_ns = self.life, self.container, self.context.clock.wall_ns
        since_ns = _since_ns(now_ns, interval_s)
        changed_ns = (life.ended_ns or life.started_ns) if life else 0
        newest = self.values.newest(since_ns)
        return TargetRow(
            name=self.name,
            title=self.title,
            state=self.state,
            container_id=container.id if container else "",
            pid=life.app.pid if life and not life.ended_ns else 0,
            image=container.image if container else "",
            starts=self.starts,
            since_ns=wall_ns(changed_ns) if changed_ns else 0,
            message=life.message if life else "waiting for it to start",
            values={series.title: value for series, value in newest.items()},
            units={series.title: series.unit for series in newest},
            missing=dict(self.sources.missing),
            throttled=self.state == "running" and self.values.has_grown(QUOTA),
            cpu_history=self.values.history(CPU),
            memory_history=self.values.history(MEMORY),
        )

    def exposed(self, now_ns: int, interval_s: float) -> Exposed:
        """Its newest values for Prometheus. Thread-safe."""
        container = self.container
        return Exposed(
            target=self.name,
            values=self.values.newest(_since_ns(now_ns, interval_s)),
            title=self.title,
            image=container.image if container else "",
            container_id=container.id if container else "",
            state=self.state,
            starts=self.starts,
        )

    def close(self) -> None:
        """Releases everything. Idempotent."""
        self.sources.close()


def _since_ns(now_ns: int, interval_s: float) -> int:
    """Older values are not shown: they are no longer measured."""
    return now_ns - round(max(STALE_INTERVALS * interval_s, 1.0) * 1e9)


def ended(life: Life, gone: Gone) -> Life:
    """The life of an ended container, with its exit reason.

    An app that a user stopped did not fail, whatever its exit code.
    """
    code = gone.exit_code
    number = code - 128 if code is not None and code in _SIGNAL_CODES else 0
    reason, message = _exit_reason(gone, code, number)
    return msgspec.structs.replace(
        life, ended_ns=gone.at_ns, exit_reason=reason, exit_code=code, signal=number, message=message
    )


def detached(life: Life, at_ns: int | None = None) -> Life:
    """The life of a target that still runs, but is no longer watched."""
    at_ns = time.monotonic_ns() if at_ns is None else at_ns
    watched_s = (at_ns - life.started_ns) / 1e9
    return msgspec.structs.replace(
        life, ended_ns=at_ns, exit_reason="detached", message=f"was watched for {watched_s:.3g} s and runs on"
    )


def _exit_reason(gone: Gone, code: int | None, number: int) -> tuple[ExitReason, str]:
    if gone.oom_killed:
        return "oom-killed", "the kernel ended the app: it exceeded its memory limit"
    if gone.ordered:
        return "detached", "was stopped by its operator"
    if number:
        return "signalled", f"ended by {signal_name(number)}, which profileapp did not send"
    if code:
        return "failed", f"exited with code {code}"
    return ("completed", "exited with code 0") if code == 0 else ("detached", "ended; its exit code is not known")
