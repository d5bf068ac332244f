"""What a container runtime reports: which containers come and go. A runtime implements `ContainerFeed`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import msgspec


class Container(msgspec.Struct, frozen=True):
    """A container as its runtime describes it; every text may come from a stranger.

    `image` is the name asked for, and `image_id` the local id of the image.
    """

    id: str
    name: str
    image: str = ""
    labels: dict[str, str] = {}
    image_id: str = ""


class Appeared(msgspec.Struct, frozen=True):
    """A container runs: the PID of its first process on this machine, and when it was seen (monotonic clock)."""

    container: Container
    pid: int
    at_ns: int


class Gone(msgspec.Struct, frozen=True):
    """A container ended at `at_ns` of the monotonic clock. `exit_code` is None where the runtime does not know it.

    `ordered`: someone stopped it (`docker stop`), so its exit code says nothing about the app.
    """

    container_id: str
    at_ns: int
    exit_code: int | None = None
    oom_killed: bool = False
    ordered: bool = False


class Notice(msgspec.Struct, frozen=True):
    """One line for the user: the daemon went away, or answers again."""

    text: str


Change = Appeared | Gone | Notice
Report = Callable[[Change], None]
"""Takes one change. Any thread may call it."""


class ContainerFeed(Protocol):
    """Reports containers of one runtime as they come and go."""

    def open(self) -> tuple[Container, ...]:
        """Begins to report, those that run already first. Returns all containers there are, running or not.

        Raises AgentError where the runtime does not answer.
        """

    def close(self) -> None:
        """Reports nothing more. May be called twice."""
