"""On its network an app reaches its services and nothing else: no other container, not the agent, not the internet."""

from __future__ import annotations

import http.server
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import docker
import psutil
import pytest
import requests
from docker.errors import APIError

from profileapp import probe
from profileapp.errors import AgentError
from profileapp.model.run import Network
from profileapp.run.docker.network import close_network, has_agent, isolation_options, name_servers, open_network
from tests.helpers.leftovers import left_of
from tests.helpers.worker_process import configure, run

SERVE = "mkdir -p /tmp/www && echo hello > /tmp/www/index.html && exec httpd -f -p 8000 -h /tmp/www"


@pytest.fixture
def agents_port(state: Path) -> Iterator[int]:
    """A port of the agent that listens on all addresses."""
    server = http.server.ThreadingHTTPServer(("0.0.0.0", 0), http.server.SimpleHTTPRequestHandler)  # noqa: S104
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_port
    server.shutdown()


@pytest.fixture
def stranger(docker_client: docker.DockerClient, busybox_image: str) -> Iterator[str]:
    """The address of an unrelated container on Docker's default bridge."""
    container = docker_client.containers.run(busybox_image, ["sh", "-c", SERVE], detach=True)
    try:
        deadline_s = time.monotonic() + 30
        while time.monotonic() < deadline_s:
            container.reload()
            address = container.attrs["NetworkSettings"]["IPAddress"]
            if address and probe.answers(address, "8000/index.html"):
                break
        yield address
    finally:
        container.remove(force=True)


def agents_addresses() -> list[str]:
    return [
        one.address
        for name, listed in psutil.net_if_addrs().items()
        for one in listed
        if one.family == socket.AF_INET and name != "lo"
    ]


def reach(port: int) -> str:
    """A shell command that tries the agent under all its addresses, and under those of the run's network."""
    where = [f"{address}:{port}" for address in agents_addresses()]
    own = 'gateway=$(ip -4 -o addr show eth0 | sed "s/.*inet \\([0-9.]*\\)\\.[0-9]*\\/.*/\\1/").1'
    probe = "nc -w 1 ${each%:*} ${each#*:} </dev/null && echo REACHED $each"
    return f"{own}; for each in {' '.join(where)} $gateway:{port}; do {probe}; done"


@pytest.mark.docker
def test_an_app_reaches_neither_other_containers_nor_the_agent_held(
    tmp_path: Path, docker_client: docker.DockerClient, busybox_image: str, agents_port: int, stranger: str, state: Path
) -> None:
    script = (
        f"{reach(agents_port)}; wget -q -T 2 -O - http://{stranger}:8000/ && echo REACHED; nslookup example.org; true"
    )
    configure(tmp_path, [{"name": "a", "args": ["sh", "-c", script]}], metrics=[])
    outcome = run(tmp_path, "--image", busybox_image)
    assert outcome.code == 0, outcome.err
    assert b"REACHED" not in outcome.log("a")
    assert outcome.run("a")["network"] == {"internet": False, "agent": False}
    assert left_of(docker_client, state) == set()


@pytest.mark.docker
def test_services_and_the_app_reach_one_another_but_not_the_agent_held(
    tmp_path: Path, docker_client: docker.DockerClient, busybox_image: str, agents_port: int, state: Path
) -> None:
    app = f"{reach(agents_port)}; wget -q -O - http://web:8000/; wget -q -O - http://other:8000/; true"
    services: list[dict[str, Any]] = [
        {"name": "web", "image": busybox_image, "args": ["sh", "-c", f"{reach(agents_port)}; {SERVE}"],
         "ready": {"http": "8000/index.html"}},
        {"name": "other", "image": busybox_image, "args": ["sh", "-c", SERVE], "ready": {"tcp": 8000}},
    ]  # fmt: skip
    configure(tmp_path, [{"name": "a", "args": ["sh", "-c", app]}], services=services, metrics=[])
    outcome = run(tmp_path, "--image", busybox_image)
    assert outcome.code == 0, outcome.err
    output = outcome.log("a") + (tmp_path / "profile/a/services/web.log").read_bytes()
    assert b"REACHED" not in output
    assert outcome.log("a").count(b"hello") == 2
    assert left_of(docker_client, state) == set()


@pytest.mark.docker
def test_with_internet_run_json_records_that_the_agent_is_reachable(
    tmp_path: Path, busybox_image: str, agents_port: int, stranger: str
) -> None:
    """Other containers stay unreachable (held); the agent does not, and run.json records it."""
    script = f"{reach(agents_port)}; wget -q -T 2 -O - http://{stranger}:8000/ && echo STRANGER; true"
    configure(tmp_path, [{"name": "a", "args": ["sh", "-c", script], "internet": True}], metrics=[])
    outcome = run(tmp_path, "--image", busybox_image)
    assert outcome.code == 0, outcome.err
    assert outcome.run("a")["network"] == {"internet": True, "agent": True}
    assert b"STRANGER" not in outcome.log("a")
    assert b"REACHED" in outcome.log("a"), "the probe of the other cases can succeed"


class FakeDaemon:
    """Creates networks, or refuses to."""

    api_version = "1.41"

    def __init__(self, refuse: Callable[[dict[str, Any]], str]) -> None:
        self.created: list[dict[str, Any]] = []
        self._refuse = refuse

    def create_network(self, name: str, **settings: Any) -> dict[str, str]:
        self.created.append(settings)
        problem = self._refuse(settings)
        if problem:
            answer = requests.Response()
            answer.status_code = 500
            raise APIError(problem, answer, problem)
        return {"Id": "0123456789abcdef"}

    def inspect_network(self, network: str) -> dict[str, Any]:
        return {"Id": network, "Options": {}}


