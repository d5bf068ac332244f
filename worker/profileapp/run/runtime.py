"""The seam of runtimes: how an app is started and ended, in a container or as a process."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

import msgspec

from profileapp.collect.seam import Mount, Subject, Words
from profileapp.model.run import Image
from profileapp.run.progress import Progress

if TYPE_CHECKING:
    from profileapp.run.surroundings import Surroundings

RUN_ID_VARIABLE = "PROFILEAPP_RUN_ID"
TARGET_VARIABLE = "PROFILEAPP_TARGET"
DATASET_VARIABLE = "PROFILEAPP_DATASET"
CONTAINER_DATASET = "/dataset"


class Limits(msgspec.Struct, frozen=True):
    """What an app may use of the agent at most; set by whoever runs the agent, not by the app's developer."""

    memory_bytes: int
    pids: int = 1024


class Launch(msgspec.Struct, frozen=True):
    """One start of the app. `wrap` makes, of the words it is started with, those that are run in their place.

    `network` is the one it is in; "": the runtime's own.
    """

    run_id: str
    args: tuple[str, ...]
    env: dict[str, str]
    mounts: tuple[Mount, ...]
    limits: Limits
    wrap: Callable[[Words], Words] | None = None
    network: str = ""


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

    @property
    def subject(self) -> Subject | None:
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


class NeverStarted:
    """An app that was refused before it ran."""

    subject: Subject | None = None

    def __init__(self, reason: str) -> None:
        self.exit: Exit | None = Exit(refused=reason)

    def terminate(self) -> None:
        """There is nothing to end."""

    def kill(self) -> None:
        """There is nothing to end."""

    def remove(self) -> str:
        return ""


class Runtime(Protocol):
    """Starts apps."""

    name: str
    contained: bool
    """Whether the app sees the mounts' container paths, or the host's own."""
    image: Image | None
    """What is run, after `prepare`; None where it is no image."""
    command: tuple[str, ...]
    """The command that is run where it is no image."""

    @property
    def version(self) -> str:
        """What runs the app, as run.json tells it: `docker 24.0.5, nvidia`."""

    def prepare(self, progress: Progress) -> None:
        """Gets the image. Raises ImageError or AgentError."""

    def start(self, launch: Launch, output: Callable[[bytes], None], exited: Callable[[], None]) -> RunningApp:
        """Starts the app. `output` is given what it prints, `exited` called when it has ended; both by other threads.

        Raises AgentError where the agent cannot start any app; an app that cannot be started has an `exit.refused`.
        """

    def surroundings(self, limits: Limits) -> Surroundings:
        """What makes networks and starts services beside the app."""

    def sweep(self, run_id: str) -> int:
        """Removes what a dead run left behind; how many things that were."""
