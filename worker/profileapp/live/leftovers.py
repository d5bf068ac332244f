"""Removes scratch folders of killed `live` processes. They leave nothing else, as `live` starts nothing."""

from __future__ import annotations

from contextlib import suppress

from profileapp.run.agent.state import State

LIVE_RUNTIME = "live"
"""The name of `live` in the state's files, in place of a runtime."""


def remove_dead(state: State) -> None:
    """Removes leftovers of dead `live` processes; never raises. Needs no lock, as it affects no other run."""
    for dead in state.dead_runs():
        if dead.runtime == LIVE_RUNTIME:
            with suppress(OSError):
                state.forget(dead.id)
