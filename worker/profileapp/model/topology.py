"""What is started around an app, mounted and connected, as a tree: for drawings."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from profileapp.model.run import Network
from profileapp.model.target import Dataset, Secret, Service, Target


class Node(msgspec.Struct, frozen=True):
    """The kind of a thing, its description, and its parts."""

    word: str
    text: str
    parts: tuple[Node, ...] = ()


def app_node(target: Target, image: str) -> Node:
    """The app, its dataset and secrets, and what is measured."""
    metrics = Node("metrics", ", ".join(dict.fromkeys((*target.metrics, "custom"))))
    return Node("app", image, (*_needs(target.dataset, target.secrets), metrics))


def _needs(dataset: str | Dataset | None, secrets: Sequence[Secret]) -> list[Node]:
    found = [Node("dataset", f"{dataset} at /dataset, read-only")] if dataset else []
    return found + [Node("secret", f"{each.variable} from the credential {each.credential}") for each in secrets]


def network_node(target: Target, parts: tuple[Node, ...] = (), found: Network | None = None) -> Node:
    """The network that the app is in, with the `parts` that are in it too; `found` is what a run has seen of it."""
    internet_text = "with a way out, also to the agent" if target.internet else "no way out"
    with_whom = ", with " + ", ".join(each.name for each in target.services) if target.services else ""
    agent = ""
    if found and not found.internet and found.agent is not None:
        agent = ", nor to the agent" if not found.agent else " but to the agent itself"
    return Node("network", f"private, {internet_text}{agent}{with_whom}", parts)


def service_node(service: Service) -> Node:
    """A service or a playback, its dataset and secrets, and when it starts and is ready."""
    streams = [Node("plays", f"{each.name}: {each.dataset}, {each.rate:g} a second") for each in service.streams]
    ready = [Node("ready", str(service.ready))] if service.ready else []
    after = [Node("after", ", ".join(service.needs))] if service.needs else []
    word, kind = ("playback", "on port 8090") if service.streams else ("service", service.image)
    if service.streams and service.image:
        kind = service.image
    return Node(word, f"{service.name}: {kind}", (*streams, *_needs(service.dataset, service.secrets), *after, *ready))
