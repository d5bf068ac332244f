"""The seam of what an app has around it: a network of its own, and services that run beside it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import msgspec

from profileapp.collect.api import Mount
from profileapp.model.run import Network
from profileapp.model.target import Ready, Service
from profileapp.run.launch import RunningApp
from profileapp.run.progress import Progress


class ServiceLaunch(msgspec.Struct, frozen=True):
    """One start of a service. `network` is what `open_network` gave; `internet`: whether it has a way out."""

    run_id: str
    service: Service
    env: dict[str, str]
    mounts: tuple[Mount, ...]
    network: str
    internet: bool = False


class RunningService(RunningApp, Protocol):
    """One started service."""

    def signal(self, number: int) -> None:
        """Sends its first process a signal. Never raises."""

    def answers(self, ready: Ready) -> bool:
        """One look, whether it takes connections (`ready.tcp`) or answers well (`ready.http`)."""

    def has_file(self, path: str) -> bool:
        """Whether there is a file or folder of that path in it."""


class ServiceHost(Protocol):
    """Makes networks and starts services."""

    def prepare(self, service: Service, progress: Progress) -> None:
        """Gets what the service is run from. Raises ImageError or AgentError."""

    def open_network(self, run_id: str, *, internet: bool | None) -> tuple[str, Network | None]:
        """A network of the run's own: its id, and what can be reached from it; "" and None where the runtime has none.

        `internet` is the target's. Raises AgentError.
        """

    def close_network(self, network: str) -> str:
        """Removes it. Returns what could not be removed and why, "" where all is gone."""

    def host_name(self, service: Service) -> str:
        """Where the app reaches a service."""

    def start(
        self, launch: ServiceLaunch, output: Callable[[bytes], None], exited: Callable[[], None]
    ) -> RunningService:
        """Starts a service. Raises AgentError."""
