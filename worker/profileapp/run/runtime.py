"""The seam of runtimes: what starts and ends an app, in a container or as a process."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import msgspec

from profileapp.model.run import Image
from profileapp.run.agent.state import LiveRun
from profileapp.run.launch import Launch, Limits, RunningApp
from profileapp.run.progress import Progress
from profileapp.run.service_host import ServiceHost


class Swept(msgspec.Struct, frozen=True):
    """What a sweep came to: how many things it removed, and a line for each that it could not."""

    removed: int = 0
    problems: tuple[str, ...] = ()


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

    @property
    def disks(self) -> tuple[Path, ...]:
        """Folders on the disks that its apps write to, besides their mounts; () where they are not seen from here."""

    def prepare(self, live: LiveRun, progress: Progress) -> None:
        """Gets the image; what that leaves behind in a crash bears the id of `live`, or lies in its scratch folder.

        Raises ImageError or AgentError."""

    def start(self, launch: Launch, output: Callable[[bytes], None], exited: Callable[[], None]) -> RunningApp:
        """Starts the app. `output` is given what it prints, `exited` called when it has ended; both by other threads.

        Raises AgentError where the agent cannot start any app; an app that cannot be started has an `exit.refused`.
        """

    def service_host(self, limits: Limits) -> ServiceHost:
        """What makes networks and starts services beside the app."""

    def sweep(self, run_id: str) -> Swept:
        """Removes what a run of this user has left, dead or at its end. Never raises."""

    def sweep_orphans(self) -> dict[str, Swept]:
        """Removes what dead runs left of which no file tells any more; by their ids. Never raises.

        Only for whoever holds the agent.
        """

    def empty_folder(self, folder: Path, run_id: str) -> None:
        """Removes what other users, root among them, have left in a folder of ours. Raises AgentError."""
