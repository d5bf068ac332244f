"""What an app that is a process of the host can have around it: no container, and no network of its own."""

from __future__ import annotations

from collections.abc import Callable

from profileapp.errors import AgentError, ConfigError
from profileapp.model.target import Service
from profileapp.run.progress import Progress
from profileapp.run.surroundings import RunningService, ServiceLaunch


class ProcessSurroundings:
    """Refuses services."""

    def prepare(self, service: Service, progress: Progress) -> None:
        raise ConfigError(f"service {service.name} needs a container; use the docker runtime")

    def open_network(self, run_id: str, *, internet: bool) -> str:
        if not internet:
            raise AgentError("`internet: false` needs a container; use the docker runtime")
        return ""

    def close_network(self, network: str) -> str:
        return ""

    def start(
        self, launch: ServiceLaunch, output: Callable[[bytes], None], exited: Callable[[], None]
    ) -> RunningService:
        raise AgentError(f"service {launch.service.name} needs a container; use the docker runtime")
