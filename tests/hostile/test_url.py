"""Addresses of datasets on internal networks, and servers that block, flood, or try to extract secrets."""

from __future__ import annotations

import hashlib
import ipaddress
import os
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from profileapp import probe
from profileapp.errors import AgentError, DatasetError, ProfileappError
from profileapp.model.target import Dataset
from profileapp.model.url import url_problem
from profileapp.run.dataset import fetch
from profileapp.run.dataset.cache import DatasetCache
from profileapp.run.net import reach
from profileapp.run.net.reach import Reach, is_public

CONTENT = b"x" * 1000
SHA256 = hashlib.sha256(CONTENT).hexdigest()
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n" + CONTENT
INSIDE = [
    "127.0.0.1",
    "localhost",
    "127.1",
    "2130706433",
    "0x7f000001",
    "0.0.0.0",  # noqa: S104  (connected to, not listened on)
    "[::1]",
    "[::]",
    "[::ffff:127.0.0.1]",
    "[64:ff9b::7f00:1]",
    "[2002:7f00:1::]",
    "169.254.169.254",
    "168.63.129.16",
    "10.0.0.1",
    "172.16.0.1",
    "192.168.1.1",
    "100.64.0.1",
    "[fd00::1]",
    "[fe80::1]",
    "224.0.0.1",
    "255.255.255.255",
    "192.0.2.1",
]

Serve = Callable[[socket.socket, bytes], None]


class Server:
    """Answers each connection with `serve`, which gets the request's head; `heads` has all of them."""

    def __init__(self, serve: Serve, context: ssl.SSLContext | None = None) -> None:
        self.heads: list[bytes] = []
        self._serve = serve
        self._context = context
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._open: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                one, _ = self._listener.accept()
                threading.Thread(target=self._answer, args=(one,), daemon=True).start()

    def _answer(self, one: socket.socket) -> None:
        self._open.append(one)
        with suppress(OSError):
            if self._context:
                one = self._context.wrap_socket(one, server_side=True)
            head = b""
            while b"\r\n\r\n" not in head:
                head += one.recv(65536)
            self.heads.append(head)
            self._serve(one, head)
            one.shutdown(socket.SHUT_RDWR)
            one.close()

    def close(self) -> None:
        for one in (self._listener, *self._open):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()


@pytest.fixture
def serving() -> Iterator[Callable[..., Server]]:
    servers: list[Server] = []

    def start(serve: Serve | bytes, context: ssl.SSLContext | None = None) -> Server:
        answer: Serve = (lambda one, _: one.sendall(serve)) if isinstance(serve, bytes) else serve
        servers.append(Server(answer, context))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)


def get(folder: Path, url: str, *allow: str, only: bool = False, timeout_s: float = 20, tick: Any = None) -> bytes:
    cache = DatasetCache(folder / "cache", reach=Reach(allow, only=only), timeout_s=timeout_s)
    with cache.locked(Dataset(url=url, sha256=SHA256), folder, tick or (lambda *_: None)) as path:
        return path.read_bytes()


def refused(folder: Path, url: str, *allow: str, error: type[ProfileappError] = DatasetError, **terms: Any) -> str:
    with pytest.raises(error) as caught:
        get(folder, url, *allow, **terms)
    return str(caught.value)


@contextmanager
def within(timeout_s: float) -> Iterator[None]:
    began_s = time.monotonic()
    yield
    assert time.monotonic() - began_s < timeout_s


# Allowed addresses


@pytest.mark.parametrize("host", INSIDE)
def test_internal_addresses_are_refused(tmp_path: Path, host: str, serving: Callable[..., Server]) -> None:
    server = serving(OK)
    message = refused(tmp_path, f"http://{host}:{server.port}/x?token=t")
    assert "has no public address; the agent's administrator can allow it with PROFILEAPP_DATASET_ALLOW" in message
    assert server.heads == [] and "token" not in message


def test_addresses_allowed_by_the_administrator_are_reachable(tmp_path: Path, serving: Callable[..., Server]) -> None:
    server = serving(OK)
    for number, (host, allowed) in enumerate(
        [
            ("127.0.0.1", "127.0.0.0/8"),
            ("localhost", "localhost"),
            ("localhost", "127.0.0.1"),
            ("[::ffff:127.0.0.1]", "127.0.0.1"),
        ]
    ):
        folder = tmp_path / str(number)
        folder.mkdir()
        with suppress(AgentError):  # the server listens on IPv4 only
            assert get(folder, f"http://{host}:{server.port}/", allowed) == CONTENT
    assert len(server.heads) >= 3
    assert "PROFILEAPP_DATASET_ONLY is set" in refused(
        tmp_path, "https://93.184.216.34/x", "data.example.org", only=True
    )


