"""Requests an http or https URL within limits: which hosts, how long, and which responses are accepted.

Sources: RFC 9110, "HTTP Semantics" (8.4 content codings, 9.3.6 CONNECT, 15.4 redirections); RFC 9112, "HTTP/1.1".
"""

from __future__ import annotations

import base64
import http.client
import netrc
import ssl
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from typing import cast
from urllib.parse import SplitResult, unquote, urldefrag, urljoin, urlsplit

from requests.certs import where  # type: ignore[attr-defined]

from profileapp.model.url import url_problem
from profileapp.run.net.connection import Connection, connected
from profileapp.run.net.deadline import Deadline
from profileapp.run.net.reach import NotAllowed, Reach

REDIRECT_LIMIT = 5
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_PORTS = {"http": 80, "https": 443}


class InvalidResponse(Exception):
    """The response is not acceptable; the text continues a sentence that begins with the name of the resource."""


class Answer:
    """A response; `read` returns its content as sent, not decompressed."""

    def __init__(self, response: http.client.HTTPResponse) -> None:
        self.status = response.status
        self.headers: Mapping[str, str] = cast("Mapping[str, str]", response.headers)
        self._response = response

    def read(self, size: int) -> bytes:
        """At most `size` received bytes; b"" at the end. Raises OSError or HTTPException."""
        return self._response.read1(size)


@contextmanager
def http_get(url: str, headers: Mapping[str, str], reach: Reach, deadline: Deadline) -> Iterator[Answer]:
    """The response to a request for `url`, after the allowed number of redirects; each hop must be in `reach`.

    Raises NotAllowed, Refused, OSError or HTTPException.
    """
    for _ in range(REDIRECT_LIMIT + 1):
        parts = urlsplit(url)
        with ExitStack() as hop:
            answer = _answer_of(parts, headers, reach, deadline, hop)
            if answer.status in _REDIRECTS and "Location" in answer.headers:
                url = _next_hop(parts, urldefrag(urljoin(url, answer.headers["Location"])).url)
                continue
            if answer.headers.get("Content-Encoding", "identity").strip().lower() not in ("", "identity"):
                # The request is for the file itself: it must not be 300 bytes that decompress to 3 GB.
                raise InvalidResponse("is sent compressed (Content-Encoding), which was not requested")
            yield answer
            return
    raise InvalidResponse(f"is redirected more than {REDIRECT_LIMIT} times")


def _answer_of(
    parts: SplitResult, headers: Mapping[str, str], reach: Reach, deadline: Deadline, hop: ExitStack
) -> Answer:
    host, port = parts.hostname or "", parts.port or _PORTS[parts.scheme]
    proxy = _proxy_of(parts)
    sent = {**headers, "Accept-Encoding": "identity", "User-Agent": "profileapp"} | _credentials(parts, reach)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    if proxy is None:
        connection = hop.enter_context(connected(reach.addresses(host, port, deadline), port, deadline))
    else:
        _check_behind_proxy(host, port, reach, deadline)
        # The administrator chooses the proxy, and so its address.
        at, at_port = proxy.hostname or "", proxy.port or _PORTS.get(proxy.scheme, 80)
        addresses = Reach(("0.0.0.0/0", "::/0")).addresses(at, at_port, deadline)
        connection = hop.enter_context(connected(addresses, at_port, deadline))
        if parts.scheme == "https":
            _open_tunnel(connection, host, port, proxy)
        else:
            target = f"http://{parts.netloc}{target}"
            sent |= _proxy_credentials(proxy)
    if parts.scheme == "https":
        connection.use_tls(_tls(), host)
    return _ask(connection, parts, target, sent)


def _ask(connection: Connection, parts: SplitResult, target: str, headers: Mapping[str, str]) -> Answer:
    asker = http.client.HTTPConnection(parts.hostname or "", parts.port or _PORTS[parts.scheme])
    asker.default_port = _PORTS[parts.scheme]
    asker.sock = cast("ssl.SSLSocket", connection)
    connection.begin_head()
    asker.request("GET", target, headers=dict(headers))
    answer = Answer(asker.getresponse())
    connection.end_head()
    return answer


def _next_hop(before: SplitResult, url: str) -> str:
    """The target of a redirect. Raises Refused, without revealing an address that may be internal."""
    problem = url_problem(url)
    after = urlsplit(url) if not problem else before
    if problem or after.scheme not in _PORTS:
        raise InvalidResponse("is redirected to something other than a plain http or https URL")
    if before.scheme == "https" and after.scheme != "https":
        raise InvalidResponse("is redirected from https to http")
    return url


def _credentials(parts: SplitResult, reach: Reach) -> dict[str, str]:
    """Credentials from the agent's ~/.netrc, for hosts that its administrator names, and never in clear text."""
    host = parts.hostname or ""
    if parts.scheme != "https" or not reach.names(host):
        return {}
    with suppress(OSError, netrc.NetrcParseError, KeyError):
        found = netrc.netrc().authenticators(host)
        if found:
            return {"Authorization": _basic(found[0], found[2] or "")}
    return {}


def _proxy_of(parts: SplitResult) -> SplitResult | None:
    """The proxy from the agent's environment (`https_proxy`, `http_proxy`, `no_proxy`), None if there is none."""
    host = parts.netloc.rpartition("@")[2]
    if urllib.request.proxy_bypass_environment(host):  # type: ignore[attr-defined]
        return None
    found = urllib.request.getproxies_environment().get(parts.scheme, "")
    if not found:
        return None
    return urlsplit(found if "://" in found else f"http://{found}")


def _check_behind_proxy(host: str, port: int, reach: Reach, deadline: Deadline) -> None:
    """Raises NotAllowed. The proxy looks up, and may refuse, a name that does not resolve here."""
    try:
        reach.addresses(host, port, deadline)
    except OSError:
        deadline.check()
        if reach.only and not reach.names(host):
            raise NotAllowed("is not one of those that this agent's administrator allows") from None


def _open_tunnel(connection: Connection, host: str, port: int, proxy: SplitResult) -> None:
    at = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    lines = [f"CONNECT {at} HTTP/1.1", f"Host: {at}", *(": ".join(each) for each in _proxy_credentials(proxy).items())]
    connection.begin_head()
    connection.sendall("".join(f"{line}\r\n" for line in (*lines, "")).encode("latin-1"))
    response = http.client.HTTPResponse(cast("ssl.SSLSocket", connection), method="CONNECT")
    response.begin()
    if response.status != 200:
        raise OSError("the proxy refuses to connect to it")


def _proxy_credentials(proxy: SplitResult) -> dict[str, str]:
    if proxy.username is None:
        return {}
    return {"Proxy-Authorization": _basic(unquote(proxy.username), unquote(proxy.password or ""))}


def _basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def _tls() -> ssl.SSLContext:
    """The system's certificates (`SSL_CERT_FILE` names others), and those bundled with the worker."""
    context = ssl.create_default_context()
    context.load_verify_locations(where())
    return context
