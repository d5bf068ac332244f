"""The images of services: each is resolved once per run, and stays the same from then on."""

from __future__ import annotations

from collections.abc import Mapping

import docker

from profileapp.errors import AgentError
from profileapp.retry import Patience
from profileapp.run.docker.image import GONE, get_image, one_line
from profileapp.run.docker.registry_login import RegistryLogin
from profileapp.run.docker.run_images import import_empty
from profileapp.run.progress import Progress


class ServiceImages:
    """Image ids by their names in a sage.yaml. `machine` is the daemon's architecture."""

    def __init__(
        self, api: docker.APIClient, machine: str, login: RegistryLogin | None, patience: Patience | None = None
    ) -> None:
        self._api = api
        self._machine = machine
        self._login = login
        self._patience = patience
        self._ids: dict[str, str] = {}
        self._labels: Mapping[str, str] = {}
        self._empty_id = ""

    def begin(self, labels: Mapping[str, str]) -> None:
        """Sets the marks of images that are created from now on."""
        self._labels = labels

    def get(self, name: str, progress: Progress) -> None:
        """Gets the image of a service. Raises ImageError or AgentError."""
        if name not in self._ids:
            found = get_image(self._api, name, self._machine, progress, self._login, self._patience)
            self._ids[name] = str(found["Id"])

    def id_of(self, name: str) -> str:
        """The id of an image from `get`, even if its name has moved to another image."""
        return self._ids[name]

    def empty(self) -> str:
        """The id of an empty image, created in this run. Raises AgentError."""
        if not self._empty_id:
            try:
                self._empty_id = import_empty(self._api, self._labels)
            except GONE as error:
                raise AgentError(f"an empty image cannot be created ({one_line(error)})") from error
        return self._empty_id
