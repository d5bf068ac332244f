"""The images that a run brings to the daemon: each has a name of the run's own, and goes with the run.

A label would say as much, but would be part of the image, and change the id by which run.json names what was measured.
"""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Callable
from contextlib import suppress
from typing import Any, cast

import docker
from docker.errors import ImageNotFound

from profileapp.run.docker.image import GONE, one_line
from profileapp.run.docker.network import RUN_LABEL

REPOSITORY = "profileapp-run"
"""What the names of all such images begin with; nobody else's image is ever named so, or has such a name taken."""


def image_name(state: str, run_id: str) -> str:
    """The name of the image of a run. `state` tells the runs of one state folder from those of others."""
    return f"{REPOSITORY}/{hashlib.sha256(state.encode()).hexdigest()[:12]}:{run_id}"


def import_empty(api: docker.APIClient, run_id: str) -> str:
    """Makes an image of nothing, without a name, so that nobody can have put another in its place; its id.

    Raises what the daemon's client raises.
    """
    empty = io.BytesIO()
    with tarfile.open(fileobj=empty, mode="w"):
        pass
    make = cast("Callable[..., str]", api.import_image_from_data)
    made = make(empty.getvalue(), changes=[f"LABEL {RUN_LABEL}={run_id}"])
    return str(json.loads(made.splitlines()[-1])["status"])


def find_image(api: docker.APIClient, name: str) -> dict[str, Any] | None:
    """What the daemon tells of an image; None where it is not here. Raises what the daemon's client raises."""
    inspect: Callable[[str], dict[str, Any]] = api.inspect_image
    try:
        return inspect(name)
    except ImageNotFound:
        return None


def remove_images(api: docker.APIClient, state: str, run_id: str) -> tuple[int, str]:
    """Removes what a run brought; how many images, and what went wrong ("" where all are gone).

    An image that has another name too only loses ours. Layers that a later build may take from the cache stay.
    """
    removed, problem = 0, ""
    names = [image_name(state, run_id)]
    with suppress(*GONE):
        labelled = api.images(filters={"label": f"{RUN_LABEL}={run_id}"})
        # An app's own image may bear any label: what has a name is not ours to remove.
        names += [str(each["Id"]) for each in labelled if not names_of(each)]
    for name in names:
        try:
            api.remove_image(name, noprune=True)
            removed += 1
        except ImageNotFound:
            continue
        except GONE as error:
            problem = f"image {name} could not be removed ({one_line(error)}); the next run will"
    return removed, problem


def names_of(image: dict[str, Any]) -> list[str]:
    """The names that an image has."""
    return [name for name in image.get("RepoTags") or () if name != "<none>:<none>"]
