"""Where the app's image comes from: its name, or a file that `docker save` wrote; image_build.py builds one."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

import docker
from docker.errors import APIError

from profileapp.errors import AgentError, ImageError
from profileapp.model.text import printable
from profileapp.record.files import open_regular
from profileapp.run.agent.state import LiveRun
from profileapp.run.docker.image import GONE, checked, get_image, one_line, short, show_image
from profileapp.run.docker.registry_login import RegistryLogin
from profileapp.run.progress import Progress

_LOADED = re.compile(r"Loaded image(?: ID)?: (\S+)")


class ImageSource(Protocol):
    """Gets the app's image to the daemon."""

    name: str

    def get(self, api: docker.APIClient, machine: str, live: LiveRun, progress: Progress) -> dict[str, Any]:
        """What the daemon tells of the image. Raises ImageError where it cannot be had, AgentError."""


class NamedImage:
    """The one of that name that is here, or else its registry's."""

    def __init__(self, name: str, login: RegistryLogin | None) -> None:
        self.name = name
        self._login = login

    def get(self, api: docker.APIClient, machine: str, live: LiveRun, progress: Progress) -> dict[str, Any]:
        return get_image(api, self.name, machine, progress, self._login)


class SavedImage:
    """One out of a file that `docker save` wrote: the one of that name, or the only one where none was asked for."""

    def __init__(self, path: Path, name: str, *, is_asked_for: bool) -> None:
        self.name = name
        self._path = path
        self._is_asked_for = is_asked_for

    def get(self, api: docker.APIClient, machine: str, live: LiveRun, progress: Progress) -> dict[str, Any]:
        progress.note(f"loading {self._path}")
        found = self._load(api)
        wanted = {_familiar(each): each for each in found}.get(_familiar(self.name)) if self.name else None
        if wanted is None and not self._is_asked_for and len(found) == 1:
            wanted = found[0]
        if wanted is None:
            held = ", ".join(printable(each, 100) for each in found[:10]) or "no image"
            raise ImageError(f"{self._path} holds {held}, but not {show_image(self.name)}; name one with --image")
        inspect: Callable[[str], dict[str, Any]] = api.inspect_image
        try:
            image = inspect(wanted)
        except GONE as error:
            raise AgentError(f"{self._path}: the daemon lost what it loaded ({one_line(error)})") from error
        self.name = wanted
        return checked(image, show_image(wanted), machine)

    def _load(self, api: docker.APIClient) -> list[str]:
        """Names, or ids of what has no name."""
        found: list[str] = []
        try:
            with open_regular(self._path) as stream:
                load: Callable[[object], Iterator[dict[str, Any]]] = api.load_image
                for event in load(stream):
                    if "error" in event:
                        raise ImageError(f"{self._path}: is no file of `docker save` ({short(str(event['error']))})")
                    found += _LOADED.findall(str(event.get("stream", "")))
        except FileNotFoundError as error:
            raise ImageError(f"{self._path}: there is no such file") from error
        except APIError as error:
            raise ImageError(f"{self._path}: is no file of `docker save` ({one_line(error)})") from error
        except GONE as error:
            raise AgentError(f"{self._path}: cannot be loaded ({one_line(error)})") from error
        return found


def _familiar(name: str) -> str:
    """A name as Docker shows it: without the default registry, and with a tag."""
    short_name = name.removeprefix("docker.io/").removeprefix("library/")
    last = short_name.rpartition("/")[2]
    return short_name if ":" in last or "@" in last or short_name.startswith("sha256:") else f"{short_name}:latest"
