"""Parses replies of the Docker daemon: containers and their events.

Source: Docker Engine API, "List containers", "Inspect a container" and "Monitor events". Podman's service answers the
same.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from profileapp.live.change import Container

TEXT_LIMIT = 4096
"""Limit of the length of a name or a label; the rest is cut off."""
LABELS_LIMIT = 1000


class DockerEvent(msgspec.Struct, frozen=True):
    """A container event; `action` is the first word (`start`, `die`, `oom`, `kill`)."""

    action: str
    container_id: str
    attributes: dict[str, str]

    @property
    def exit_code(self) -> int | None:
        """The exit code of a `die` event. A label of the same name replaces it."""
        text = self.attributes.get("exitCode", "")
        return int(text) if text.isdecimal() and text.isascii() and len(text) < 5 else None


def parse_event(reply: object) -> DockerEvent | None:
    """`{"Type": "container", "Action": "start", "Actor": {"ID": …, "Attributes": {…}}}`; None for anything else.

    Actions may have details after a colon: `exec_start: sh`.
    """
    if not isinstance(reply, Mapping) or reply.get("Type", "container") != "container":
        return None
    actor = reply.get("Actor")
    actor = actor if isinstance(actor, Mapping) else {}
    container_id, action = actor.get("ID"), reply.get("Action") or reply.get("status")
    if not isinstance(container_id, str) or not isinstance(action, str) or not container_id:
        return None
    return DockerEvent(action.partition(":")[0].strip(), container_id, _texts(actor.get("Attributes")))


def parse_listed(reply: Mapping[str, Any]) -> tuple[Container, bool]:
    """One entry of a list of containers, and whether it runs."""
    names = reply.get("Names") or ["/"]
    container = Container(
        id=_text(reply.get("Id")),
        name=_text(names[0]).removeprefix("/"),
        image=_text(reply.get("Image")),
        labels=_texts(reply.get("Labels")),
    )
    return container, reply.get("State") in ("running", "paused")


def parse_inspected(reply: Mapping[str, Any]) -> tuple[Container, int]:
    """A container and the PID of its first process; 0 if it does not run."""
    config, state = reply.get("Config") or {}, reply.get("State") or {}
    container = Container(
        id=_text(reply.get("Id")),
        name=_text(reply.get("Name")).removeprefix("/"),
        image=_text(config.get("Image")),
        labels=_texts(config.get("Labels")),
        image_id=_text(reply.get("Image")),
    )
    pid = state.get("Pid")
    return container, pid if isinstance(pid, int) and pid > 0 else 0


def _text(value: object) -> str:
    if not isinstance(value, str):
        return ""
    # JSON may contain lone surrogates, which cannot be encoded.
    return value[:TEXT_LIMIT].encode("utf-8", "replace").decode()


def _texts(value: object) -> dict[str, str]:
    if not isinstance(value, Mapping):
        return {}
    return {_text(key): _text(value[key]) for key in list(value)[:LABELS_LIMIT]}