@pytest.mark.parametrize("entry", ["http://host", "10.0.0.0/33", "*", "a b", "s3://", "-x", "host/path"])
def test_a_meaningless_entry_of_the_administrator_is_refused(entry: str) -> None:
    with pytest.raises(AgentError, match="PROFILEAPP_DATASET_ALLOW"):
        Reach((entry,))


def test_a_redirection_to_an_internal_address_is_refused(tmp_path: Path, serving: Callable[..., Server]) -> None:
    inside = serving(OK)
    for location in (f"http://127.0.0.1:{inside.port}/", "file:///etc/passwd", "http://a:b@localhost/", "gopher://x/"):
        outside = serving(f"HTTP/1.1 302 Found\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n".encode())
        message = refused(tmp_path, f"http://localhost:{outside.port}/", "localhost")
        assert "no public address" in message or "other than a plain http or https URL" in message
    assert inside.heads == []


def test_endless_redirections_are_refused(tmp_path: Path, serving: Callable[..., Server]) -> None:
    server = serving(b"HTTP/1.1 301 Moved\r\nLocation: /again\r\nContent-Length: 0\r\n\r\n")
    assert "redirected more than 5 times" in refused(tmp_path, f"http://localhost:{server.port}/", "localhost")
    assert len(server.heads) == 6


def test_a_redirection_to_an_allowed_address_is_held(tmp_path: Path, serving: Callable[..., Server]) -> None:
    there = serving(OK)
    head = f"HTTP/1.1 307 Temporary\r\nLocation: http://localhost:{there.port}/x?a=1#f\r\nContent-Length: 0\r\n\r\n"
    server = serving(head.encode())
    assert get(tmp_path, f"http://localhost:{server.port}/", "localhost") == CONTENT
    assert there.heads[0].startswith(b"GET /x?a=1 HTTP/1.1\r\n")


