"""Following a daemon's events, with a fake and with the real daemon."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from queue import SimpleQueue
from typing import Any

import docker
import pytest
from docker.errors import NotFound

from profileapp.errors import AgentError
from profileapp.live.change import Appeared, Change, Container, Gone, Notice
from profileapp.live.docker_feed import DockerFeed, connect_docker
from tests.helpers.worker_process import wait_until


class FakeDaemon:
    """Containers by id, running unless their PID is 0; `send` makes an event."""

    def __init__(self) -> None:
        self.running: dict[str, int] = {}
        self.labels: dict[str, str] = {}
        self._events: SimpleQueue[dict[str, Any] | None] = SimpleQueue()

    def events(self, *, filters: dict[str, Any], decode: bool) -> Iterator[Any]:
        self._events = SimpleQueue()
        return iter(self._events.get, None)

    def containers(self, *, all: bool) -> list[dict[str, Any]]:
        return [{"Id": each, "Names": [f"/{each}"], "State": "running"} for each in self.running]

    def inspect_container(self, container: str) -> dict[str, Any]:
        if container not in self.running:
            raise NotFound("no such container")
        state = {"Pid": self.running[container]}
        return {"Id": container, "Name": f"/{container}", "Config": {"Labels": self.labels}, "State": state}

    def send(self, action: str, container: str, **attributes: str) -> None:
        actor = {"ID": container, "Attributes": attributes}
        self._events.put({"Type": "container", "Action": action, "Actor": actor})

    def go_away(self) -> None:
        self._events.put(None)

    def close(self) -> None:
        self._events.put(None)


class Followed:
    def __init__(self, connect: Callable[[], Any], matches: Callable[[Container], bool] = lambda _: True) -> None:
        self.changes: list[Change] = []
        self.feed = DockerFeed(matches, self.changes.append, connect)

    def wait_for(self, number: int) -> list[Change]:
        wait_until(lambda: len(self.changes) >= number)
        return self.changes


@pytest.fixture
def daemon() -> FakeDaemon:
    return FakeDaemon()


@pytest.fixture
def followed(daemon: FakeDaemon) -> Iterator[Followed]:
    made = Followed(lambda: daemon)
    yield made
    daemon.go_away()
    made.feed.close()


def test_running_containers_come_first_then_events(daemon: FakeDaemon, followed: Followed) -> None:
    daemon.running["old"] = 7
    followed.feed.open()
    daemon.running["new"] = 8
    daemon.send("start", "new")
    daemon.send("die", "old", exitCode="3")
    old, new, gone = followed.wait_for(3)
    assert isinstance(old, Appeared) and old.pid == 7
    assert isinstance(new, Appeared) and new.container.name == "new"
    assert isinstance(gone, Gone) and (gone.container_id, gone.exit_code, gone.ordered) == ("old", 3, False)


def test_a_container_that_a_user_stopped(daemon: FakeDaemon, followed: Followed) -> None:
    daemon.running["app"] = 7
    followed.feed.open()
    daemon.send("kill", "app", signal="15")
    daemon.send("die", "app", exitCode="143")
    gone = followed.wait_for(2)[1]
    assert isinstance(gone, Gone) and gone.ordered


def test_a_container_that_ran_out_of_memory(daemon: FakeDaemon, followed: Followed) -> None:
    daemon.running["app"] = 7
    followed.feed.open()
    daemon.send("oom", "app")
    daemon.send("die", "app", exitCode="137")
    gone = followed.wait_for(2)[1]
    assert isinstance(gone, Gone) and gone.oom_killed and not gone.ordered


def test_a_label_cannot_pretend_to_be_the_exit_code(daemon: FakeDaemon, followed: Followed) -> None:
    daemon.running["app"], daemon.labels = 7, {"exitCode": "0"}
    followed.feed.open()
    daemon.send("die", "app", exitCode="0")
    gone = followed.wait_for(2)[1]
    assert isinstance(gone, Gone) and gone.exit_code is None


def test_a_container_that_is_gone_before_it_can_be_inspected(daemon: FakeDaemon, followed: Followed) -> None:
    followed.feed.open()
    daemon.send("start", "short")
    daemon.send("die", "short")
    daemon.running["next"] = 9
    daemon.send("start", "next")
    assert [type(each) for each in followed.wait_for(1)] == [Appeared]


def test_a_daemon_that_comes_back_is_listed_again(daemon: FakeDaemon, followed: Followed) -> None:
    daemon.running |= {"stays": 7, "goes": 8}
    followed.feed.open()
    del daemon.running["goes"]
    daemon.running["comes"] = 9
    daemon.go_away()
    changes = followed.wait_for(6)[2:]
    assert [type(each) for each in changes] == [Notice, Gone, Appeared, Notice]
    assert isinstance(changes[1], Gone) and changes[1].container_id == "goes"
    assert isinstance(changes[2], Appeared) and changes[2].container.id == "comes"


def test_the_error_without_rights_to_the_socket_names_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> Any:
        raise docker.errors.DockerException(
            "Error while fetching server API version: PermissionError(13, 'Permission denied')"
        )

    monkeypatch.setattr(docker, "APIClient", refuse)
    with pytest.raises(AgentError, match="may not use the Docker socket; run as root, or add the user to the group"):
        connect_docker()


def test_the_error_without_a_daemon_names_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere.sock")
    with pytest.raises(AgentError, match=r"podman: `systemctl start podman\.socket`"):
        connect_docker()


@pytest.mark.docker
def test_a_real_container_is_reported_within_a_second_of_its_start(
    docker_client: docker.DockerClient, busybox_image: str
) -> None:
    followed = Followed(connect_docker, lambda container: container.labels.get("test") == "live-feed")
    followed.feed.open()
    try:
        container = docker_client.containers.run(
            busybox_image, ["sleep", "100"], detach=True, labels={"test": "live-feed"}
        )
        started_ns = time.monotonic_ns()
        appeared = followed.wait_for(1)[0]
        container.stop(timeout=0)
        gone = followed.wait_for(2)[1]
        container.remove(force=True)
    finally:
        followed.feed.close()
    assert isinstance(appeared, Appeared) and appeared.pid > 0
    assert appeared.at_ns - started_ns < 1e9
    assert isinstance(gone, Gone) and gone.ordered
    assert not any(thread.name == "docker-events" for thread in threading.enumerate())
