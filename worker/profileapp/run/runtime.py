"""The interface of runtimes, which start and end an app, in a container or as a process."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import msgspec

from profileapp.collect.api import Helpers
from profileapp.model.run import Image
from profileapp.run.agent.state import LiveRun
from profileapp.run.launch import Launch, Limits, RunningApp
from profileapp.run.net.deadline import Deadline
from profileapp.run.progress import Progress
from profileapp.run.service_host import ServiceHost


class Swept(msgspec.Struct, frozen=True):
    """The result of a sweep: how many resources it removed, and one line for each that it could not."""

    removed: int = 0
    problems: tuple[str, ...] = ()


class Runtime(Protocol):
    """Starts apps."""

    name: str
    contained: bool
    """Whether the app sees the mounts' container paths, or the host's own."""
    image: Image | None
    """The image that is run, after `prepare`; None for a process."""
    command: tuple[str, ...]
    """The command that is run if there is no image."""

    @property
    def version(self) -> str:
        """The runtime and its version as run.json records it: `docker 24.0.5, nvidia`."""

    @property
    def disks(self) -> tuple[Path, ...]:
        """Folders on the disks that its apps write to, besides their mounts; () if they are not visible from here."""

    def prepare(self, live: LiveRun, progress: Progress) -> None:
        """Gets the image. What a crash leaves behind is marked with the id of `live`, or is in its scratch folder.

        Raises ImageError or AgentError."""

    def start(self, launch: Launch, output: Callable[[bytes], None], exited: Callable[[], None]) -> RunningApp:
        """Starts the app. Other threads call `output` with what it prints, and `exited` when it has ended.

        Raises AgentError if the agent cannot start any app; an app that cannot be started has an `exit.refused`.
        """

    def service_host(self, limits: Limits) -> ServiceHost:
        """Creates networks and starts services for the app."""

    def helpers(self, run_id: str) -> Helpers | None:
        """Helpers for the sources of a run; None if this runtime has none."""

    def sweep(self, run_id: str) -> Swept:
        """Removes what a run of this user left, whether it crashed or ends now. Never raises."""

    def sweep_orphans(self) -> dict[str, Swept]:
        """Removes what dead runs left that have no state file any more. Returns the results by run id. Never raises.

        The caller must hold the agent's lock.
        """

    def empty_folder(self, folder: Path, run_id: str, deadline: Deadline) -> None:
        """Removes what other users, such as root, left in a folder of this user.

        Raises AgentError, and what `deadline` raises.
        """
