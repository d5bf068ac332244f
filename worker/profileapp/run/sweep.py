"""Removes what runs leave on the agent: this one at its end, earlier ones that never came to theirs."""

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
    """Never raises: what cannot be removed is reported, and stops no run."""

    def __init__(self, state: State, runtime: Runtime, progress: Progress, other: Callable[[str], Runtime]) -> None:
        """`other` gives the runtime of a name, for what was run by another than `runtime`. Raises AgentError."""
        self._state = state
        self._runtime = runtime
        self._progress = progress
        self._other = other

    def sweep(self) -> None:
        """Removes what dead runs left. Only for whoever holds the agent."""
        for dead in list(self._state.dead_runs()):
            swept = self._sweep_dead(dead)
            self._report(dead.id, swept)
            # The run's file stays until all of its things are gone: who looks by it next time finds them.
            if not swept.problems:
                self._forget(dead.id)
        for run_id, swept in self._runtime.sweep_orphans().items():
            self._report(run_id, swept)
        for folder in self._state.set_aside_folders():
            self._warn(f"{folder} could not be removed and was set aside; remove it by hand")

    def end(self, live: LiveRun) -> None:
        """Ends a run of this process, and removes what is still there of it."""
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
            self._progress.note(f"swept up run {run_id}, which had not ended in order ({prerequisites})")
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
            self._progress.note(f"the app left folders of another user's in {folder}; a container removed them")

    def _set_aside(self, run_id: str, error: Exception) -> None:
        try:
            folder: Path | None = self._state.set_aside(run_id)
        except OSError:
            folder = None
        where = f"it was set aside as {folder}" if folder else "nor could it be set aside"
        self._warn(f"the folder of run {run_id} could not be removed ({error}); {where}")

    def _warn(self, text: str) -> None:
        self._progress.note(f"warning: {text}")
