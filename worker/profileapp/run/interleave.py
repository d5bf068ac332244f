"""The order in which the repeats of several targets run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Protocol

from profileapp.errors import ProfileappError
from profileapp.model.target import Target


class StartedTarget(Protocol):
    """A target that has begun; in production a `TargetRun`. Every method raises ProfileappError."""

    def measure(self, index: int) -> bool:
        """Measures one repeat, counted from 1. Returns whether another may follow."""

    def trace(self) -> None:
        """Runs one more repeat under the tools that trace the app, if a requested metric needs one."""

    def end(self) -> None:
        """Releases everything, and leaves complete files."""


def interleaved_with(target: Target, targets: Sequence[Target]) -> tuple[str, ...]:
    """Names of those of the `targets` whose repeats run between those of `target`."""
    others = targets if target.repeat > 1 else ()
    return tuple(each.name for each in others if each.name != target.name)


def measure_interleaved(
    targets: Sequence[Target],
    begin: Callable[[Target], StartedTarget],
    failed: Callable[[Target, ProfileappError], None],
    is_stopped: Callable[[], bool],
) -> None:
    """Runs the first repeat of each target, then the second of each, and so on: heat and caches favour none of them.

    A target begins right before its first repeat, and ends after its last. Traced repeats, which heat the device most,
    run after all others. `failed` is called with the error of a target, and the others continue unless it raises.
    Each target that has begun has ended when this returns or raises.
    """
    begun: dict[str, StartedTarget] = {}

    def first(target: Target) -> bool:
        begun[target.name] = begin(target)
        return begun[target.name].measure(1)

    def attempt(target: Target, step: Callable[[], bool | None]) -> None:
        should_continue: bool | None = False
        try:
            should_continue = step()
        except ProfileappError as error:
            failed(target, error)
        finally:
            if not should_continue:
                end(target)

    def end(target: Target) -> None:
        run = begun.pop(target.name, None)
        try:
            if run:
                run.end()
        except ProfileappError as error:
            failed(target, error)

    try:
        for index in range(1, max((target.repeat for target in targets), default=0) + 1):
            for target in targets:
                if is_stopped():
                    return
                if index == 1:
                    attempt(target, partial(first, target))
                elif index <= target.repeat and target.name in begun:
                    attempt(target, partial(begun[target.name].measure, index))
        for target in targets:
            if target.name in begun and not is_stopped():
                attempt(target, begun[target.name].trace)
    finally:
        for target in targets:
            end(target)
