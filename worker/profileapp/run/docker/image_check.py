"""Checks, before anything runs, whether this agent can run the images of a plan."""

from __future__ import annotations

from collections.abc import Iterable

from profileapp.errors import AgentError, ImageError
from profileapp.run.docker.image import architecture_problem, architectures_of, show_image
from profileapp.run.docker.registry_login import RegistryLogin
from profileapp.run.docker.runtime import connect

TIMEOUT_S = 15


def check_images(names: Iterable[str], login: RegistryLogin | None) -> tuple[str, ...]:
    """Returns warnings. An image that is neither local nor in its registry causes none: it may be built later.

    Raises ImageError if an image is not built for this agent's architecture.
    """
    try:
        api, info = connect(TIMEOUT_S)
    except AgentError as error:
        return (f"images were not checked: {error}",)
    try:
        problems = [
            architecture_problem(show_image(name), architectures_of(api, name, login), info.get("Architecture", ""))
            for name in dict.fromkeys(names)
        ]
    finally:
        api.close()
    found = [problem for problem in problems if problem]
    if found:
        raise ImageError("\n".join(found))
    return ()
