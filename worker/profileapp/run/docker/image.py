"""Gets an image for this agent: the local one, or else its registry's."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, cast

import docker
import requests
from docker.auth import resolve_repository_name
from docker.errors import APIError, DockerException, ImageNotFound
from docker.utils import parse_repository_tag

from profileapp.errors import AgentError, ImageError
from profileapp.model.text import printable
from profileapp.retry import Patience
from profileapp.run.docker.registry_login import RegistryLogin
from profileapp.run.mask import Mask
from profileapp.run.progress import Progress
from profileapp.transient import is_transient

GONE = (DockerException, requests.exceptions.RequestException, OSError)
"""The errors of the daemon's client if the daemon is gone or refuses."""

# Docker's architecture by `uname -m`.
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm", "i686": "386", "ppc64le": "ppc64le"}


class _NotPulled(Exception):
    """An error of the daemon in the middle of a pull, masked."""


def get_image(
    api: docker.APIClient,
    name: str,
    machine: str,
    progress: Progress,
    login: RegistryLogin | None = None,
    patience: Patience | None = None,
) -> dict[str, Any]:
    """Inspects an image, after pulling it if it is not local. `machine` is from `uname -m`.

    Transient errors are retried with `patience`. Raises ImageError if the image is unavailable or built for another
    architecture, AgentError if the daemon fails, or the network fails until the end.
    """
    shown = show_image(name)
    patience = patience or Patience(0)
    mask = Mask(login.secrets if login else ())
    try:
        found = _find(api, name, shown)
        if found is None:
            found = _pull(api, name, progress, login, patience)
    except (_NotPulled, APIError) as error:
        text = f"image {shown} is not on this agent and cannot be pulled ({one_line(error, mask)})"
        if is_transient(error):
            raise AgentError(f"{text}; its registry was tried again for {patience.timeout_s:g} s") from error
        raise ImageError(f"{text}; build it on this agent, or use a name that its registry has") from error
    except GONE as error:
        raise AgentError(f"image {shown}: the daemon cannot get it ({one_line(error)})") from error
    return checked(found, shown, machine)


def checked(found: dict[str, Any], shown: str, machine: str) -> dict[str, Any]:
    """An image that this machine can run. Raises ImageError if it is built for another architecture."""
    problem = architecture_problem(shown, (found.get("Architecture", ""),), machine)
    if problem:
        raise ImageError(problem)
    return found


def architecture_problem(shown: str, made_for: Sequence[str], machine: str) -> str:
    """The problem if an image is not built for the architecture of `machine` (from `uname -m`); else ""."""
    own = ARCHITECTURES.get(machine, machine)
    known = [each for each in made_for if each]
    if not known or not own or own in known:
        return ""
    return (
        f"image {shown} is built for {', '.join(known)}, but this agent is {own}; "
        f"build it for linux/{own} too, or choose an agent of its architecture"
    )


def architectures_of(
    api: docker.APIClient, name: str, login: RegistryLogin | None, patience: Patience, note: Callable[[str], None]
) -> tuple[str, ...]:
    """Architectures of an image: of the local one, or all in its registry under that name; () if unknown.

    Transient errors of the registry are retried with `patience`. Raises ImageError if the name is not valid.
    """
    mask = Mask(login.secrets if login else ())
    try:
        found = _find(api, name, show_image(name))
        if found:
            return (str(found.get("Architecture", "")),)
        inspect: Callable[..., dict[str, Any]] = api.inspect_distribution
        answer = patience.call(
            lambda: inspect(name, auth_config=_auth(name, login)),
            lambda text: note(f"image {show_image(name)}: {short(mask.text(text))}"),
        )
        platforms = answer.get("Platforms") or []
    except GONE:
        return ()
    return tuple(dict.fromkeys(str(each.get("architecture", "")) for each in platforms if isinstance(each, dict)))


def show_image(name: str) -> str:
    """The name of an image in a message."""
    return repr(printable(name, 200))


def one_line(error: BaseException, mask: Mask | None = None) -> str:
    """The daemon's error text, shortened; masked before it is cut, as a truncated secret would not be recognised."""
    text = str(getattr(error, "explanation", None) or error)
    return short(mask.text(text) if mask else text)


def short(text: str) -> str:
    """One line of at most 300 characters."""
    return printable(" ".join(text.split()), 300)


def _find(api: docker.APIClient, name: str, shown: str) -> dict[str, Any] | None:
    try:
        return _inspect(api, name)
    except ImageNotFound:
        return None
    except APIError as error:
        if error.is_client_error():
            raise ImageError(f"image {shown} is not a valid image name ({one_line(error)})") from error
        raise


def _inspect(api: docker.APIClient, name: str) -> dict[str, Any]:
    inspect: Callable[[str], dict[str, Any]] = api.inspect_image
    return inspect(name)


def _auth(name: str, login: RegistryLogin | None) -> dict[str, str] | None:
    """The login is sent only to its registry; None: the daemon client's stored login."""
    registry, _ = resolve_repository_name(name)
    if login is None or registry != login.registry:
        return None
    return {"username": login.user, "password": login.password}


def _pull(
    api: docker.APIClient, name: str, progress: Progress, login: RegistryLogin | None, patience: Patience
) -> dict[str, Any]:
    """Raises _NotPulled, and as the daemon's client does."""
    repository, tag = parse_repository_tag(name)
    mask = Mask(login.secrets if login else ())

    def pull() -> dict[str, Any]:
        layers: dict[str, tuple[int, int]] = {}
        for event in cast(
            "Iterator[dict[str, Any]]",
            api.pull(repository, tag=tag or "latest", stream=True, decode=True, auth_config=_auth(name, login)),
        ):
            patience.check()
            if "error" in event:
                raise _NotPulled(short(mask.text(str(event["error"]))))
            detail = event.get("progressDetail") or {}
            if event.get("id") and detail.get("total"):
                layers[event["id"]] = int(detail.get("current", 0)), int(detail["total"])
                done = sum(current for current, _ in layers.values())
                progress.pulling(name, done, sum(total for _, total in layers.values()))
        return _inspect(api, name)

    # Downloaded layers remain: the daemon continues from there.
    return patience.call(pull, lambda text: progress.note(f"image {show_image(name)}: {short(mask.text(text))}"))
