"""Finds and removes resources of runs on the daemon, by their marks: containers, networks, volumes and images."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Literal, cast

import docker
import msgspec
from docker.errors import NotFound

from profileapp.run.agent.ownership import Worker
from profileapp.run.docker.image import GONE, one_line
from profileapp.run.docker.marks import IMAGE_REPOSITORY, OWNER_LABEL, Marks

Kind = Literal["container", "network", "volume", "image"]
_NO_NAME = "<none>:<none>"


class Leftover(msgspec.Struct, frozen=True):
    """One resource of a run, by its id or name on the daemon."""

    kind: Kind
    id: str
    run_id: str
    worker: Worker


def leftovers(api: docker.APIClient, marks: Marks) -> tuple[Leftover, ...]:
    """All resources with this owner's mark, in the order in which they can be removed.

    Raises what the daemon's client raises.
    """
    labelled = {"label": f"{OWNER_LABEL}={marks.owner}"}
    found: list[Leftover] = []

    def add(kind: Kind, key: str, mark: tuple[str, Worker] | None) -> None:
        if mark:
            found.append(Leftover(kind, key, *mark))

    for each in api.containers(all=True, filters=labelled):
        add("container", str(each["Id"]), marks.read_labels(each.get("Labels")))
    for each in api.networks(filters=labelled):
        add("network", str(each["Id"]), marks.read_labels(each.get("Labels")))
    for each in api.volumes(filters=labelled).get("Volumes") or ():
        add("volume", str(each["Name"]), marks.read_labels(each.get("Labels")))
    for each in api.images(filters=labelled):
        # An app's own image may have any label: an image with a name is never removed by label.
        if not _names_of(each):
            add("image", str(each["Id"]), marks.read_labels(each.get("Labels")))
    for each in api.images(filters={"reference": f"{IMAGE_REPOSITORY}/{marks.owner}"}):
        for name in _names_of(each):
            # An image with another name only loses this worker's name.
            add("image", name, marks.read_image_name(name))
    return tuple(found)


def remove(api: docker.APIClient, leftovers: Iterable[Leftover]) -> tuple[int, tuple[str, ...]]:
    """Removes them. Returns how many were removed, and one line for each that was not."""
    removed, problems = 0, []
    for leftover in leftovers:
        try:
            _remove(api, leftover)
            removed += 1
        except NotFound:
            continue
        except GONE as error:
            problems.append(f"{leftover.kind} {leftover.id[:80]} could not be removed ({one_line(error)})")
    return removed, tuple(problems)


def _remove(api: docker.APIClient, leftover: Leftover) -> None:
    if leftover.kind == "container":
        api.remove_container(leftover.id, force=True, v=True)
    elif leftover.kind == "network":
        api.remove_network(leftover.id)
    elif leftover.kind == "volume":
        cast("Callable[..., None]", api.remove_volume)(leftover.id, force=True)
    else:
        # Layers stay: a later build may use them from the cache.
        api.remove_image(leftover.id, noprune=True)


def _names_of(image: dict[str, Any]) -> list[str]:
    return [str(name) for name in image.get("RepoTags") or () if name != _NO_NAME]
