"""One start of the app: what it is started with, and how it ended."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import msgspec

from profileapp.collect.api import AppHandle, Argv, Mount
from profileapp.model.run import Totals
from profileapp.record.tree_size import Size

RUN_ID_VARIABLE = "PROFILEAPP_RUN_ID"
TARGET_VARIABLE = "PROFILEAPP_TARGET"
DATASET_VARIABLE = "PROFILEAPP_DATASET"
CONTAINER_DATASET = "/dataset"


class Limits(msgspec.Struct, frozen=True):
    """What an app may use of the agent at most; set by whoever runs the agent, not by the app's developer."""

    memory_bytes: int
    pids: int = 1024
    disk_bytes: int = 4 * 1024**3


class Launch(msgspec.Struct, frozen=True):
    """One start of the app. `wrap` makes, of the words it is started with, those that are run in their place.

    `network` is the one it is in, with a way out where it has `internet`; "": the machine's own.
    """

    run_id: str
    args: tuple[str, ...]
    env: dict[str, str]
    mounts: tuple[Mount, ...]
    limits: Limits
    wrap: Callable[[Argv], Argv] | None = None
    network: str = ""
    internet: bool = False


class Exit(msgspec.Struct, frozen=True):
    """How the app's first process ended, as the runtime knows it.

    `signal` is the number of the signal that ended it, 0 for none. `lost` says why the app's end is not known (the
    daemon is gone); `refused` why it never ran.
    """

    exit_code: int | None = None
    signal: int = 0
    oom_killed: bool = False
    lost: str = ""
    refused: str = ""


class RunningApp(Protocol):
    """One started app."""

    def written(self) -> Size:
        """What it has on the agent's disk besides the folders of its mounts. May take a moment; never raises."""

    @property
    def subject(self) -> AppHandle | None:
        """What can be measured; None where the app ended before anybody could look."""

    @property
    def exit(self) -> Exit | None:
        """How the app ended; None while it runs."""

    def terminate(self) -> None:
        """Asks the app to end (SIGTERM). Never raises."""

    def kill(self) -> None:
        """Ends the app and all that came from it (SIGKILL). Never raises."""

    def remove(self) -> str:
        """Leaves nothing of the app behind. Returns what could not be removed and why, "" where all is gone."""

    @property
    def totals(self) -> Totals | None:
        """What it used in all, after `remove`; None where it never ran."""


class NeverStarted:
    """An app that was refused before it ran."""

    subject: AppHandle | None = None
    totals: Totals | None = None

    def __init__(self, reason: str) -> None:
        self.exit: Exit | None = Exit(refused=reason)

    def written(self) -> Size:
        return Size()

    def terminate(self) -> None:
        """There is nothing to end."""

    def kill(self) -> None:
        """There is nothing to end."""

    def remove(self) -> str:
        return ""
