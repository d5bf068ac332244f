"""A container on a service's network that exits once the service is ready.

So this machine needs no route into the network, and the service no program to probe itself.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import docker
from docker.errors import NotFound
from docker.types import Mount as DockerMount

from profileapp.errors import AgentError
from profileapp.model.target import Ready
from profileapp.run.docker.image import GONE, one_line
from profileapp.run.docker.playback import python_mounts, python_settings

_MEMORY_BYTES = 64 * 1024**2
_PIDS = 16


class ReadyProbe:
    """Probes a service from within its network. `name` is the service's, `image` the id of an empty image."""

    def __init__(
        self, api: docker.APIClient, name: str, network: str, image: Callable[[], str], labels: dict[str, str]
    ) -> None:
        self._api = api
        self._name = name
        self._network = network
        self._image = image
        self._labels = labels
        self._id = ""

    def is_ready(self, ready: Ready) -> bool:
        """Whether the service was ready. Raises AgentError if no probe can be started."""
        if not self._id:
            try:
                self._start(ready)
            except GONE as error:
                raise AgentError(
                    f"service {self._name}: its readiness cannot be checked ({one_line(error)})"
                ) from error
            return False
        try:
            state = self._api.inspect_container(self._id)["State"]
        except NotFound:
            self._id = ""
            return False
        except GONE:
            return False
        if state["Status"] not in ("exited", "dead"):
            return False
        self.remove()
        return bool(state.get("ExitCode") == 0)

    def remove(self) -> None:
        """Removes it. May be called at any time; the next run sweeps what cannot be removed."""
        if self._id:
            with suppress(*GONE):
                self._api.remove_container(self._id, force=True, v=True)
            self._id = ""

    def _start(self, ready: Ready) -> None:
        what = ("tcp", str(ready.tcp)) if ready.tcp else ("http", ready.http)
        host_config: dict[str, Any] = {
            "mounts": [
                DockerMount(each.container_path, each.host_path, type="bind", read_only=True)
                for each in python_mounts()
            ],
            "network_mode": self._network,
            "cap_drop": ["ALL"],
            "security_opt": ["no-new-privileges"],
            "pids_limit": _PIDS,
            "mem_limit": _MEMORY_BYTES,
            "memswap_limit": _MEMORY_BYTES,
            "log_config": {"Type": "none", "Config": {}},
        }
        created = self._api.create_container(
            self._image(),
            **python_settings("profileapp.probe", self._name, *what),
            labels=self._labels,
            host_config=self._api.create_host_config(**host_config),
            networking_config={"EndpointsConfig": {self._network: {}}},
        )
        self._id = str(created["Id"])
        self._api.start(self._id)
