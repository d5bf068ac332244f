"""Images that a run loads or builds: each has a name of the run, and is removed with the run.

A label would serve too, but would be part of the image, and change the id that run.json records.
"""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Callable, Mapping
from typing import Any, cast

import docker
from docker.errors import ImageNotFound


def import_empty(api: docker.APIClient, labels: Mapping[str, str]) -> str:
    """Creates an empty image without a name, so that no other image can replace it. Returns its id.

    Raises what the daemon's client raises.
    """
    empty = io.BytesIO()
    with tarfile.open(fileobj=empty, mode="w"):
        pass
    make = cast("Callable[..., str]", api.import_image_from_data)
    made = make(empty.getvalue(), changes=[f"LABEL {name}={json.dumps(value)}" for name, value in labels.items()])
    return str(json.loads(made.splitlines()[-1])["status"])


def find_image(api: docker.APIClient, name: str) -> dict[str, Any] | None:
    """Inspects an image; None if it is not on the daemon. Raises what the daemon's client raises."""
    inspect: Callable[[str], dict[str, Any]] = api.inspect_image
    try:
        return inspect(name)
    except ImageNotFound:
        return None


def names_of(image: dict[str, Any]) -> list[str]:
    """The names of an image."""
    return [name for name in image.get("RepoTags") or () if name != "<none>:<none>"]
