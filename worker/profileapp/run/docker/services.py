"""Services in containers, with the few capabilities that common images (databases, brokers) need and then drop.

Source: Docker Engine API; docker-py's low-level client.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import docker
from docker.errors import NotFound
from docker.types import Mount as DockerMount

from profileapp.collect.api import AppHandle
from profileapp.errors import AgentError
from profileapp.model.run import Network, Totals
from profileapp.model.target import Ready, Service
from profileapp.record.tree_size import Size
from profileapp.run.docker.container import Container
from profileapp.run.docker.failures import what_to_do
from profileapp.run.docker.image import GONE
from profileapp.run.docker.marks import Marks
from profileapp.run.docker.network import close_network, name_servers, network_settings, open_network
from profileapp.run.docker.playback import playback_settings, python_mounts
from profileapp.run.docker.ready_probe import ReadyProbe
from profileapp.run.docker.service_images import ServiceImages
from profileapp.run.launch import RUN_ID_VARIABLE, Exit, Limits
from profileapp.run.progress import Progress
from profileapp.run.run_cgroup import RunCgroup, RunCgroups
from profileapp.run.service_host import RunningService, ServiceLaunch

# Entrypoints of official images chown their folders and switch to another user.
_CAPABILITIES = ("CHOWN", "DAC_OVERRIDE", "FOWNER", "SETGID", "SETUID", "NET_BIND_SERVICE")


class DockerServiceHost:
    """Networks and services on one daemon."""

    def __init__(
        self, api: docker.APIClient, marks: Marks, limits: Limits, images: ServiceImages, cgroups: RunCgroups
    ) -> None:
        self._cgroups = cgroups
        self._api = api
        self._marks = marks
        self._limits = limits
        self._images = images

    def prepare(self, service: Service, progress: Progress) -> None:
        if service.image:
            self._images.get(service.image, progress)

    def open_network(self, run_id: str, *, internet: bool | None) -> tuple[str, Network | None]:
        return open_network(self._api, run_id, self._marks.labels(run_id), internet=bool(internet))

    def close_network(self, network: str) -> str:
        return close_network(self._api, network)

    def host_name(self, service: Service) -> str:
        return service.name

    def start(
        self, launch: ServiceLaunch, output: Callable[[bytes], None], exited: Callable[[], None]
    ) -> RunningService:
        cgroup = self._cgroups.next(launch.run_id)
        try:
            return self._start(launch, output, exited, cgroup, self._cgroups.reason)
        except AgentError as error:
            if cgroup is None or "cgroup" not in str(error).lower():
                raise
            return self._start(launch, output, exited, None, f"the daemon refused a cgroup parent ({error})")

    def _start(
        self,
        launch: ServiceLaunch,
        output: Callable[[bytes], None],
        exited: Callable[[], None],
        cgroup: RunCgroup | None,
        no_cgroup: str,
    ) -> RunningService:
        name = launch.service.name
        try:
            settings = self._settings(launch)
            environment = {RUN_ID_VARIABLE: launch.run_id, **settings.pop("environment", {}), **launch.env}
            created = self._api.create_container(
                **settings,
                environment=environment,
                labels=self._marks.labels(launch.run_id),
                host_config=self._api.create_host_config(**self._host_config(launch, cgroup)),
                **network_settings(launch.network, name),
            )
        except GONE as error:
            raise AgentError(f"service {name} cannot be created ({what_to_do(error, self._marks.folder)})") from error
        probe = ReadyProbe(self._api, name, launch.network, self._images.empty, self._marks.labels(launch.run_id))
        container = Container(self._api, str(created["Id"]), output, exited, cgroup, no_cgroup)
        service = DockerService(self._api, str(created["Id"]), container, probe)
        try:
            container.start()
        except GONE as error:
            service.remove()
            raise AgentError(f"service {name} cannot be started ({what_to_do(error, self._marks.folder)})") from error
        return service

    def _settings(self, launch: ServiceLaunch) -> dict[str, Any]:
        service = launch.service
        if not service.image:
            return {"image": self._images.empty(), **playback_settings(service)}
        return {"image": self._images.id_of(service.image), "command": list(service.args) or None}

    def _host_config(self, launch: ServiceLaunch, cgroup: RunCgroup | None) -> dict[str, Any]:
        is_own = not launch.service.image
        return {
            "mounts": [
                DockerMount(mount.container_path, mount.host_path, type="bind", read_only=not mount.writable)
                for mount in (*launch.mounts, *(python_mounts() if is_own else ()))
            ],
            **({"cgroup_parent": cgroup.parent} if cgroup else {}),
            "network_mode": launch.network,
            "dns": name_servers(internet=launch.internet),
            "cap_drop": ["ALL"],
            "cap_add": [] if is_own else list(_CAPABILITIES),
            "security_opt": ["no-new-privileges"],
            "pids_limit": self._limits.pids,
            "mem_limit": self._limits.memory_bytes,
            "memswap_limit": self._limits.memory_bytes,
            "init": True,
            "log_config": {"Type": "none", "Config": {}},
        }


class DockerService:
    """One started service, in a separate container."""

    def __init__(self, api: docker.APIClient, container_id: str, container: Container, probe: ReadyProbe) -> None:
        self._api = api
        self._id = container_id
        self._probe = probe
        self._container = container

    @property
    def handle(self) -> AppHandle | None:
        return self._container.handle

    def written(self) -> Size:
        return self._container.written()

    @property
    def totals(self) -> Totals | None:
        return self._container.totals

    @property
    def exit(self) -> Exit | None:
        return self._container.exit

    def has_file(self, path: str) -> bool:
        try:
            content, _ = self._api.get_archive(self._id, path)
        except NotFound:
            return False
        except GONE:
            return False
        content.close()
        return True

    def answers(self, ready: Ready) -> bool:
        return self._probe.is_ready(ready)

    def signal(self, number: int) -> None:
        with suppress(*GONE):
            self._api.kill(self._id, number)

    def terminate(self) -> None:
        self._container.terminate()

    def kill(self) -> None:
        self._container.kill()

    def remove(self) -> str:
        self._probe.remove()
        return self._container.remove()
