"""Runs known loads like any target, and compares the measurements with their own accounts."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import NoReturn, cast

from profileapp.collect.api import Collector
from profileapp.collect.board_heat import hottest_c
from profileapp.collect.registry import sources
from profileapp.errors import ConfigError, ProfileappError
from profileapp.judge.verdict import judge_folder
from profileapp.model.run import Build
from profileapp.model.target import Plan, Target
from profileapp.record.folder import RunFolder
from profileapp.run.agent.state import State
from profileapp.run.agent.watchers import is_watched
from profileapp.run.launch import Limits
from profileapp.run.limits import default_memory_bytes
from profileapp.run.measuring import Measuring
from profileapp.run.progress import Progress
from profileapp.run.runtime import Runtime
from profileapp.run.secrets import take_secrets
from profileapp.run.session import Session
from profileapp.run.stop import Stop, Wake
from profileapp.selftest.compare import Result, compare, unmeasured
from profileapp.selftest.load import Load
from profileapp.selftest.plan import plan_of
from profileapp.selftest.synthetic_board import synthetic_energy

ATTEMPTS = 3
"""Limit of attempts to run a load that the agent's other work disturbs."""
_PIDS = 1024


class Selftest:
    """Known loads in one runtime. `image` is the name of the loads' image, "" for a process.

    `folder` is an existing, empty folder for everything that the runs leave.
    """

    def __init__(
        self,
        runtime: Runtime,
        image: str,
        state: State,
        folder: Path,
        progress: Progress,
        stop: Stop,
        wake: Wake,
        other_runtime: Callable[[str], Runtime],
    ) -> None:
        self._runtime = runtime
        self._image = image
        self._state = state
        self._folder = folder
        self._progress = progress
        self._stop = stop
        self._wake = wake
        self._other_runtime = other_runtime

    def run(self, loads: Sequence[Load], *, quick: bool) -> list[Result]:
        """Results of all loads, in order. Raises ProfileappError if nothing can run."""
        found = {each.name: unmeasured(each, "skipped", reason) for each in loads if (reason := self._obstacle(each))}
        pending = [each for each in loads if each.name not in found]
        for attempt in range(1, ATTEMPTS + 1):
            if not pending or self._stop.signal:
                break
            found |= self._run_once(pending, attempt, quick=quick)
            pending = [each for each in pending if any(one.state == "disturbed" for one in found[each.name])]
            if pending and attempt < ATTEMPTS:
                self._progress.note(f"once more, as the agent was busy: {', '.join(each.name for each in pending)}")
        return [result for each in loads for result in found.get(each.name, ())]

    def _obstacle(self, each: Load) -> str:
        return "" if self._runtime.contained else each.contained

    def _run_once(self, loads: Sequence[Load], attempt: int, *, quick: bool) -> dict[str, tuple[Result, ...]]:
        plan = plan_of(loads, self._image, self._folder, quick=quick)
        folders: dict[str, RunFolder] = {}
        failures: dict[str, ProfileappError] = {}
        measuring = Measuring(
            self._session(plan),
            plan.targets,
            self._folder,
            self._folder / f"attempt-{attempt}",
            self._state,
            folders,
            other_runtime=self._other_runtime,
            dataset_cache=_no_datasets,
        )

        def failed(target: Target, error: ProfileappError) -> None:
            if not folders:
                raise error
            failures[target.name] = error

        measuring.measure(failed)
        by_name = {each.name: each for each in loads}
        found = {name: compare(by_name[name], judge_folder(folder.path)) for name, folder in folders.items()}
        failed_loads = {name: unmeasured(by_name[name], "off", str(error)) for name, error in failures.items()}
        return found | failed_loads

    def _session(self, plan: Plan) -> Session:
        return Session(
            app=plan.app,
            runtime=self._runtime,
            limits=Limits(default_memory_bytes(), _PIDS),
            build=Build(),
            find_sources=self._find,
            secrets=take_secrets(plan.targets, os.environ),
            hottest_c=hottest_c,
            progress=self._progress,
            is_watched=partial(is_watched, self._state.lock_path),
            stop=self._stop,
            wake=self._wake,
        )

    def _find(self, metric: str, warn: Callable[[str], None]) -> list[Collector]:
        """The registered sources; for `energy`, that of a synthetic board, as the true power of an agent is unknown."""
        if metric == "energy":
            return [cast(Collector, synthetic_energy(self._folder / "board"))]
        return sources(metric, warn)


def _no_datasets() -> NoReturn:
    raise ConfigError("a selftest has no datasets")
