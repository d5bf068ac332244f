"""Removes what runs leave on the agent: this run's at its end, and those of earlier runs that crashed."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from profileapp.errors import AgentError
from profileapp.record.tree import remove_tree
from profileapp.run.agent.state import DeadRun, LiveRun, State
from profileapp.run.progress import Progress
from profileapp.run.runtime import Runtime, Swept


class Sweeper:
    """Sweeps an agent. Never raises: what cannot be removed is reported, and does not stop a run."""

    def __init__(self, state: State, runtime: Runtime, progress: Progress, other: Callable[[str], Runtime]) -> None:
        """`other` returns the runtime of a name, for runs that used another than `runtime`, or raises AgentError."""
        self._state = state
        self._runtime = runtime
        self._progress = progress
        self._other = other

    def sweep(self) -> None:
        """Removes what dead runs left. The caller must hold the agent's lock."""
        for dead in list(self._state.dead_runs()):
            swept = self._sweep_dead(dead)
            self._report(dead.id, swept)
            # The run's file stays until all of its resources are gone, so that the next sweep finds the rest.
            if not swept.problems:
                self._forget(dead.id)
        for run_id, swept in self._runtime.sweep_orphans().items():
            self._report(run_id, swept)
        for folder in self._state.set_aside_folders():
            self._warn(f"{folder} could not be removed and was set aside; remove it by hand")

    def end(self, live: LiveRun) -> None:
        """Ends a run of this process, and removes what is left of it."""
        swept = self._runtime.sweep(live.id)
        if swept.problems:
            for problem in swept.problems:
                self._warn(f"{problem}; the next run will")
            live.release()
            return
        try:
            live.end(partial(self._remove, live.id))
        except (OSError, AgentError) as error:
            self._set_aside(live.id, error)

    def _sweep_dead(self, dead: DeadRun) -> Swept:
        try:
            runtime = self._runtime if dead.runtime in ("", self._runtime.name) else self._other(dead.runtime)
        except AgentError as error:
            return Swept(0, (f"what run {dead.id} left cannot be removed ({error})",))
        return runtime.sweep(dead.id)

    def _report(self, run_id: str, swept: Swept) -> None:
        if run_id:
            prerequisites = f"{swept.removed} things left running"
            self._progress.note(f"swept run {run_id}, which did not end in order ({prerequisites})")
        for problem in swept.problems:
            self._warn(f"{problem}; the next run will try again")

    def _forget(self, run_id: str) -> None:
        try:
            self._state.forget(run_id, partial(self._remove, run_id))
        except (OSError, AgentError) as error:
            self._set_aside(run_id, error)

    def _remove(self, run_id: str, folder: Path) -> None:
        try:
            remove_tree(folder)
        except PermissionError:
            self._runtime.empty_folder(folder, run_id)
            remove_tree(folder)
            self._progress.note(f"the app left another user's folders in {folder}; a container removed them")

    def _set_aside(self, run_id: str, error: Exception) -> None:
        try:
            folder: Path | None = self._state.set_aside(run_id)
        except OSError:
            folder = None
        where = f"it was set aside as {folder}" if folder else "and could not be set aside"
        self._warn(f"the folder of run {run_id} could not be removed ({error}); {where}")

    def _warn(self, text: str) -> None:
        self._progress.note(f"warning: {text}")
