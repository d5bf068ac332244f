"""Removes leftovers of runs from the agent: of this run at its end, and of earlier runs that crashed."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from profileapp.errors import AgentError
from profileapp.record.tree import remove_tree
from profileapp.run.agent.state import DeadRun, LiveRun, State
from profileapp.run.net.deadline import Deadline, TooLate
from profileapp.run.progress import Progress
from profileapp.run.runtime import Runtime, Swept
from profileapp.run.stop import Stop, StoppedError

REMOVAL_LIMIT_S = 20.0
"""For all folders that a sweep, or the end of a run, removes: other builds wait for this agent meanwhile."""
_AFTER_STOP_S = 2.0
"""Enough for an ordinary run's folder; whoever stopped this run is waiting too."""


class Sweeper:
    """Sweeps an agent. Never raises: what cannot be removed is reported, and does not stop a run.

    Removing folders has a deadline, and ends soon after a signal; a later sweep continues.
    """

    def __init__(
        self,
        state: State,
        runtime: Runtime,
        progress: Progress,
        other: Callable[[str], Runtime],
        stop: Stop,
        removal_limit_s: float = REMOVAL_LIMIT_S,
    ) -> None:
        """`other` returns a runtime by name, for runs that used another one than `runtime`, or raises AgentError."""
        self._stop = stop
        self._removal_limit_s = removal_limit_s
        self._state = state
        self._runtime = runtime
        self._progress = progress
        self._other = other

    def sweep(self) -> None:
        """Removes the leftovers of dead runs. The caller must hold the agent's lock."""
        deadline = self._deadline()
        swept_runs = {dead: self._sweep_dead(dead) for dead in list(self._state.dead_runs())}
        for dead, first in swept_runs.items():
            # An image of one dead run may be in use by containers of another, which are gone by now.
            swept = self._sweep_again(dead, first) if first.problems and len(swept_runs) > 1 else first
            self._report(dead.id, swept)
            # The run's file stays until all of its resources are gone, so that the next sweep finds the rest.
            if not swept.problems:
                self._forget(dead.id, deadline)
        for run_id, swept in self._runtime.sweep_orphans().items():
            self._report(run_id, swept)
        self._remove_set_aside(deadline)

    def end(self, live: LiveRun) -> None:
        """Ends a run of this process, and removes its leftovers."""
        swept = self._runtime.sweep(live.id)
        if swept.problems:
            for problem in swept.problems:
                self._warn(f"{problem}; the next run will")
            live.release()
            return
        try:
            live.end(partial(self._remove, live.id, self._deadline()))
        except StoppedError:
            self._leave(live.id)
        except (OSError, AgentError) as error:
            self._set_aside(live.id, error)

    def _sweep_dead(self, dead: DeadRun) -> Swept:
        try:
            runtime = self._runtime if dead.runtime in ("", self._runtime.name) else self._other(dead.runtime)
        except AgentError as error:
            return Swept(0, (f"leftovers of run {dead.id} cannot be removed ({error})",))
        return runtime.sweep(dead.id)

    def _sweep_again(self, dead: DeadRun, first: Swept) -> Swept:
        second = self._sweep_dead(dead)
        return Swept(first.removed + second.removed, second.problems)

    def _report(self, run_id: str, swept: Swept) -> None:
        if run_id:
            resources = "1 resource" if swept.removed == 1 else f"{swept.removed} resources"
            self._progress.note(f"run {run_id} did not end in order; removed {resources} that it left")
        for problem in swept.problems:
            self._warn(f"{problem}; the next run will try again")

    def _forget(self, run_id: str, deadline: Deadline) -> None:
        try:
            self._state.forget(run_id, partial(self._remove, run_id, deadline))
        except StoppedError:
            self._leave(run_id)
        except (OSError, AgentError) as error:
            self._set_aside(run_id, error)

    def _remove_set_aside(self, deadline: Deadline) -> None:
        for run_id, folder in self._state.set_aside_folders():
            try:
                self._remove(run_id, deadline, folder)
                self._progress.note(f"{folder}, which had been set aside, is removed")
            except StoppedError:
                return
            except TooLate as error:
                self._warn(f"{folder}, which was set aside, is not removed yet ({error}); the next run will continue")
            except (OSError, AgentError) as error:
                self._warn(f"{folder} could not be removed ({error}) and was set aside; remove it by hand")

    def _deadline(self) -> Deadline:
        stopped_s: list[float] = []

        def tick() -> None:
            if self._stop.signal:
                stopped_s.append(time.monotonic())
                del stopped_s[1:]
                if time.monotonic() - stopped_s[0] >= min(_AFTER_STOP_S, self._removal_limit_s):
                    raise StoppedError

        return Deadline(self._removal_limit_s, tick)

    def _remove(self, run_id: str, deadline: Deadline, folder: Path) -> None:
        try:
            remove_tree(folder, deadline.check)
        except PermissionError:
            self._runtime.empty_folder(folder, run_id, deadline)
            remove_tree(folder, deadline.check)
            self._progress.note(f"the app left another user's folders in {folder}; a container removed them")

    def _leave(self, run_id: str) -> None:
        self._warn(f"the folder of run {run_id} is not removed, as this run was stopped; the next run will")

    def _set_aside(self, run_id: str, error: Exception) -> None:
        try:
            folder: Path | None = self._state.set_aside(run_id)
        except OSError:
            folder = None
        where = f"it was set aside as {folder}" if folder else "and could not be set aside"
        self._warn(f"the folder of run {run_id} could not be removed ({error}); {where}")

    def _warn(self, text: str) -> None:
        self._progress.note(f"warning: {text}")
