"""Checks, before anything runs, whether this agent can run the images of a plan."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from profileapp.errors import AgentError, ImageError
from profileapp.retry import Patience
from profileapp.run.docker.image import architecture_problem, architectures_of, show_image
from profileapp.run.docker.registry_login import RegistryLogin
from profileapp.run.docker.runtime import connect

TIMEOUT_S = 15
RETRY_LIMIT_S = 15.0
"""Longest time that a registry is asked again: a plan goes on without its answer, as `run` pulls with more patience."""


def check_images(
    names: Iterable[str], login: RegistryLogin | None, retry_timeout_s: float, note: Callable[[str], None]
) -> tuple[str, ...]:
    """Returns warnings. An image that is neither local nor in its registry causes none: it may be built later.

    A registry that does not answer is asked again for `retry_timeout_s`, RETRY_LIMIT_S at most; `note` gets a line for
    each attempt. Raises ImageError if an image is not built for this agent's architecture.
    """
    try:
        api, info = connect(TIMEOUT_S)
    except AgentError as error:
        return (f"images were not checked: {error}",)
    patience = Patience(min(retry_timeout_s, RETRY_LIMIT_S))
    try:
        made_for = {name: architectures_of(api, name, login, patience, note) for name in dict.fromkeys(names)}
        problems = [
            architecture_problem(show_image(name), architectures, info.get("Architecture", ""))
            for name, architectures in made_for.items()
        ]
    finally:
        api.close()
    found = [problem for problem in problems if problem]
    if found:
        raise ImageError("\n".join(found))
    return ()
