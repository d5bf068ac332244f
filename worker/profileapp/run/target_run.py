"""Runs one target on this agent, from its first repeat to its artifacts."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress

import msgspec

from profileapp import __version__
from profileapp.collect.api import RunContext
from profileapp.errors import AgentError
from profileapp.model.clock import Clock
from profileapp.model.run import APP_FAILURES, Repeat, Run
from profileapp.model.target import Target
from profileapp.record.artifacts import APP_LOG_FILE, artifact
from profileapp.record.folder import RunFolder
from profileapp.run.agent.facts import agent_facts
from profileapp.run.agent.state import LiveRun
from profileapp.run.dataset.ready import Paths
from profileapp.run.exit_reason import run_exit_reason
from profileapp.run.freeze_gc import freeze_gc
from profileapp.run.output import AppLog
from profileapp.run.repeat_runner import RepeatRunner
from profileapp.run.service.services import Services
from profileapp.run.session import Session
from profileapp.run.sources import Sources, Warnings


class TargetRun:
    """One run of a target; the caller holds the agent's lock. Its folder is complete after each repeat:
    run.json records the progress.

    `on_close` is called when it has ended, whatever happened. Raises AgentError if nothing can be recorded (no space
    for the files).
    """

    def __init__(
        self,
        session: Session,
        target: Target,
        datasets: Paths,
        folder: RunFolder,
        live: LiveRun,
        interleaved_with: tuple[str, ...],
        on_close: Callable[[], None],
    ) -> None:
        self._session = session
        self._target = target
        self._folder = folder
        self._let_go = on_close
        self._sources: Sources | None = None
        self._services: Services | None = None
        self._warnings = Warnings()
        self._clock = Clock.now()
        mask = session.secrets.mask
        try:
            self._log = AppLog(artifact(folder.path, APP_LOG_FILE), masked=mask.stream() if mask else None)
            self._writer = folder.open_metrics(self._clock, on_failure=lambda _: session.wake.set())
        except OSError as error:
            raise AgentError(f"{folder.path}: cannot be written ({error.strerror})") from error
        context = RunContext(
            run_id=live.id,
            target=target,
            clock=self._clock,
            scratch=live.scratch,
            artifacts=folder.path,
            contained=session.runtime.contained,
            warn=lambda line: self._warnings.add(mask.text(line)),
            mask=mask.content if mask else None,
            helpers=session.runtime.helpers(live.id),
        )
        self._run = Run(
            id=live.id,
            app=session.app,
            target=target,
            clock=self._clock,
            started_ns=self._clock.anchor_wall_ns,
            image=session.runtime.image,
            command=session.runtime.command,
            agent=agent_facts(session.runtime.version),
            build=session.build,
            interleaved_with=interleaved_with,
            profileapp=__version__,
        )
        try:
            self._save()
            self._starter = self._open(context, datasets)
        except BaseException:
            self._close()
            raise
        freeze_gc()

    def _open(self, context: RunContext, datasets: Paths) -> RepeatRunner:
        session, emit = self._session, self._writer.emit
        self._sources = Sources(context, emit, session.find_sources)
        for metric, reason in self._sources.missing():
            session.progress.note(f"{self._target.name}: no {metric} on this agent ({reason})")
        self._services = Services(session, context, datasets, self._sources, emit)
        return RepeatRunner(session, context, datasets, self._sources, self._services, self._writer, self._log)

    def measure(self, index: int) -> bool:
        """Measures one repeat, counted from 1. Returns whether another may follow. Raises AgentError."""
        repeat = self._measure(index)
        if repeat.exit_reason not in ("completed", "timeout"):
            return False
        return index < self._target.repeat or bool(self._sources and self._sources.is_to_trace)

    def trace(self) -> None:
        """Runs one more repeat under the tools that trace the app, if a requested metric needs one."""
        if not self._sources or not self._sources.begin_trace():
            return
        repeat = self._measure(self._target.repeat + 1)
        if repeat.exit_reason in APP_FAILURES:
            self._warnings.add(
                self._session.secrets.mask.text(f"the app ended differently under the tracing tools: {repeat.message}")
            )
        self._sources.end_trace()

    def end(self) -> None:
        """Releases everything; run.json records the exit reason. Raises AgentError if it cannot be written."""
        self._close()
        if self._writer.dropped:
            self._warnings.add(f"{self._writer.dropped} samples were dropped: not finite, or over the limit")
        exit_reason, message = run_exit_reason(self._run.repeats)
        self._run = msgspec.structs.replace(
            self._run,
            state="finished",
            ended_ns=self._clock.wall_ns(time.monotonic_ns()),
            exit_reason=exit_reason,
            message=message,
            stop_signal=self._session.stop.signal,
            metrics=self._sources.statuses(self._writer.samples_of, self._writer.names_of) if self._sources else (),
            warnings=self._warnings.lines(),
        )
        with suppress(OSError):
            self._folder.compress_metrics()
        self._save()

    def _measure(self, index: int) -> Repeat:
        watched_before = self._session.is_watched()
        repeat = self._starter.measure(index, self._note)
        if watched_before or self._session.is_watched():
            self._warnings.add(
                "a `profileapp live` watched this agent meanwhile; its cost is among the device's numbers"
            )
        network = self._services.network if self._services else None
        self._run = msgspec.structs.replace(_with(self._run, repeat), network=network)
        if self._writer.failure is None:
            self._save()
        self._session.progress.ended(self._target, repeat)
        return repeat

    def _note(self, begun: Repeat) -> None:
        self._run = _with(self._run, begun)
        self._save()

    def _close(self) -> None:
        try:
            if self._services:
                self._services.close()
            if self._sources:
                self._sources.close()
        finally:
            self._writer.close()
            self._log.close()
            self._let_go()

    def _save(self) -> None:
        try:
            self._folder.write_run(self._run)
        except OSError as error:
            raise AgentError(
                f"{self._folder.path}: cannot be written ({error.strerror}); earlier measurements are kept"
            ) from error


def _with(run: Run, repeat: Repeat) -> Run:
    """The run with a repeat added, or replaced by its newer state."""
    earlier = tuple(each for each in run.repeats if each.index != repeat.index)
    return msgspec.structs.replace(run, repeats=(*earlier, repeat))
