"""One start of the app: its launch parameters, and how it ended."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, Protocol

import msgspec

from profileapp.collect.api import AppHandle, Argv, Mount
from profileapp.model.run import Totals
from profileapp.record.tree_size import Size

RUN_ID_VARIABLE = "PROFILEAPP_RUN_ID"
TARGET_VARIABLE = "PROFILEAPP_TARGET"
DATASET_VARIABLE = "PROFILEAPP_DATASET"
CONTAINER_DATASET = "/dataset"
BuildNetwork = Literal["default", "none"]
"""What the steps of a Dockerfile are connected to: Docker's default bridge, or nothing. Never the machine's network."""


class Limits(msgspec.Struct, frozen=True):
    """The most an app may use of the agent; set by the agent's operator, not by the app's developer.

    `cpus`: CPU seconds a second; None: all.
    """

    memory_bytes: int
    pids: int = 1024
    disk_bytes: int = 4 * 1024**3
    cpus: float | None = None


class Launch(msgspec.Struct, frozen=True):
    """One start of the app. `wrap` maps its argv to the argv that is run instead.

    `network` is its network, which reaches the Internet if `internet`; "": the machine's own.
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
    """How the app's first process ended, as the runtime reports it.

    `ended_ns` is when, in UTC nanoseconds since 1970 by this machine's clock; 0 where the runtime does not say.
    `signal` is the number of the signal that ended it, 0 for none. `lost`: why the app's end is unknown (the daemon
    is gone); `refused`: why it never ran.
    """

    exit_code: int | None = None
    signal: int = 0
    oom_killed: bool = False
    lost: str = ""
    refused: str = ""
    ended_ns: int = 0


class RunningApp(Protocol):
    """One started app."""

    def written(self) -> Size:
        """Its use of the agent's disk, except its mounts. May take a moment; never raises."""

    @property
    def handle(self) -> AppHandle | None:
        """The handle for measuring it; None if the app ended too early."""

    @property
    def exit(self) -> Exit | None:
        """How the app ended; None while it runs."""

    def terminate(self) -> None:
        """Asks the app to end (SIGTERM). Never raises."""

    def kill(self) -> None:
        """Kills the app and all its descendants (SIGKILL). Never raises."""

    def remove(self) -> str:
        """Removes everything that the app left. Returns what could not be removed and why, "" if nothing is left."""

    @property
    def totals(self) -> Totals | None:
        """Its total resource use, after `remove`; None if it never ran."""


class NeverStarted:
    """An app that was refused before it ran."""

    handle: AppHandle | None = None
    totals: Totals | None = None

    def __init__(self, reason: str) -> None:
        self.exit: Exit | None = Exit(refused=reason)

    def written(self) -> Size:
        return Size()

    def terminate(self) -> None:
        """Does nothing: no process runs."""

    def kill(self) -> None:
        """Does nothing: no process runs."""

    def remove(self) -> str:
        return ""
