"""Follows the events of a Docker daemon, to attach to containers as soon as they start. Lists once, never polls."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from http.client import HTTPException
from typing import Any, Protocol

import docker
from docker.errors import DockerException, NotFound
from docker.utils import kwargs_from_env
from requests.exceptions import RequestException

from profileapp.errors import AgentError
from profileapp.live.change import Appeared, Container, Gone, Notice, Report
from profileapp.live.docker_reply import DockerEvent, parse_event, parse_inspected, parse_listed
from profileapp.model.text import printable

API_TIMEOUT_S = 30
FIRST_PAUSE_S = 0.2
LONGEST_PAUSE_S = 5.0
JOIN_TIMEOUT_S = 2.0
_FAILURES = (DockerException, RequestException, HTTPException, OSError, ValueError)
# Podman's service reports `died`.
_ENDS = ("die", "died")
_EVENTS = ["start", *_ENDS, "oom", "kill"]


class Daemon(Protocol):
    """The calls of docker-py's low-level client that are used here."""

    def events(self, *, filters: dict[str, Any], decode: bool) -> Iterator[Any]: ...

    def containers(self, *, all: bool) -> list[dict[str, Any]]: ...

    def inspect_container(self, container: str) -> dict[str, Any]: ...

    def close(self) -> None: ...


def connect_docker() -> Daemon:
    """A client of the daemon that `DOCKER_HOST` names. Raises AgentError with the remedy."""
    try:
        api = docker.APIClient(version="auto", timeout=API_TIMEOUT_S, **kwargs_from_env())
        api.ping()
    except _FAILURES as error:
        raise AgentError(_no_daemon(error)) from error
    return api


class DockerFeed:
    """Reports containers for which `matches` is true. If the daemon goes away, it reconnects and lists again."""

    def __init__(
        self,
        matches: Callable[[Container], bool],
        report: Report,
        connect: Callable[[], Daemon] = connect_docker,
    ) -> None:
        self._matches = matches
        self._report = report
        self._connect = connect
        self._labels: dict[str, dict[str, str]] = {}
        """Labels of the containers that were reported as running, by id."""
        self._killed: set[str] = set()
        self._oom: set[str] = set()
        self._closing = threading.Event()
        self._stream: Any = None
        self._api: Daemon | None = None
        self._thread = threading.Thread(target=self._follow, name="docker-events", daemon=True)

    def open(self) -> tuple[Container, ...]:
        self._api = self._connect()
        try:
            found = self._begin(self._api)
        except _FAILURES as error:
            raise AgentError(_no_daemon(error)) from error
        self._thread.start()
        return found

    def close(self) -> None:
        self._closing.set()
        self._close_stream()
        if self._thread.ident is not None:
            self._thread.join(JOIN_TIMEOUT_S)
        if self._api:
            with suppress(*_FAILURES):
                self._api.close()

    def _begin(self, api: Daemon) -> tuple[Container, ...]:
        """Subscribes before it lists, so that it misses no container."""
        self._stream = api.events(filters={"type": ["container"], "event": _EVENTS}, decode=True)
        listed = [parse_listed(each) for each in api.containers(all=True)]
        running = {container.id for container, runs in listed if runs}
        for container_id in list(self._labels.keys() - running):
            self._gone(container_id, None)
        for container_id in sorted(running - self._labels.keys()):
            self._started(api, container_id)
        return tuple(container for container, _ in listed)

    def _follow(self) -> None:
        pause_s = FIRST_PAUSE_S
        api = self._api
        while not self._closing.is_set():
            try:
                if api is None:
                    api = self._api = self._connect()
                    self._begin(api)
                    self._report(Notice("the Docker daemon answers again"))
                    pause_s = FIRST_PAUSE_S
                for reply in self._stream:
                    event = parse_event(reply)
                    if event:
                        self._handle(api, event)
                    if self._closing.is_set():
                        return
            except (AgentError, *_FAILURES):
                pass
            if api is not None and not self._closing.is_set():
                self._report(Notice("the Docker daemon went away; running containers are watched on, none is found"))
            api = None
            self._close_stream()
            self._closing.wait(pause_s)
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)

    def _handle(self, api: Daemon, event: DockerEvent) -> None:
        if event.action == "start":
            self._started(api, event.container_id)
        elif event.container_id not in self._labels:
            return
        elif event.action in _ENDS:
            self._gone(event.container_id, event.exit_code)
        elif event.action == "kill":
            self._killed.add(event.container_id)
        elif event.action == "oom":
            self._oom.add(event.container_id)

    def _started(self, api: Daemon, container_id: str) -> None:
        try:
            container, pid = parse_inspected(api.inspect_container(container_id))
        except NotFound:
            return
        if not pid or not self._matches(container):
            return
        self._labels[container.id] = container.labels
        self._killed.discard(container.id)
        self._oom.discard(container.id)
        self._report(Appeared(container, pid, time.monotonic_ns()))

    def _gone(self, container_id: str, exit_code: int | None) -> None:
        labels = self._labels.pop(container_id)
        # A label of that name replaces the exit code in the daemon's event.
        known = None if "exitCode" in labels else exit_code
        killed, oom = container_id in self._killed, container_id in self._oom
        self._killed.discard(container_id)
        self._oom.discard(container_id)
        self._report(Gone(container_id, time.monotonic_ns(), known, oom_killed=oom, ordered=killed and not oom))

    def _close_stream(self) -> None:
        stream, self._stream = self._stream, None
        if stream is not None:
            # docker-py closes the connection's parts one by one, and some may be gone.
            with suppress(AttributeError, *_FAILURES):
                stream.close()


def _no_daemon(error: Exception) -> str:
    text = printable(" ".join(str(error).split()), 200)
    if "permission denied" in text.lower():
        return (
            "this user may not use the Docker socket; run as root, or add the user to the group docker "
            "(which gives it root's rights), or watch processes with --pid"
        )
    return (
        f"no Docker daemon answers ({text}); start it, or set DOCKER_HOST (podman: `systemctl start podman.socket`), "
        "or watch processes with --pid"
    )
