"""The seam of runtimes: what starts and ends an app, in a container or as a process."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from profileapp.model.run import Image
from profileapp.run.agent.state import LiveRun
from profileapp.run.launch import Launch, Limits, RunningApp
from profileapp.run.progress import Progress
from profileapp.run.service_host import ServiceHost


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

    def prepare(self, live: LiveRun, progress: Progress) -> None:
        """Gets the image; what that leaves behind in a crash bears the id of `live`, or lies in its scratch folder.

        Raises ImageError or AgentError."""

    def start(self, launch: Launch, output: Callable[[bytes], None], exited: Callable[[], None]) -> RunningApp:
        """Starts the app. `output` is given what it prints, `exited` called when it has ended; both by other threads.

        Raises AgentError where the agent cannot start any app; an app that cannot be started has an `exit.refused`.
        """

    def service_host(self, limits: Limits) -> ServiceHost:
        """What makes networks and starts services beside the app."""

    def release(self, live: LiveRun) -> str:
        """Removes what `prepare` brought here; what went wrong, "" where all is gone. Never raises."""

    def sweep(self, run_id: str) -> int:
        """Removes what a dead run left behind; how many things that were."""
