"""The interface of service hosts: an app's own network, and the services that run next to it."""

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
    """One start of a service. `network` is from `open_network`; `internet`: whether it reaches the Internet."""

    run_id: str
    service: Service
    env: dict[str, str]
    mounts: tuple[Mount, ...]
    network: str
    internet: bool = False


class RunningService(RunningApp, Protocol):
    """One started service."""

    def signal(self, number: int) -> None:
        """Sends a signal to its first process. Never raises."""

    def answers(self, ready: Ready) -> bool:
        """Checks once whether it accepts connections (`ready.tcp`) or responds with success (`ready.http`)."""

    def has_file(self, path: str) -> bool:
        """Whether it has a file or folder at that path."""


class ServiceHost(Protocol):
    """Creates networks and starts services."""

    def prepare(self, service: Service, progress: Progress) -> None:
        """Gets the service's image. Raises ImageError or AgentError."""

    def open_network(self, run_id: str, *, internet: bool | None) -> tuple[str, Network | None]:
        """Creates the run's network: its id and what can be reached from it; "" and None if the runtime has none.

        `internet` is the target's. Raises AgentError.
        """

    def close_network(self, network: str) -> str:
        """Removes it. Returns what could not be removed and why, "" if nothing is left."""

    def host_name(self, service: Service) -> str:
        """The host name at which the app reaches a service."""

    def start(
        self, launch: ServiceLaunch, output: Callable[[bytes], None], exited: Callable[[], None]
    ) -> RunningService:
        """Starts a service. Raises AgentError."""
