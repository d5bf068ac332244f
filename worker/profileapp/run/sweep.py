"""Removes what runs leave on the agent: this one at its end, earlier ones that never came to theirs."""

from __future__ import annotations

from pathlib import Path

from profileapp.errors import AgentError
from profileapp.record.tree import remove_tree
from profileapp.run.agent.state import LiveRun, State
from profileapp.run.progress import Progress
from profileapp.run.runtime import Runtime


class Sweeper:
    """Never raises: what cannot be removed is reported, and stops no run."""

    def __init__(self, state: State, runtime: Runtime, progress: Progress) -> None:
        self._state = state
        self._runtime = runtime
        self._progress = progress

    def sweep(self) -> None:
        """Removes what dead runs left. Only for whoever holds the agent."""
        for run_id in list(self._state.dead_runs()):
            swept = self._runtime.sweep(run_id)
            self._forget(run_id)
            self._progress.note(f"swept up run {run_id}, which had not ended in order ({swept} things left running)")
        for folder in self._state.set_aside_folders():
            self._progress.note(f"warning: {folder} could not be removed and was set aside; remove it by hand")

    def end(self, live: LiveRun) -> None:
        """Ends a run of this process."""
        try:
            live.end(remove_tree)
        except (OSError, AgentError) as error:
            self._set_aside(live.id, error)

    def _forget(self, run_id: str) -> None:
        try:
            self._state.forget(run_id, remove_tree)
        except (OSError, AgentError) as error:
            self._set_aside(run_id, error)

    def _set_aside(self, run_id: str, error: Exception) -> None:
        try:
            folder: Path | None = self._state.set_aside(run_id)
        except OSError:
            folder = None
        where = f"it was set aside as {folder}" if folder else "nor could it be set aside"
        self._progress.note(f"warning: the folder of run {run_id} could not be removed ({error}); {where}")