def test_a_name_that_changes_between_two_lookups_is_refused_or_held(
    tmp_path: Path, serving: Callable[..., Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    """DNS rebinding: the name is resolved once, and the connection goes to the checked address."""
    server = serving(OK)
    answers = [["127.0.0.1"], ["127.0.0.2"]]

    def resolve(host: str, port: int, **_: Any) -> list[tuple[Any, ...]]:
        return [(socket.AF_INET, 1, 6, "", (address, port)) for address in answers.pop(0)]

    monkeypatch.setattr(reach.socket, "getaddrinfo", resolve)
    assert get(tmp_path, f"http://rebind.example:{server.port}/", "127.0.0.1") == CONTENT
    assert answers == [["127.0.0.2"]]
    # One public address does not make the others acceptable.
    answers[:] = [["93.184.216.34", "10.0.0.1"]]
    (tmp_path / "other").mkdir()
    assert "no public address" in refused(tmp_path / "other", "http://rebind.example/", "127.0.0.1")


def test_the_public_address_of_this_machine_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    own = ipaddress.ip_address("93.184.216.34")
    assert is_public(own)
    monkeypatch.setattr(reach, "_own_addresses", lambda: {own})
    with pytest.raises(reach.NotAllowed):
        Reach().addresses(str(own), 80, fetch.Deadline(5))


@pytest.mark.parametrize(
    "url",
    [
        "s3://a/b::file:///etc/passwd",
        "s3://bucket/../other/key",
        "s3://bucket/a*",
        "s3://bucket/[a]",
        "s3://bucket/?versionId=1",
        "s3://arn:aws:s3:us-east-1:1:accesspoint/x/key",
        "s3://BUCKET/key",
        "s3://bucket",
        "gs://bucket/a#1",
        "simplecache::https://host/x",
        "file:///etc/passwd",
        "https://host/a b",
        "https://host/\u202etxt",
        "https://höst/x",
        "https://host/x\r\nX: y",
        "https://host:0/x",
        "https://host:65536/x",
        "https://host:-1/x",
        "https://user@host/x",
        "https://host\\@other/x",
        "https://-host/x",
        "https://ho%73t/x",
        "https:///x",
        "https://host/%zz",
        "HTTPS://host/x",
        "https://" + "a" * 3000,
        "https://[fe80::1%25eth0]/x",
    ],
)
def test_an_address_of_another_shape_is_refused(url: str) -> None:
    assert url_problem(url)


@pytest.mark.parametrize(
    "url",
    [
        "https://host/a.tar.gz?x=1&y=%20",
        "http://a.b-c.example:8080",
        "https://[2001:db8::1]:8443/~me/(1)",
        "s3://bu-cket.1/a/b c+d=1.mp4",
    ],
)
def test_a_plain_address_is_held(url: str) -> None:
    assert url_problem(url) == ""


# Time limits


def drip(one: socket.socket, head: bytes = b"") -> None:
    for letter in b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000:
        one.sendall(bytes([letter]))
        time.sleep(0.05)


def drip_content(one: socket.socket, _: bytes) -> None:
    one.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
    for letter in CONTENT:
        one.sendall(bytes([letter]))
        time.sleep(0.05)


def continue_for_ever(one: socket.socket, _: bytes) -> None:
    while True:
        one.sendall(b"HTTP/1.1 100 Continue\r\n\r\n" * 10)
        time.sleep(0.01)


def silence(one: socket.socket, _: bytes) -> None:
    time.sleep(30)


class GiveUp(Exception):
    """The exception that the worker raises when it must stop."""


@pytest.mark.parametrize("serve", [drip, drip_content, silence])
def test_a_dripping_server_is_held_to_a_deadline_and_to_a_stop(
    tmp_path: Path, serving: Callable[..., Server], serve: Serve
) -> None:
    url = f"http://localhost:{serving(serve).port}/"
    with within(6):
        message = refused(tmp_path, url, "localhost", error=AgentError, timeout_s=0.7)
    assert "was not downloaded within 0.7 s; the part is kept" in message and "PROFILEAPP_DATASET_TIMEOUT" in message
    until_s = time.monotonic() + 0.5

    def tick(*_: object) -> None:
        if time.monotonic() > until_s:
            raise GiveUp

    with within(4), pytest.raises(GiveUp):
        get(tmp_path, url, "localhost", tick=tick)


def test_a_server_below_the_minimum_rate_is_held(
    tmp_path: Path, serving: Callable[..., Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetch, "SLOWEST_FOR_S", 0.2)
    monkeypatch.setenv("PROFILEAPP_RETRY_TIMEOUT", "1")
    url = f"http://localhost:{serving(drip_content).port}/"
    with within(10):
        assert "sends less than 1024 bytes a second" in refused(tmp_path, url, "localhost", error=AgentError)


def test_endless_continue_answers_are_refused(
    tmp_path: Path, serving: Callable[..., Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROFILEAPP_RETRY_TIMEOUT", "0")
    server = serving(lambda one, _: one.sendall(b"HTTP/1.1 100 Continue\r\n\r\n" * 100_000))
    assert "the response's head has no end" in refused(
        tmp_path, f"http://localhost:{server.port}/", "localhost", error=AgentError
    )


def drip_nothing_known(one: socket.socket, _: bytes) -> None:
    for letter in b"HTTP/1.1 " + b"2" * 1000:
        one.sendall(bytes([letter]))
        time.sleep(0.05)


@pytest.mark.parametrize("serve", [drip_nothing_known, continue_for_ever, silence])
def test_a_service_that_drips_its_answer_is_held_to_one_check(serving: Callable[..., Server], serve: Serve) -> None:
    with within(probe.CHECK_TIMEOUT_S + 2):
        assert not probe.answers("127.0.0.1", f"{serving(serve).port}/health")


@pytest.mark.parametrize(("status", "expected"), [(200, True), (302, True), (404, False), (500, False)])
def test_readiness_of_a_service_depends_on_its_status(
    serving: Callable[..., Server], status: int, expected: bool
) -> None:
    server = serving(f"HTTP/1.1 {status} X\r\nLocation: http://169.254.169.254/\r\nContent-Length: 0\r\n\r\n".encode())
    assert probe.answers("127.0.0.1", f"{server.port}/a?b") is expected
    assert server.heads[0].startswith(b"GET /a?b HTTP/1.1\r\n")


# Content, and what errors reveal


def test_content_encoding_is_refused(tmp_path: Path, serving: Callable[..., Server]) -> None:
    server = serving(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\n\x1f\x8b\x08")
    assert "is sent compressed" in refused(tmp_path, f"http://localhost:{server.port}/", "localhost")
    assert b"Accept-Encoding: identity\r\n" in server.heads[0]


@pytest.mark.parametrize(
    "head",
    [
        b"Content-Length: 99999999999999999999999",
        b"Content-Length: " + b"9" * 5000,
        b"Content-Length: -1",
        b"Content-Length: nine",
        b"Transfer-Encoding: chunked",
        b"Content-Range: bytes 0-\xff/x",
    ],
)
def test_a_head_that_lies_is_held(
    tmp_path: Path, serving: Callable[..., Server], head: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROFILEAPP_RETRY_TIMEOUT", "0")
    server = serving(b"HTTP/1.1 200 OK\r\n" + head + b"\r\n\r\n" + b"f" * 5000)
    with pytest.raises(ProfileappError) as caught:
        get(tmp_path, f"http://localhost:{server.port}/", "localhost")
    assert "\n" not in str(caught.value)


def test_errors_do_not_reveal_a_servers_answer_held(tmp_path: Path, serving: Callable[..., Server]) -> None:
    """Statuses, sizes and checksums would reveal content to users without access."""
    messages = set()
    for status in (401, 403, 404, 410):
        server = serving(f"HTTP/1.1 {status} X\r\nContent-Length: 5\r\n\r\nhello".encode())
        message = refused(tmp_path, f"http://localhost:{server.port}/", "localhost")
        messages.add(message.replace(str(server.port), ""))
    server = serving(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecret")
    message = refused(tmp_path, f"http://localhost:{server.port}/", "localhost")
    assert len(messages) == 1 and hashlib.sha256(b"secret").hexdigest() not in message and "6 bytes" not in message


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tls") / "localhost.pem"
    arguments = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    arguments += ["-addext", "subjectAltName=DNS:localhost", "-keyout", str(path), "-out", f"{path}.cert"]
    subprocess.run(["openssl", *arguments], check=True, capture_output=True)
    path.write_text(path.read_text() + Path(f"{path}.cert").read_text())
    return path


@pytest.fixture
def tls(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> ssl.SSLContext:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


def test_credentials_of_the_agent_are_held_back(
    tmp_path: Path, serving: Callable[..., Server], tls: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They go only to hosts that the administrator names, encrypted."""
    netrc = tmp_path / ".netrc"
    netrc.write_text("default login agent password secret\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("HOME", str(tmp_path))
    plain, secure, by_network = serving(OK), serving(OK, tls), serving(OK, tls)
    for number, (url, allow) in enumerate(
        [
            (f"http://localhost:{plain.port}/", "localhost"),
            (f"https://localhost:{secure.port}/", "localhost"),
            (f"https://localhost:{by_network.port}/", "127.0.0.0/8"),
        ]
    ):
        (tmp_path / str(number)).mkdir()
        assert get(tmp_path / str(number), url, allow) == CONTENT
    assert [b"Authorization" in each.heads[0] for each in (plain, secure, by_network)] == [False, True, False]


def test_a_redirection_from_https_to_http_is_refused(
    tmp_path: Path, serving: Callable[..., Server], tls: ssl.SSLContext
) -> None:
    plain = serving(OK)
    head = f"HTTP/1.1 302 Found\r\nLocation: http://localhost:{plain.port}/\r\nContent-Length: 0\r\n\r\n"
    server = serving(head.encode(), tls)
    assert "from https to http" in refused(tmp_path, f"https://localhost:{server.port}/", "localhost")
    assert plain.heads == []


def test_an_untrusted_certificate_is_refused(
    tmp_path: Path, serving: Callable[..., Server], tls: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    server = serving(OK, tls)
    assert "cannot be reached" in refused(tmp_path, f"https://localhost:{server.port}/", "localhost", error=AgentError)
    assert server.heads == []


def test_the_agents_proxy_is_held(
    tmp_path: Path, serving: Callable[..., Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The proxy of the environment is used; internal addresses are as unreachable through it as without it."""
    proxy = serving(OK)
    monkeypatch.setenv("http_proxy", f"http://me:pass@127.0.0.1:{proxy.port}")
    assert get(tmp_path, "http://93.184.216.34/x") == CONTENT
    assert proxy.heads[0].startswith(b"GET http://93.184.216.34/x HTTP/1.1\r\n")
    assert b"Proxy-Authorization: Basic bWU6cGFzcw==" in proxy.heads[0]
    (tmp_path / "other").mkdir()
    assert "no public address" in refused(tmp_path / "other", "http://169.254.169.254/x")
    assert len(proxy.heads) == 1


def test_buckets_are_read_anonymously_unless_they_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the agent's credentials an app could read private buckets: credentials are used for named buckets only."""
    import fsspec

    seen: list[dict[str, Any]] = []

    def url_to_fs(url: str, **options: Any) -> Any:
        seen.append(options)
        raise PermissionError

    monkeypatch.setattr(fsspec.core, "url_to_fs", url_to_fs)
    for url in ("s3://bucket/key", "gs://bucket/key"):
        assert "this agent may not read it" in refused(tmp_path, url)
        assert "this agent may not read it" in refused(tmp_path, url, url.removesuffix("/key"))
    assert seen == [{"anon": True}, {}, {"token": "anon"}, {}]
    assert "PROFILEAPP_DATASET_ONLY" in refused(tmp_path, "s3://bucket/key", "s3://other", only=True)
