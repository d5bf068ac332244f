"""Starts the app of a target, measures it, and ends it: one repeat."""

from __future__ import annotations

import time
from collections.abc import Callable

import msgspec

from profileapp.collect.api import Mount, RunContext
from profileapp.collect.container.totals import emit_totals
from profileapp.errors import ProfileappError
from profileapp.model.run import Repeat
from profileapp.record.writer import MetricsWriter
from profileapp.run.cool_down import cool_down
from profileapp.run.dataset.ready import Paths
from profileapp.run.disk_watch import DiskWatch
from profileapp.run.exit_reason import Cause, exit_reason_of
from profileapp.run.launch import (
    CONTAINER_DATASET,
    DATASET_VARIABLE,
    TARGET_VARIABLE,
    Exit,
    Launch,
    RunningApp,
)
from profileapp.run.output import AppLog
from profileapp.run.service.services import RunningServices, Services
from profileapp.run.session import Session
from profileapp.run.sources import Sources

KILL_TIMEOUT_S = 30.0
TRACED_GRACE_S = 60.0
"""The minimum time that a tracing tool has at the end to write its report."""
TICK_S = 1.0
_LATE_LIMIT_NS = 60 * 10**9


class RepeatRunner:
    """Starts the app of a target, once for each repeat, and measures it until it has ended."""

    def __init__(
        self,
        session: Session,
        context: RunContext,
        datasets: Paths,
        sources: Sources,
        services: Services,
        writer: MetricsWriter,
        log: AppLog,
    ) -> None:
        self._session = session
        self._context = context
        self._target = context.target
        self._clock = context.clock
        self._datasets = datasets
        self._sources = sources
        self._services = services
        self._writer = writer
        self._log = log

    def measure(self, index: int, begun: Callable[[Repeat], None]) -> Repeat:
        """Runs one repeat, counted from 1; the one after the last is traced. Calls `begun` when the app runs.

        Failures of the app, a service or the runtime become the repeat's exit reason and never raise.
        """
        traced = index > self._target.repeat
        if traced:
            self._log.write(b"[profileapp: traced repeat]\n")
        elif self._target.repeat > 1:
            self._log.write(b"[profileapp: repeat %d of %d]\n" % (index, self._target.repeat))
        session = self._session
        cooled = cool_down(self._target, session.hottest_c, session.progress, session.stop, session.wake)
        if cooled.warning:
            self._context.warn(cooled.warning)
        launched_ns = self._clock.wall_ns(time.monotonic_ns())
        repeat = Repeat(
            index,
            launched_ns,
            launched_ns,
            traced=traced,
            start_c=cooled.temperature_c,
            cooled_s=round(cooled.waited_s, 3),
        )
        try:
            with self._services.started(index) as running_services:
                return self._measure_app(repeat, running_services, begun)
        except ProfileappError as error:
            return self._ended(repeat, Exit(), Cause(stop_signal=self._session.stop.signal, failure=str(error)))

    def _measure_app(
        self, repeat: Repeat, running_services: RunningServices, begun: Callable[[Repeat], None]
    ) -> Repeat:
        launched_ns = repeat.started_ns
        app = self._session.runtime.start(self._launch(running_services), self._log.write, self._session.wake.set)
        started_ns = self._clock.wall_ns(time.monotonic_ns())
        # Without a warm-up, metrics that the app reports before the runtime reports its start count too.
        measured_from_ns = started_ns + round(self._target.warmup_s * 1e9) if self._target.warmup_s else launched_ns
        repeat = msgspec.structs.replace(repeat, started_ns=started_ns, measured_from_ns=measured_from_ns)
        watch = DiskWatch(
            self._session.limits.disk_bytes,
            (self._context.scratch,),
            (*self._session.runtime.disks, self._context.artifacts),
            lambda: sum((each.written() for each in running_services.running.values()), app.written()),
            self._session.wake.set,
            sees_all_disks=bool(self._session.runtime.disks),
        )
        try:
            watch.start()
            running_services.begin()
            if app.handle:
                self._sources.attach(app.handle)
            running_services.attach()
            begun(repeat)
            self._session.progress.started(self._target, repeat.index)
            cause = self._await_end(app, running_services, watch)
            # Samples of an app that is shutting down are meaningless, so measuring stops first.
            ended_ns = self._clock.wall_ns(time.monotonic_ns() - lateness_ns(app.exit, time.time_ns()))
            running_services.ended_at_ns = self._clock.monotonic_ns(ended_ns)
            self._sources.detach(running_services.ended_at_ns)
            running_services.detach()
            cause = self._end(app, cause)
        finally:
            watch.stop()
            self._sources.detach()
            left_behind = app.remove()
            if left_behind:
                self._context.warn(left_behind)
        exit_ = app.exit or Exit(lost="the app could not be ended")
        if app.totals and "container" in self._target.metrics:
            emit_totals(app.totals, self._writer.emit, self._clock.monotonic_ns(ended_ns))
        return self._ended(msgspec.structs.replace(repeat, ended_ns=ended_ns, totals=app.totals), exit_, cause)

    def _launch(self, running_services: RunningServices) -> Launch:
        secrets = self._session.secrets.env_of(self._target.secrets)
        env = {
            **running_services.env,
            **self._target.env,
            **secrets,
            TARGET_VARIABLE: self._target.name,
            **self._sources.env,
        }
        mounts = (*self._sources.mounts, *running_services.mounts)
        if self._target.dataset:
            path = self._datasets[self._target.dataset]
            env[DATASET_VARIABLE] = CONTAINER_DATASET if self._session.runtime.contained else str(path)
            mounts = (*mounts, Mount(str(path), CONTAINER_DATASET))
        wrap, limits = self._sources.wrap, self._session.limits
        return Launch(
            self._context.run_id,
            self._target.args,
            env,
            mounts,
            limits,
            wrap,
            running_services.network,
            bool(self._target.internet),
        )

    def _await_end(self, app: RunningApp, running_services: RunningServices, watch: DiskWatch) -> Cause:
        """Waits until the app has ended or has to be ended, whichever comes first."""
        started_s = time.monotonic()
        tick_s = started_s
        while app.exit is None:
            now_s = time.monotonic()
            if self._session.stop.signal:
                return Cause(stop_signal=self._session.stop.signal)
            if self._writer.failure:
                reason = self._writer.failure.strerror
                return Cause(failure=f"the measurements can no longer be written ({reason})")
            if watch.exceeded or watch.failure:
                return Cause(exceeded=watch.exceeded, failure=watch.failure)
            if running_services.failure:
                return Cause(failure=running_services.failure)
            if self._target.timeout_s and now_s - started_s >= self._target.timeout_s:
                return Cause(timeout=True)
            if now_s >= tick_s:
                self._session.progress.tick(self._target, now_s - started_s)
                tick_s += TICK_S
            until_s = min(tick_s, started_s + self._target.timeout_s) if self._target.timeout_s else tick_s
            self._session.wake.wait(until_s - time.monotonic())
        watch.finish()
        if watch.exceeded:
            return Cause(exceeded=watch.exceeded)
        # An app that ends because a service did must not be blamed.
        return Cause(failure=f"{running_services.failure}; the app ended too") if running_services.failure else Cause()

    def _end(self, app: RunningApp, cause: Cause) -> Cause:
        """SIGTERM, the grace period, SIGKILL; a second Ctrl-C skips the grace period."""
        if app.exit is not None:
            return cause
        app.terminate()
        signals_before = self._session.stop.count
        grace_s = max(self._target.grace_s, TRACED_GRACE_S) if self._sources.wrap else self._target.grace_s
        deadline_s = time.monotonic() + grace_s
        while app.exit is None and time.monotonic() < deadline_s:
            if self._session.stop.count > max(1, signals_before):
                break
            self._session.wake.wait(deadline_s - time.monotonic())
        if app.exit is None:
            cause = msgspec.structs.replace(cause, killed=True)
            app.kill()
            deadline_s = time.monotonic() + KILL_TIMEOUT_S
            while app.exit is None and time.monotonic() < deadline_s:
                self._session.wake.wait(deadline_s - time.monotonic())
        return cause

    def _ended(self, repeat: Repeat, exit_: Exit, cause: Cause) -> Repeat:
        exit_reason, message = exit_reason_of(exit_, cause, self._target, self._session.limits.memory_bytes)
        return msgspec.structs.replace(
            repeat,
            ended_ns=repeat.ended_ns or self._clock.wall_ns(time.monotonic_ns()),
            exit_reason=exit_reason,
            exit_code=exit_.exit_code,
            signal=exit_.signal,
            killed=cause.killed,
            message=self._session.secrets.mask.text(message),
        )


def lateness_ns(exit_: Exit | None, now_ns: int) -> int:
    """How long ago the app ended, in ns; 0 where it runs, or the runtime does not say. `now_ns` is UTC since 1970.

    A busy machine hears of the end a tenth of a second later: mean values over a short run would be too low.
    """
    late_ns = now_ns - exit_.ended_ns if exit_ and exit_.ended_ns else 0
    # Beyond the limit the machine's clock was set, or the daemon stood still.
    return late_ns if 0 <= late_ns <= _LATE_LIMIT_NS else 0