def test_an_exhausted_address_pool_is_reported_with_a_remedy_refused() -> None:
    daemon = FakeDaemon(lambda _: "could not find an available, non-overlapping IPv4 address pool among the defaults")
    with pytest.raises(AgentError, match=r"address pools are in use; remove unused networks .*default-address-pools"):
        open_network(daemon, "run", {}, internet=False)  # type: ignore[arg-type]


def test_a_daemon_without_isolation_is_reported() -> None:
    daemon = FakeDaemon(lambda settings: "unsupported bridge network option" if settings["options"] else "")
    made, network = open_network(daemon, "run", {}, internet=False)  # type: ignore[arg-type]
    assert (made, network) == ("0123456789abcdef", Network(internet=False, agent=None))
    assert [each["internal"] for each in daemon.created] == [True, True]
    with pytest.raises(AgentError, match="cannot create a network"):
        open_network(FakeDaemon(lambda _: "no"), "run", {}, internet=False)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("addresses", "expected"),
    [
        ({"br-0123456789ab": []}, False),
        ({"br-0123456789ab": ["fe80::42"]}, False),
        ({"br-0123456789ab": ["172.18.0.1"]}, True),
        ({"br-0123456789ab": ["fd00::1"]}, True),
        ({"docker0": ["172.17.0.1"]}, None),
    ],
)
def test_whether_the_agent_is_on_a_network(addresses: dict[str, list[str]], expected: bool | None) -> None:
    assert has_agent({"Id": "0123456789abcdef", "Options": None}, addresses) is expected


def test_the_network_option_is_supported_by_the_daemon() -> None:
    assert list(isolation_options("1.41")) == ["com.docker.network.bridge.inhibit_ipv4"]
    for version in ("1.48", "1.51", "2.0"):
        assert isolation_options(version)["com.docker.network.bridge.gateway_mode_ipv4"] == "isolated"


def test_dns_queries_leave_the_network_only_with_internet() -> None:
    assert name_servers(internet=False) == ["127.0.0.1"]
    assert name_servers(internet=True) is None


@pytest.mark.docker
@pytest.mark.parametrize("internet", [True, False])
def test_networks_are_separate_and_labelled(docker_client: docker.DockerClient, internet: bool) -> None:
    made, _ = open_network(docker_client.api, "hostile-test", {"test": "hostile"}, internet=internet)
    try:
        assert docker_client.api.inspect_network(made)["Labels"] == {
            "test": "hostile",
        }  # fmt: skip
    finally:
        assert close_network(docker_client.api, made) == ""
    assert close_network(docker_client.api, made) == ""


class SlowServer:
    """Answers each connection with `parts`, repeatedly, with a pause between them."""

    def __init__(self, first: bytes, then: bytes, pause_s: float) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._parts = (first, then, pause_s)
        self._closed = threading.Event()
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        first, then, pause_s = self._parts
        try:
            connection, _ = self._listener.accept()
            connection.sendall(first)
            while not self._closed.wait(pause_s):
                connection.sendall(then)
        except OSError:
            return

    def close(self) -> None:
        self._closed.set()
        self._listener.close()


@pytest.mark.parametrize(
    ("first", "then", "pause_s"),
    [
        (b"HTTP/1.1 200", b"", 0.01),
        (b"", b"x", 0.2),
        (b"HTTP/1.1 2", b"0", 0.3),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n", 0.0005),
        (b"", b"a" * 65536, 0.0),
    ],
)
def test_a_service_that_drips_or_floods_takes_one_check_of_two_seconds_refused(
    first: bytes, then: bytes, pause_s: float
) -> None:
    server = SlowServer(first, then, pause_s)
    began_s = time.monotonic()
    assert not probe.answers("127.0.0.1", f"{server.port}/")
    assert time.monotonic() - began_s < probe.CHECK_TIMEOUT_S + 3
    server.close()


@pytest.mark.parametrize(
    ("output", "ready"),
    [
        (b"HTTP/1.1 200 OK\r\n", True),
        (b"HTTP/1.0 302 Found\r\n", True),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nA: b\r\n\r\nHTTP/1.1 204 No Content\r\n", True),
        (b"HTTP/1.1 404 Not Found\r\n", False),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 500 Oh\r\n", False),
        (b"SSH-2.0-OpenSSH\r\n", False),
        (b"HTTP/1.1 abc\r\n", False),
        (b"", False),
    ],
)
def test_parsing_of_probe_answers(output: bytes, ready: bool) -> None:
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        connection, _ = listener.accept()
        connection.recv(1000)
        connection.sendall(output)
        connection.close()

    threading.Thread(target=serve, daemon=True).start()
    assert probe.answers("127.0.0.1", f"{listener.getsockname()[1]}/health") is ready
    listener.close()
    assert not probe.takes_connections("127.0.0.1", listener.getsockname()[1] if listener.fileno() >= 0 else 1)


def test_the_probe_ends_once_it_is_ready() -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    arguments = [sys.executable, "-I", "-m", "profileapp.probe", "127.0.0.1", "tcp", str(listener.getsockname()[1])]
    assert subprocess.run(arguments, timeout=30, check=False).returncode == 0
    listener.close()
