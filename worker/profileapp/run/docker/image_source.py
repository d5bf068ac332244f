"""Sources of the app's image: a name, or an archive from `docker save`; image_build.py builds one."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

import docker
from docker.errors import APIError

from profileapp.errors import AgentError, ImageError
from profileapp.model.text import printable
from profileapp.record.files import open_regular
from profileapp.retry import Patience
from profileapp.run.agent.state import LiveRun
from profileapp.run.docker.image import ARCHITECTURES, GONE, checked, get_image, one_line, short, show_image
from profileapp.run.docker.image_archive import ArchivedImage, BadArchive, read_archive, rewritten
from profileapp.run.docker.registry_login import RegistryLogin
from profileapp.run.docker.run_images import find_image, names_of
from profileapp.run.progress import Progress
from profileapp.run.stop import Stop, StoppedError

TIMEOUT_S = 3600.0


class ImageSource(Protocol):
    """Gets the app's image to the daemon."""

    name: str

    def get(
        self, api: docker.APIClient, machine: str, live: LiveRun, progress: Progress, own_name: str
    ) -> dict[str, Any]:
        """Inspects the image. An image that is loaded or built gets `own_name`, and no other name.

        Raises ImageError if it is unavailable, or AgentError."""


class NamedImage:
    """The local image with that name, or else its registry's."""

    def __init__(self, name: str, login: RegistryLogin | None, patience: Patience | None = None) -> None:
        self.name = name
        self._login = login
        self._patience = patience

    def get(
        self, api: docker.APIClient, machine: str, live: LiveRun, progress: Progress, own_name: str
    ) -> dict[str, Any]:
        return get_image(api, self.name, machine, progress, self._login, self._patience)


class SavedImage:
    """An image in an archive from `docker save` or in an OCI layout: the one with that name, or the only one if no name
    is requested.
    """

    def __init__(self, path: Path, name: str, stop: Stop, *, is_asked_for: bool) -> None:
        self.name = name
        self._path = path
        self._stop = stop
        self._is_asked_for = is_asked_for

    def get(
        self, api: docker.APIClient, machine: str, live: LiveRun, progress: Progress, own_name: str
    ) -> dict[str, Any]:
        progress.note(f"loading {self._path}")
        check = self._check_until(time.monotonic() + TIMEOUT_S)
        try:
            with open_regular(self._path) as stream:
                archived = self._chosen(read_archive(stream, _architecture(machine), check))
                found = find_image(api, archived.id)
                if found is None:
                    stream.seek(0)
                    self._load(api, rewritten(stream, archived, own_name, check))
                    found = find_image(api, own_name)
                elif names_of(found):
                    # A name of this worker keeps it here until the run has ended.
                    api.tag(archived.id, own_name.rpartition(":")[0], own_name.rpartition(":")[2])
        except FileNotFoundError as error:
            raise ImageError(f"{self._path}: no such file") from error
        except BadArchive as error:
            raise ImageError(f"{self._path}: is not an archive from `docker save` ({short(str(error))})") from error
        except APIError as error:
            raise ImageError(f"{self._path}: is not an archive from `docker save` ({one_line(error)})") from error
        except GONE as error:
            raise AgentError(f"{self._path}: cannot be loaded ({one_line(error)})") from error
        if found is None:
            raise AgentError(f"{self._path}: the daemon lost the loaded image")
        return checked(found, show_image(self.name), machine)

    def _chosen(self, images: tuple[ArchivedImage, ...]) -> ArchivedImage:
        named = {familiar(name): (name, image) for image in images for name in image.names}
        name, wanted = named.get(familiar(self.name), ("", None)) if self.name else ("", None)
        if wanted is None and not self._is_asked_for and len(images) == 1 and len(images[0].names) <= 1:
            wanted = images[0]
            name = wanted.names[0] if wanted.names else ""
        if wanted is None:
            names = [name for image in images for name in image.names or (image.id,)]
            contents = ", ".join(printable(each, 100) for each in names[:10]) or "no image"
            raise ImageError(
                f"{self._path} contains {contents}, but not {show_image(self.name)}; name one with --image"
            )
        self.name = name or self.name or wanted.id
        return wanted

    def _load(self, api: docker.APIClient, archive: Iterator[bytes]) -> None:
        load: Callable[[object], Iterator[dict[str, Any]]] = api.load_image
        for event in load(archive):
            if "error" in event:
                raise ImageError(f"{self._path}: the daemon refuses it ({short(str(event['error']))})")

    def _check_until(self, deadline_s: float) -> Callable[[], None]:
        def check() -> None:
            if self._stop.signal:
                raise StoppedError
            if time.monotonic() > deadline_s:
                raise ImageError(f"{self._path}: was not loaded within {TIMEOUT_S:.0f} s")

        return check


def _architecture(machine: str) -> str:
    """Docker's name of the agent's architecture."""
    return ARCHITECTURES.get(machine, machine)


def familiar(name: str) -> str:
    """A name as Docker shows it: without the default registry, and with a tag."""
    short_name = name.removeprefix("docker.io/").removeprefix("library/")
    last = short_name.rpartition("/")[2]
    return short_name if ":" in last or "@" in last or short_name.startswith("sha256:") else f"{short_name}:latest"
