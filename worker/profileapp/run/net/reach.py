"""Decides which hosts an app's configuration may make the worker connect to: public ones, and those that the
administrator names.

The worker is inside the perimeter: it reaches the agent's services, the site's network, a cloud's metadata service. So
it resolves a name once, checks every address, and connects to a checked address: a name that resolves differently the
second time (DNS rebinding) is not resolved a second time.

Sources: IANA IPv4 and IPv6 Special-Purpose Address Registries; RFC 6052 (NAT64), RFC 3056 (6to4), RFC 4380 (Teredo).
"""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Callable, Mapping

import psutil

from profileapp.errors import AgentError
from profileapp.model.text import printable
from profileapp.run.net.deadline import Deadline, call

ALLOW_VARIABLE = "PROFILEAPP_DATASET_ALLOW"
ONLY_VARIABLE = "PROFILEAPP_DATASET_ONLY"
RESOLVE_TIMEOUT_S = 20.0

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_HOST = re.compile(r"(\*\.)?[a-z0-9]([a-z0-9_-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9_-]*[a-z0-9])?)*")
_BUCKET = re.compile(r"(s3|gs)://[a-z0-9][a-z0-9._-]{1,61}[a-z0-9]")
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_NOT_PUBLIC = tuple(
    ipaddress.ip_network(text)
    for text in (
        # Not "global" in each supported Python, or global in the registries but a route inside nevertheless.
        "100.64.0.0/10",
        "192.0.0.0/24",
        "192.88.99.0/24",
        "168.63.129.16/32",  # Azure's metadata service
        "64:ff9b:1::/48",
        "100::/64",
        "2001::/23",
        "fec0::/10",
    )
)


class NotAllowed(Exception):
    """Neither public nor named by the administrator; the text continues a sentence that begins with the host's name."""


class Reach:
    """The hosts that may be reached.

    `allow`: host names (`data.example.org`, `*.example.org`), addresses and networks (`10.1.0.0/16`), and buckets
    (`s3://bucket`), which may be reached wherever they are, with the agent's credentials. `only`: no others may be.

    Raises AgentError if an entry is none of these.
    """

    def __init__(self, allow: tuple[str, ...] = (), *, only: bool = False) -> None:
        self.only = only
        self._hosts: set[str] = set()
        self._networks: list[Network] = []
        self._buckets: set[str] = set()
        for entry in allow:
            self._add(entry)

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> Reach:
        """The settings of the agent's administrator. Raises AgentError."""
        allow = tuple(filter(None, re.split(r"[\s,]+", environ.get(ALLOW_VARIABLE, ""))))
        return cls(allow, only=environ.get(ONLY_VARIABLE, "") not in ("", "0"))

    def _add(self, entry: str) -> None:
        lower = entry.lower()
        if _BUCKET.fullmatch(lower):
            self._buckets.add(lower)
            return
        try:
            self._networks.append(ipaddress.ip_network(lower, strict=False))
        except ValueError as error:
            if not _HOST.fullmatch(lower):
                raise AgentError(
                    f"{ALLOW_VARIABLE}: {printable(entry, 60)!r} is not a host, network or bucket; use "
                    "data.example.org, *.example.org, 10.1.0.0/16 or s3://bucket"
                ) from error
            self._hosts.add(lower)

    def names(self, host: str) -> bool:
        """Whether the administrator names this host: it may be internal, and receives the agent's credentials."""
        lower = host.lower().rstrip(".")
        if lower in self._hosts or any(f"*.{rest}" in self._hosts for rest in _parents(lower)):
            return True
        address = _literal(lower)
        return address is not None and self._in_networks(address)

    def takes_bucket(self, scheme: str, bucket: str) -> bool:
        """Whether a bucket may be read with the agent's credentials. Raises NotAllowed if it may not be read at all."""
        named = f"{scheme}://{bucket.lower()}" in self._buckets
        if self.only and not named:
            raise NotAllowed(f"is not in {ALLOW_VARIABLE} of this agent, and {ONLY_VARIABLE} is set")
        return named

    def addresses(self, host: str, port: int, deadline: Deadline) -> list[Address]:
        """The addresses of a host, if connections to all of them are allowed.

        Raises NotAllowed, OSError if there is no such host, and what `deadline` raises.
        """
        literal = _literal(host)
        found = [literal] if literal else _resolve(host, port, deadline.within(RESOLVE_TIMEOUT_S))
        named = self.names(host)
        own = _own_addresses()
        for address in found:
            if named or self._in_networks(address):
                continue
            if self.only:
                raise NotAllowed(f"is not in {ALLOW_VARIABLE} of this agent, and {ONLY_VARIABLE} is set")
            if not is_public(address) or address in own:
                raise NotAllowed(f"has no public address; the agent's administrator can allow it with {ALLOW_VARIABLE}")
        return found

    def _in_networks(self, address: Address) -> bool:
        plain = _plain(address)
        return any(one.version == plain.version and plain in one for one in self._networks)


def is_public(address: Address) -> bool:
    """Whether an address, and the IPv4 address that it may embed, belongs to the public Internet."""
    if isinstance(address, ipaddress.IPv6Address):
        carried = address.ipv4_mapped or address.sixtofour
        if carried is None and address in _NAT64:
            carried = ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
        if carried is not None:
            return is_public(carried)
        if address.teredo or address.scope_id:
            return False
    if any(one.version == address.version and address in one for one in _NOT_PUBLIC):
        return False
    return address.is_global and not (address.is_multicast or address.is_reserved or address.is_unspecified)


def _plain(address: Address) -> Address:
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


def _literal(host: str) -> Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _parents(host: str) -> list[str]:
    parts = host.split(".")
    return [".".join(parts[index:]) for index in range(1, len(parts))]


def _resolve(host: str, port: int, deadline: Deadline) -> list[Address]:
    ask: Callable[[], list[tuple[object, ...]]] = lambda: list(  # noqa: E731
        socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    )
    answers = call(ask, deadline)
    texts = [str(answer[4][0]) for answer in answers]  # type: ignore[index]
    return [ipaddress.ip_address(text) for text in dict.fromkeys(texts)]


def _own_addresses() -> set[Address]:
    """This machine's addresses: one of them may be public."""
    texts = [one.address for each in psutil.net_if_addrs().values() for one in each]
    return {address for text in texts if (address := _literal(text.partition("%")[0]))}
