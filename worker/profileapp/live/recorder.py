"""Records watched targets. The folder of each is like that of a run, marked as live."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import msgspec

from profileapp import __version__
from profileapp.collect.api import Emit
from profileapp.errors import AgentError
from profileapp.live.sources import LAUNCH_METRICS, NEEDS_START
from profileapp.live.watched import Life, Watched
from profileapp.model.clock import Clock
from profileapp.model.run import Agent, Build, Image, Live, MetricStatus, Repeat, Run, Totals
from profileapp.model.target import App, Target
from profileapp.record.folder import RunFolder
from profileapp.record.writer import MetricsWriter
from profileapp.run.agent.state import new_run_id
from profileapp.run.exit_reason import run_exit_reason, signal_name

REPEATS_LIMIT = 1000
"""Limit of the starts of a target in run.json. Samples of later ones are recorded, but do not count."""
SAVE_INTERVAL_S = 1.0
_TOTALS = Totals(missing={"all": "profileapp did not start the app: what it used before it was attached is unknown"})


class Recording(msgspec.Struct, frozen=True):
    """What is recorded, and where. If `app` is None, the app is named after its image. `target` has the metrics and
    budgets. `optional_metrics` are omitted if they are unavailable.
    """

    out: Path
    target: Target
    app: App | None = None
    agent: Agent = Agent()
    build: Build = Build()
    optional_metrics: frozenset[str] = frozenset()


class Recorder:
    """An `Observer` that records every target. A write error ends the recording of a target, but not its watching.

    `failures` has the error of each target that could not be recorded.
    """

    def __init__(self, recording: Recording, device: Watched, stop_signal: Callable[[], int]) -> None:
        self.failures: dict[str, AgentError] = {}
        self.folders: dict[str, RunFolder] = {}
        """By target name; complete once the target is finished."""
        self._recording = recording
        self._device = device
        self._stop_signal = stop_signal
        self._open: dict[str, TargetRecording] = {}

    def begun(self, watched: Watched) -> None:
        try:
            folder = RunFolder.create(self._recording.out, watched.name)
            made = TargetRecording(folder, self._recording, watched, self._device)
        except (OSError, AgentError) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            self.failures[watched.name] = AgentError(f"{watched.name} cannot be recorded ({reason})")
            return
        self.folders[watched.name] = folder
        self._open[watched.name] = made
        self._set_sinks(watched, made.emit)

    def attached(self, watched: Watched) -> None:
        self._note(watched, force=watched.starts == 1)

    def detached(self, watched: Watched) -> None:
        self._note(watched)

    def finished(self, watched: Watched) -> None:
        made = self._open.pop(watched.name, None)
        if made is None:
            return
        self._set_sinks(watched)
        try:
            made.finish(self._stop_signal())
        except OSError as error:
            self._fail(watched, error)

    def check(self) -> None:
        """Ends the recording of targets whose writer has failed."""
        for name, made in list(self._open.items()):
            if made.failure:
                self._fail(made.watched, made.failure)
                del self._open[name]
                self._set_sinks(made.watched)
                with suppress(OSError):
                    made.finish(0)

    def _note(self, watched: Watched, *, force: bool = False) -> None:
        made = self._open.get(watched.name)
        if made is None or watched.life is None:
            return
        try:
            made.note(watched.life, force=force)
        except OSError as error:
            self._fail(watched, error)

    def _fail(self, watched: Watched, error: OSError) -> None:
        self.failures[watched.name] = AgentError(
            f"{watched.name}: the measurements can no longer be written ({error.strerror}); earlier ones are kept"
        )

    def _set_sinks(self, watched: Watched, *own: Emit) -> None:
        watched.sinks = own
        self._device.sinks = tuple(made.emit for made in self._open.values())


class TargetRecording:
    """The files of one target, from its first start to its end. Raises OSError if they cannot be written."""

    def __init__(
        self,
        folder: RunFolder,
        recording: Recording,
        watched: Watched,
        device: Watched,
        mark: tuple[str, str, str, int] = ("", "", "", 0),
    ) -> None:
        """`mark`: the rule that triggered it, its condition and note, and when it began to hold."""
        self.watched = watched
        self._mark = mark
        self._folder = folder
        self._recording = recording
        self._device = device
        self._clock: Clock = watched.context.clock
        self._repeats: dict[int, Repeat] = {}
        self._saved_s = 0.0
        self._writer: MetricsWriter = folder.open_metrics(self._clock)
        self.emit: Emit = self._writer.emit
        container = watched.container
        target = msgspec.structs.replace(recording.target, name=folder.path.name)
        self._run = Run(
            id=new_run_id(),
            app=recording.app or _app_of(watched),
            target=target,
            clock=self._clock,
            started_ns=self._clock.wall_ns(time.monotonic_ns()),
            image=Image(container.image, container.image_id) if container else None,
            agent=recording.agent,
            build=recording.build,
            live=self._live(),
            profileapp=__version__,
        )
        self._save()

    @property
    def failure(self) -> OSError | None:
        """The error that stopped writing; None if there was none."""
        return self._writer.failure

    def note(self, life: Life, *, force: bool = False) -> None:
        """Records a start or its end. Writes files at most once a second, as apps may restart in a loop."""
        if life.index > REPEATS_LIMIT:
            self.watched.warnings.add(f"the app started more than {REPEATS_LIMIT} times; later starts are not judged")
            return
        started_ns = self._clock.wall_ns(life.started_ns)
        self._repeats[life.index] = Repeat(
            index=life.index,
            started_ns=started_ns,
            measured_from_ns=started_ns,
            ended_ns=self._clock.wall_ns(life.ended_ns) if life.ended_ns else 0,
            exit_reason=life.exit_reason,
            exit_code=life.exit_code,
            signal=life.signal,
            message=life.message,
            totals=_TOTALS,
        )
        now_s = time.monotonic()
        if force or now_s - self._saved_s >= SAVE_INTERVAL_S:
            self._save()

    def finish(self, stop_signal: int) -> None:
        """Closes the files and writes the exit reason. `stop_signal`: the number of the signal that ended `live`."""
        self._writer.close()
        if self._writer.dropped:
            self.watched.warnings.add(f"{self._writer.dropped} samples were dropped: not finite, or over the limit")
        repeats = tuple(self._repeats.values())
        reason, message = run_exit_reason(repeats)
        if self._writer.failure:
            text = f"the measurements can no longer be written ({self._writer.failure.strerror})"
            reason, message = "not-measured", text
        elif not repeats:
            message = "the app did not start while it was watched"
        elif stop_signal:
            reason, message = "aborted", f"stopped by {signal_name(stop_signal)}"
        statuses = self._statuses()
        recorded = {status.metric for status in statuses}
        metrics = tuple(metric for metric in self._run.target.metrics if metric in recorded)
        self._run = msgspec.structs.replace(
            self._run,
            target=msgspec.structs.replace(self._run.target, metrics=metrics),
            state="finished",
            ended_ns=self._clock.wall_ns(time.monotonic_ns()),
            exit_reason=reason,
            message=message,
            stop_signal=stop_signal,
            metrics=statuses,
            warnings=(*self.watched.warnings.lines(), *self._device.warnings.lines()),
            live=self._live(),
        )
        with suppress(OSError):
            self._folder.compress_metrics()
        self._save()

    def _statuses(self) -> tuple[MetricStatus, ...]:
        writer = self._writer
        asked = self._run.target.metrics
        found = (
            *self.watched.sources.statuses(writer.samples_of, writer.names_of),
            *self._device.sources.statuses(writer.samples_of, writer.names_of),
            *(MetricStatus(metric, "skipped", reason=NEEDS_START) for metric in asked if metric in LAUNCH_METRICS),
        )
        order = {metric: rank for rank, metric in enumerate(asked)}
        return tuple(
            sorted(
                (
                    status
                    for status in found
                    if status.metric in asked
                    and (status.state != "skipped" or status.metric not in self._recording.optional_metrics)
                ),
                key=lambda status: order[status.metric],
            )
        )

    def _live(self) -> Live:
        container, life = self.watched.container, self.watched.life
        container_id, pid = container.id if container else "", life.app.pid if life else 0
        return Live(self.watched.title, container_id, pid, *self._mark)

    def _save(self) -> None:
        self._saved_s = time.monotonic()
        self._run = msgspec.structs.replace(self._run, repeats=tuple(self._repeats.values()))
        self._folder.write_run(self._run)


def _app_of(watched: Watched) -> App:
    """Named after the image, without its registry and tag: `counter` of `host:5000/waggle/counter:0.5`."""
    image = watched.container.image.partition("@")[0] if watched.container else ""
    name, _, version = image.rpartition("/")[2].partition(":")
    return App(name or watched.title, version)
