"""Events of a container runtime: containers that start and end. A runtime implements `ContainerFeed`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import msgspec


class Container(msgspec.Struct, frozen=True):
    """A container as its runtime describes it. All texts are untrusted.

    `image` is the name that was requested, `image_id` the local id of the image.
    """

    id: str
    name: str
    image: str = ""
    labels: dict[str, str] = {}
    image_id: str = ""


class Appeared(msgspec.Struct, frozen=True):
    """A container runs: the PID of its first process on this machine, and when it was noticed (monotonic clock)."""

    container: Container
    pid: int
    at_ns: int


class Gone(msgspec.Struct, frozen=True):
    """A container ended at `at_ns` of the monotonic clock. `exit_code` is None if the runtime does not know it.

    `ordered`: a user stopped it (`docker stop`), so its exit code is no verdict on the app.
    """

    container_id: str
    at_ns: int
    exit_code: int | None = None
    oom_killed: bool = False
    ordered: bool = False


class Notice(msgspec.Struct, frozen=True):
    """One line for the user: the daemon is unreachable, or reachable again."""

    text: str


Change = Appeared | Gone | Notice
Report = Callable[[Change], None]
"""Receives one change. Thread-safe."""


class ContainerFeed(Protocol):
    """Reports containers of one runtime as they start and end."""

    def open(self) -> tuple[Container, ...]:
        """Starts reporting, with running containers first. Returns all containers, running or not.

        Raises AgentError if the runtime does not answer.
        """

    def close(self) -> None:
        """Stops reporting. Idempotent."""
