"""Sweeping leftovers of runs has a deadline, stops at a signal, and is continued by a later sweep."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import cast

import pytest

from profileapp.run import sweep
from profileapp.run.agent.state import State
from profileapp.run.process.runtime import ProcessRuntime
from profileapp.run.progress import Progress
from profileapp.run.runtime import Runtime, Swept
from profileapp.run.stop import Stop, Wake
from profileapp.run.sweep import Sweeper

FILES = 3000
NO_TIME_S = 1e-9


class Notes(Progress):
    """Records notes."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def note(self, text: str) -> None:
        self.lines.append(text)


class SharedImage:
    """A runtime with one container for each run; the image of `owner` is in use until the other's container is
    removed.
    """

    name = ""

    def __init__(self, owner: str) -> None:
        self._owner = owner
        self._is_in_use = True

    def sweep(self, run_id: str) -> Swept:
        if run_id != self._owner:
            self._is_in_use = False
            return Swept(1)
        return Swept(0, ("the image is in use",)) if self._is_in_use else Swept(1)

    def sweep_orphans(self) -> dict[str, Swept]:
        return {}


@pytest.fixture
def state(tmp_path: Path) -> State:
    return State(tmp_path, tmp_path / "lock")


@pytest.fixture
def notes() -> Notes:
    return Notes()


def sweeper(state: State, notes: Notes, stop: Stop | None = None, limit_s: float = 60.0) -> Sweeper:
    runtime = ProcessRuntime(("true",), state.folder, {}, state.lock_path)
    return Sweeper(state, runtime, notes, lambda _: runtime, stop or Stop(Wake()), limit_s)


def fill(folder: Path) -> None:
    for number in range(FILES):
        (folder / str(number)).touch()


def names(state: State) -> list[str]:
    return sorted(path.name for path in state.folder.iterdir())


def test_slow_removals_are_set_aside_and_continued_by_later_sweeps(state: State, notes: Notes) -> None:
    live = state.begin_run()
    fill(live.scratch)
    sweeper(state, notes, limit_s=NO_TIME_S).end(live)
    assert names(state) == [f"{live.id}.set-aside"] and "set aside as" in notes.lines[-1]
    sweeper(state, notes, limit_s=NO_TIME_S).sweep()
    assert names(state) == [f"{live.id}.set-aside"] and "the next run will continue" in notes.lines[-1]
    sweeper(state, notes).sweep()
    assert names(state) == [] and "is removed" in notes.lines[-1]


def test_all_removals_of_a_sweep_share_one_deadline(state: State, notes: Notes) -> None:
    for _ in range(3):
        live = state.begin_run()
        fill(live.scratch)
        live.release()
    sweeper(state, notes, limit_s=NO_TIME_S).sweep()
    assert len(names(state)) == 3 and all(name.endswith(".set-aside") for name in names(state))
    sweeper(state, notes).sweep()
    assert names(state) == []


def test_an_image_shared_by_dead_runs_is_removed_in_one_sweep(state: State, notes: Notes) -> None:
    first, second = (state.begin_run() for _ in range(2))
    for each in (first, second):
        each.release()
    runtime = cast("Runtime", SharedImage(owner=min(first.id, second.id)))
    Sweeper(state, runtime, notes, lambda _: runtime, Stop(Wake())).sweep()
    assert names(state) == []
    assert sorted(notes.lines) == sorted(
        f"run {run.id} did not end in order; removed 1 resource that it left" for run in (first, second)
    )


def test_a_signal_ends_a_sweep_and_the_next_one_continues(
    state: State, notes: Notes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweep, "_AFTER_STOP_S", 0.0)
    stop = Stop(Wake())
    stop.request(signal.SIGTERM)
    live = state.begin_run()
    fill(live.scratch)
    sweeper(state, notes, stop).end(live)
    assert names(state) == [live.id, f"{live.id}.run"] and "the next run will" in notes.lines[-1]
    sweeper(state, notes, stop).sweep()
    assert names(state) == [live.id, f"{live.id}.run"]
    sweeper(state, notes).sweep()
    assert names(state) == []


def test_an_ordinary_folder_is_removed_even_after_a_signal(state: State, notes: Notes) -> None:
    stop = Stop(Wake())
    stop.request(signal.SIGTERM)
    live = state.begin_run()
    (live.scratch / "file").touch()
    sweeper(state, notes, stop).end(live)
    assert names(state) == [] and notes.lines == []
