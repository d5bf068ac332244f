"""Removes the scratch folders of `live`s that were killed. A live starts nothing, so there is nothing else."""

from __future__ import annotations

from contextlib import suppress

from profileapp.run.agent.state import State

LIVE_RUNTIME = "live"
"""The name of a live in the state's files, in place of a runtime's."""


def remove_dead(state: State) -> None:
    """Removes what dead lives left; never raises. No other run is touched, so the agent's lock is not needed."""
    for dead in state.dead_runs():
        if dead.runtime == LIVE_RUNTIME:
            with suppress(OSError):
                state.forget(dead.id)
