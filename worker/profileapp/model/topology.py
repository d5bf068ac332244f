"""A tree of what a target starts, mounts and connects, for drawings."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from profileapp.model.run import Network
from profileapp.model.target import Dataset, Secret, Service, Target


class Node(msgspec.Struct, frozen=True):
    """A box of a drawing: its kind, such as `app` or `service`, a description, and the boxes within it."""

    kind: str
    text: str
    parts: tuple[Node, ...] = ()


def app_node(target: Target, image: str) -> Node:
    """The app, its dataset and secrets, and its metrics."""
    metrics = Node("metrics", ", ".join(dict.fromkeys((*target.metrics, "custom"))))
    return Node("app", image, (*_needs(target.dataset, target.secrets), metrics))


def _needs(dataset: str | Dataset | None, secrets: Sequence[Secret]) -> list[Node]:
    found = [Node("dataset", f"{dataset} at /dataset, read-only")] if dataset else []
    return found + [Node("secret", f"{each.variable} from the credential {each.credential}") for each in secrets]


def network_node(target: Target, parts: tuple[Node, ...] = (), found: Network | None = None) -> Node:
    """The app's network with the `parts` on it; `found` holds what a run measured of it."""
    access = "internet and agent reachable" if target.internet else "no internet access"
    if found and not found.internet and found.agent is not None:
        access = "no internet access, agent reachable" if found.agent else "no access to internet or agent"
    services = ", with " + ", ".join(each.name for each in target.services) if target.services else ""
    return Node("network", f"private, {access}{services}", parts)


def service_node(service: Service) -> Node:
    """A service or a playback, its dataset and secrets, the services it waits for, and its readiness check."""
    streams = [Node("plays", f"{each.name}: {each.dataset}, {each.rate:g}/s") for each in service.streams]
    ready = [Node("ready", str(service.ready))] if service.ready else []
    after = [Node("after", ", ".join(service.needs))] if service.needs else []
    kind, runs = ("playback", "on port 8090") if service.streams else ("service", service.image)
    if service.streams and service.image:
        runs = service.image
    return Node(kind, f"{service.name}: {runs}", (*streams, *_needs(service.dataset, service.secrets), *after, *ready))
