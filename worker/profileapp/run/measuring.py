"""Runs the targets of one invocation, one after the other, alone on the agent."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from profileapp.errors import ProfileappError
from profileapp.model.target import Target
from profileapp.record.folder import RunFolder
from profileapp.run.agent.lock import Holder, agent_lock
from profileapp.run.agent.state import State
from profileapp.run.dataset.ready import ready_datasets
from profileapp.run.interleave import interleaved_with, measure_interleaved
from profileapp.run.progress import Progress
from profileapp.run.runtime import Runtime
from profileapp.run.service.playback import check_recordings
from profileapp.run.session import Session
from profileapp.run.stop import Stop, StoppedError
from profileapp.run.sweep import Sweeper
from profileapp.run.target_run import TargetRun

if TYPE_CHECKING:
    from profileapp.run.dataset.cache import DatasetCache


class Measuring:
    """Runs targets while holding the agent's lock; `folders` maps target names to artifact folders.

    `other_runtime` returns the runtime of a name, to remove what dead runs left, or raises AgentError.
    """

    def __init__(
        self,
        session: Session,
        targets: Sequence[Target],
        config_folder: Path,
        out: Path,
        state: State,
        folders: dict[str, RunFolder],
        *,
        other_runtime: Callable[[str], Runtime],
        dataset_cache: Callable[[], DatasetCache],
    ) -> None:
        self._session = session
        self._targets = targets
        self._config_folder = config_folder
        self._out = out
        self._state = state
        self._folders = folders
        self._dataset_cache = dataset_cache
        self._sweeper = Sweeper(state, session.runtime, session.progress, other_runtime, session.stop)

    def measure(self, failed: Callable[[Target, ProfileappError], None]) -> None:
        """Waits for the agent's lock, sweeps the agent, and runs the targets interleaved."""
        session, state = self._session, self._state
        live = state.begin_run(session.runtime.name)
        holder = Holder(live.id, session.build.job, os.getpid(), live.started_ns)
        try:
            with agent_lock(
                state.lock_path, holder, session.progress.waiting, lambda: bool(session.stop.signal)
            ) as acquired:
                if not acquired:
                    raise StoppedError
                self._sweeper.sweep()
                session.runtime.prepare(live, session.progress)
                measure_interleaved(self._targets, self._begin, failed, lambda: bool(session.stop.signal))
        finally:
            self._sweeper.end(live)

    def _begin(self, target: Target) -> TargetRun:
        session, progress = self._session, self._session.progress
        release = ExitStack()
        try:
            live = self._state.begin_run(session.runtime.name)
            release.callback(self._sweeper.end, live)
            service_host = session.runtime.service_host(session.limits)
            for service in target.services:
                service_host.prepare(service, progress)
            on_progress = _progress_reporter(session.stop, progress)
            datasets = release.enter_context(
                ready_datasets(target, self._config_folder, self._dataset_cache, on_progress)
            )
            check_recordings(target, datasets)
            folder = RunFolder.create(self._out, target.name)
            others = interleaved_with(target, self._targets)
            run = TargetRun(session, target, datasets, folder, live, others, release.close)
        except BaseException:
            release.close()
            raise
        self._folders[target.name] = folder
        return run


def _progress_reporter(stop: Stop, progress: Progress) -> Callable[[str, int, int], None]:
    def on_progress(name: str, done_bytes: int, total_bytes: int) -> None:
        if stop.signal:
            raise StoppedError
        progress.pulling(name, done_bytes, total_bytes)

    return on_progress
